"""What the session does by itself: audit rows, versions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.access import Actor, Reach
from crm_core.entities import (
    AuditEntry,
    ContactPoint,
    Currency,
    CurrencyRate,
    Customer,
    Product,
    TransactionLine,
    User,
)
from crm_core.errors import StaleVersionError
from crm_core.ids import new_id
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work

NOW = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def add_customer(uow: UnitOfWork, name: str = "Αθηνά") -> Customer:
    customer = uow.add(Customer(name=name, created_at=NOW, updated_at=NOW))
    uow.flush()
    return customer


def audit(database: Database, actor: Actor) -> list[AuditEntry]:
    with unit_of_work(database, actor=actor) as uow:
        return list(uow.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_creating_changing_and_deleting_leave_audit_rows(database: Database) -> None:
    actor = Actor(new_id(), "anna", {"*": Reach.ALL}, origin="cli")
    with unit_of_work(database, actor=actor, write=True) as uow:
        customer = add_customer(uow)
        point = uow.add(ContactPoint(customer_id=customer.id, kind="email", value="a@b.gr"))
        uow.commit()
        customer.name, customer.archived_at = "Athina", NOW
        uow.commit()
        uow.delete(point)
        uow.commit()
    created, pointed, changed, deleted = audit(database, actor)
    for entry in (created, pointed, changed, deleted):
        assert (entry.actor_id, entry.actor_login, entry.origin) == (actor.user_id, "anna", "cli")
        assert entry.customer_id == customer.id
        assert abs((datetime.now(UTC) - entry.at).total_seconds()) < 60
        assert (entry.position, entry.salt, entry.chain_hash) == (None, None, None)
    assert (created.action, created.entity_type) == ("create", "customer")
    assert created.entity_id == str(customer.id)
    assert created.changes["name"] == [None, "Αθηνά"]
    assert not {"version", "created_at", "updated_at", "note"} & set(created.changes)
    assert (changed.action, changed.changes) == (
        "update",
        {"name": ["Αθηνά", "Athina"], "archived_at": [None, "2024-05-01T12:30:00+00:00"]},
    )
    assert (deleted.action, deleted.entity_type) == ("delete", "contact_point")
    assert deleted.changes["value"] == ["a@b.gr", None]
    assert pointed.entity_id == deleted.entity_id == str(point.id)


def test_decimals_and_dates_stand_in_the_audit_as_text(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.add(Currency(code="EUR", name="Euro"))
        uow.add(Currency(code="USD", name="Dollar"))
        uow.flush()
        rate = uow.add(
            CurrencyRate(currency_code="USD", base_code="EUR", on=NOW.date(), rate=Decimal("1.1"))
        )
        uow.commit()
        rate.rate = Decimal("1.10")
        uow.commit()
        rate.rate = Decimal("1.25")
        uow.commit()
    created, changed = audit(database, system)[2:]
    assert created.changes["on"] == [None, "2024-05-01"]
    assert created.changes["rate"] == [None, "1.1"]
    assert changed.changes["rate"][1] == "1.25"


@pytest.mark.parametrize("end", ["rollback", "error"])
def test_what_is_not_committed_leaves_no_audit_row(
    database: Database, system: Actor, end: str
) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(database, actor=system, write=True) as uow:
        add_customer(uow)
        if end == "error":
            raise ZeroDivisionError
        uow.session.rollback()
        raise ZeroDivisionError
    assert audit(database, system) == []


def test_mirrored_documents_and_unchanged_records_are_not_audited(
    database: Database, system: Actor
) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        customer = add_customer(uow)
        uow.add(Product(name="Chair", refreshed_at=NOW))
        uow.commit()
        customer.name = str(customer.name)
        uow.commit()
    assert [entry.action for entry in audit(database, system)] == ["create"]
    assert not TransactionLine.__audited__


def test_a_change_based_on_an_older_version_is_refused(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        customer_id = add_customer(uow).id
        uow.commit()
    with unit_of_work(database, actor=system) as earlier:
        held = earlier.get(Customer, customer_id)
        earlier.session.expunge(held)
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.get(Customer, customer_id).name = "first"
        uow.commit()
    with (
        pytest.raises(StaleVersionError, match="load it again"),
        unit_of_work(database, actor=system, write=True) as later,
    ):
        later.session.add(held)
        held.name = "second"
        later.commit()
    with unit_of_work(database, actor=system) as uow:
        now = uow.get(Customer, customer_id)
        assert (now.name, now.version) == ("first", 2)


def test_deleting_an_older_version_is_refused(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        user = uow.add(User(login="anna", name="Anna", created_at=NOW, updated_at=NOW))
        uow.commit()
        uow.session.expunge(user)
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.get(User, user.id).name = "Anna P."
        uow.commit()
    with (
        pytest.raises(StaleVersionError),
        unit_of_work(database, actor=system, write=True) as later,
    ):
        later.session.add(user)
        later.delete(user)
        later.commit()


def test_a_session_keeps_its_actor(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system) as uow, pytest.raises(AttributeError):
        other: Any = Actor(None, "other", {})
        uow.actor = other  # type: ignore[misc]
