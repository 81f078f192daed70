"""What is archived or labelled here stays so, whatever the back office says of addresses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.entities import Address, Conflict, ContactPoint, Transaction
from crm_core.services.contact_details import (
    add_address,
    change_address,
    change_contact_point,
    main_address,
    remove_address,
)
from crm_core.sync.masters import set_masters
from crm_core.sync.resolve import Chosen, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice

FIRST = {"street": "Harbour 1", "city": "Volos", "country_code": "GR"}
PHONE = {"kind": "phone", "value": "+30 24210 22222"}


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Any, office: MemoryOffice) -> FrontOffice:
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def company(front: FrontOffice, office: MemoryOffice, **values: Any) -> tuple[str, UUID]:
    """Make a company there that both sides know then; return what each calls it."""
    partner = office.make("customer", {"name": "Acme", "kind": "company", **values})
    front.run()
    return partner, front.customers()["Acme"].id


def remove_main(front: FrontOffice, customer_id: UUID) -> UUID:
    found = front.change(lambda uow: main_address(uow, customer_id))
    assert found is not None
    front.change(lambda uow: remove_address(uow, found))
    return found


def addresses(front: FrontOffice) -> dict[UUID, Address]:
    return {row[0].id: row[0] for row in front.all(select(Address).order_by(Address.id))}


def in_use(front: FrontOffice) -> list[tuple[str | None, str | None, str | None]]:
    rows = [row for row in addresses(front).values() if row.archived_at is None]
    return [(row.use, row.street, row.city) for row in rows]


def lines(office: MemoryOffice, partner: str) -> dict[str, str] | None:
    """Return what a partner's own address says there."""
    told = office.content()["customer"][partner]["address"]
    return told and {name: value for name, value in told.items() if value}


def settled(front: FrontOffice, office: MemoryOffice) -> None:
    """Nothing more is written, neither by the next run nor by one that reads everything."""
    writes = office.writes
    kept = [(row.id, row.street, row.archived_at) for row in addresses(front).values()]
    front.run()
    front.run(full=True)
    assert office.writes == writes
    assert [(row.id, row.street, row.archived_at) for row in addresses(front).values()] == kept


def test_an_address_written_there_after_ours_was_archived_is_the_main_one_here(
    front: FrontOffice, office: MemoryOffice
) -> None:
    partner, customer_id = company(front, office, address=FIRST)
    removed = remove_main(front, customer_id)
    front.run()
    assert lines(office, partner) is None
    new = {"street": "New 5", "city": "Graz"}
    office.change("customer", partner, {"address": new})
    front.run()
    front.edit(customer_id, note="pays in time")
    front.run()
    assert lines(office, partner) == new
    assert in_use(front) == [("main", "New 5", "Graz")]
    assert addresses(front)[removed].street == "Harbour 1"
    settled(front, office)


@pytest.mark.parametrize("master", ["erp", "ask"])
def test_an_address_that_was_removed_here_comes_back_whole_where_the_erp_wins(
    front: FrontOffice, office: MemoryOffice, master: str
) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, [f"customer.address={master}"]))
    partner, customer_id = company(front, office, address=FIRST)
    removed = remove_main(front, customer_id)
    theirs = {**FIRST, "street": "Harbour 2"}
    office.change("customer", partner, {"address": theirs})
    front.run()
    assert lines(office, partner) == theirs, "what is undecided is left alone, line by line"
    if master == "ask":
        assert in_use(front) == []
        settled(front, office)
        front.change(lambda uow: resolve_conflicts(uow, Chosen(front.backend.id), "erp"))
        front.run()
    assert lines(office, partner) == theirs
    assert in_use(front) == [("main", "Harbour 2", "Volos")]
    row = addresses(front)[removed]
    assert (row.street, row.archived_at is None) == ("Harbour 1", False)
    [[conflict]] = front.all(select(Conflict))
    assert (conflict.state, conflict.winner) == ("done", "erp")
    settled(front, office)


@pytest.mark.parametrize("master", ["crm", "ask"])
def test_an_address_that_was_removed_here_is_emptied_there_where_we_win(
    front: FrontOffice, office: MemoryOffice, master: str
) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, [f"customer.address={master}"]))
    partner, customer_id = company(front, office, address=FIRST)
    remove_main(front, customer_id)
    theirs = {"street": "Harbour 2", "city": "Larisa", "country_code": "GR"}
    office.change("customer", partner, {"address": {**theirs, "postal_code": "38221"}})
    front.run()
    if master == "ask":
        front.change(lambda uow: resolve_conflicts(uow, Chosen(front.backend.id), "crm"))
        front.run()
    front.run()
    assert lines(office, partner) is None
    assert in_use(front) == []
    settled(front, office)


def test_an_archived_address_that_an_order_names_is_not_written_over(
    front: FrontOffice, office: MemoryOffice
) -> None:
    partner = office.make("customer", {"name": "Acme", "kind": "company"})
    dock = office.make("address", {"parent_ref": partner, "street": "Dock 3", "city": "Volos"})
    order = {"customer_ref": partner, "number": "SO1", "delivery_address_ref": dock}
    office.make("order", order)
    front.run()
    customer_id = front.customers()["Acme"].id
    [named] = addresses(front)
    front.change(lambda uow: change_address(uow, named, {"use": "main"}))
    front.change(lambda uow: remove_address(uow, named))
    headquarters = {"street": "HQ 1", "city": "Volos"}
    added = front.change(lambda uow: add_address(uow, customer_id, headquarters)).id
    front.run()
    office.change("customer", partner, {"address": {**headquarters, "street": "HQ 2"}})
    front.run()
    rows = addresses(front)
    assert (rows[named].street, rows[named].archived_at is None) == ("Dock 3", False)
    assert (rows[added].street, rows[added].archived_at) == ("HQ 2", None)
    assert front.all(select(Transaction.delivery_address_id)) == [(named,)]
    settled(front, office)


def test_the_label_of_a_number_stays_when_the_number_changes_there(
    front: FrontOffice, office: MemoryOffice
) -> None:
    partner, _ = company(front, office, contact_points=[PHONE])
    [[point]] = front.all(select(ContactPoint))
    label = {"label": "Office"}
    front.change(lambda uow: change_contact_point(uow, point.id, PHONE["value"], **label))
    front.run()
    office.change("customer", partner, {"contact_points": [{**PHONE, "value": "+30 24210 33333"}]})
    front.run()
    [[point]] = front.all(select(ContactPoint))
    assert (point.value, point.label) == ("+30 24210 33333", "Office")


def test_a_home_address_is_archived_when_the_erp_makes_its_person_a_contact(
    front: FrontOffice, office: MemoryOffice
) -> None:
    partner, _ = company(front, office)
    person = office.make("customer", {"name": "Ava", "address": FIRST})
    front.run()
    [home] = addresses(front)
    office.change("customer", person, {"parent_ref": partner})
    front.run()
    row = addresses(front)[home]
    assert (row.street, row.archived_at is None) == ("Harbour 1", False)
    settled(front, office)
    office.change("customer", person, {"parent_ref": None, "address": FIRST})
    front.run()
    assert in_use(front) == [("main", "Harbour 1", "Volos")]
    assert home in addresses(front)
    settled(front, office)


@pytest.fixture
def promoted(front: FrontOffice, office: MemoryOffice) -> tuple[str, str, UUID]:
    """A company and its depot there, and the depot's address, which was made the main one here."""
    partner = office.make("customer", {"name": "Acme", "kind": "company"})
    depot = office.make("address", {"parent_ref": partner, **FIRST})
    front.run()
    [address_id] = addresses(front)
    front.change(lambda uow: change_address(uow, address_id, {"use": "main"}))
    front.run()
    assert lines(office, partner) == FIRST
    return partner, depot, address_id


def test_a_main_address_does_not_follow_the_record_that_it_was_a_further_one_by(
    front: FrontOffice, office: MemoryOffice, promoted: tuple[str, str, UUID]
) -> None:
    partner, depot, address_id = promoted
    settled(front, office)
    office.change("address", depot, {"street": "Depot 7"})
    front.run()
    assert in_use(front) == [("main", "Harbour 1", "Volos")]
    settled(front, office)
    office.archive("address", depot)
    front.run()
    office.delete("address", depot)
    front.run()
    front.edit(front.customers()["Acme"].id, note="pays in time")
    front.run()
    assert lines(office, partner) == FIRST
    assert list(addresses(front)) == [address_id], "what stays there is no new address here"
    assert in_use(front) == [("main", "Harbour 1", "Volos")]
    settled(front, office)


def test_a_main_address_stays_where_its_former_record_goes_and_comes(
    front: FrontOffice, office: MemoryOffice, promoted: tuple[str, str, UUID]
) -> None:
    partner, depot, address_id = promoted
    other = office.make("customer", {"name": "Boreas", "kind": "company"})
    office.put_outside("address", depot)
    front.run()
    office.put_outside("address", depot, outside=False)
    office.change("address", depot, {"street": "Depot 7", "parent_ref": other})
    front.run()
    assert addresses(front)[address_id].customer_id == front.customers()["Acme"].id
    assert in_use(front) == [("main", "Harbour 1", "Volos")]
    assert lines(office, partner) == FIRST
    assert front.binding(address_id).state == "active"
    settled(front, office)


@pytest.mark.parametrize("is_edited_here", [False, True])
def test_an_address_that_is_a_further_one_again_is_merged_with_its_record(
    front: FrontOffice,
    office: MemoryOffice,
    promoted: tuple[str, str, UUID],
    *,
    is_edited_here: bool,
) -> None:
    partner, depot, address_id = promoted
    office.change("address", depot, {"street": "Depot 7"})
    front.run()
    ours = {"city": "Larisa"} if is_edited_here else {}
    front.change(lambda uow: change_address(uow, address_id, {"use": "delivery", **ours}))
    front.run()
    assert in_use(front) == [("delivery", "Depot 7", ours.get("city", "Volos"))]
    there = office.content()["address"][depot]
    assert (there["street"], there["city"]) == ("Depot 7", ours.get("city", "Volos"))
    assert lines(office, partner) is None
    settled(front, office)
