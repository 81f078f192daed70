"""Moments in which one side's newer value was nearly undone by the other's older one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select

from crm_core.access import Actor, system_actor
from crm_core.entities import Address, AuditEntry, Conflict, ContactPoint, Customer, PushItem
from crm_core.errors import FatalSyncError, InputError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.contact_details import (
    add_address,
    change_address,
    main_address,
    set_contact_point,
)
from crm_core.services.customer_merge import merge_customers
from crm_core.sync.conflicts import edit_of, edited_here
from crm_core.sync.context import SyncContext
from crm_core.sync.masters import set_masters
from crm_core.sync.permit import confirm_backend
from crm_core.sync.planning.run import apply_plan_file
from crm_core.sync.protocol import RemoteFault, RemotePage
from crm_core.sync.resolve import Chosen, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_answers import Answers
from crm_core.testing.memory_office import MemoryOffice

VAT = "ATU12345675"


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(sqlite_database: Database, system: Actor, office: MemoryOffice) -> FrontOffice:
    found = FrontOffice(sqlite_database, system, office.connect)
    found.accept()
    return found


def choose(front: FrontOffice, *texts: str) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, texts))


def there(office: MemoryOffice, remote_id: str) -> dict[str, Any]:
    return office.rows["customer"][int(remote_id)].values


def states(front: FrontOffice) -> list[tuple[str, str, str | None]]:
    rows = front.all(select(Conflict).order_by(Conflict.id))
    return [(row[0].field, row[0].state, row[0].winner) for row in rows]


def email(value: str) -> dict[str, Any]:
    return {"contact_points": [{"kind": "email", "value": value}]}


class Restored:
    """An older copy of a front office's database, put in its place."""

    def __init__(self, front: FrontOffice, folder: Path) -> None:
        self.front, self.file = front, folder / "older.sqlite"
        shutil.copy(str(front.database.path), self.file)

    def now(self) -> FrontOffice:
        database = Database(f"sqlite:///{self.file}")
        found = FrontOffice.reopened(database, self.front.actor, self.front.connect)
        found.change(lambda uow: confirm_backend(uow, BACKEND))
        return found


def queued_at_the_backup(
    front: FrontOffice, office: MemoryOffice, folder: Path, **values: Any
) -> tuple[FrontOffice, str]:
    """Return an older copy in which a customer waits that the original has written since."""
    customer_id = front.create("Acme", kind="company", vat=VAT, **values)
    older = Restored(front, folder)
    front.run()
    remote_id = front.remote_id(customer_id)
    return older.now(), remote_id


def test_what_was_asked_after_a_restore_is_not_decided_by_a_later_run(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    older, remote_id = queued_at_the_backup(front, office, tmp_path, note="old")
    office.change("customer", remote_id, {"note": "newer"})
    older.run()
    older.run()
    office.change("customer", remote_id, {"job_title": "x"})
    older.run()
    assert there(office, remote_id)["note"] == "newer"
    assert states(older) == [("note", "open", None)]


def test_a_plan_applied_after_a_restore_asks_too(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    older, remote_id = queued_at_the_backup(front, office, tmp_path, note="old")
    office.change("customer", remote_id, {"note": "newer"})
    apply_plan_file(older.database, older.backend, older.connect(), None)
    assert there(office, remote_id)["note"] == "newer"
    assert states(older) == [("note", "open", None)]


def test_an_older_address_does_not_come_back_with_a_restore(
    front: FrontOffice, office: MemoryOffice, tmp_path: Path
) -> None:
    older, remote_id = queued_at_the_backup(front, office, tmp_path, **email("old@a.example"))
    office.change("customer", remote_id, email("new@a.example"))
    older.run()
    older.run()
    assert there(office, remote_id)["contact_points"] == email("new@a.example")["contact_points"]


def test_linking_keeps_what_the_back_office_reaches_them_by(
    front: FrontOffice, office: MemoryOffice
) -> None:
    values = {"kind": "company", "name": "Acme", "vat": VAT}
    remote_id = office.make("customer", {**values, **email("erp@a.example")})
    customer_id = front.create("Acme", kind="company", vat=VAT, **email("ours@a.example"))
    front.run()
    assert front.remote_id(customer_id) == remote_id
    points = select(ContactPoint.value).order_by(ContactPoint.position)
    assert [row.value for row in front.all(points)] == ["erp@a.example", "ours@a.example"]
    assert there(office, remote_id)["contact_points"] == email("erp@a.example")["contact_points"]


def test_both_replaced_the_same_address_and_neither_is_lost(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id = front.create("Acme", **email("base@a.example"))
    front.run()
    remote_id = front.remote_id(customer_id)
    front.change(lambda uow: set_contact_point(uow, customer_id, "email", "ours@a.example"))
    office.change("customer", remote_id, email("erp@a.example"))
    front.run()
    front.run()
    points = select(ContactPoint.value).order_by(ContactPoint.position)
    assert [row.value for row in front.all(points)] == ["erp@a.example", "ours@a.example"]
    assert there(office, remote_id)["contact_points"] == email("erp@a.example")["contact_points"]


def test_what_cannot_be_read_is_not_written_over(
    front: FrontOffice, office: MemoryOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer_id = front.create("Acme", note="base")
    front.run()
    remote_id = front.remote_id(customer_id)
    page = Answers._page

    def unreadable(self: Answers, entity: str, *options: Any, **named: Any) -> RemotePage:
        told = page(self, entity, *options, **named)
        faults = [RemoteFault(r.remote_id, r.label, "x.odd", "it is odd") for r in told.records]
        is_bad = entity == "customer"
        return RemotePage([], told.last_id, faults, told.total) if is_bad else told

    with monkeypatch.context() as patch:
        patch.setattr(Answers, "_page", unreadable)
        office.change("customer", remote_id, {"note": "theirs"})
        front.edit(customer_id, job_title="ours")
        assert front.run().state == "partly"
    assert there(office, remote_id)["job_title"] is None
    [(item,)] = front.all(select(PushItem))
    assert item.code == "core.sync.unread"
    front.run(retry=True)
    assert (there(office, remote_id)["job_title"], front.customer(customer_id).note) == (
        *("ours", "theirs"),
    )


def merged_here(front: FrontOffice, **kept: Any) -> tuple[UUID, str, str]:
    """Return a customer with two partners, the first and the further one."""
    keep = front.create("A", kind="company", reference="RA", **kept)
    drop = front.create("B", kind="company", reference="RB")
    front.run()
    ids = front.remote_id(keep), front.remote_id(drop)
    front.change(lambda uow: merge_customers(uow, keep, drop))
    front.run()
    front.run()
    return keep, *ids


def test_the_further_partner_is_not_overwritten_when_the_first_is_deleted(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id, first, further = merged_here(front)
    office.delete("customer", first)
    front.run()
    front.edit(customer_id, job_title="edited")
    front.run()
    values = there(office, further)
    assert (values["name"], values["reference"]) == ("B", "RB")
    found = front.customer(customer_id)
    assert (found.name, found.archived_at, found.job_title) == ("B", None, "edited")


def test_a_customer_stays_in_use_with_one_of_its_partners(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id, first, further = merged_here(front)
    office.archive("customer", first)
    front.run()
    front.edit(customer_id, job_title="edited")
    front.run()
    assert front.customer(customer_id).archived_at is None
    assert there(office, further)["archived"] is False
    assert there(office, further)["name"] == "B"
    assert there(office, first)["archived"] is True


def test_a_conflict_outlives_another_partner_of_the_customer(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "customer.note=ask")
    customer_id, first, further = merged_here(front, note="base")
    front.edit(customer_id, note="ours")
    office.change("customer", first, {"note": "theirs"})
    front.run()
    office.delete("customer", further)
    front.run()
    front.edit(customer_id, job_title="edited")
    front.run()
    assert states(front) == [("note", "open", None)]
    assert there(office, first)["note"] == "theirs"


def test_deciding_for_what_both_once_had(front: FrontOffice, office: MemoryOffice) -> None:
    choose(front, "customer.note=ask")
    customer_id = front.create("A", note="base")
    front.run()
    remote_id = front.remote_id(customer_id)
    front.edit(customer_id, note="ours")
    office.change("customer", remote_id, {"note": "theirs"})
    front.run()
    chosen = Chosen(front.backend.id)
    front.change(lambda uow: resolve_conflicts(uow, chosen, "value", value="base"))
    front.run()
    assert front.customer(customer_id).note == there(office, remote_id)["note"] == "base"
    assert states(front) == [("note", "done", "crm")]


def test_an_edit_of_another_address_is_no_edit_of_the_note(front: FrontOffice) -> None:
    customer_id = front.create("A", note="base")
    for use in ("main", "delivery"):
        values = {"use": use, "city": "Łódź"}
        front.change(lambda uow, values=values: add_address(uow, customer_id, values))
    front.edit(customer_id, note="edited")
    [(main,), (other,)] = front.all(select(Address.id).order_by(Address.use.desc()))
    front.change(lambda uow: change_address(uow, main, {"city": "Kraków"}))
    front.change(lambda uow: change_address(uow, other, {"note": "gate 2", "city": "Gdańsk"}))
    context = SyncContext(
        *(front.database, front.backend.id, BACKEND, front.connect()),
        system_actor(f"sync:{BACKEND}"),
        front.backend.id,
    )
    with context.reading() as uow:
        edits = edited_here(context, uow, "customer", [customer_id])
        rows = {row.id: row for (row,) in uow.execute(select(AuditEntry))}
    moments = {name: edit_of(edits, customer_id, name).at for name in ("note", "address.city")}
    by_field = {
        (row.entity_type, name): row.at for row in rows.values() for name in row.changes or ()
    }
    assert moments["note"] == by_field["customer", "note"]
    city = [row.at for row in rows.values() if row.entity_id == str(main) and "city" in row.changes]
    assert moments["address.city"] == max(city)


@pytest.mark.parametrize("master", ["ask", "crm"])
def test_an_address_cleared_there_does_not_come_back_but_for_what_is_ours(
    front: FrontOffice, office: MemoryOffice, master: str
) -> None:
    choose(front, f"customer.address={master}")
    customer_id = front.create("A")
    address = {"use": "main", "city": "Base", "street": "S 1", "postal_code": "1000"}
    front.change(lambda uow: add_address(uow, customer_id, address))
    front.run()

    def move(uow: Any) -> None:
        change_address(uow, main_address(uow, customer_id), {"city": "Ours"})

    front.change(move)
    remote_id = front.remote_id(customer_id)
    office.change("customer", remote_id, {"address": None})
    front.run()
    front.run()
    [(found,)] = front.all(select(Address))
    assert (found.city, found.street, found.postal_code) == ("Ours", None, None)
    told = there(office, remote_id)["address"] or {}
    assert told.get("street") is None
    assert told.get("city") == ("Ours" if master == "crm" else None)


def test_an_address_that_was_let_go_is_not_made_again(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "address.when_deleted=unlink")
    customer_id = front.create("A")
    front.change(lambda uow: add_address(uow, customer_id, {"use": "delivery", "city": "Łódź"}))
    front.run()
    [key] = office.rows["address"]
    office.delete("address", str(key))
    front.run()
    front.edit(customer_id, note="x")
    front.run()
    assert office.rows["address"] == {}


def test_a_bulk_edit_does_not_get_past_the_guard(front: FrontOffice, office: MemoryOffice) -> None:
    ids = [front.create(f"C{n}") for n in range(60)]
    front.run()
    for each in ids:
        office.delete("customer", front.remote_id(each))
        front.edit(each, note="bulk")
    with pytest.raises(FatalSyncError, match="60 of 60"):
        front.run()
    assert front.count(Customer, Customer.archived_at.is_not(None)) == 0
    front.run(accept_vanished=True)
    assert front.count(Customer, Customer.archived_at.is_not(None)) == 60


@pytest.mark.usefixtures("nobody_looks")
def test_many_that_may_be_merged_are_judged_in_batches(
    front: FrontOffice, office: MemoryOffice
) -> None:
    def statements(many: int) -> int:
        ids = [front.create(f"C{many}-{n}") for n in range(many)]
        for each in ids:
            front.change(lambda uow, each=each: add_address(uow, each, {"use": "delivery"}))
        front.run()
        for each in ids:
            office.delete("customer", front.remote_id(each))
        seen: list[str] = []
        engine = front.database.engine
        watch = lambda _connection, _cursor, statement, *_: seen.append(statement)  # noqa: E731
        event.listen(engine, "before_cursor_execute", watch)
        front.run()
        event.remove(engine, "before_cursor_execute", watch)
        return len(seen)

    assert statements(15) <= statements(5) + 5


def test_the_survivor_may_have_been_merged_too(front: FrontOffice, office: MemoryOffice) -> None:
    keep, gone = (office.make("customer", {"name": n, "kind": "person"}) for n in ("Keep", "Gone"))
    values = {"kind": "order", "customer_ref": gone, "number": "S-1", "state": "confirmed"}
    office.make("order", {**values, "currency": "EUR", "issued_on": "2026-05-01"})
    front.run()
    here = {name: customer.id for name, customer in front.customers().items()}
    office.merge("customer", keep, gone)
    front.run()
    third = front.create("Third")
    front.change(lambda uow: merge_customers(uow, third, here["Keep"]))
    # All of a back office leaves merges out; they are decided by name.
    for chosen in (Chosen(front.backend.id), Chosen(front.backend.id, entity="customer")):
        assert front.change(lambda uow, c=chosen: resolve_conflicts(uow, c, "erp")) == []
    for text in ("customer", "customer.", ".merged"):
        with pytest.raises(InputError, match="will not do"):
            front.change(
                lambda uow, f=text: resolve_conflicts(uow, Chosen(front.backend.id, f), "erp")
            )
    merged = Chosen(front.backend.id, "customer.merged")
    assert len(front.change(lambda uow: resolve_conflicts(uow, merged, "erp"))) == 1
    with unit_of_work(front.database, actor=front.actor) as uow:
        assert uow.get(Customer, here["Gone"]).merged_into_id == third
