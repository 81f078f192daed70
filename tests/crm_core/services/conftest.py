"""A small company: five users in their roles, and a way to act as each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crm_core.access import Actor
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.customer_import import ImportReport, import_customers
from crm_core.services.customers import create_customer
from crm_core.services.relationships import seed_relationship_types
from crm_core.services.roles import seed_roles
from crm_core.services.teams import add_team, add_team_member
from crm_core.services.users import actor_for_login, add_user, user_named

USERS = {
    "anna": ("admin",),
    "maria": ("manager",),
    "eva": ("employee",),
    "tom": ("employee",),
    "olga": ("employee",),
    "rita": ("readonly",),
    "nora": (),
}


@dataclass(frozen=True)
class Company:
    """One database with users; ``eva`` and ``tom`` are one team, ``olga`` is outside it."""

    database: Database
    system: Actor

    def acting(
        self, login: str | None = None, *, write: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work as a user, or as the system."""
        return unit_of_work(self.database, actor=self.actor(login), write=write)

    @contextmanager
    def writing(self, login: str | None = None) -> Iterator[UnitOfWork]:
        """Open a writing unit of work that commits at the end."""
        with self.acting(login, write=True) as uow:
            yield uow
            uow.commit()

    def actor(self, login: str | None) -> Actor:
        """Return the actor for a login."""
        if login is None:
            return self.system
        with unit_of_work(self.database, actor=self.system) as uow:
            return actor_for_login(uow, login)

    def user_id(self, login: str) -> UUID:
        """Return a user's id."""
        with self.acting() as uow:
            return user_named(uow, login).id

    def customer(self, name: str, **values: Any) -> UUID:
        """Add a customer as the system; ``owner`` takes a login."""
        with self.writing() as uow:
            return create_customer(uow, {"name": name, **values}).id


@pytest.fixture
def company(database: Database, system: Actor) -> Company:
    """The company on an empty database of each kind."""
    return founded(database, system)


@pytest.fixture
def sqlite_company(sqlite_database: Database, system: Actor) -> Company:
    """The company on SQLite alone, for what does not touch the database's kind."""
    return founded(sqlite_database, system)


def founded(database: Database, system: Actor) -> Company:
    """Fill an empty database with the company."""
    company = Company(database, system)
    with company.writing() as uow:
        seed_roles(uow)
        seed_relationship_types(uow)
        for login, roles in USERS.items():
            add_user(uow, login, role_codes=roles)
        add_team(uow, "North")
        for login in ("eva", "tom"):
            add_team_member(uow, "North", login)
    return company


@pytest.fixture
def load(company: Any, tmp_path: Path) -> Callable[..., ImportReport]:
    """Import lines of CSV as a user."""

    def load(*lines: str, login: str = "maria", **options: Any) -> ImportReport:
        path = tmp_path / "customers.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return import_customers(company.database, company.actor(login), path, **options)

    return load
