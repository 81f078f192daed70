"""Records deleted over there: what was chosen for them happens; merges are told from deletions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Address, Binding, Conflict, Customer, Transaction
from crm_core.errors import FatalSyncError, InputError
from crm_core.persistence.database import Database
from crm_core.services.contact_details import add_address, remove_address
from crm_core.services.customers import archive_customer, restore_customer
from crm_core.sync.masters import set_masters
from crm_core.sync.resolve import list_conflicts, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Database, system: Actor, office: MemoryOffice) -> FrontOffice:
    found = FrontOffice(database, system, office.connect)
    found.accept()
    return found


def choose(front: FrontOffice, *texts: str) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, texts))


def quiet(front: FrontOffice, office: MemoryOffice) -> None:
    before = office.content()
    report = front.run()
    assert report.state == "done", report.warnings
    assert report.pushed == {}
    assert office.content() == before


@pytest.mark.parametrize(
    ("deed", "in_use", "bindings"),
    [("archive", False, ["deleted"]), ("keep", True, ["deleted"]), ("unlink", True, [])],
)
def test_what_was_deleted_there_is_followed_as_chosen(
    front: FrontOffice, office: MemoryOffice, deed: str, in_use: bool, bindings: list[str]
) -> None:
    choose(front, f"customer.when_deleted={deed}")
    customer_id = front.create("Ζωή D'Arc")
    front.run()
    office.delete("customer", front.remote_id(customer_id))
    report = front.run()
    assert report.counts["customer"]["deleted"] == 1
    assert (front.customer(customer_id).archived_at is None) is in_use
    rows = front.all(select(Binding.state).where(Binding.local_id == customer_id))
    assert [row.state for row in rows] == bindings
    # It is never made again unasked, whatever changes here.
    front.edit(customer_id, note="changed since")
    front.run()
    assert office.count("customer", "Ζωή D'Arc") == 0
    quiet(front, office)


def test_what_is_to_be_restored_is_made_again_once(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "customer.when_deleted=restore", "address.when_deleted=restore")
    customer_id = front.create("Restored", note="kept")
    front.change(lambda uow: add_address(uow, customer_id, {"use": "delivery", "city": "Łódź"}))
    front.run()
    first = front.remote_id(customer_id)
    office.delete("customer", first)
    report = front.run()
    assert report.counts["customer"]["restored"] == 1
    assert report.pushed["customer"]["created"] == 1
    assert front.remote_id(customer_id) != first
    assert office.count("customer", "Restored") == 1
    assert front.customer(customer_id).archived_at is None
    front.run()
    quiet(front, office)
    cities = [row.values["city"] for row in office.rows["address"].values()]
    assert cities == ["Łódź"]


def test_one_archived_here_meanwhile_is_not_restored(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "customer.when_deleted=restore", "customer.archived=crm")
    customer_id = front.create("Left")
    front.run()
    office.delete("customer", front.remote_id(customer_id))
    front.change(lambda uow: archive_customer(uow, customer_id))
    front.run()
    assert office.count("customer", "Left") == 0
    quiet(front, office)


def test_what_was_deleted_before_restoring_was_chosen_stays_deleted(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "customer.when_deleted=keep")
    customer_id = front.create("Former")
    front.run()
    office.delete("customer", front.remote_id(customer_id))
    front.run()
    choose(front, "customer.when_deleted=restore")
    front.edit(customer_id, note="x")
    front.run()
    assert office.count("customer", "Former") == 0
    quiet(front, office)


def test_deleting_and_mastering_are_not_mixed_up(front: FrontOffice) -> None:
    for text in ("customer.when_deleted=erp", "customer.name=archive", "tag.when_deleted=keep"):
        with pytest.raises(InputError, match="will not do"):
            choose(front, text)


def order(office: MemoryOffice, customer_id: str, number: str) -> str:
    return office.make(
        "order",
        {
            "kind": "order", "customer_ref": customer_id, "number": number, "state": "confirmed",
            "currency": "EUR", "issued_on": "2026-05-01",
        },
    )  # fmt: skip


def owner_of(front: FrontOffice, number: str) -> UUID:
    [row] = front.all(select(Transaction.customer_id).where(Transaction.number == number))
    found: UUID = row.customer_id
    return found


def test_a_merge_there_is_followed_by_the_name_it_went_by(
    front: FrontOffice, office: MemoryOffice
) -> None:
    keep, gone = front.create("Acme GmbH", note="survivor"), front.create("ACME", job_title="x")
    front.change(lambda uow: add_address(uow, gone, {"use": "delivery", "city": "Graz"}))
    front.run()
    order(office, front.remote_id(gone), "S-1")
    front.run()
    assert owner_of(front, "S-1") == gone
    survivor = front.remote_id(keep)
    office.merge("customer", survivor, front.remote_id(gone))

    report = front.run()

    assert report.counts["customer"]["merged"] == 1
    assert front.customer(gone).merged_into_id == keep
    assert front.customer(gone).archived_at is not None
    assert owner_of(front, "S-1") == keep
    [address] = front.all(select(Address.customer_id).where(Address.city == "Graz"))
    assert address.customer_id == keep
    found = front.customer(keep)
    assert (found.name, found.note, found.job_title) == ("Acme GmbH", "survivor", "x")
    assert front.count(Conflict) == 0
    front.run()
    quiet(front, office)
    assert office.count("customer", "ACME") == 0
    front.edit(keep, note="goes on")
    front.run()
    assert office.rows["customer"][int(survivor)].values["note"] == "goes on"


def test_a_merge_into_one_not_known_here_takes_the_binding_along(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id = front.create("Ours", note="ours")
    front.run()
    survivor = office.make("customer", {"name": "Theirs", "kind": "person"})
    office.merge("customer", survivor, front.remote_id(customer_id))
    report = front.run()
    assert report.counts["customer"]["adopted"] == 1
    assert front.remote_id(customer_id) == survivor
    found = front.customer(customer_id)
    assert (found.name, found.note, found.archived_at) == ("Theirs", "ours", None)
    assert front.count(Customer, Customer.archived_at.is_(None)) == 1
    quiet(front, office)


def test_what_was_typed_while_a_record_was_out_of_sight_reaches_who_took_it_in(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id = front.create("Ours")
    front.run()
    gone = front.remote_id(customer_id)
    office.hide("customer", gone)
    front.run()
    survivor = office.make("customer", {"name": "Theirs", "kind": "person"})
    office.merge("customer", survivor, gone)
    front.edit(customer_id, job_title="typed meanwhile")
    front.run()
    front.run()
    assert office.rows["customer"][int(survivor)].values["job_title"] == "typed meanwhile"
    assert front.count(Customer, Customer.archived_at.is_(None)) == 1
    quiet(front, office)


def put_away(office: MemoryOffice, how: str, *remote_ids: str) -> None:
    for remote_id in remote_ids:
        (office.hide if how == "hidden" else office.put_outside)("customer", remote_id)


@pytest.mark.parametrize("how", ["hidden", "outside"])
def test_what_is_deleted_while_out_of_sight_is_followed(
    front: FrontOffice, office: MemoryOffice, how: str
) -> None:
    ended, stays = front.create("Ended"), front.create("Stays")
    front.run()
    put_away(office, how, front.remote_id(ended), front.remote_id(stays))
    front.run()
    office.delete("customer", front.remote_id(ended))

    report = front.run()

    assert report.counts["customer"]["deleted"] == 1
    assert front.customer(ended).archived_at is not None
    assert front.customer(stays).archived_at is None
    quiet(front, office)


@pytest.mark.parametrize("how", ["hidden", "outside"])
def test_what_is_merged_while_out_of_sight_is_merged_here(
    front: FrontOffice, office: MemoryOffice, how: str
) -> None:
    keep, gone = front.create("Acme GmbH"), front.create("ACME")
    front.run()
    put_away(office, how, front.remote_id(gone))
    front.run()
    office.merge("customer", front.remote_id(keep), front.remote_id(gone))

    report = front.run()

    assert report.counts["customer"]["merged"] == 1
    assert front.customer(gone).merged_into_id == keep
    front.run()
    quiet(front, office)


def test_very_many_deleted_while_out_of_sight_stop_the_run(
    front: FrontOffice, office: MemoryOffice
) -> None:
    remote_ids = [office.make("customer", {"name": f"N{n}", "kind": "person"}) for n in range(30)]
    front.run()
    put_away(office, "outside", *remote_ids)
    front.run(accept_vanished=True)
    for remote_id in remote_ids:
        office.delete("customer", remote_id)
    with pytest.raises(FatalSyncError, match="gone at once"):
        front.run()
    assert front.run(accept_vanished=True).counts["customer"]["deleted"] == 30


@pytest.mark.parametrize("deed", ["archive", "restore", "keep"])
@pytest.mark.parametrize("take", ["erp", "crm"])
def test_a_merge_that_no_name_tells_of_is_asked_about(
    front: FrontOffice, office: MemoryOffice, take: str, deed: str
) -> None:
    choose(front, f"customer.when_deleted={deed}")
    keep, gone = (
        office.make("customer", {"name": name, "kind": "company"}) for name in ("Keep", "Gone")
    )
    number = order(office, gone, "S-2")
    front.run()
    here = front.customers()
    office.merge("customer", keep, gone)

    report = front.run()

    assert report.counts["customer"]["conflicts"] == 1
    assert owner_of(front, "S-2") == here["Keep"].id
    with front_reading(front) as uow:
        [conflict] = list_conflicts(uow, front.backend.id).items
    assert (conflict["field"], conflict["label"]) == ("merged", "Gone")
    assert conflict["theirs"]["name"] == "Keep"
    # Until a person has said so it is neither merged nor made again.
    front.run()
    assert office.count("customer", "Gone") == 0
    assert front.customer(here["Gone"].id).merged_into_id is None

    with pytest.raises(InputError):
        front.change(lambda uow: resolve_conflicts(uow, [str(conflict["id"])], "value", value="x"))
    front.change(lambda uow: resolve_conflicts(uow, [str(conflict["id"])], take))
    front.run()
    merged_into = front.customer(here["Gone"].id).merged_into_id
    assert merged_into == (here["Keep"].id if take == "erp" else None)
    is_restored = take == "crm" and deed == "restore"
    assert office.count("customer", "Gone") == int(is_restored)
    front.run()
    quiet(front, office)
    assert number


def test_a_question_ends_when_the_record_is_back(front: FrontOffice, office: MemoryOffice) -> None:
    keep, gone = (
        office.make("customer", {"name": name, "kind": "company"}) for name in ("Keep", "Gone")
    )
    number = order(office, gone, "S-3")
    front.run()
    former = office.rows["customer"][int(gone)]
    office.merge("customer", keep, gone)
    front.run()
    [conflict] = front.all(select(Conflict.state))
    assert conflict.state == "open"

    # A backup of the back office is restored.
    office.rows["customer"][int(gone)] = former
    office.change("order", number, {"customer_ref": gone})
    front.run()

    [conflict] = front.all(select(Conflict.state))
    assert conflict.state == "gone"
    assert front.customers()["Gone"].archived_at is None
    assert owner_of(front, "S-3") == front.customers()["Gone"].id
    quiet(front, office)


def test_a_customer_that_became_an_address_is_not_taken_for_deleted(
    front: FrontOffice, office: MemoryOffice
) -> None:
    choose(front, "customer.when_deleted=unlink")
    company, moving = (
        office.make("customer", {"name": name, "kind": "company"}) for name in ("Firm", "Moving")
    )
    number = order(office, moving, "S-4")
    front.run()
    customers = front.customers()
    former = office.rows["customer"].pop(int(moving))
    address = office.make("address", {"parent_ref": company, "use": "delivery", "city": "Graz"})
    office.rows["address"][int(moving)] = office.rows["address"].pop(int(address))
    office.change("order", number, {"customer_ref": company})

    for _ in range(2):
        report = front.run()
        assert report.counts["customer"].get("vanished", 0) == 0

    assert front.count(Conflict) == 0
    assert front.customer(customers["Moving"].id).archived_at is not None
    del office.rows["address"][int(moving)]
    office.rows["customer"][int(moving)] = former
    for _ in range(2):
        front.run()
    assert front.count(Customer, Customer.name == "Moving") == 1
    assert front.customer(customers["Moving"].id).archived_at is None


@pytest.mark.parametrize("how", ["hidden", "outside"])
def test_what_is_archived_or_restored_here_while_out_of_sight_stays_so(
    front: FrontOffice, office: MemoryOffice, how: str
) -> None:
    ended, again = front.create("Ended"), front.create("Again")
    place = front.change(lambda uow: add_address(uow, ended, {"use": "delivery", "city": "Graz"}))
    front.run()
    keys = [front.remote_id(each) for each in (ended, again)]
    office.archive("customer", keys[1])
    front.run()
    assert front.customer(again).archived_at is not None
    put_away(office, how, *keys)
    office.put_outside("address", front.remote_id(place.id))
    front.run()
    front.change(lambda uow: remove_address(uow, place.id))
    front.change(lambda uow: archive_customer(uow, ended))
    front.change(lambda uow: restore_customer(uow, again))
    front.run()
    for row in (office.rows["customer"][int(key)] for key in keys):
        row.is_hidden = row.is_outside = False
        row.stamp = office.now()
    office.put_outside("address", front.remote_id(place.id), outside=False)
    front.run()
    assert front.customer(ended).archived_at is not None
    assert front.customer(again).archived_at is None
    assert [office.rows["customer"][int(key)].values["archived"] for key in keys] == [True, False]
    [row] = front.all(select(Address.archived_at))
    assert row.archived_at is not None
    assert front.count(Conflict) == 0
    quiet(front, office)


def test_a_deletion_that_is_no_merge_asks_nobody(front: FrontOffice, office: MemoryOffice) -> None:
    company = office.make("customer", {"name": "Parent", "kind": "company"})
    office.make("customer", {"name": "Contact", "kind": "person", "parent_ref": company})
    front.run()
    office.delete("customer", company)
    front.run()
    assert front.count(Conflict) == 0
    assert front.customers()["Parent"].archived_at is not None
    quiet(front, office)


def test_a_run_stops_when_a_larger_share_than_chosen_is_gone(
    front: FrontOffice, office: MemoryOffice
) -> None:
    records = [{"name": f"Many {n}", "kind": "person"} for n in range(300)]
    keys = office.make_many("customer", records)
    front.run()
    for key in keys[:30]:
        office.delete("customer", key)
    with pytest.raises(FatalSyncError, match="30 of 300 customer records"):
        front.run(vanish_share=0.05)
    assert front.count(Customer, Customer.archived_at.is_not(None)) == 0
    front.run()
    assert front.count(Customer, Customer.archived_at.is_not(None)) == 30


def front_reading(front: FrontOffice) -> Any:
    from crm_core.persistence.unit_of_work import unit_of_work

    return unit_of_work(front.database, actor=front.actor)
