"""Fixtures: databases of both kinds, the product on them, actors, a clock and ids that repeat.

With ``CRM_TEST_POSTGRES_URL`` set, what uses ``crm_database`` runs on SQLite and on that server.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, create_engine, make_url, text

from crm_core.access import Actor, system_actor
from crm_core.bootstrap import Application
from crm_core.config import load_config
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.plugins.activation import enable_plugin
from crm_core.services.installation import Answers, install
from crm_core.testing.factories import make_actor

POSTGRES_VARIABLE = "CRM_TEST_POSTGRES_URL"
KINDS = ("sqlite", "postgresql") if os.environ.get(POSTGRES_VARIABLE) else ("sqlite",)
ADMIN = "admin"
BEGINNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""What ``crm_clock`` shows first: a Monday morning."""
FIRST_ID = 0x019C_A000_0000_7000_8000_0000_0000_0000
ENABLING_SECONDS = 60.0


@pytest.fixture(scope="session")
def crm_sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "crm.sqlite"
    _filled(make_url(f"sqlite:///{path}"), upgrade)
    return path


@pytest.fixture(scope="session")
def crm_postgres_server() -> URL:
    """The PostgreSQL server for tests, on which databases may be made."""
    url = os.environ.get(POSTGRES_VARIABLE)
    if not url:
        pytest.fail(f"{POSTGRES_VARIABLE} names no server")
    return make_url(url)


@pytest.fixture(scope="session")
def crm_postgres_template(crm_postgres_server: URL) -> Iterator[str]:
    """Name of an empty, migrated PostgreSQL database that tests copy."""
    with postgres_copy(crm_postgres_server, kind="template") as url:
        _filled(url, upgrade)
        yield str(url.database)


def _filled(url: URL, fill: Callable[[Database], None]) -> None:
    database = Database(url)
    fill(database)
    database.dispose()


def filled_templates(fill: Callable[[Database], None]) -> tuple[Any, Any]:
    """Return fixtures with more in them, for a ``conftest.py``: what all its tests begin with.

    Filled once a session, and copied for each test::

        crm_sqlite_template, crm_postgres_template = filled_templates(fill)
    """

    @pytest.fixture(scope="session")
    def crm_sqlite_template(
        crm_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        """An SQLite file that tests copy, filled."""
        path = tmp_path_factory.mktemp("filled") / "crm.sqlite"
        shutil.copyfile(crm_sqlite_template, path)
        _filled(make_url(f"sqlite:///{path}"), fill)
        return path

    @pytest.fixture(scope="session")
    def crm_postgres_template(
        crm_postgres_server: URL, crm_postgres_template: str
    ) -> Iterator[str]:
        """Name of a PostgreSQL database that tests copy, filled."""
        with postgres_copy(crm_postgres_server, crm_postgres_template, kind="template") as url:
            _filled(url, fill)
            yield str(url.database)

    return crm_sqlite_template, crm_postgres_template


@contextmanager
def postgres_copy(server: URL, template: str = "template1", *, kind: str = "test") -> Iterator[URL]:
    """Give the URL of a new database on a server, a copy of another; drop it at the end."""
    url = server.set(drivername="postgresql+psycopg")
    name = f"crm_{kind}_{uuid4().hex[:12]}"
    with _on(url).connect() as connection:
        # The usual way writes each page to the log first, and takes four times as long.
        by = "STRATEGY file_copy" if (connection.dialect.server_version_info or ()) >= (15,) else ""
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {by}'))
    try:
        yield url.set(database=name)
    finally:
        with _on(url).connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@cache
def _on(server: URL) -> Engine:
    """Stay connected: every test makes a database and drops it."""
    return create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


@pytest.fixture
def crm_sqlite_url(crm_sqlite_template: Path, tmp_path: Path) -> URL:
    """URL of an empty SQLite database of this test's own."""
    path = tmp_path / "crm.sqlite"
    shutil.copyfile(crm_sqlite_template, path)
    return make_url(f"sqlite:///{path}")


@pytest.fixture
def crm_postgres_url(crm_postgres_server: URL, crm_postgres_template: str) -> Iterator[URL]:
    """URL of an empty PostgreSQL database of this test's own."""
    with postgres_copy(crm_postgres_server, crm_postgres_template) as url:
        yield url


@pytest.fixture(params=KINDS)
def crm_database_url(request: pytest.FixtureRequest) -> URL:
    """URL of an empty database of each kind in turn."""
    kind = "crm_sqlite_url" if request.param == "sqlite" else "crm_postgres_url"
    url: URL = request.getfixturevalue(kind)
    return url


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    """Plugins that ``crm_application`` enables, each after those it requires: for overriding."""
    return ()


@pytest.fixture
def crm_application(
    crm_database_url: URL, crm_plugins: tuple[str, ...], tmp_path: Path
) -> Iterator[Application]:
    """The product, set up on an empty database, with the plugins of ``crm_plugins`` enabled."""
    flags = {"database_url": crm_database_url.render_as_string(hide_password=False)}
    application = Application(load_config(flags, {"CRM_CONFIG_HOME": str(tmp_path)}, tmp_path))
    answers = Answers("Test company", "EUR", "UTC", "en", None, ADMIN)
    with application.unit_of_work(system_actor("test"), write=True) as uow:
        install(uow, answers, os_user="nobody")
        uow.commit()
    for name in crm_plugins:
        enable_plugin(
            application.database,
            application.installed_plugins,
            name,
            by="test",
            seconds=ENABLING_SECONDS,
        )
    application.refresh_plugins()
    yield application
    application.close()


@pytest.fixture
def crm_database(crm_application: Application) -> Database:
    """The database of ``crm_application``: for ``unit_of_work(crm_database, actor=...)``."""
    return crm_application.database


@pytest.fixture
def crm_system() -> Actor:
    """The system as the actor: it may do everything."""
    return system_actor("test")


@pytest.fixture
def crm_actor() -> Callable[..., Actor]:
    """Make an actor with the rights named: ``crm_actor("loyalty.card.issue")``."""
    return make_actor


@pytest.fixture
def crm_clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still at ``BEGINNING`` until it is moved: ``crm_clock.shift(60)``."""
    with time_machine.travel(BEGINNING, tick=False) as traveller:
        yield traveller


@pytest.fixture
def crm_ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], UUID]:
    """Keys that are the same in every run; ``crm_ids(3)`` is the third key made."""
    made = 0

    def following() -> UUID:
        nonlocal made
        made += 1
        return UUID(int=FIRST_ID + made)

    monkeypatch.setattr("crm_core.ids.uuid7", following)
    return lambda number: UUID(int=FIRST_ID + number)


@pytest.fixture
def crm_command(
    crm_application: Application, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """Type a command as the administrator: ``crm_command("customer", "list", "--json")``."""
    from crm_core.cli.main import crm

    crm_application.database  # noqa: B018  there before the command opens it
    monkeypatch.setenv("CRM_DATABASE_URL", crm_application.config.database_url)
    monkeypatch.setenv("CRM_USER", ADMIN)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))
    return lambda *arguments: CliRunner().invoke(crm, [str(each) for each in arguments])
