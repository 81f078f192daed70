"""Fixtures every test may use: databases of both kinds, and actors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, make_url, text

import postgres
from crm_core.access import Actor, system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "crm.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> URL:
    """The PostgreSQL server for tests; without one they are left out, but not in CI."""
    running = postgres.status()
    url = os.environ.get("CRM_TEST_POSTGRES_URL") or (running["url"] if running["up"] else None)
    if url is None:
        reason = "no PostgreSQL: run make services"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return make_url(str(url))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> Iterator[str]:
    """Name of an empty, migrated database that tests copy."""
    name = f"crm_template_{uuid4().hex[:12]}"
    _on_server(postgres_server, f'CREATE DATABASE "{name}"')
    database = Database(postgres_server.set(database=name))
    upgrade(database)
    database.dispose()
    yield name
    _on_server(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(server: URL, statement: str) -> None:
    engine = create_engine(
        server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database of this test's own."""
    path = tmp_path / "crm.sqlite"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.dispose()


@pytest.fixture
def postgres_database(postgres_server: URL, postgres_template: str) -> Iterator[Database]:
    """An empty PostgreSQL database of this test's own."""
    name = f"crm_test_{uuid4().hex[:12]}"
    _on_server(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    database = Database(postgres_server.set(database=name))
    yield database
    database.dispose()
    _on_server(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database of each kind in turn."""
    kind = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    found: Database = request.getfixturevalue(kind)
    return found


@pytest.fixture
def system() -> Actor:
    """The system as the actor."""
    return system_actor("test")
