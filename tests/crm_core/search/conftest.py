"""Customers to search for."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from crm_core.access import Actor
from crm_core.entities import ContactPoint, Customer, User
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work

PEOPLE: tuple[tuple[str, dict[str, str]], ...] = (
    ("Ελένη Παπαδοπούλου", {"email": "eleni@papadopoulos.example"}),
    ("Łukasz Żółć-Wiśniewski", {"reference": "K-0042/7"}),
    ("Đorđe Đoković", {"mobile": "+381649871234"}),
    ("Øresund Ærø A/S", {"vat": "DK87654321"}),
    ("Фёдор Андрейчук", {"phone": "+74959876543"}),
    ("كريم يحيى", {}),
    ("کریم یحیی زاده", {}),
    ("می‌خواهم بازرگانی", {"phone": "+982188776655"}),
    ("شرکت ۱۲۳", {}),
    ("Patrick O’Neil", {"email": "p.oneil+crm@mail.example"}),
    ("D'Artagnan d.o.o.", {"vat": "SI 5551.7779"}),
    ("Ana Kos", {"phone": "+38640123456", "email": "Ana.Kos@Example.com"}),
    ("Banana & Sons", {"website": "https://www.banana.example/"}),
    ("Nan Q", {}),
    ("100% Discount_Store * OR", {}),
    ("Kos 🌹 Studio 54", {"messenger": "@kosinski"}),
    ("Straße ＦＵＬＬ", {"reference": "REF 12 A"}),
)
"""Names, and what else they are found by."""


def add_customer(uow: UnitOfWork, name: str, owner_id: UUID | None = None, **more: str) -> Customer:
    """Add one customer; ``more`` holds reference, vat and contact points by kind."""
    own = {field: more.pop(field, None) for field in ("reference", "vat")}
    customer = uow.add(
        Customer(
            name=name,
            kind="company",
            stage="active",
            owner_id=owner_id,
            created_at=uow.now,
            updated_at=uow.now,
            **own,
        )
    )
    uow.flush()
    for kind, value in more.items():
        normalized = value.lower() if kind == "email" else value
        uow.add(
            ContactPoint(customer_id=customer.id, kind=kind, value=value, normalized=normalized)
        )
    return customer


def add_user(uow: UnitOfWork, login: str) -> User:
    """Add one user."""
    user = uow.add(User(login=login, name=login, created_at=uow.now, updated_at=uow.now))
    uow.flush()
    return user


@pytest.fixture(name="add_customer")
def _add_customer() -> Callable[..., Customer]:
    """The function above, for tests to call."""
    return add_customer


@pytest.fixture(name="add_user")
def _add_user() -> Callable[..., User]:
    """The function above, for tests to call."""
    return add_user


@pytest.fixture
def people(database: Database, system: Actor) -> Database:
    """Each kind of database in turn, with PEOPLE in it."""
    with unit_of_work(database, actor=system, write=True) as uow:
        for name, more in PEOPLE:
            add_customer(uow, name, **more)
        uow.commit()
    return database
