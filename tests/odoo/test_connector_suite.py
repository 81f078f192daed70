"""The connector suite on the real Odoo."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import URL

from crm_core.testing.connector_suite import CAPABILITIES, ConnectorSuite
from crm_odoo.backend import OdooBackend
from crm_odoo.settings import open_backend

MODELS = {"customer": "res.partner", "tag": "res.partner.category"}
NAMES = {"reference": "ref", "note": "comment", "job_title": "function", "name": "name"}


class OdooWorkbench:
    """What the administrator of the Odoo does; customers are only those made in the test."""

    capabilities = frozenset(CAPABILITIES)

    def __init__(self, database: Any, admin: Any) -> None:
        self.database, self.admin = database, admin
        self.account, self.url, self.seconds = database.writer, database.url, 60.0
        context = {"active_test": False}
        [self.last] = admin.search("res.partner", [], order="id desc", limit=1, context=context)

    def connect(self) -> OdooBackend:
        config = {
            "url": self.url,
            "database": self.database.name,
            "login": self.account.login,
            "customer_domain": json.dumps([["id", ">", self.last]]),
            "timeout_seconds": str(self.seconds),
        }
        return open_backend(config, self.account.secret)

    def make(self, entity: str, values: Mapping[str, Any]) -> str:
        return self.make_many(entity, [values])[0]

    def make_many(self, entity: str, values: Sequence[Mapping[str, Any]]) -> list[str]:
        rows = [_values(record) for record in values]
        return [str(key) for key in self.admin.execute(MODELS[entity], "create", rows)]

    def change(self, entity: str, remote_id: str, values: Mapping[str, Any]) -> None:
        self.admin.execute(MODELS[entity], "write", [int(remote_id)], _values(values))

    def delete(self, entity: str, remote_id: str) -> None:
        self.admin.execute(MODELS[entity], "unlink", [int(remote_id)])

    def archive(self, entity: str, remote_id: str) -> None:
        self.admin.execute(MODELS[entity], "write", [int(remote_id)], {"active": False})

    def hide(self, entity: str, remote_id: str) -> None:
        [model] = self.admin.search("ir.model", [("model", "=", MODELS[entity])])
        login = self.account.login
        domain = f"[('id', '!=', {remote_id})] if user.login == {login!r} else [(1, '=', 1)]"
        rule = {"name": "hidden", "model_id": model, "domain_force": domain}
        self.admin.execute("ir.rule", "create", rule)

    def count(self, entity: str, name: str) -> int:
        context = {"active_test": False}
        domain = [("name", "=", name)]
        return int(self.admin.execute(MODELS[entity], "search_count", domain, context=context))

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """The integration user loses the right to write partners."""
        writer, self.account = self.account, self.database.bot
        yield
        self.account = writer

    @contextmanager
    def not_answering(self) -> Iterator[None]:
        """Connections are taken, and nothing comes back."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url, self.url = self.url, f"http://127.0.0.1:{silent.getsockname()[1]}"
            self.seconds = 1.0
            yield
            self.url, self.seconds = url, 60.0


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in values.items():
        if name == "contact_points":
            row |= {point["kind"]: point["value"] for point in value}
        elif name == "kind":
            row["is_company"] = value == "company"
        elif name == "archived":
            row["active"] = not value
        else:
            row[NAMES[name]] = value
    return row


@pytest.mark.slow
class TestOdoo(ConnectorSuite):
    @pytest.fixture
    def crm_database_url(self, crm_postgres_url: URL) -> URL:
        return crm_postgres_url

    @pytest.fixture
    def workbench(self, fresh_odoo_db: Any, admin_rpc: Any) -> OdooWorkbench:
        return OdooWorkbench(fresh_odoo_db, admin_rpc(fresh_odoo_db))
