"""Rows that come late, crowds of one moment, wrong clocks, runs at once, and records kept busy."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, update

from crm_core.entities import Customer, PushItem, SyncRun
from crm_core.entities.sync import SyncLock
from crm_core.errors import LockedError, RetryableSyncError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import lock
from crm_core.sync.protocol import BUSY, Draft, Edit, Written
from crm_core.testing.front_office import FrontOffice
from crm_core.testing.memory_backend import MemoryBackend
from crm_core.testing.memory_office import AFTER, MemoryOffice

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Any, office: MemoryOffice) -> FrontOffice:
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def write(front: FrontOffice, statement: Any) -> None:
    with unit_of_work(front.database, actor=front.actor, write=True) as uow:
        uow.execute(statement.execution_options(synchronize_session=False))
        uow.commit()


def test_what_was_committed_late_behind_the_mark_arrives(
    front: FrontOffice, office: MemoryOffice
) -> None:
    key = office.make("customer", {"name": "Old"})
    front.run()
    work = office.begin()
    office.make("customer", {"name": "New"}, work)
    office.change("customer", key, {"note": "late"}, work)
    for _ in range(3):
        office.offset += timedelta(minutes=2)  # with the time that runs take, less than the overlap
        office.make("customer", {"name": f"Meanwhile {office.offset}"})
        front.run()
    assert "New" not in front.customers()
    office.commit(work)
    front.run()
    found = front.customers()
    assert (found["Old"].note, found["New"].name, len(found)) == ("late", "New", 5)


def test_a_crowd_of_one_moment_arrives_page_by_page(
    front: FrontOffice, office: MemoryOffice
) -> None:
    office.make_many("customer", [{"name": f"Crowd {n}"} for n in range(500)])
    report = front.run(page_size=100)
    assert report.counts["customer"]["created"] == 500
    again = front.run(page_size=100)
    assert again.counts["customer"].get("updated", 0) == 0
    assert front.count(Customer) == 500


def test_a_crowd_that_changes_while_it_is_read(front: FrontOffice, office: MemoryOffice) -> None:
    keys = office.make_many("customer", [{"name": f"Crowd {n}"} for n in range(50)])
    pages = 0

    def change(method: str, moment: str) -> None:
        nonlocal pages
        pages += (method, moment) == ("page", AFTER)
        if pages == 3:
            office.on_call = None
            work = office.begin()
            for key in keys:
                office.change("customer", key, {"note": "changed"}, work)
            office.commit(work)

    office.on_call = change
    front.run(page_size=10)
    front.run(page_size=10)
    assert {each.note for each in front.customers().values()} == {"changed"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_our_clock_an_hour_off(database: Any, system: Any, hours: int) -> None:
    with time_machine.travel(NOW + timedelta(hours=hours), tick=True) as clock:
        office = MemoryOffice()
        office.offset = timedelta(hours=-hours)
        front = FrontOffice(database, system, office.connect)
        front.accept()
        ours, theirs = front.create("Ours"), office.make("customer", {"name": "Theirs"})
        front.run()
        for turn in range(3):
            clock.shift(timedelta(minutes=20))
            if turn == 1:  # somebody sets it right
                clock.shift(timedelta(hours=-hours))
                office.offset = timedelta()
            office.change("customer", theirs, {"note": f"there {turn}"})
            front.edit(ours, note=f"here {turn}")
            report = front.run()
            assert report.state == "done"
            assert front.customers()["Theirs"].note == f"there {turn}"
            remote = office.rows["customer"][int(front.remote_id(ours))]
            assert remote.values["note"] == f"here {turn}"
        assert front.run().pushed == {}
        assert sorted(front.customers()) == ["Ours", "Theirs"]


def test_a_second_run_at_once_is_refused(front: FrontOffice, office: MemoryOffice) -> None:
    refused: list[LockedError] = []

    def run_too(method: str, moment: str) -> None:
        if method == "page":
            office.on_call = None
            with pytest.raises(LockedError) as caught:
                front.run()
            refused.append(caught.value)

    office.on_call = run_too
    assert front.run().state == "done"
    [error] = refused
    assert (error.code, error.exit_code) == ("core.sync.locked", 5)
    assert front.count(SyncLock) == 0


def test_a_holder_that_died_is_taken_over(front: FrontOffice) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock.acquire(front.database, front.actor, front.backend.id, "main")
    write(front, update(SyncLock).values(holder=f"{socket.gethostname()}:{gone.pid}"))
    assert front.run().state == "done"


def test_a_holder_elsewhere_is_waited_for_until_its_lease_ends(front: FrontOffice) -> None:
    lock.acquire(front.database, front.actor, front.backend.id, "main")
    write(front, update(SyncLock).values(holder="elsewhere:1"))
    with pytest.raises(LockedError, match="elsewhere:1"):
        front.run()
    write(front, update(SyncLock).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert front.run().state == "done"
    assert front.count(SyncRun, SyncRun.state == "failed") == 0
    write(front, delete(SyncLock))


class KeptBusy(MemoryBackend):
    """Somebody keeps one record busy over there."""

    def create(self, entity: str, drafts: Any) -> list[Written]:
        return list(self._unless_busy(drafts) or super().create(entity, drafts))

    def update(self, entity: str, edits: Any) -> list[Written]:
        return list(self._unless_busy(edits) or super().update(entity, edits))

    def _unless_busy(self, records: list[Draft] | list[Edit]) -> None:
        if any(each.label == "Busy" for each in records):
            raise RetryableSyncError("Too busy with the same records.", code=BUSY)


def test_one_that_stays_busy_is_set_aside_and_the_rest_goes_on(
    front: FrontOffice, office: MemoryOffice
) -> None:
    names = [*(f"Free {n}" for n in range(6)), "Busy", *(f"Free {n}" for n in range(6, 11))]
    ids = [front.create(name) for name in names]
    assert front.run(KeptBusy(office)).state == "partly"
    assert sorted(row.values["name"] for row in office.rows["customer"].values()) == sorted(
        set(names) - {"Busy"}
    )
    [(item,)] = front.all(PushItem.__table__.select().with_only_columns(PushItem.code))
    assert item == BUSY
    assert front.run(retry=True).state == "done"
    assert office.count("customer", "Busy") == 1
    for customer_id in ids:
        front.edit(customer_id, note="edited")
    assert front.run(KeptBusy(office)).state == "partly"
    assert front.run(retry=True).state == "done"
    assert {row.values["note"] for row in office.rows["customer"].values()} == {"edited"}
