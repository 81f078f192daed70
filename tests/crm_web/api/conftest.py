"""The API on a database of each kind: callers of every role, by session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest


@dataclass
class Answer:
    """What the API answered.

    Attributes:
        status: The status.
        headers: The headers.
        raw: The body.
        queries: Statements that it took.
    """

    status: int
    headers: Any
    raw: bytes
    queries: list[str] = field(repr=False)

    @property
    def json(self) -> Any:
        """The body, read."""
        return orjson.loads(self.raw)

    @property
    def etag(self) -> str:
        """The record's ETag."""
        return self.headers["ETag"]


class Caller:
    """A program that calls the API in somebody's session."""

    def __init__(self, browser: Any, token: str = "") -> None:
        self.browser, self.token = browser, token

    def __call__(
        self, method: str, path: str, json: Any = None, *, csrf: bool = True, **headers: str
    ) -> Answer:
        """Call an operation; header names with underscores."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            told["Authorization"] = f"Bearer {self.token}"
        elif csrf and self.browser.cookie:
            told["X-CSRF-Token"] = self.browser.csrf
        body = (
            {} if json is None else {"data": orjson.dumps(json), "content_type": "application/json"}
        )
        path = path if path.startswith("/api") else f"/api/v1{path}"
        page = self.browser._asked(method, path, headers=told, **body)
        return Answer(page.status, page.response.headers, page.response.get_data(), page.queries)

    def get(self, path: str, **headers: str) -> Answer:
        """Read something."""
        return self("GET", path, **headers)

    def post(self, path: str, json: Any = None, **headers: str) -> Answer:
        """Add or do something."""
        return self("POST", path, json, **headers)

    def patch(self, path: str, json: Any = None, **headers: str) -> Answer:
        """Change something."""
        return self("PATCH", path, json, **headers)

    def put(self, path: str, json: Any = None, **headers: str) -> Answer:
        """Set something."""
        return self("PUT", path, json, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """Remove something."""
        return self("DELETE", path, **headers)


@pytest.fixture
def token(web: Callable[..., Any], office: Any) -> Callable[..., Caller]:
    """A caller that shows a token: ``token("employee", "read")``."""

    def caller(login: str, scope: Any = "write", days: int | None = 1) -> Caller:
        from crm_web.services.api_tokens import add_token

        made = office.write(lambda uow: add_token(uow, "test", scope=scope, days=days)[0], login)
        return Caller(web(), made)

    return caller


@pytest.fixture
def api(web: Callable[..., Any]) -> Callable[..., Caller]:
    """A caller: ``api("employee")``; without a login, nobody."""
    return lambda login=None: Caller(web(login))
