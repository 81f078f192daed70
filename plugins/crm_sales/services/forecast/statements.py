"""The queries behind the figures: one each, and no second place where a figure is worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, extract, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.functions import FunctionElement

from crm_core.access import Actor
from crm_core.persistence.scope import owner_criterion
from crm_core.persistence.types import Money
from crm_sales.models import (
    DealExpectation,
    DealState,
    Opportunity,
    OpportunityMove,
    SalesTarget,
    Stage,
)
from crm_sales.permissions import FORECAST_VIEW
from crm_sales.services.forecast.periods import Period, place_among, place_of_moment

GROUPS: dict[str, tuple[InstrumentedAttribute[Any], ...]] = {
    "person": (Opportunity.owner_id,),
    "team": (Opportunity.team_id,),
    "none": (),
    "both": (Opportunity.owner_id, Opportunity.team_id),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the forecast.

    Attributes:
        periods: In a row, without gaps.
        by: ``person``, ``team``, ``both`` or ``none``: what figures are told apart by.
        user_id: Only deals of this person.
        team_id: Only deals of this team.
        pipeline_id: Only deals of this pipeline.
    """

    periods: tuple[Period, ...]
    by: str = "person"
    user_id: UUID | None = None
    team_id: UUID | None = None
    pipeline_id: UUID | None = None

    @property
    def first(self) -> Period:
        """The first period."""
        return self.periods[0]

    @property
    def last(self) -> Period:
        """The last period."""
        return self.periods[-1]

    def conditions(self, actor: Actor) -> list[ColumnElement[bool]]:
        """Return what deals have to meet, beside the scope: the filters, and the right's reach."""
        found: list[ColumnElement[bool]] = []
        reach = owner_criterion(Opportunity.owner_id, actor, actor.reach(FORECAST_VIEW))
        if reach is not None:
            found.append(reach)
        for column, wanted in (
            (Opportunity.owner_id, self.user_id),
            (Opportunity.team_id, self.team_id),
            (Opportunity.pipeline_id, self.pipeline_id),
        ):
            if wanted is not None:
                found.append(column == wanted)
        return found

    def grouped(self, place: Any) -> list[Any]:
        """Return the columns that figures are told apart by; of several periods, their place."""
        places = [place.label("place")] if len(self.periods) > 1 else []
        return [*places, *GROUPS[self.by], Opportunity.currency_code]


class weighted(FunctionElement[Any]):  # noqa: N801  it stands in SQL like a function
    """An amount times a probability, rounded half up to the four places that amounts have.

    SQLite keeps both as scaled integers: taken apart, their product cannot overflow.
    """

    inherit_cache = True
    type = Money()


@compiles(weighted, "sqlite")
def _weighted_sqlite(element: Any, compiler: Any, **keywords: Any) -> str:
    amount, share = (compiler.process(each, **keywords) for each in element.clauses)
    rest = f"(({amount}) % 1000000 * ({share}) + 500000) / 1000000"
    return f"(({amount}) / 1000000 * ({share}) + {rest})"


@compiles(weighted, "postgresql")
def _weighted_postgresql(element: Any, compiler: Any, **keywords: Any) -> str:
    amount, share = (compiler.process(each, **keywords) for each in element.clauses)
    return f"round(({amount}) * ({share}), 4)"


def open_deals(asked: Question, actor: Actor) -> Select[*tuple[Any, ...]]:
    """Open deals that are expected to close in each period."""
    amount = func.coalesce(Opportunity.expected_amount, 0, type_=Money())
    share = func.coalesce(Opportunity.probability, 0, type_=Opportunity.probability.type)
    groups = asked.grouped(place_among(asked.periods, Opportunity.expected_close_on))
    return (
        select(
            *groups,
            func.count().label("open_count"),
            func.sum(amount).label("open_amount"),
            func.sum(case((Opportunity.is_committed, amount), else_=0)).label("committed_open"),
            func.sum(weighted(amount, share)).label("weighted_open"),
        )
        .where(
            Opportunity.state == DealState.OPEN.value,
            Opportunity.expected_close_on.between(asked.first.first_on, asked.last.last_on),
            *asked.conditions(actor),
        )
        .group_by(*groups)
    )


def closed_deals(asked: Question, actor: Actor, zone: ZoneInfo) -> Select[*tuple[Any, ...]]:
    """Deals that were won or lost in each period."""
    is_won = Opportunity.state == DealState.WON.value
    seconds = extract("epoch", Opportunity.closed_at) - extract("epoch", Opportunity.created_at)
    groups = asked.grouped(place_of_moment(asked.periods, Opportunity.closed_at, zone))
    return (
        select(
            *groups,
            func.sum(case((is_won, Opportunity.expected_amount))).label("won_amount"),
            func.count(case((is_won, 1))).label("won_count"),
            func.count().label("closed_count"),
            func.sum(case((is_won, seconds))).label("won_seconds"),
        )
        .where(
            Opportunity.state.in_((DealState.WON.value, DealState.LOST.value)),
            Opportunity.closed_at >= asked.first.begins_at(zone),
            Opportunity.closed_at < asked.last.ends_at(zone),
            *asked.conditions(actor),
        )
        .group_by(*groups)
    )


def slipped_deals(asked: Question, actor: Actor, zone: ZoneInfo) -> Select[*tuple[Any, ...]]:
    """Deals once expected to close in a period, and now only after it or without a day."""
    once = select(
        DealExpectation.opportunity_id,
        place_among(asked.periods, DealExpectation.previous_close_on).label("place"),
    ).where(
        DealExpectation.previous_close_on.between(asked.first.first_on, asked.last.last_on),
    )
    then = once.distinct().subquery()
    expected = Opportunity.expected_close_on
    is_open = Opportunity.state == DealState.OPEN.value
    later = [
        and_(
            then.c.place == place,
            or_(
                is_open & (expected.is_(None) | (expected > each.last_on)),
                ~is_open & (Opportunity.closed_at >= each.ends_at(zone)),
            ),
        )
        for place, each in enumerate(asked.periods)
    ]
    groups = asked.grouped(then.c.place)
    return (
        select(
            *groups,
            func.count().label("slipped_count"),
            func.sum(Opportunity.expected_amount).label("slipped_amount"),
        )
        .join(then, then.c.opportunity_id == Opportunity.id)
        .where(or_(*later), *asked.conditions(actor))
        .group_by(*groups)
    )


def stage_moves(asked: Question, actor: Actor, zone: ZoneInfo) -> Select[*tuple[Any, ...]]:
    """Moves of open deals out of each stage: how many there were, and how many went further."""
    source, target = aliased(Stage), aliased(Stage)
    further = or_(
        OpportunityMove.to_state == DealState.WON.value, target.position > source.position
    )
    return (
        select(
            OpportunityMove.from_stage_id.label("stage_id"),
            func.count().label("left_count"),
            func.count(case((further, 1))).label("further_count"),
            func.avg(OpportunityMove.seconds_in_stage).label("seconds"),
        )
        .join(Opportunity, Opportunity.id == OpportunityMove.opportunity_id)
        .join(source, source.id == OpportunityMove.from_stage_id)
        .join(target, target.id == OpportunityMove.to_stage_id)
        .where(
            OpportunityMove.at >= asked.first.begins_at(zone),
            OpportunityMove.at < asked.last.ends_at(zone),
            OpportunityMove.from_state == DealState.OPEN.value,
            or_(
                OpportunityMove.to_state != DealState.OPEN.value,
                OpportunityMove.to_stage_id != OpportunityMove.from_stage_id,
            ),
            *asked.conditions(actor),
        )
        .group_by(OpportunityMove.from_stage_id)
    )


def stage_stock(asked: Question, actor: Actor) -> Select[*tuple[Any, ...]]:
    """Open deals in each stage now, whenever they are expected to close."""
    return (
        select(
            Opportunity.stage_id,
            Opportunity.currency_code,
            func.count().label("open_count"),
            func.sum(Opportunity.expected_amount).label("open_amount"),
        )
        .where(Opportunity.state == DealState.OPEN.value, *asked.conditions(actor))
        .group_by(Opportunity.stage_id, Opportunity.currency_code)
    )


def targets_within(first_on: date, last_on: date) -> Select[*tuple[Any, ...]]:
    """Targets of quarters and months that lie within some days."""
    return select(
        SalesTarget.period,
        SalesTarget.first_on,
        SalesTarget.user_id,
        SalesTarget.team_id,
        SalesTarget.currency_code,
        SalesTarget.amount,
    ).where(SalesTarget.first_on >= first_on, SalesTarget.last_on <= last_on)


def changed_expectations(limit: int, wanted: Sequence[UUID] | None) -> Select[*tuple[Any, ...]]:
    """Deals of which something else is expected now than was noted last; never noted ones too."""
    noted, later = aliased(DealExpectation), aliased(DealExpectation)
    newer = select(later.id).where(
        later.opportunity_id == noted.opportunity_id, later.number > noted.number
    )
    is_last = ~newer.correlate(noted).exists()
    statement = (
        select(
            Opportunity.id,
            Opportunity.expected_close_on.label("close_on"),
            Opportunity.expected_amount.label("amount"),
            Opportunity.currency_code,
            noted.number,
            noted.close_on.label("previous_close_on"),
        )
        .outerjoin(noted, and_(noted.opportunity_id == Opportunity.id, is_last))
        .where(
            or_(
                noted.id.is_(None),
                noted.close_on.is_distinct_from(Opportunity.expected_close_on),
                noted.amount.is_distinct_from(Opportunity.expected_amount),
                noted.currency_code != Opportunity.currency_code,
            )
        )
        .order_by(Opportunity.id)
        .limit(limit)
    )
    if wanted is None:
        return statement.where(Opportunity.state == DealState.OPEN.value)
    return statement.where(Opportunity.id.in_(wanted))
