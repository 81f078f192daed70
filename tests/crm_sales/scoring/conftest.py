"""Deals of an office that are won and lost for reasons a score can find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.entities import Team
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Opportunity, OpportunityMove, Stage
from crm_sales.services.opportunities import add_opportunity

NOW = datetime.now(UTC)


def add_closed(
    uow: UnitOfWork,
    customer_id: UUID,
    *,
    is_won: bool,
    days: float,
    owner_id: UUID | None = None,
    team_id: UUID | None = None,
    stage: str = "qualified",
    **values: Any,
) -> Opportunity:
    """Add a deal that was closed so many days ago; a lost one stood in ``stage`` then."""
    stages = {row.code: row for row in uow.execute(select(Stage.code, Stage.id, Stage.pipeline_id))}
    closed_at = NOW - timedelta(days=days)
    began = closed_at - timedelta(days=20)
    deal = uow.add(
        Opportunity(
            name="A deal of before",
            customer_id=customer_id,
            pipeline_id=stages["new"].pipeline_id,
            stage_id=stages["won" if is_won else stage].id,
            state="won" if is_won else "lost",
            owner_id=owner_id,
            team_id=team_id,
            currency_code="EUR",
            stage_entered_at=closed_at,
            closed_at=closed_at,
            created_at=began,
            updated_at=closed_at,
            **values,
        )
    )
    uow.flush()
    steps = [(began, None, "new"), (closed_at - timedelta(days=5), "new", stage)]
    if is_won:
        steps.append((closed_at, stage, "won"))
    for at, left, entered in steps:
        uow.add(
            OpportunityMove(
                opportunity_id=deal.id,
                at=at,
                from_stage_id=stages[left].id if left else None,
                to_stage_id=stages[entered].id,
                to_state="won" if entered == "won" else "open",
            )
        )
    return deal


@pytest.fixture
def deal(office) -> Callable[..., UUID]:
    """Add an open deal with the user's customer: ``deal("employee", source="fair")``."""

    def added(owner: str = "employee", **values: Any) -> UUID:
        customer_id = UUID(office.customer(owner))
        return office.write(
            lambda uow: add_opportunity(uow, customer_id, "A shop", **values).id, owner
        )

    return added


@pytest.fixture
def past(office) -> Callable[..., list[UUID]]:
    """Add closed deals: from the web 30 won and 10 lost, from fairs 10 won and 30 lost."""

    def added(owner: str = "employee", days: float = 200, times: int = 1) -> list[UUID]:
        def act(uow: UnitOfWork) -> list[UUID]:
            team = "South" if owner == "outsider" else "North"
            team_id = uow.scalar(select(Team.id).where(Team.name == team))
            return [
                add_closed(
                    uow,
                    UUID(office.customer(owner)),
                    is_won=is_won,
                    days=days - number / 100,
                    owner_id=office.known.users[owner],
                    team_id=team_id,
                    stage=("new", "qualified", "proposition")[number % 3],
                    source=source,
                ).id
                for source, is_won, count in (
                    ("web", True, 30),
                    ("web", False, 10),
                    ("fair", True, 10),
                    ("fair", False, 30),
                )
                for number in range(count * times)
            ]

        return office.write(act)

    return added
