"""Deals with something planned, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.outbox.relay import relay
from crm_sales.models import Stage
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunities import add_opportunity


@pytest.fixture
def deal(office) -> Callable[..., UUID]:
    """Add a deal with that user's customer: ``deal("employee", "A shop")``."""

    def added(owner: str = "employee", name: str = "A shop", **values: Any) -> UUID:
        customer_id = UUID(office.customer(owner))
        return office.write(lambda uow: add_opportunity(uow, customer_id, name, **values).id, owner)

    return added


@pytest.fixture
def plan(office) -> Callable[..., UUID]:
    """Plan a call for a deal, in so many hours: ``plan(deal_id, 2, "employee")``."""

    def planned(deal_id: UUID, hours: float = 24, login: str = "employee", **values: Any) -> UUID:
        def act(uow):
            due_at = uow.now + timedelta(hours=hours)
            return plan_step(uow, deal_id, type="call", due_at=due_at, **values).id

        return office.write(act, login)

    return planned


@pytest.fixture
def stage(office) -> Callable[[str], UUID]:
    """The id of a stage of the default pipeline, by its code."""
    return lambda code: office.read(
        lambda uow: uow.scalar(select(Stage.id).where(Stage.code == code))
    )


@pytest.fixture
def heard(office) -> Callable[[], None]:
    """Have handlers hear of all that happened."""

    def run() -> None:
        handlers = list(office.application.plugins.event_handlers.values())
        report = relay(office.application.database, handlers)
        assert report.failed == report.dead == 0, report

    return run
