"""Owners and companies here that the ERP does not know: its own go by their master all the same."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Conflict, PushItem, User
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.ownership import assign_owner
from crm_core.services.relationships import (
    CONTACT_OF,
    list_relationships,
    relate_customers,
    unrelate_customers,
)
from crm_core.sync.masters import set_masters
from crm_core.sync.resolve import Chosen, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import MemoryOffice

VAT = "ATU12345675"


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Actor, office: MemoryOffice) -> FrontOffice:
    """A front office in step with one where Anna is Eva's, and a contact of A."""
    eva, _ = (office.make("user", {"login": name, "name": name}) for name in ("eva", "ivo"))
    companies = [office.make("customer", {"name": name, "kind": "company"}) for name in "AB"]
    office.make("customer", {"name": "Anna", "owner_ref": eva, "parent_ref": companies[0]})
    # Two of one VAT number: a company here that has it too is not made there.
    twin = {"kind": "company", "vat": VAT}
    office.make_many("customer", [{**twin, "name": name} for name in ("One", "Two")])
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def anna(front: FrontOffice) -> UUID:
    return front.customers()["Anna"].id


def change_there(front: FrontOffice, office: MemoryOffice, **values: Any) -> None:
    office.change("customer", front.remote_id(anna(front)), values)


def there(front: FrontOffice, office: MemoryOffice, name: str) -> Any:
    return office.rows["customer"][int(front.remote_id(anna(front)))].values[name]


def user_there(office: MemoryOffice, login: str) -> str:
    rows = office.rows["user"].items()
    return next(str(key) for key, row in rows if row.values["login"] == login)


def owner(front: FrontOffice) -> str | None:
    rows = front.all(select(User.login).where(User.id == front.customer(anna(front)).owner_id))
    return rows[0].login if rows else None


def assign_local(front: FrontOffice) -> None:
    """Give Anna to somebody whom the ERP does not know."""
    customer_id = anna(front)

    def assign(uow: UnitOfWork) -> None:
        times = {"created_at": uow.now, "updated_at": uow.now}
        zoe = User(id=new_id(), login="zoë", name="Zoë", is_enabled=True, **times)
        assign_owner(uow, customer_id, uow.add(zoe).id)

    front.change(assign)


def companies(front: FrontOffice) -> list[str]:
    told = front.change(lambda uow: list_relationships(uow, anna(front)))
    return [each["other_name"] for each in told]


def tie_to_local(front: FrontOffice) -> None:
    """Make Anna a contact of a company that cannot be made there, instead of A."""
    local_id = front.create("Ours", kind="company", vat=VAT)
    customer_id = anna(front)

    def tie(uow: UnitOfWork) -> None:
        [former] = list_relationships(uow, customer_id)
        unrelate_customers(uow, former["id"])
        relate_customers(uow, customer_id, CONTACT_OF, local_id)

    front.change(tie)


def conflicts(front: FrontOffice) -> list[tuple[str, Any, str, str | None]]:
    rows = front.all(select(Conflict).order_by(Conflict.id))
    return [(row[0].field, row[0].ours, row[0].state, row[0].winner) for row in rows]


def choose(front: FrontOffice, *texts: str) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, texts))


def decide(front: FrontOffice, take: str) -> None:
    front.change(lambda uow: resolve_conflicts(uow, Chosen(front.backend.id), take))


def settled(front: FrontOffice, office: MemoryOffice) -> None:
    """Nothing goes to and fro in later runs, whether they read all, or Anna was edited."""
    found, before = conflicts(front), (owner(front), companies(front))
    for note in (None, "edited"):
        if note:
            front.edit(anna(front), note=note)
        for full in (False, True):
            front.run(full=full)
            assert conflicts(front) == found
            assert (owner(front), companies(front)) == before
        content = office.content()
        assert "updated" not in front.run().pushed.get("customer", {})
        assert office.content() == content
    assert there(front, office, "note") == "edited"


@pytest.mark.parametrize(
    ("master", "winner", "expected"), [("crm", "crm", "zoë"), ("erp", "erp", "ivo")]
)
def test_an_owner_unknown_there_goes_by_the_master(
    front: FrontOffice, office: MemoryOffice, master: str, winner: str, expected: str
) -> None:
    choose(front, f"customer.owner_ref={master}")
    assign_local(front)
    front.run()
    change_there(front, office, owner_ref=user_there(office, "ivo"), job_title="buyer")
    front.run()
    assert owner(front) == expected
    assert front.customer(anna(front)).job_title == "buyer"
    assert conflicts(front) == [("owner_ref", "zoë", "done", winner)]
    settled(front, office)
    assert there(front, office, "owner_ref") == user_there(office, "ivo")


@pytest.mark.parametrize(("take", "expected"), [("crm", "zoë"), ("erp", "ivo")])
def test_an_owner_unknown_there_is_asked_about_where_that_was_chosen(
    front: FrontOffice, office: MemoryOffice, take: str, expected: str
) -> None:
    choose(front, "customer.owner_ref=ask")
    assign_local(front)
    change_there(front, office, owner_ref=user_there(office, "ivo"))
    front.run()
    assert conflicts(front) == [("owner_ref", "zoë", "open", None)]
    settled(front, office)
    assert owner(front) == "zoë"
    decide(front, take)
    front.run()
    assert owner(front) == expected
    assert conflicts(front) == [("owner_ref", "zoë", "done", take)]
    settled(front, office)


def test_an_owner_kept_here_is_told_once_the_erp_knows_them(
    front: FrontOffice, office: MemoryOffice
) -> None:
    assign_local(front)
    change_there(front, office, owner_ref=user_there(office, "ivo"))
    front.run()
    zoe = office.make("user", {"login": "zoë", "name": "Zoë"})
    front.run()
    front.edit(anna(front), job_title="buyer")
    front.run()
    assert (owner(front), there(front, office, "owner_ref")) == ("zoë", zoe)
    settled(front, office)


def test_where_nobody_owns_a_customer_here_the_erp_names_the_owner(
    front: FrontOffice, office: MemoryOffice
) -> None:
    customer_id = anna(front)
    change_there(front, office, owner_ref=None)
    front.run()
    assert owner(front) is None
    change_there(front, office, owner_ref=user_there(office, "ivo"))
    front.run()
    assert (owner(front), conflicts(front)) == ("ivo", [])
    front.change(lambda uow: assign_owner(uow, customer_id, None))
    front.run()
    assert there(front, office, "owner_ref") is None
    settled(front, office)


@pytest.mark.parametrize("master", ["crm", "erp", "ask"])
def test_a_company_unknown_there_goes_by_the_master(
    front: FrontOffice, office: MemoryOffice, master: str
) -> None:
    choose(front, f"customer.parent_ref={master}")
    tie_to_local(front)
    theirs = front.remote_id(front.customers()["B"].id)
    change_there(front, office, parent_ref=theirs)
    front.run()
    state = ("open", None) if master == "ask" else ("done", master)
    assert conflicts(front) == [("parent_ref", "Ours", *state)]
    assert companies(front) == (["B"] if master == "erp" else ["Ours"])
    settled(front, office)
    # What waits for its company says so; what waits for a person does not wait for the company.
    [(waiting,)] = front.all(
        select(PushItem.is_set_aside).where(PushItem.local_id == anna(front)).limit(1)
    ) or [(False,)]
    assert waiting == (master == "crm")
    if master == "ask":
        decide(front, "erp")
        front.run()
        assert conflicts(front) == [("parent_ref", "Ours", "done", "erp")]
        assert companies(front) == ["B"]
        settled(front, office)
    assert there(front, office, "parent_ref") == theirs
