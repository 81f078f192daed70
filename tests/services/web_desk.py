"""An office with the web on a database of each kind: people of every role, and customers of each.

Set up once a session and copied for each test; signed in through the real form. A ``conftest.py``
says with which plugins, and takes the fixtures::

    from web_desk import crm, kind, office, offices, quick_hashing, web
    sqlite_office, postgres_office = offices("web")
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import URL, event, make_url, text, update

from crm_core.access import Actor, Reach, system_actor
from crm_core.bootstrap import Application
from crm_core.config import load_config
from crm_core.plugins.activation import enable_plugin
from crm_core.services.users import actor_for_login
from crm_core.testing.fixtures import ENABLING_SECONDS, postgres_copy
from crm_web.app import create_app
from crm_web.models import WebSession
from crm_web.opening import COOKIE
from crm_web.services import passwords
from web_office import OUTSIDERS, PASSWORD, ROLES, Known, installed, set_up
from web_page import Page

More = Callable[[Application, Known], None]
PATIENCE_SECONDS = 60
"""What a plugin and a panel may take, however busy the machine is."""
USUAL_HASHING = passwords._hasher  # before a session of tests changes it, once or twice
ABOUT_TRANSACTIONS = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")


class Web:
    """A browser without a screen: keeps cookies, and takes the token of a form from its page."""

    def __init__(self, app: Flask, application: Application) -> None:
        self.app, self.application = app, application
        self.client = app.test_client()

    def get(self, path: str, **options: Any) -> Page:
        """Open a page."""
        return self._asked("GET", path, **options)

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        csrf: str | None = None,
        **options: Any,
    ) -> Page:
        """Send a form with the token of this browser; ``csrf`` for another, or an empty one."""
        token = self.csrf if csrf is None else csrf
        return self._asked("POST", path, data={"_csrf": token, **(data or {})}, **options)

    def call(
        self, method: str, path: str, body: Any = None, *, as_form: bool = False, **headers: str
    ) -> Page:
        """Call the API as a script of our own pages does: with the cookie and the token."""
        sent = {"X-CSRF-Token": self.csrf, "Accept": "application/json", **headers}
        if method != "GET":
            sent.setdefault("If-Match", "*")
        options: dict[str, Any] = {}
        if method not in ("GET", "DELETE"):
            options = {"data": body} if as_form else {"json": {} if body is None else body}
        return self._asked(method, path, headers=sent, **options)

    def follow(self, page: Page) -> Page:
        """Open the page that an answer sends on to."""
        assert page.status in (302, 303), (page.status, page.words[:500])
        return self.get(page.location)

    @property
    def csrf(self) -> str:
        """A token that this browser's forms carry."""
        return self._own() if self.cookie else self.get("/account/sign-in").csrf

    @property
    def cookie(self) -> str:
        """What the server told this browser to keep, or empty."""
        found = self.client.get_cookie(COOKIE)
        return found.value if found else ""

    def be(self, token: str) -> None:
        """Have the cookie of somebody signed in.

        Seen just now, or a request of a long test run would note it: that is no page's own work.
        """
        with self.application.unit_of_work(system_actor("test"), write=True) as uow:
            uow.execute(update(WebSession).values(last_seen_at=uow.now))
            uow.commit()
        self.client.set_cookie(COOKIE, token)

    def _own(self) -> str:
        from crm_web.services.sessions import csrf_token

        once = secrets.token_hex(8)  # another for each form, as pages have it
        return f"{once}.{csrf_token(self.cookie, once)}"

    def sign_in(self, login: str, password: str = PASSWORD, *, following: str = "") -> Page:
        """Sign in through the form."""
        token = self.csrf
        data = {"login": login, "password": password, "next": following, "_csrf": token}
        return self._asked("POST", "/account/sign-in", data=data)

    def _asked(self, method: str, path: str, **options: Any) -> Page:
        queries: list[str] = []
        engine = self.application.database.engine

        def seen(_conn, _cursor, statement, *_rest: Any) -> None:
            if not statement.startswith(ABOUT_TRANSACTIONS):
                queries.append(statement)

        event.listen(engine, "before_cursor_execute", seen)
        try:
            page = Page(self.client.open(path, method=method, **options), queries)
            page.response.get_data()  # what streams is read while it is counted
        finally:
            event.remove(engine, "before_cursor_execute", seen)
        for secret in (PASSWORD, "Traceback (most recent call last)"):
            assert secret.encode() not in page.response.data, f"{method} {path} shows {secret!r}"
        return page


@dataclass
class Office:
    """One database with the web on it.

    Attributes:
        application: The product.
        known: Customers, users and records by name; see ``web_office``.
    """

    application: Application
    known: Known

    @cached_property
    def app(self) -> Flask:
        """Its pages."""
        return create_app(self.application)

    def customer(self, owner: str) -> str:
        """Return the id of the customer of ``employee``, ``outsider``, ``manager`` or nobody."""
        return str(self.known.customers[owner])

    def actor(self, login: str) -> Actor:
        """Return whom services act for when this user is signed in."""
        with self.application.unit_of_work(system_actor("test")) as uow:
            return actor_for_login(uow, login, origin="web")

    def write(self, act: Callable[..., Any], login: str | None = None) -> Any:
        """Do something in a writing unit of work: ``office.write(lambda uow: ...)``."""
        actor = self.actor(login) if login else system_actor("test")
        with self.application.unit_of_work(actor, write=True) as uow:
            result = act(uow)
            uow.commit()
        return result

    def read(self, act: Callable[..., Any], login: str | None = None) -> Any:
        """Look something up in a reading unit of work."""
        actor = self.actor(login) if login else system_actor("test")
        with self.application.unit_of_work(actor) as uow:
            return act(uow)

    def rows(self) -> dict[str, frozenset[str]]:
        """Return all rows of all tables, but for notes of who looked and what was answered."""
        with self.application.database.engine.connect() as connection:
            names = _tables(connection)
            return {
                name: frozenset(
                    repr(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{name}"'))
                )
                for name in names
                if not re.match(
                    r"web_(session|throttle|idempotent_reply)|sqlite_|core_search", name
                )
            }


def _tables(connection: Any) -> list[str]:
    if connection.dialect.name == "sqlite":
        statement = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        statement = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return sorted(connection.execute(text(statement)).scalars())


def opened(url: URL, folder: Path) -> Application:
    """Open the product on a database, with its files in a folder."""
    flags = {"database_url": url.render_as_string(hide_password=False)}
    settings = {
        "CRM_CONFIG_HOME": str(folder),
        "CRM_LOG_FILE": str(folder / "crm.log"),
        "CRM_FILES_FOLDER": str(folder / "files"),
        "CRM_PLUGIN_SECONDS": str(PATIENCE_SECONDS),
    }
    return Application(load_config(flags, settings, folder))


def built(url: URL, folder: Path, plugins: tuple[str, ...], more: More | None = None) -> Known:
    """Set a database up with these plugins, people and customers; say what is in it.

    What others may do with a plugin, outsiders may do in their own team.
    """
    application = opened(url, folder)
    installed(application)
    for name in plugins:
        enable_plugin(
            application.database,
            application.installed_plugins,
            name,
            by="test",
            seconds=ENABLING_SECONDS,
        )
    application.close()
    application = opened(url, folder)
    held = {
        right.code: Reach.TEAM
        for right in application.plugins.rights.values()
        if right.roles and not right.code.startswith("web.")
    }
    known = set_up(application, OUTSIDERS | held)
    if more is not None:
        more(application, known)
    app = create_app(application)
    for login in ROLES:
        web = Web(app, application)
        page = web.sign_in(login)
        assert page.status == 303, page.words
        known.tokens[login] = web.cookie
    with application.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM web_throttle"))  # tests have clocks of their own
    application.close()
    return known


def offices(*plugins: str, more: More | None = None) -> tuple[Any, Any]:
    """Return the fixtures ``sqlite_office`` and ``postgres_office`` with these plugins enabled.

    ``more`` adds records to what every office has, and may tell of them in ``known``.
    """

    @pytest.fixture(scope="session")
    def sqlite_office(crm_sqlite_template: Path, tmp_path_factory) -> tuple[Path, Known]:
        """An SQLite file that is set up already, and what is in it."""
        folder = tmp_path_factory.mktemp("office")
        path = folder / "crm.sqlite"
        shutil.copyfile(crm_sqlite_template, path)
        return path, built(make_url(f"sqlite:///{path}"), folder, plugins, more)

    @pytest.fixture(scope="session")
    def postgres_office(
        crm_postgres_server: URL, crm_postgres_template: str, tmp_path_factory
    ) -> Iterator[tuple[str, Known]]:
        """Name of a PostgreSQL database that is set up already, and what is in it."""
        with postgres_copy(crm_postgres_server, crm_postgres_template, kind="office") as url:
            known = built(url, tmp_path_factory.mktemp("office"), plugins, more)
            yield str(url.database), known

    return sqlite_office, postgres_office


@pytest.fixture(scope="session", autouse=True)
def quick_hashing() -> Iterator[PasswordHasher]:
    """Hash passwords with little effort, for it is half of what such tests take; give the usual."""
    with pytest.MonkeyPatch.context() as patch:
        quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_hasher", quick)
        yield USUAL_HASHING


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database; for ``parametrize`` where one will do: ``("kind", ["sqlite"])``."""
    return request.param


@pytest.fixture
def office(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    """The web on a database of its own, with people of every role and customers of each."""
    monkeypatch.setattr("crm_web.dispatch.PANEL_SECONDS", PATIENCE_SECONDS)
    # See Web.be: nor is it noted when a walk of all pages takes longer than a minute.
    monkeypatch.setattr("crm_web.services.sessions.SEEN_EVERY", timedelta(hours=1))
    with ExitStack() as stack:
        if kind == "sqlite":
            template, known = request.getfixturevalue("sqlite_office")
            path = tmp_path / "crm.sqlite"
            shutil.copyfile(template, path)
            url = make_url(f"sqlite:///{path}")
        else:
            server = request.getfixturevalue("crm_postgres_server")
            template, known = request.getfixturevalue("postgres_office")
            url = stack.enter_context(postgres_copy(server, template))
        application = opened(url, tmp_path)
        if known.folder.is_dir():
            shutil.copytree(known.folder, application.config.files_folder, dirs_exist_ok=True)
        yield Office(application, known)
        for thread in threading.enumerate():
            if thread.name == "reset":  # a page answers before it, and then the database is gone
                thread.join()
        application.close()


@pytest.fixture
def crm(office: Office) -> Application:
    """The product of ``office``."""
    return office.application


@pytest.fixture
def web(office: Office) -> Callable[..., Web]:
    """A browser in which a user is signed in: ``web("employee")``; without a name, nobody is."""

    def browser(login: str | None = None) -> Web:
        made = Web(office.app, office.application)
        if login is not None:
            made.be(office.known.tokens[login])
        return made

    return browser
