"""Whose contact somebody is: what people tied, ended and noted here outlasts the ERP's moves."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Conflict, Relationship
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_merge import merge_customers
from crm_core.services.relationships import (
    CONTACT_OF,
    end_relationship,
    list_relationships,
    relate_customers,
    unrelate_customers,
)
from crm_core.services.settings import company_day
from crm_core.sync.masters import set_masters
from crm_core.sync.resolve import Chosen, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice

NOTE = "head of buying"


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Actor, office: MemoryOffice) -> FrontOffice:
    """A front office in step with one that holds three companies, and Anna as A's contact."""
    companies = [office.make("customer", {"name": name, "kind": "company"}) for name in "ABC"]
    office.make("customer", {"name": "Anna", "parent_ref": companies[0]})
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def anna(front: FrontOffice) -> UUID:
    return front.customers()["Anna"].id


def ref(front: FrontOffice, name: str) -> str:
    return front.remote_id(front.customers()[name].id)


def move(front: FrontOffice, office: MemoryOffice, company: str | None) -> None:
    """Let the ERP make Anna another company's contact."""
    parent_ref = ref(front, company) if company else None
    office.change("customer", ref(front, "Anna"), {"parent_ref": parent_ref})


def company_there(front: FrontOffice, office: MemoryOffice) -> str | None:
    parent_ref = office.rows["customer"][int(ref(front, "Anna"))].values["parent_ref"]
    return next((name for name in "ABC" if ref(front, name) == parent_ref), None)


def ties(front: FrontOffice) -> list[tuple[str, bool]]:
    """Return the companies that Anna is or was a contact of, and whether that is over."""
    told = front.change(lambda uow: list_relationships(uow, anna(front)))
    return [(each["other_name"], each["ended_on"] is not None) for each in told]


def only_tie(front: FrontOffice) -> Relationship:
    [[tie]] = front.all(select(Relationship))
    found: Relationship = tie
    return found


def untie(front: FrontOffice) -> None:
    tie_id = only_tie(front).id
    front.change(lambda uow: unrelate_customers(uow, tie_id))


def tie_to(front: FrontOffice, *names: str) -> None:
    ids = [front.customers()[name].id for name in names]

    def tie(uow: UnitOfWork) -> None:
        for company_id in ids:
            relate_customers(uow, customer_id, CONTACT_OF, company_id)

    customer_id = anna(front)
    front.change(tie)


def annotate(front: FrontOffice, **values: Any) -> None:
    tie_id = only_tie(front).id

    def write(uow: UnitOfWork) -> None:
        tie = uow.get(Relationship, tie_id)
        for name, value in values.items():
            setattr(tie, name, value)

    front.change(write)


def quiet(front: FrontOffice) -> None:
    report = front.run()
    assert (report.state, report.pushed) == ("done", {})
    assert all(count.get("updated", 0) == 0 for count in report.counts.values())


def test_a_tie_that_is_over_here_begins_again_where_the_erp_makes_it_again(
    front: FrontOffice, office: MemoryOffice
) -> None:
    tie_id = only_tie(front).id
    front.change(lambda uow: end_relationship(uow, tie_id, company_day(uow)))
    front.run()
    assert company_there(front, office) is None
    move(front, office, "A")
    front.run()
    assert sorted(ties(front)) == [("A", False), ("A", True)]
    front.edit(anna(front), job_title="buyer")
    front.run()
    assert company_there(front, office) == "A"
    assert front.count(Conflict) == 0
    quiet(front)


@pytest.mark.parametrize("theirs", [None, "C"])
@pytest.mark.parametrize("master", ["ask", "erp"])
def test_a_company_that_the_erp_is_given_right_in_takes_the_place_of_ours(
    front: FrontOffice, office: MemoryOffice, master: str, theirs: str | None
) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, [f"customer.parent_ref={master}"]))
    untie(front)
    tie_to(front, "B")
    move(front, office, theirs)
    front.run()
    if master == "ask":
        assert (ties(front), company_there(front, office)) == ([("B", False)], theirs)
        front.change(lambda uow: resolve_conflicts(uow, Chosen(front.backend.id), "erp"))
        front.run()
    assert ties(front) == ([(theirs, False)] if theirs else [])
    front.edit(anna(front), job_title="buyer")
    front.run()
    assert company_there(front, office) == theirs
    [[conflict]] = front.all(select(Conflict))
    assert (conflict.state, conflict.winner) == ("done", "erp")
    assert conflict.ours == ref(front, "B")
    quiet(front)


def test_whoever_is_to_be_nobodys_contact_is_none_of_a_second_company_either(
    front: FrontOffice, office: MemoryOffice
) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, ["customer.parent_ref=erp"]))
    untie(front)
    tie_to(front, "B", "C")
    move(front, office, None)
    front.run()
    quiet(front)
    assert (ties(front), company_there(front, office)) == ([], None)


@pytest.mark.parametrize("started", [date(2019, 1, 1), None, "tomorrow"])
def test_what_people_wrote_of_a_tie_stays_when_the_erp_moves_the_contact(
    front: FrontOffice, office: MemoryOffice, started: date | str | None
) -> None:
    today = front.change(company_day)
    started_on = today + timedelta(days=1) if started == "tomorrow" else started
    annotate(front, started_on=started_on, note=None if started else NOTE)
    move(front, office, "B")
    front.run()
    assert sorted(ties(front)) == [("A", True), ("B", False)]
    former = front.all(select(Relationship).where(Relationship.ended_on.is_not(None)))[0][0]
    assert (former.started_on, former.note) == (started_on, None if started else NOTE)
    assert former.ended_on == max(today, started_on or today)
    assert company_there(front, office) == "B"
    quiet(front)


def test_a_tie_that_people_ended_stays_when_the_erp_moves_the_contact(
    front: FrontOffice, office: MemoryOffice
) -> None:
    annotate(front, note=NOTE)
    tie_id = only_tie(front).id
    front.change(lambda uow: end_relationship(uow, tie_id, date(2024, 5, 1)))
    move(front, office, "B")
    front.change(lambda uow: set_masters(uow, BACKEND, ["customer.parent_ref=erp"]))
    front.run()
    assert sorted(ties(front)) == [("A", True), ("B", False)]
    quiet(front)


def test_a_tie_that_nobody_wrote_anything_of_goes_when_the_erp_moves_the_contact(
    front: FrontOffice, office: MemoryOffice
) -> None:
    move(front, office, "B")
    front.run()
    assert ties(front) == [("B", False)]
    quiet(front)


def test_a_tie_stays_as_it_is_where_the_company_is_told_by_its_other_record(
    front: FrontOffice, office: MemoryOffice
) -> None:
    annotate(front, note=NOTE)
    company_id, other_id = (front.customers()[name].id for name in "AB")
    other_ref = ref(front, "B")
    front.change(lambda uow: merge_customers(uow, company_id, other_id))
    front.run()
    office.change("customer", ref(front, "Anna"), {"parent_ref": other_ref})
    front.run()
    tie = only_tie(front)
    assert (tie.to_customer_id, tie.note, tie.ended_on) == (company_id, NOTE, None)
