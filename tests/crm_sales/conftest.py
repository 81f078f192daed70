"""Sales with the web on a database of each kind, with people of every role and customers of each.

``office.write(lambda uow: ..., "employee")`` does something as somebody, ``web("manager")`` is
somebody's browser. In North are manager, employee and readonly; in South outsider.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner

from crm_core.services.settings import set_setting
from web_desk import crm, kind, office, offices, quick_hashing, web

sqlite_office, postgres_office = offices("web", "sales")
__all__ = [
    "crm",
    "kind",
    "office",
    "postgres_office",
    "quick_hashing",
    "sqlite_office",
    "web",
]


@pytest.fixture
def set_up(kind: str, request: pytest.FixtureRequest) -> None:
    """The office that tests copy stands: it is never made at a time that one of them chose."""
    request.getfixturevalue("sqlite_office" if kind == "sqlite" else "postgres_office")


@pytest.fixture
def noon(set_up: None) -> Iterator[None]:
    """It is noon, for what a day decides: no midnight comes between two lines of a test.

    Of tomorrow, or an office that was set up this afternoon would have been made later.
    """
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with time_machine.travel(datetime.combine(tomorrow, time(12), UTC)):
        yield


@pytest.fixture
def athens_day(office: Any) -> Iterator[date]:
    """It is past midnight in Athens, where the company is, on this day; in UTC the day before."""
    office.write(lambda uow: set_setting(uow, "time_zone", "Europe/Athens"))
    day = datetime.now(UTC).date() + timedelta(days=1)
    with time_machine.travel(datetime.combine(day, time(22, 30), UTC)):
        yield day + timedelta(days=1)


@pytest.fixture
def run(office, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Callable[..., Any]:
    """Type a command of the module: ``run("step", "list", login="manager")`` gives its data.

    With ``as_json=False`` what people read; with ``code`` the message of the error of that code.
    """
    from crm_core.cli.main import crm

    monkeypatch.setenv("CRM_DATABASE_URL", office.application.config.database_url)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))

    def typed(
        *words: Any, login: str = "employee", as_json: bool = True, code: int | None = None
    ) -> Any:
        arguments = ["sales", *map(str, words), "--as", login, *(["--json"] if as_json else [])]
        result = CliRunner().invoke(crm, arguments)
        if code is not None:
            assert result.exit_code == code, result.output
            return result.output
        assert result.exit_code in (0, 3), result.output
        return json.loads(result.stdout)["data"] if as_json else result.stdout

    return typed
