"""``crm setting``: settings of the company and of plugins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    return ("web",)


@pytest.fixture
def crm_database_url(crm_sqlite_url: URL) -> URL:
    return crm_sqlite_url


@pytest.fixture
def values(crm_command: Callable[..., Any]) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        told = json.loads(crm_command("setting", "list", "--json").stdout)
        return {item["id"]: item["value"] for item in told["data"]["items"]}

    return read


def test_settings_are_shown_and_set(crm_command: Any, values: Any) -> None:
    assert values()["company"] == "Test company"
    assert values()["web.idle_hours"] == 12
    assert crm_command("setting", "set", "company", "Άλφα").exit_code == 0
    assert crm_command("setting", "set", "web.idle_hours", "8").exit_code == 0
    assert crm_command("setting", "set", "web.base_url", "https://crm.example.com/").exit_code == 0
    assert crm_command("setting", "set", "web.oidc_domains", "a.example b.example").exit_code == 0
    found = values()
    assert (found["company"], found["web.idle_hours"]) == ("Άλφα", 8)
    assert found["web.base_url"] == "https://crm.example.com"
    assert "a.example, b.example" in crm_command("setting", "list").output
    assert crm_command("setting", "set", "web.idle_hours", "").exit_code == 0
    assert values()["web.idle_hours"] == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web.idle_hours", "0"),
        ("web.base_url", "javascript:alert(1)"),
        ("web.base_url", "https://user:pass@crm.example.com"),
        ("web.oidc_issuer", "http://login.example.com"),
        ("web.oidc_role", "admin"),
        ("web.oidc_role", "nobody"),
        ("web.oidc_secret", "the secret itself"),
        ("web.nothing", "1"),
    ],
)
def test_what_will_not_do_is_refused(crm_command: Any, name: str, value: str) -> None:
    refused = crm_command("setting", "set", name, value)
    assert refused.exit_code == 2
    assert "the secret itself" not in refused.output
