"""Two customers of one back office merged here: both partners stay, and nothing is doubled."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor, Reach
from crm_core.entities import (
    Binding,
    ContactPoint,
    Customer,
    MergeThere,
    PendingReference,
    Transaction,
)
from crm_core.errors import FatalSyncError, RetryableSyncError, RuleViolationError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.customers import archive_customer, restore_customer
from crm_core.services.lookup import resolve_customer_id
from crm_core.sync.bindings import MOVED
from crm_core.sync.masters import set_masters
from crm_core.sync.protocol import RIGHT_MISSING
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice

EMAIL = {"kind": "email", "value": "info@acme.example"}


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Any, office: MemoryOffice) -> FrontOffice:
    """A front office in step with a back office that holds Acme twice, each with an order."""
    one = office.make("customer", {"name": "Acme", "kind": "company", "vat": "EL094014201"})
    two = office.make(
        "customer", {"name": "ACME Ltd", "kind": "company", "contact_points": [EMAIL]}
    )
    for partner in (one, two):
        order(office, partner)
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def order(office: MemoryOffice, partner: str) -> str:
    issued_on = date(2026, 3, 1).isoformat()
    values = {"customer_ref": partner, "number": f"SO{partner}", "issued_on": issued_on}
    return office.make("order", {**values, "total_amount": "10.00"})


def ids(front: FrontOffice) -> tuple[UUID, UUID]:
    customers = front.customers()
    return customers["Acme"].id, customers["ACME Ltd"].id


def merged(front: FrontOffice, **options: Any) -> tuple[UUID, UUID, UUID]:
    keep, drop = ids(front)
    merge = front.change(lambda uow: merge_customers(uow, keep, drop, **options).id)
    return merge, keep, drop


def asked(front: FrontOffice) -> MergeThere:
    [[found]] = front.all(select(MergeThere))
    return found


def owners(front: FrontOffice) -> list[UUID]:
    return [row[0] for row in front.all(select(Transaction.customer_id))]


def partners(office: MemoryOffice) -> dict[str, str]:
    return {key: row["name"] for key, row in office.content()["customer"].items()}


def test_runs_after_a_merge_double_nothing_and_flip_nothing(front, office):
    _, keep, drop = merged(front)
    before = partners(office)
    for _ in range(3):
        report = front.run()
    assert partners(office) == before
    assert front.count(Customer) == 2
    assert owners(front) == [keep, keep]
    survivor, dropped = front.customer(keep), front.customer(drop)
    assert (survivor.name, survivor.archived_at) == ("Acme", None)
    assert dropped.merged_into_id == keep
    assert not any(report.counts["customer"].get(n) for n in ("created", "updated"))
    writes = office.writes
    front.run()
    assert office.writes == writes


def test_what_the_survivor_gained_goes_to_its_own_partner(front, office):
    merged(front)
    front.run()
    content = office.content()["customer"]
    assert [row["contact_points"] for row in content.values()] == [[EMAIL], [EMAIL]]


def test_the_second_partner_no_longer_speaks_for_the_customer(front, office):
    _, keep, _ = merged(front)
    second = next(key for key, name in partners(office).items() if name == "ACME Ltd")
    office.change("customer", second, {"name": "DO NOT USE", "archived": True})
    front.run()
    assert (front.customer(keep).name, front.customer(keep).archived_at) == ("Acme", None)
    office.delete("customer", second)
    front.run(entities=None)
    assert front.customer(keep).archived_at is None
    first = next(iter(partners(office)))
    office.change("customer", first, {"name": "Acme Hellas"})
    front.run()
    assert front.customer(keep).name == "Acme Hellas"


def archive(office, *numbers, archived=True):
    """Archive the first or the second partner over there, or bring it back."""
    keys = list(partners(office))
    for number in numbers:
        office.change("customer", keys[number], {"archived": archived})


@pytest.mark.parametrize("order_", [[(0,), (1,)], [(1,), (0,)], [(0, 1)]])
def test_once_all_partners_are_archived_there_the_customer_is_here(front, office, order_):
    _, keep, _ = merged(front)
    for numbers in order_:
        assert front.customer(keep).archived_at is None
        archive(office, *numbers)
        front.run()
    assert front.customer(keep).archived_at is not None
    writes = office.writes
    front.run()
    assert office.writes == writes
    assert front.customer(keep).archived_at is not None


@pytest.mark.parametrize("number", [0, 1])
def test_when_any_partner_comes_back_so_does_the_customer(front, office, number):
    _, keep, _ = merged(front)
    archive(office, 0, 1)
    front.run()
    assert front.customer(keep).archived_at is not None
    archive(office, number, archived=False)
    for _ in range(2):
        front.run()
        assert front.customer(keep).archived_at is None
    states = [row["archived"] for row in office.content()["customer"].values()]
    assert states == [number != 0, number != 1], "nothing was undone over there"
    archive(office, number)
    front.run()
    assert front.customer(keep).archived_at is not None


def test_one_archived_by_people_here_is_not_brought_back_by_what_stayed_in_use(front, office):
    _, keep, _ = merged(front)
    front.change(lambda uow: archive_customer(uow, keep))
    front.run()
    second = list(partners(office))[1]
    office.change("customer", second, {"note": "still here"})
    for _ in range(2):
        front.run()
        assert front.customer(keep).archived_at is not None


def test_the_last_partner_in_use_is_deleted_and_the_other_is_archived(front, office):
    _, keep, _ = merged(front)
    archive(office, 0)
    front.run()
    assert front.customer(keep).archived_at is None
    office.delete("customer", list(partners(office))[1])
    for _ in range(2):
        front.run()
    assert front.customer(keep).archived_at is not None


def test_being_archived_there_goes_by_its_master(front, office):
    _, keep, _ = merged(front)
    archive(office, 0)
    front.run()
    front.change(lambda uow: archive_customer(uow, keep))
    front.change(lambda uow: set_masters(uow, BACKEND, ["customer.archived=crm"]))
    archive(office, 1)
    front.run()
    front.change(lambda uow: restore_customer(uow, keep))
    for _ in range(2):
        front.run()
    assert front.customer(keep).archived_at is None, "the front office has the last word"


def test_documents_of_either_partner_come_to_the_survivor(front, office):
    _, keep, drop = merged(front)
    for partner in partners(office):
        order(office, partner)
    front.run()
    assert owners(front) == [keep] * 4
    for partner in partners(office):
        found = front.change(lambda uow, key=partner: resolve_customer_id(uow, f"{BACKEND}:{key}"))
        assert found == keep
    assert front.change(lambda uow: resolve_customer_id(uow, str(drop))) == keep


def test_undone_each_has_its_own_again_also_what_came_meanwhile(front, office):
    merge, keep, drop = merged(front)
    second = next(key for key, name in partners(office).items() if name == "ACME Ltd")
    office.change("customer", second, {"note": "Pays late"})
    order(office, second)
    front.run()
    assert owners(front) == [keep] * 3
    assert front.customer(keep).note is None
    left = front.change(lambda uow: [str(x) for x in unmerge_customers(uow, merge).left])
    assert left == []
    names = partners(office)
    for _ in range(2):
        front.run()
    assert partners(office) == names
    assert sorted(owners(front)) == sorted([keep, drop, drop])
    assert (front.customer(drop).note, front.customer(drop).archived_at) == ("Pays late", None)
    assert front.count(Customer) == 2
    assert len(front.all(select(Binding.id).where(Binding.local_id == drop))) == 1
    assert front.count(ContactPoint, ContactPoint.customer_id == drop) == 1


def test_whoever_merges_has_the_partners_read_again(front, office):
    keep, drop = ids(front)
    rights = dict.fromkeys(("core.customer.view", "core.customer.merge"), Reach.ALL)
    clerk = Actor(login="clerk", user_id=None, rights=rights)
    with unit_of_work(front.database, actor=clerk, write=True) as uow:
        merge = merge_customers(uow, keep, drop).id
        uow.commit()
    again = select(PendingReference.owner_remote_id).where(PendingReference.field == MOVED)
    assert {row[0] for row in front.all(again)} == set(partners(office))
    front.run()
    second = next(key for key, name in partners(office).items() if name == "ACME Ltd")
    office.change("customer", second, {"note": "Pays late"})
    order(office, second)
    front.run()
    with unit_of_work(front.database, actor=clerk, write=True) as uow:
        assert unmerge_customers(uow, merge).left == []
        uow.commit()
    for _ in range(2):
        front.run()
    assert sorted(owners(front)) == sorted([keep, drop, drop])
    assert front.customer(drop).note == "Pays late"


def test_partners_merged_over_there_too_leave_one(front, office):
    _, keep, _ = merged(front)
    first, second = partners(office)
    office.merge("customer", first, second)
    front.run()
    front.run()
    assert front.customer(keep).archived_at is None
    assert owners(front) == [keep, keep]
    assert front.count(Customer) == 2


def test_when_it_is_asked_for_they_are_merged_there_too(
    front: FrontOffice, office: MemoryOffice
) -> None:
    front.run()
    merge_id, *_ = merged(front, there=True)
    survivor = asked(front).keep_remote_id
    front.run()
    assert list(office.rows["customer"]) == [int(survivor)]
    assert {row.values["customer_ref"] for row in office.rows["order"].values()} == {survivor}
    report = front.run()
    assert (report.state, report.pushed) == ("done", {})
    assert asked(front).state == "done"
    left = front.change(lambda uow: unmerge_customers(uow, merge_id).left)
    assert "cannot be undone from here" in str(left[-1])


def test_a_merge_undone_before_the_next_run_is_not_asked_for(
    front: FrontOffice, office: MemoryOffice
) -> None:
    front.run()
    merge_id, *_ = merged(front, there=True)
    front.change(lambda uow: unmerge_customers(uow, merge_id))
    front.run()
    assert len(office.rows["customer"]) == 2
    assert asked(front).state == "taken_back"


def test_a_lost_reply_merges_nothing_twice(front: FrontOffice, office: MemoryOffice) -> None:
    front.run()
    merged(front, there=True)
    office.fail("merge", is_lost=True)
    with pytest.raises(RetryableSyncError):
        front.run()
    assert front.run().state == "done"
    assert list(office.rows["customer"]) == [int(asked(front).keep_remote_id)]


def test_what_a_back_office_refuses_is_told(front: FrontOffice, office: MemoryOffice) -> None:
    front.run()
    merged(front, there=True)
    office.delete("customer", asked(front).keep_remote_id)
    report = front.run()
    assert any("was not merged" in each for each in report.warnings)
    assert (asked(front).state, bool(asked(front).reason)) == ("refused", True)


def test_a_dry_run_has_nothing_merged_there(front: FrontOffice, office: MemoryOffice) -> None:
    front.run()
    merged(front, there=True)
    before = office.content()
    front.run(dry_run=True)
    assert office.content() == before
    assert asked(front).state == "waiting"
    front.run()
    assert asked(front).state == "done"


def test_a_pair_that_the_login_may_not_merge_holds_up_nothing_else(
    front: FrontOffice, office: MemoryOffice
) -> None:
    front.run()
    _, keep, _ = merged(front, there=True)
    front.edit(keep, note="goes out all the same")

    def refuse(called: str, _moment: str) -> None:
        if called == "merge":
            raise FatalSyncError("You may not change this one.", code=RIGHT_MISSING)

    office.on_call = refuse
    report = front.run()
    assert report.state == "done"
    assert any("was not merged" in each for each in report.warnings)
    assert (asked(front).state, asked(front).reason) == (
        "refused",
        "You may not change this one.",
    )
    assert "goes out all the same" in {row["note"] for row in office.content()["customer"].values()}


def put_away(office: MemoryOffice, how: str, partner: str) -> None:
    (office.hide if how == "hidden" else office.put_outside)("customer", partner)


@pytest.mark.parametrize("how", ["hidden", "outside"])
def test_once_the_first_partner_is_out_of_sight_the_second_speaks_and_is_not_overwritten(
    front: FrontOffice, office: MemoryOffice, how: str
) -> None:
    _, keep, _ = merged(front)
    front.run()
    first, second = partners(office)
    put_away(office, how, first)
    front.run()
    front.edit(keep, job_title="typed here")
    for _ in range(2):
        front.run()
    row = office.content()["customer"][second]
    assert (row["name"], row["job_title"]) == ("ACME Ltd", "typed here")
    assert front.customer(keep).name == "ACME Ltd"


@pytest.mark.parametrize("how", ["hidden", "outside"])
def test_a_partner_out_of_sight_keeps_its_customer_in_use_when_the_other_is_deleted(
    front: FrontOffice, office: MemoryOffice, how: str
) -> None:
    _, keep, _ = merged(front)
    front.run()
    first, second = partners(office)
    put_away(office, how, second)
    front.run()
    office.delete("customer", first)
    for _ in range(2):
        front.run()
    assert front.customer(keep).archived_at is None
    assert len(office.rows["customer"]) == 1
    office.delete("customer", second)
    front.run()
    assert front.customer(keep).archived_at is not None


def test_where_only_one_of_them_is_known_there_is_nothing_to_ask_for(front: FrontOffice) -> None:
    front.run()
    keep, _ = ids(front)
    new = front.create("Acme again", kind="company")
    with pytest.raises(RuleViolationError, match="nothing to merge there"):
        front.change(lambda uow: merge_customers(uow, keep, new, there=True))
    assert front.customer(new).merged_into_id is None
