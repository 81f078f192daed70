"""The Odoo that tests talk to: the one ``odoo.py`` brought up, or somebody's own.

Environment for one's own, of any version: CRM_TEST_ODOO_URL, CRM_TEST_ODOO_DATABASE,
CRM_TEST_ODOO_LOGIN and CRM_TEST_ODOO_SECRET_FILE.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import odoo_cluster
import odoo_template
from odoo_rpc import OdooAdmin
from service_cache import locked, read_state


class NoOdooError(Exception):
    """There is none to test against; ``excused`` when none can be built on this machine."""

    def __init__(self, reason: str, *, excused: bool = False) -> None:
        super().__init__(reason)
        self.excused = excused


@dataclass(frozen=True)
class Account:
    """A login whose password stands in a file."""

    login: str
    secret_file: Path

    @property
    def secret(self) -> str:
        return self.secret_file.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class OdooDatabase:
    """One database and who may log in to it."""

    url: str
    name: str
    bot: Account
    """Reads what a pull needs, and nothing else."""
    plain: Account | None = None
    """A salesperson who may not see payments."""
    admin: Account | None = None
    writer: Account | None = None
    """Reads as the bot does, and may create and change partners and their tags."""

    def rpc(self, account: Account | None = None) -> OdooAdmin:
        """A client of our own, as the bot unless told otherwise."""
        chosen = account or self.bot
        return OdooAdmin(self.url, self.name, chosen.login, chosen.secret)


@dataclass(frozen=True)
class OdooServer:
    """A running server; ``own`` is somebody's database, which is never copied or dropped."""

    url: str
    own: OdooDatabase | None = None

    def copy(self) -> OdooDatabase:
        """A fresh copy of the template, in about a second."""
        # The process number lets `odoo.py up` tell what a killed test run left behind.
        name = f"test_{os.getpid()}_{uuid.uuid4().hex[:12]}"
        with locked(odoo_cluster.STATE):
            odoo_template.copy_database(name)
        return template_copy(name)

    def drop(self, database: OdooDatabase) -> None:
        with locked(odoo_cluster.STATE):
            odoo_template.drop_database(database.name)

    def stop(self) -> None:
        """Stop answering, for tests of a server that is down."""
        with locked(odoo_cluster.STATE):
            odoo_cluster.stop_odoo()

    def start(self) -> None:
        with locked(odoo_cluster.STATE):
            odoo_cluster.start_odoo()


def template_copy(name: str) -> OdooDatabase:
    """How to reach a copy of the template."""
    access = odoo_template.connection(name)
    accounts = {
        role: Account(access[f"{prefix}login"], Path(access[f"{prefix}secret_file"]))
        for role, prefix in (
            ("bot", ""),
            ("writer", "writer_"),
            ("plain", "plain_"),
            ("admin", "admin_"),
        )
    }
    return OdooDatabase(url=access["url"], name=name, **accounts)


def find_server() -> OdooServer:
    """The server to test against; never installs or starts one."""
    if os.environ.get("CRM_TEST_ODOO_URL"):
        return _own_server()
    state = read_state(odoo_cluster.STATE)
    if state.get("suite_missing"):
        raise NoOdooError(
            f"no Odoo: the Debian mirror no longer serves {state['suite_missing']}", excused=True
        )
    if not state.get("ready") or not odoo_cluster.is_odoo_up():
        raise NoOdooError("no Odoo: run make services")
    return OdooServer(state["url"])


def _own_server() -> OdooServer:
    try:
        url, name, login, secret_file = (
            os.environ[f"CRM_TEST_ODOO_{word}"]
            for word in ("URL", "DATABASE", "LOGIN", "SECRET_FILE")
        )
    except KeyError as missing:
        raise NoOdooError(f"CRM_TEST_ODOO_URL is set, but not {missing}") from missing
    return OdooServer(url, OdooDatabase(url, name, Account(login, Path(secret_file))))
