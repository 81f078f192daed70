"""What is to be done next for a deal, and which deals have nothing planned."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, select

from crm_core.entities import Activity, Customer, User
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import add_activity, complete_activity, postpone_activity
from crm_core.services.places import place_of
from crm_core.services.settings import load_settings
from crm_sales.errors import DealClosedError
from crm_sales.models import DealState, NextStep, Opportunity, Stage
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.services.opportunity_access import permitted_opportunity

COUNTED = 100
"""As far as deals without a next step are counted."""


class When(StrEnum):
    """Which steps are asked for, by when they are due."""

    OVERDUE = "overdue"
    TODAY = "today"
    WEEK = "week"
    ALL = "all"


def plan_step(
    uow: UnitOfWork,
    opportunity_id: UUID,
    *,
    type: str,
    due_at: datetime,
    summary: str | None = None,
    note: str | None = None,
    owner_id: UUID | None = None,
) -> Activity:
    """Plan what is to be done next for an open deal.

    Args:
        uow: A writing unit of work.
        opportunity_id: For which deal.
        type: A short word: call, email, meeting, visit, task …
        due_at: When it is due, aware.
        summary: One line; the type when None.
        note: The rest.
        owner_id: Who does it; whoever works on the deal when None.

    Raises:
        NotFoundError: There is no such deal, or the actor may not see it or its customer.
        DealClosedError: It is won or lost.
        InputError: The moment has no time zone, or the text is too long.
    """
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    if deal.state != DealState.OPEN:
        raise DealClosedError(
            t("The deal {deal} is closed: reopen it before planning more.", deal=deal.name)
        )
    activity = add_activity(
        uow,
        deal.customer_id,
        type=type,
        due_at=due_at,
        summary=summary,
        note=note,
        owner_id=owner_id or deal.owner_id,
    )
    uow.flush()
    uow.add(NextStep(activity_id=activity.id, opportunity_id=deal.id))
    uow.flush()
    return activity


def complete_step(
    uow: UnitOfWork, activity_id: UUID, *, expected_version: int | None = None
) -> UUID:
    """Say that a step is done, and return its deal's id.

    Raises:
        NotFoundError: It is no step of a deal that the actor may see.
        RuleViolationError: It is done already.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    step = _step(uow, activity_id)
    complete_activity(uow, activity_id, expected_version=expected_version)
    return step.opportunity_id


def postpone_step(
    uow: UnitOfWork, activity_id: UUID, due_at: datetime, *, expected_version: int | None = None
) -> UUID:
    """Have a step be due at another moment, and return its deal's id.

    Raises:
        As :func:`complete_step`, and InputError for a moment without a time zone.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    step = _step(uow, activity_id)
    postpone_activity(uow, activity_id, due_at, expected_version=expected_version)
    return step.opportunity_id


def open_steps(
    uow: UnitOfWork, opportunity_ids: Collection[UUID]
) -> dict[UUID, list[dict[str, Any]]]:
    """Return what is planned for deals, by deal, soonest due first.

    Dicts as :func:`list_steps` gives them; deals without any are left out.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    found: dict[UUID, list[dict[str, Any]]] = {}
    for some in chunked(opportunity_ids, PARAMETERS):
        steps = _steps().where(NextStep.opportunity_id.in_(some), Activity.is_open)
        for row in uow.execute(steps.order_by(Activity.due_at, Activity.id)):
            found.setdefault(row.opportunity_id, []).append(dict(row._mapping))
    return found


def list_steps(
    uow: UnitOfWork,
    *,
    when: str = When.ALL,
    owner_id: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return open steps of deals, soonest due first.

    Args:
        uow: The unit of work.
        when: A value of :class:`When`, by the actor's own day; ``today`` and ``week`` leave out
            what is overdue.
        owner_id: Only what this user has to do.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id`` (the activity's), ``opportunity_id, opportunity_name, customer_id,
        customer_name, type, summary, note, due_at, owner_id, owner_name, is_planned`` (by a
        sequence) and ``version``.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    steps = _steps().where(Activity.is_open, Opportunity.state == DealState.OPEN)
    now = uow.now
    midnight = _midnight(uow, now)
    ends = {When.TODAY: midnight + timedelta(days=1), When.WEEK: midnight + timedelta(days=8)}
    if when == When.OVERDUE:
        steps = steps.where(Activity.due_at < now)
    elif when in ends:
        steps = steps.where(Activity.due_at >= now, Activity.due_at < ends[When(when)])
    if owner_id is not None:
        steps = steps.where(Activity.owner_id == owner_id)
    return page_of(uow, steps, keys=(Activity.due_at, Activity.id), limit=limit, cursor=cursor)


def without_next_step(
    uow: UnitOfWork,
    *,
    owner_id: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return open deals for which nothing is planned, those that wait longest first.

    Dicts of ``id, name, customer_id, customer_name, stage_name, owner_name, expected_amount,
    currency_code, stage_entered_at``.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    statement = (
        select(
            Opportunity.id,
            Opportunity.name,
            Opportunity.customer_id,
            Customer.name.label("customer_name"),
            Stage.name.label("stage_name"),
            User.name.label("owner_name"),
            Opportunity.expected_amount,
            Opportunity.currency_code,
            Opportunity.stage_entered_at,
        )
        .join(Stage, Stage.id == Opportunity.stage_id)
        .outerjoin(Customer, Customer.id == Opportunity.customer_id)
        .outerjoin(User, User.id == Opportunity.owner_id)
        .where(*_bare(owner_id))
    )
    keys = (Opportunity.stage_entered_at, Opportunity.id)
    return page_of(uow, statement, keys=keys, limit=limit, cursor=cursor)


def count_without_next_step(uow: UnitOfWork, *, owner_id: UUID | None = None) -> int:
    """Return how many open deals have nothing planned, counted to 101."""
    uow.actor.require(OPPORTUNITY_VIEW)
    some = select(Opportunity.id).where(*_bare(owner_id)).limit(COUNTED + 1).subquery()
    return int(uow.scalar(select(func.count()).select_from(some)))


def _bare(owner_id: UUID | None) -> list[Any]:
    planned = exists().where(
        NextStep.opportunity_id == Opportunity.id,
        Activity.id == NextStep.activity_id,
        Activity.is_open,
    )
    conditions: list[Any] = [Opportunity.state == DealState.OPEN, ~planned]
    if owner_id is not None:
        conditions.append(Opportunity.owner_id == owner_id)
    return conditions


def _steps() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Activity.id,
            NextStep.opportunity_id,
            Opportunity.name.label("opportunity_name"),
            Activity.customer_id,
            Customer.name.label("customer_name"),
            Activity.type,
            Activity.summary,
            Activity.note,
            Activity.due_at,
            Activity.owner_id,
            User.name.label("owner_name"),
            NextStep.sequence_step_id.is_not(None).label("is_planned"),
            Activity.version,
        )
        .join(NextStep, NextStep.activity_id == Activity.id)
        .join(Opportunity, Opportunity.id == NextStep.opportunity_id)
        .join(Customer, Customer.id == Activity.customer_id)
        .outerjoin(User, User.id == Activity.owner_id)
    )


def _step(uow: UnitOfWork, activity_id: UUID) -> NextStep:
    step = uow.find(NextStep, activity_id)
    if step is None:
        raise NotFoundError(
            t(
                "There is no step {id} of a deal that {login} may see. See crm sales step list.",
                id=activity_id,
                login=uow.actor.login,
            ),
            code="sales.step.not_found",
            details={"id": str(activity_id)},
        )
    return step


def _midnight(uow: UnitOfWork, now: datetime) -> datetime:
    zone = place_of(uow, load_settings(uow)).zone
    return datetime.combine(now.astimezone(zone).date(), time.min, zone)
