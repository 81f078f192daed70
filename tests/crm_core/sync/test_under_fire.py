"""The engine as an unattended job: killed, raced, refused, and with clocks and records that lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, get_ident
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from crm_core.entities import Customer, DeadLetter, Relationship, SyncCursor, SyncRun, Transaction
from crm_core.entities.sync import PendingReference, SyncLock
from crm_core.errors import ConfigurationError, CrmError, FatalSyncError, LockedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import engine, lock, sweep
from crm_core.sync.protocol import CURSOR, RIGHT_MISSING, LinkSet, RemotePage
from crm_core.sync.run_record import RUNS_KEPT
from crm_files.backend import FilesBackend


class Killed(BaseException):
    """Stands for the process being gone."""


def count(office: Any, model: Any, *where: Any) -> int:
    return office.all(select(func.count()).select_from(model).where(*where))[0][0]


def write(office: Any, statement: Any) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(statement.execution_options(synchronize_session=False))
        uow.commit()


# --- one run at a time


def test_of_two_that_start_at_once_one_runs_and_the_other_is_told(office: Any) -> None:
    for _ in range(5):
        start = Barrier(4)

        def acquire(start: Barrier = start) -> Any:
            start.wait()
            try:
                return lock.acquire(office.database, office.actor, office.backend.id, "main")
            except CrmError as error:
                return error

        with ThreadPoolExecutor(4) as threads:
            told = [each.result() for each in [threads.submit(acquire) for _ in range(4)]]
        losers = [each for each in told if isinstance(each, CrmError)]
        assert [type(each) for each in losers] == [LockedError] * 3, losers
        assert {each.code for each in losers} == {"core.sync.locked"}
        write(office, delete(SyncLock))


def test_a_run_that_lost_its_lease_stops_without_moving_a_mark(office: Any) -> None:
    office.run()
    marks = office.all(select(SyncCursor.entity, SyncCursor.mark).order_by(SyncCursor.entity))

    class TakenOver(FilesBackend):
        """Another machine takes over while the last page is read."""

        def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
            write(office, update(SyncLock).values(token=office.backend.id))
            return iter(())

    with pytest.raises(FatalSyncError, match="took over"):
        office.run(TakenOver(office.folder))
    after = office.all(select(SyncCursor.entity, SyncCursor.mark).order_by(SyncCursor.entity))
    assert after == marks
    assert count(office, SyncLock) == 1, "the other's lease is left alone"


def test_no_page_is_being_fetched_any_more_when_a_run_has_failed(
    office: Any, monkeypatch: Any
) -> None:
    class Slow(FilesBackend):
        fetching = 0

        def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
            for page in super().pages(entity, **options):
                self.fetching = get_ident()
                yield page
                self.fetching = 0

    def broken(*_: Any, **__: Any) -> None:
        raise ConfigurationError("The disk is full.", code="core.database.disk_full")

    monkeypatch.setattr(engine, "apply_page", broken)
    closed = []
    real = engine.prefetched

    def watched(pages: Any) -> Iterator[Any]:
        try:
            yield from real(pages)
        finally:
            closed.append("closed")

    monkeypatch.setattr(engine, "prefetched", watched)
    with pytest.raises(ConfigurationError) as caught:
        office.run(Slow(office.folder))
    assert closed == ["closed"], caught


# --- killed


@pytest.mark.parametrize("at", range(9, 30, 4))
def test_a_reference_that_waits_is_not_forgotten_by_a_kill(
    office: Any, monkeypatch: Any, at: int
) -> None:
    office.edit("customers.csv", lambda rows: rows[::-1])
    office.edit("invoices.csv", lambda rows: rows[::-1])
    calls = 0
    real = lock.renew

    def dying(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Killed
        real(*arguments)

    monkeypatch.setattr(lock, "renew", dying)
    with pytest.raises(Killed):
        office.run(page_size=2)
    monkeypatch.setattr(lock, "renew", real)
    office.run(page_size=2)
    assert count(office, Relationship) == 7
    assert len(office.state()["core_transaction_link"]) == 8
    assert count(office, PendingReference) == 0


def test_documents_of_a_deleted_customer_follow_although_the_run_was_killed(
    office: Any, monkeypatch: Any
) -> None:
    office.run()
    office.drop("customers.csv", "c09")
    gone = office.local("customer", "c06")
    office.drop("customers.csv", "c06")
    office.set("customers.csv", "c07", parent_ref="")
    follow = sweep.follow_gone

    def dying(*arguments: Any) -> None:
        follow(*arguments)
        raise Killed

    monkeypatch.setattr(sweep, "follow_gone", dying)
    with pytest.raises(Killed):
        office.run(MergedUnseen(office.folder))
    monkeypatch.undo()
    office.run(MergedUnseen(office.folder))
    assert count(office, Transaction, Transaction.customer_id == gone) == 0
    assert count(office, Transaction) == 15


class MergedUnseen(FilesBackend):
    """The documents of c06 went to c04 without being touched: only a direct read tells."""

    def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
        if entity in ("order", "payment", "invoice"):
            return iter(())
        return super().pages(entity, **options)

    def _values(self, entity: str, layout: Any, row: dict[str, str]) -> dict[str, Any]:
        values = super()._values(entity, layout, row)
        if values.get("customer_ref") == "c06":
            values["customer_ref"] = "c04"
        return values


def test_a_run_of_some_entities_leaves_the_rest_to_the_next(office: Any) -> None:
    office.set("customers.csv", "c06", kind="robot")
    office.run(entities=["user", "tag", "currency", "product", "customer"])
    office.set("customers.csv", "c06", kind="company")
    office.run(entities=["customer"])
    assert office.run().state == "done"
    assert count(office, Relationship) == 7
    office.drop("customers.csv", "c06")
    office.run(MergedUnseen(office.folder), entities=["customer"])
    office.run(MergedUnseen(office.folder))
    gone = office.local("customer", "c06")
    assert count(office, Transaction, Transaction.customer_id == gone) == 0


# --- refused and empty


class Hidden(FilesBackend):
    """The right to one entity goes missing at one call."""

    at = ""

    def _refuse(self, at: str, entity: str) -> None:
        if at == self.at and entity == "invoice":
            raise FatalSyncError("The right to read invoices is missing.", code=RIGHT_MISSING)

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        self._refuse("ids", entity)
        return super().ids(entity)

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        self._refuse("link_sets", entity)
        return super().link_sets(entity)

    def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
        return iter(()) if entity == "invoice" else super().pages(entity, **options)

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        self._refuse("read", entity)
        return super().read(entity, remote_ids)


@pytest.mark.parametrize("at", ["ids", "link_sets", "read"])
def test_a_right_that_goes_missing_late_leaves_out_that_entity_only(office: Any, at: str) -> None:
    office.set("invoices.csv", "i2", customer_ref="nobody")
    office.run()
    office.drop("customers.csv", "c14")
    remote = Hidden(office.folder)
    remote.at = at
    report = office.run(remote)
    assert report.state == "partly"
    assert report.warnings == ["invoice: The right to read invoices is missing."]
    assert report.counts["customer"]["deleted"] == 1, "the others went on"


def test_an_empty_remote_is_a_run_like_any_other(office: Any) -> None:
    for file in office.folder.glob("*.csv"):
        office.edit(file.name, lambda rows: rows.clear())
    report = office.run()
    assert (report.state, count(office, Customer), count(office, DeadLetter)) == ("done", 0, 0)
    assert office.run(full=True).state == "done"


# --- clocks


class Clock(FilesBackend):
    """Tells the time it is told, and remembers what it was asked."""

    time = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.asked: dict[str, datetime | None] = {}

    def server_time(self) -> datetime:
        return self.time

    def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
        self.asked[entity] = options["since"]
        return super().pages(entity, **options)


def test_a_mark_of_the_future_is_refused_and_a_full_run_repairs_it(office: Any) -> None:
    remote = Clock(office.folder)
    remote.time = datetime(2099, 1, 1, tzinfo=UTC)
    office.run(remote)
    remote.time, before = Clock.time, office.state()
    office.set("customers.csv", "c05", name="Changed Meanwhile")
    with pytest.raises(FatalSyncError, match="--full") as caught:
        office.run(remote)
    assert caught.value.code == CURSOR
    assert "2099-01-01" in caught.value.message
    assert office.state() == before, "nothing was read"
    office.run(remote, full=True)
    assert remote.asked["customer"] is None, "marks of the future say nothing: all is read"
    remote.time += timedelta(minutes=30)
    office.run(remote)
    assert remote.asked["customer"] == Clock.time - engine.OVERLAP
    remote.time -= timedelta(minutes=2)
    office.run(remote)
    assert remote.asked["customer"] == Clock.time + timedelta(minutes=20), "a small step is overlap"


def test_records_set_aside_by_a_clock_that_was_ahead_are_tried_again(office: Any) -> None:
    office.set("customers.csv", "c14", kind="robot")
    office.run()
    write(office, update(DeadLetter).values(last_at=datetime(2099, 1, 1, tzinfo=UTC)))
    office.set("customers.csv", "c14", kind="person")

    class Unmoved(FilesBackend):
        def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
            return iter(())

    assert office.run(Unmoved(office.folder)).state == "done"


# --- a dry run


class TagsApart(FilesBackend):
    """Tells tags from their own side as well."""

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        if entity != "customer":
            return ()
        members: dict[str, list[str]] = {}
        for row in self._files.rows("customers.csv"):
            for tag in filter(None, row["tag_refs"].split(";")):
                members.setdefault(tag, []).append(row["id"])
        return (LinkSet("tag_refs", members),)


def test_a_dry_run_counts_each_record_once_and_those_that_are_gone(office: Any) -> None:
    office.run(TagsApart(office.folder))
    office.set("customers.csv", "c14", tag_refs="t1", name="Jan")
    office.drop("customers.csv", "c09")
    office.edit("customers.csv", lambda rows: [*rows, rows[0] | {"id": "c99"}])
    before = office.state()
    plan = office.run(TagsApart(office.folder), dry_run=True).counts["customer"]
    assert office.state() == before
    done = office.run(TagsApart(office.folder)).counts["customer"]
    for name in ("created", "updated", "deleted", "vanished", "set_aside"):
        assert plan.get(name, 0) == done.get(name, 0), name
    assert (plan["created"], plan["updated"], plan["deleted"]) == (1, 1, 1)


def test_old_runs_are_forgotten(office: Any) -> None:
    office.run()
    old = datetime.now(UTC) - RUNS_KEPT - timedelta(days=1)
    write(office, update(SyncRun).values(started_at=old))
    office.run()
    assert count(office, SyncRun) == 1
