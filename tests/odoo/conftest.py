"""Fixtures of the tests that run against a real Odoo server; see README.md beside this file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import URL

from crm_core.access import Actor
from crm_core.persistence.database import Database
from crm_core.testing.faulty_proxy import FaultyProxy
from crm_core.testing.front_office import FrontOffice
from crm_odoo.backend import OdooBackend
from crm_odoo.settings import open_backend
from odoo_drafts import opened
from odoo_rpc import OdooAdmin
from odoo_server import NoOdooError, OdooDatabase, OdooServer, find_server


@pytest.fixture(scope="session")
def odoo_server() -> OdooServer:
    """The running server. Without one: skip here, fail in CI, unless CI cannot have one."""
    try:
        return find_server()
    except NoOdooError as error:
        missing = error
    if os.environ.get("CI") == "true" and not missing.excused:
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def odoo_db(odoo_server: OdooServer) -> Iterator[OdooDatabase]:
    """A seeded database for tests that only read."""
    if odoo_server.own:
        yield odoo_server.own
        return
    database = odoo_server.copy()
    yield database
    odoo_server.drop(database)


@pytest.fixture
def fresh_odoo_db(odoo_server: OdooServer) -> Iterator[OdooDatabase]:
    """A seeded database of the test's own, to change at will."""
    if odoo_server.own:
        pytest.skip("changes the database: only on the project's own Odoo")
    database = odoo_server.copy()
    yield database
    odoo_server.drop(database)


@pytest.fixture(scope="session")
def admin_rpc() -> Callable[[OdooDatabase], OdooAdmin]:
    """Change a database behind our back: ``admin_rpc(db).execute(model, method, ...)``."""

    def connect(database: OdooDatabase) -> OdooAdmin:
        if database.admin is None:
            pytest.skip("needs the administrator of the project's own Odoo")
        return database.rpc(database.admin)

    return connect


@pytest.fixture
def stopped_odoo(odoo_server: OdooServer) -> Iterator[OdooServer]:
    """The server while it is down; it runs again after the test."""
    if odoo_server.own:
        pytest.skip("stops the server: only the project's own Odoo")
    odoo_server.stop()
    try:
        yield odoo_server
    finally:
        odoo_server.start()


@pytest.fixture
def crm_database_url(crm_postgres_url: URL) -> URL:
    """Front offices of these tests are kept in PostgreSQL."""
    return crm_postgres_url


@pytest.fixture
def admin(fresh_odoo_db: OdooDatabase, admin_rpc: Any) -> OdooAdmin:
    """The administrator of a test's own database."""
    return admin_rpc(fresh_odoo_db)


@pytest.fixture
def options(fresh_odoo_db: OdooDatabase, admin: OdooAdmin) -> dict[str, str]:
    """How the writer connects; only partners made from now on are customers."""
    context = {"active_test": False}
    [last] = admin.search("res.partner", [], order="id desc", limit=1, context=context)
    return {
        "url": fresh_odoo_db.url,
        "database": fresh_odoo_db.name,
        "login": fresh_odoo_db.writer.login,
        "customer_domain": json.dumps([["id", ">", last]]),
    }


@pytest.fixture
def office(
    crm_database: Database,
    system: Actor,
    options: dict[str, str],
    fresh_odoo_db: OdooDatabase,
) -> FrontOffice:
    """A front office in step with a test's own database."""
    secret = fresh_odoo_db.writer.secret
    office = FrontOffice(crm_database, system, lambda: open_backend(options, secret))
    office.accept()
    return office


@pytest.fixture
def faulty_proxy(odoo_server: OdooServer) -> Iterator[FaultyProxy]:
    """A proxy before the server that spoils answers when told to; use its ``url``."""
    with FaultyProxy(odoo_server.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def shop(odoo_server: OdooServer) -> Iterator[OdooDatabase]:
    """A seeded database that a module's tests write to, each its own records."""
    if odoo_server.own:
        pytest.skip("changes the database: only on the project's own Odoo")
    database = odoo_server.copy()
    yield database
    odoo_server.drop(database)


@pytest.fixture
def backend(shop: OdooDatabase) -> Iterator[OdooBackend]:
    """A connection to it that may write."""
    writer = opened(shop, shop.writer)
    yield writer
    writer.close()
