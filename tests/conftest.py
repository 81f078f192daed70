"""Fixtures every test may use: those that plugins get too, under short names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

import postgres
from crm_core.access import Actor
from crm_core.persistence.database import Database

pytest_plugins = ["crm_core.testing.fixtures"]


@pytest.fixture(scope="session")
def crm_postgres_server() -> URL:
    """The PostgreSQL server for tests; without one they are left out, but not in CI."""
    running = postgres.status()
    url = os.environ.get("CRM_TEST_POSTGRES_URL") or (running["url"] if running["up"] else None)
    if url is None:
        reason = "no PostgreSQL: run make services"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return make_url(str(url))


@pytest.fixture(params=["sqlite", "postgresql"])
def crm_database_url(request: pytest.FixtureRequest) -> URL:
    """URL of an empty database of each kind in turn."""
    kind = "crm_sqlite_url" if request.param == "sqlite" else "crm_postgres_url"
    url: URL = request.getfixturevalue(kind)
    return url


@pytest.fixture(scope="session")
def sqlite_template(crm_sqlite_template: Path) -> Path:
    """An empty, migrated SQLite file that tests copy."""
    return crm_sqlite_template


@pytest.fixture(scope="session")
def postgres_server(crm_postgres_server: URL) -> URL:
    """The PostgreSQL server for tests."""
    return crm_postgres_server


@pytest.fixture
def sqlite_database(crm_sqlite_url: URL) -> Iterator[Database]:
    """An empty SQLite database of this test's own, without plugins."""
    yield from _opened(crm_sqlite_url)


@pytest.fixture
def postgres_database(crm_postgres_url: URL) -> Iterator[Database]:
    """An empty PostgreSQL database of this test's own, without plugins."""
    yield from _opened(crm_postgres_url)


@pytest.fixture
def database(crm_database_url: URL) -> Iterator[Database]:
    """An empty database of each kind in turn, without plugins."""
    yield from _opened(crm_database_url)


def _opened(url: URL) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def system(crm_system: Actor) -> Actor:
    """The system as the actor."""
    return crm_system
