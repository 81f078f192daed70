"""A database put back from an older copy: nothing doubles, and nothing newer is undone unasked."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import AuditEntry, Binding, Conflict, Customer, Setting
from crm_core.persistence.database import Database
from crm_core.persistence.dump import RESTORED_AT, dump, load
from crm_core.services.contact_details import add_address
from crm_core.sync.permit import confirm_backend
from crm_core.sync.resolve import resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(sqlite_database: Database, system: Actor, office: MemoryOffice) -> FrontOffice:
    found = FrontOffice(sqlite_database, system, office.connect)
    found.accept()
    return found


class Backup:
    """A copy of a front office's database, taken now and put in its place later."""

    def __init__(self, front: FrontOffice, folder: Path) -> None:
        self.front = front
        self.file = folder / "older.sqlite"
        shutil.copy(str(front.database.path), self.file)

    def restored(self, *, confirmed: bool = True) -> FrontOffice:
        database = Database(f"sqlite:///{self.file}")
        found = FrontOffice.reopened(database, self.front.actor, self.front.connect)
        if confirmed:
            found.change(lambda uow: confirm_backend(uow, BACKEND))
        return found


def note(office: MemoryOffice, remote_id: str) -> Any:
    return office.rows["customer"][int(remote_id)].values["note"]


def bound(front: FrontOffice, remote_id: str) -> UUID:
    [row] = front.all(select(Binding.local_id).where(Binding.remote_id == remote_id))
    found: UUID = row.local_id
    return found


@pytest.mark.parametrize("confirmed", [False, True])
def test_what_was_made_since_is_adopted_and_not_doubled(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path, *, confirmed: bool
) -> None:
    queued = front.create("Νίκος O'Hara", note="waits")
    address = {"use": "delivery", "city": "Πειραιάς"}
    front.change(lambda uow: add_address(uow, queued, address))
    backup = Backup(front, tmp_path)
    front.run()
    later = front.create("Later")
    front.run()
    remote_ids = [front.remote_id(each) for each in (queued, later)]
    rows = {entity: len(each) for entity, each in office.rows.items()}

    older = backup.restored(confirmed=confirmed)
    older.run()

    assert {entity: len(each) for entity, each in office.rows.items()} == rows
    assert bound(older, remote_ids[0]) == queued
    assert sorted(older.customers()) == ["Later", "Νίκος O'Hara"]
    assert older.count(Customer) == 2
    if not confirmed:
        older.change(lambda uow: confirm_backend(uow, BACKEND))
    older.run()
    assert {entity: len(each) for entity, each in office.rows.items()} == rows
    assert older.count(Customer) == 2
    assert older.run().pushed == {}


def test_a_copy_that_may_not_write_links_what_both_sides_have(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    queued = front.create("Both", reference="R-1")
    remote_id = office.make("customer", {"name": "Both", "kind": "person", "reference": "R-1"})
    older = Backup(front, tmp_path).restored(confirmed=False)
    before = office.content()
    older.run()
    assert bound(older, remote_id) == queued
    assert older.count(Customer) == 1
    assert office.content() == before


def test_what_an_older_copy_still_wanted_to_write_does_not_undo_what_came_after(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    customer_id = front.create("Kept", note="before", job_title="before")
    front.run()
    remote_id = front.remote_id(customer_id)
    front.edit(customer_id, note="old wish")
    backup = Backup(front, tmp_path)
    front.run()
    office.change("customer", remote_id, {"note": "decided since", "job_title": "since"})
    front.run()
    assert front.customer(customer_id).note == "decided since"

    older = backup.restored()
    older.run()

    assert note(office, remote_id) == "decided since"
    assert older.customer(customer_id).job_title == "since"
    [(conflict,)] = older.all(select(Conflict))
    assert (conflict.field, conflict.ours, conflict.theirs, conflict.state) == (
        *("note", "old wish", "decided since"),
        "open",
    )
    # A person may still want it; and from now on masters decide again.
    older.change(lambda uow: resolve_conflicts(uow, [str(conflict.id)], "crm"))
    older.run()
    assert note(office, remote_id) == "old wish"
    older.edit(customer_id, note="ours")
    office.change("customer", remote_id, {"note": "theirs"})
    older.run()
    assert note(office, remote_id) == "ours"
    assert [row[0].state for row in older.all(select(Conflict))] == ["done", "done"]


def test_edits_made_since_come_back_from_the_back_office(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    customer_id = front.create("Lost here", note="before")
    front.run()
    backup = Backup(front, tmp_path)
    front.edit(customer_id, note="edited after the backup", job_title="Buyer")
    front.run()
    older = backup.restored()
    older.run()
    found = older.customer(customer_id)
    assert (found.note, found.job_title) == ("edited after the backup", "Buyer")
    assert older.count(Conflict) == 0
    assert older.run().pushed == {}


def test_one_deleted_there_since_is_not_made_again(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    customer_id = front.create("Deleted since")
    front.run()
    front.edit(customer_id, note="queued")
    backup = Backup(front, tmp_path)
    office.delete("customer", front.remote_id(customer_id))
    older = backup.restored()
    older.run()
    assert office.count("customer", "Deleted since") == 0
    assert older.customer(customer_id).archived_at is not None
    assert older.run().pushed.get("customer", {}).get("created", 0) == 0


def test_a_clock_set_back_does_not_begin_the_coming_together_again(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    front.create("Ana")
    front.run()
    backup = Backup(front, tmp_path)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        older = backup.restored()
    older.run()
    audited = older.count(AuditEntry)
    older.run()
    assert older.count(AuditEntry) == audited  # nor is it noted twice that it is in step


def test_a_confirmed_database_writes_although_the_clock_was_set_back_since_it_was_restored(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    older = Backup(front, tmp_path).restored(confirmed=False)
    restored_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    older.change(lambda uow: uow.add(Setting(key=RESTORED_AT, value=restored_at)))
    older.change(lambda uow: confirm_backend(uow, BACKEND))
    older.create("Ana")
    older.run()
    assert [row.values["name"] for row in office.rows["customer"].values()] == ["Ana"]


def test_a_restored_database_writes_nothing_although_the_clock_was_ahead_when_it_was_confirmed(
    database: Database, system: Actor, office: MemoryOffice, tmp_path: Path
) -> None:
    front = FrontOffice(database, system, office.connect)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        front.accept()
    dump(database, tmp_path / "older")
    load(database, tmp_path / "older")
    older = FrontOffice.reopened(database, system, front.connect)
    older.create("Ana")
    assert "restored from a backup" in str(older.run().push_refusal)
    assert not office.rows["customer"]
    older.change(lambda uow: confirm_backend(uow, BACKEND))
    older.run()
    assert [row.values["name"] for row in office.rows["customer"].values()] == ["Ana"]
