"""Deals to forecast, written as they would stand after months of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.services.currencies import set_rate
from crm_sales.models import Opportunity, Pipeline, Stage

TODAY = datetime.now(UTC).date()
"""Once for all modules, of which midnight may come between the collecting of two."""


@pytest.fixture(autouse=True)
def _noon(request: pytest.FixtureRequest) -> Iterator[None]:
    """It stays the day that tests were collected on, for a run may go on beyond midnight."""
    if "kind" in request.fixturenames:
        request.getfixturevalue("set_up")
    with time_machine.travel(moment(TODAY)):
        yield


def moment(day: date) -> datetime:
    """Noon of a day, in UTC, which is the zone of the test company."""
    return datetime.combine(day, time(12), UTC)


@pytest.fixture
def deal(office: Any) -> Callable[..., Any]:
    """Add a deal: ``deal("employee", 1000, close=day, chance="0.5")``; returns its id."""

    def add(owner: str | None, amount: Any, **given: Any) -> Any:
        def write(uow: Any) -> Any:
            closed_on = given.pop("closed", None)
            stage_code = given.pop("stage", None)
            stages = uow.scalars(select(Stage).order_by(Stage.position)).all()
            stage = next((s for s in stages if s.code == stage_code), stages[0])
            added = given.pop("added", TODAY - timedelta(days=30))
            close = given.pop("close", None)
            values = {
                "name": "Chairs",
                "customer_id": office.known.customers[given.pop("of", owner or "")],
                "pipeline_id": uow.scalar(select(Pipeline.id).limit(1)),
                "stage_id": stage.id,
                "state": "open" if closed_on is None else "won",
                "owner_id": office.known.users[owner] if owner else None,
                "expected_amount": None if amount is None else Decimal(amount),
                "currency_code": "EUR",
                "expected_close_on": close,
                "probability": Decimal(given.pop("chance", "0.5")),
                "stage_entered_at": moment(added),
                "closed_at": closed_on and moment(closed_on),
                "created_at": moment(added),
                "updated_at": moment(added),
            }
            return uow.add(Opportunity(**(values | given))).id

        return office.write(write)

    return add


@pytest.fixture
def rate(office: Any) -> Callable[[str, str], Any]:
    """Say how many units of a currency a euro buys."""

    def say(code: str, units: str) -> Any:
        return office.write(
            lambda uow: set_rate(uow, code, "EUR", TODAY - timedelta(days=3), Decimal(units))
        )

    return say


@pytest.fixture
def cli(office: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type a command of ``crm sales`` as the administrator; it has to do well."""
    from crm_core.cli.main import crm

    monkeypatch.setenv("CRM_DATABASE_URL", office.application.config.database_url)
    monkeypatch.setenv("CRM_USER", "admin")

    def typed(*arguments: Any) -> Any:
        result = CliRunner().invoke(crm, ["sales", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result

    return typed
