"""Turning what people type into a question to the forecast."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from crm_core.entities.user import Team
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import company_day
from crm_core.services.users import user_named
from crm_sales.models import Pipeline
from crm_sales.permissions import FORECAST_VIEW
from crm_sales.services.forecast.periods import period_from
from crm_sales.services.forecast.statements import Question

WAYS = ("person", "team", "none")
MOST_PERIODS = 12


def forecast_question(
    uow: UnitOfWork,
    *,
    period: str = "",
    by: str = "person",
    user: str | None = None,
    team: str | None = None,
    pipeline: str | None = None,
    count: int = 1,
) -> Question:
    """Return the question that some words ask.

    Args:
        uow: The unit of work.
        period: ``2026-11``, ``2026-Q4``, ``month``, ``quarter``; nothing for this month.
        by: ``person``, ``team`` or ``none``: what figures are told apart by.
        user: Login of the person whose deals are asked for.
        team: Name of the team whose deals are asked for.
        pipeline: Code of the pipeline whose deals are asked for.
        count: How many periods in a row.

    Raises:
        InputError: The period, the way or the count will not do.
        NotFoundError: There is no such user, team or pipeline.
    """
    uow.actor.require(FORECAST_VIEW)
    if by not in WAYS:
        raise InputError(
            t("{by!r} will not do: choose one of {ways}.", by=by[:40], ways=", ".join(WAYS)),
            code="sales.forecast.by",
        )
    if not 1 <= count <= MOST_PERIODS:
        raise InputError(
            t("Ask for 1 to {most} periods, not {count}.", most=MOST_PERIODS, count=count),
            code="sales.forecast.count",
        )
    today = company_day(uow)
    first = period_from(period, today)
    return Question(
        tuple(first.shifted(n) for n in range(count)),
        by,
        user_named(uow, user).id if user else None,
        _team(uow, team) if team else None,
        _pipeline(uow, pipeline) if pipeline else None,
    )


def _team(uow: UnitOfWork, name: str) -> UUID:
    found: UUID | None = uow.scalar(select(Team.id).where(Team.name == name))
    if found is None:
        raise NotFoundError(t("There is no team {name!r}.", name=name), code="core.team.not_found")
    return found


def _pipeline(uow: UnitOfWork, code: str) -> UUID:
    found: UUID | None = uow.scalar(select(Pipeline.id).where(Pipeline.code == code))
    if found is None:
        raise NotFoundError(
            t("There is no pipeline {code!r}.", code=code), code="sales.pipeline.not_found"
        )
    return found
