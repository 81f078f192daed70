"""The smallest JSON-RPC client for Odoo: for seeding, and for changing it behind our back.

It is not the client under test, on purpose: a fault there must not hide in the tests.
"""

from __future__ import annotations

import http.cookiejar
import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any


class OdooFault(Exception):  # noqa: N818 - XML-RPC's word for an error that the server answered
    """An error that Odoo answered; ``name`` is the class of its exception."""

    def __init__(self, error: dict[str, Any]) -> None:
        data = error.get("data") or {}
        self.name: str = data.get("name", "")
        self.debug: str = data.get("debug", "")
        super().__init__(f"{self.name}: {data.get('message') or error.get('message')}")


class OdooAdmin:
    """One logged-in user of one database."""

    def __init__(
        self, url: str, database: str, login: str, secret: str, *, timeout: float = 600
    ) -> None:
        self.url = url.rstrip("/")
        self.database = database
        self.login = login
        self._secret = secret
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
        self._fields: dict[str, set[str]] = {}
        self._bind()
        self.uid = self._login()

    def execute(self, model: str, method: str, *args: Any, **keywords: Any) -> Any:
        """Call ``model.method(*args, **keywords)``; ``context`` is one of the keywords."""
        arguments = [self.database, self.uid, self._secret, model, method, list(args), keywords]
        return self._call("object", "execute_kw", arguments)

    def search(self, model: str, domain: Sequence[Any] = (), **keywords: Any) -> list[int]:
        found: list[int] = self.execute(model, "search", list(domain), **keywords)
        return found

    def rows(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **keywords: Any
    ) -> list[dict[str, Any]]:
        """``search_read`` in the order of ids unless told otherwise."""
        keywords.setdefault("order", "id")
        found: list[dict[str, Any]] = self.execute(
            model, "search_read", list(domain), list(fields), **keywords
        )
        return found

    def count(self, model: str, domain: Sequence[Any] = (), **keywords: Any) -> int:
        return int(self.execute(model, "search_count", list(domain), **keywords))

    def create(self, model: str, values: Sequence[dict[str, Any]], **keywords: Any) -> list[int]:
        """Create a batch in one transaction."""
        created: list[int] = self.execute(model, "create", list(values), **keywords)
        return created

    def write(
        self, model: str, ids: Sequence[int], values: dict[str, Any], **keywords: Any
    ) -> None:
        self.execute(model, "write", list(ids), values, **keywords)

    def ref(self, xmlid: str) -> int:
        """The id behind an external id such as ``base.main_company``."""
        module, _, name = xmlid.partition(".")
        found = self.execute("ir.model.data", "check_object_reference", module, name)
        return int(found[1])

    def has(self, model: str, field: str) -> bool:
        """Whether this Odoo has a field: what differs between versions is asked for."""
        if model not in self._fields:
            self._fields[model] = set(self.execute(model, "fields_get", [], ["type"]))
        return field in self._fields[model]

    def field(self, model: str, *names: str) -> str:
        """The first of these names that this Odoo knows a field by."""
        return next(name for name in names if self.has(model, name))

    def _bind(self) -> None:
        # Odoo 14 with several databases answers errors as HTTP 500 to a session without one.
        query = urllib.parse.urlencode({"db": self.database})
        with self._opener.open(f"{self.url}/web/login?{query}", timeout=self._timeout) as page:
            page.read()

    def _login(self) -> int:
        uid = self._call("common", "login", [self.database, self.login, self._secret])
        if not uid:
            raise PermissionError(f"Odoo refused the login of {self.login!r}")
        return int(uid)

    def _call(self, service: str, method: str, arguments: list[Any]) -> Any:
        body = {
            "jsonrpc": "2.0",
            "method": "call",
            "id": next(self._numbers),
            "params": {"service": service, "method": method, "args": arguments},
        }
        request = urllib.request.Request(
            f"{self.url}/jsonrpc",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=self._timeout) as response:
            answer = json.load(response)
        if "error" in answer:
            raise OdooFault(answer["error"])
        return answer.get("result")
