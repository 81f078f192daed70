"""A database with users who can sign in on the web."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import crm_web.models
from crm_core import channels
from crm_core.access import Actor, system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import MigrationLine, upgrade
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.roles import seed_roles
from crm_core.services.users import actor_for_login, add_user
from crm_core.testing.fixtures import filled_templates
from crm_web import oidc, posting
from crm_web.services.passwords import set_password

PASSWORD = "seventeen blue herons"
PATIENCE_SECONDS = 60.0
"""However busy the machine is: what answers is another thread of the same process."""
LINE = MigrationLine("web", "web_", Path(crm_web.models.__file__).with_name("migrations"))


def fill(database: Database) -> None:
    """``eleni`` is an employee with a password, ``anna`` an administrator with one."""
    upgrade(database, [LINE])
    with unit_of_work(database, actor=system_actor("test"), write=True) as uow:
        seed_roles(uow)
        for login, role in (("eleni", "employee"), ("anna", "admin")):
            add_user(uow, login, role_codes=[role], email=f"{login}@example.com")
            set_password(uow, login, PASSWORD)
        uow.commit()


crm_sqlite_template, crm_postgres_template = filled_templates(fill)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for mail servers, webhooks and providers than the product does."""
    for module, name in (
        (channels, "SECONDS"),
        (channels, "WHOLE_SECONDS"),
        (posting, "SECONDS"),
        (oidc, "SECONDS"),
    ):
        monkeypatch.setattr(module, name, PATIENCE_SECONDS)


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Database:
    """A database of each kind with these two."""
    database.key_file = tmp_path / "secrets" / "crm.key"
    return database


@pytest.fixture
def acting(office: Database) -> Callable[[str], Actor]:
    """Return the actor that stands for a user."""

    def actor(login: str) -> Actor:
        with unit_of_work(office, actor=system_actor("test")) as uow:
            return actor_for_login(uow, login, origin="web")

    return actor
