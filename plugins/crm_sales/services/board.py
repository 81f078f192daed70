"""The board: a pipeline's open deals in columns, with counts, sums and the first of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, union_all

from crm_core.entities import Team, User
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import DealState, Opportunity, Pipeline, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.opportunity_list import DealFilter, deal_rows, in_base_currency, marked
from crm_sales.services.pipelines import pipeline_named

SHOWN = 50
"""Deals of each stage on a board."""


@dataclass(frozen=True, slots=True)
class Column:
    """A stage with its open deals.

    Attributes:
        id: The stage.
        code: Its code.
        name: What people read.
        is_won: Whether deals brought here are won; such a column holds none.
        is_archived: Whether the stage is no longer in use: deals leave it, none come.
        probability: In percent, of deals without a score.
        count: How many deals stand here.
        sums: What they may bring, by currency.
        base_amount: The same in the company's currency; None where a rate is missing.
        cards: The first of them, those that close soonest first, as ``list_opportunities`` does.
    """

    id: UUID
    code: str
    name: str
    is_won: bool
    is_archived: bool
    probability: int
    count: int
    sums: Mapping[str, Decimal]
    base_amount: Decimal | None
    cards: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Board:
    """A pipeline with its columns.

    Attributes:
        pipeline_id: Which.
        code: Its code.
        name: What people read.
        base_currency: That of ``base_amount``.
        columns: In the pipeline's order; archived stages last, and only with deals in them.
    """

    pipeline_id: UUID
    code: str
    name: str
    base_currency: str
    columns: Sequence[Column]

    @property
    def count(self) -> int:
        """How many open deals there are."""
        return sum(column.count for column in self.columns)

    @property
    def base_amount(self) -> Decimal | None:
        """What they may bring in the company's currency; None where a rate is missing."""
        amounts = [column.base_amount for column in self.columns]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def show_board(
    uow: UnitOfWork,
    pipeline_code: str | None = None,
    *,
    owner_id: UUID | None = None,
    team_id: UUID | None = None,
    shown: int = SHOWN,
) -> Board:
    """Return the board of a pipeline, of the deals that the actor may see.

    Args:
        uow: The unit of work.
        pipeline_code: The default one when None.
        owner_id: Only this user's deals.
        team_id: Only this team's deals.
        shown: Deals of each stage.

    Raises:
        NotFoundError: There is no such pipeline.
    """
    pipeline = pipeline_named(uow, pipeline_code)
    wanted = DealFilter(
        pipeline_id=pipeline.id, owner_id=owner_id, team_id=team_id, state=DealState.OPEN.value
    )
    totals = _totals(uow, wanted)
    stages = _stages(uow, pipeline, totals)
    cards = _first(uow, [stage.id for stage in stages if stage.id in totals], wanted, shown)
    found = [totals.get(stage.id, (0, {})) for stage in stages]
    amounts = in_base_currency(uow, [sums for _, sums in found])
    return Board(
        pipeline.id,
        pipeline.code,
        pipeline.name,
        load_settings(uow).base_currency,
        [
            _column(stage, count, sums, amount, cards.get(stage.id, []))
            for stage, (count, sums), amount in zip(stages, found, amounts, strict=True)
        ],
    )


def board_choices(uow: UnitOfWork, pipeline_id: UUID) -> tuple[list[Any], list[Any]]:
    """Return the owners and teams of a pipeline's open deals: rows of ``id, name``, by name."""
    uow.actor.require(OPPORTUNITY_VIEW)
    mine = (Opportunity.pipeline_id == pipeline_id, Opportunity.state == DealState.OPEN)
    owners = select(Opportunity.owner_id).where(*mine).distinct()
    teams = select(Opportunity.team_id).where(*mine).distinct()
    return (
        list(
            uow.execute(select(User.id, User.name).where(User.id.in_(owners)).order_by(User.name))
        ),
        list(uow.execute(select(Team.id, Team.name).where(Team.id.in_(teams)).order_by(Team.name))),
    )


def _totals(uow: UnitOfWork, wanted: DealFilter) -> dict[UUID, tuple[int, dict[str, Decimal]]]:
    statement = (
        select(
            Opportunity.stage_id,
            Opportunity.currency_code,
            func.count().label("deals"),
            func.sum(Opportunity.expected_amount).label("amount"),
        )
        .where(*wanted.conditions())
        .group_by(Opportunity.stage_id, Opportunity.currency_code)
        .order_by(Opportunity.currency_code)
    )
    found: dict[UUID, tuple[int, dict[str, Decimal]]] = {}
    for row in uow.execute(statement):
        count, sums = found.get(row.stage_id, (0, {}))
        if row.amount is not None:
            sums = {**sums, row.currency_code: row.amount}
        found[row.stage_id] = (count + row.deals, sums)
    return found


def _stages(uow: UnitOfWork, pipeline: Pipeline, totals: Mapping[UUID, Any]) -> Sequence[Stage]:
    return uow.scalars(
        select(Stage)
        .where(
            Stage.pipeline_id == pipeline.id,
            or_(Stage.archived_at.is_(None), Stage.id.in_(list(totals))),
        )
        .order_by(Stage.archived_at.is_not(None), Stage.position, Stage.id)
    ).all()


def _first(
    uow: UnitOfWork, stage_ids: Sequence[UUID], wanted: DealFilter, shown: int
) -> dict[UUID, list[dict[str, Any]]]:
    """Return the first deals of each stage, in one statement."""
    if not stage_ids:
        return {}
    # A stage is of one pipeline: not to name it lets the index on stages give the order.
    alike = replace(wanted, pipeline_id=None).conditions()
    parts = [
        select(Opportunity.id)
        .where(Opportunity.stage_id == stage_id, *alike)
        .order_by(Opportunity.expected_close_on.asc().nulls_last(), Opportunity.id)
        .limit(shown)
        .subquery()
        for stage_id in stage_ids
    ]
    first = union_all(*(select(part.c.id) for part in parts))
    rows = uow.execute(deal_rows().where(Opportunity.id.in_(first)))
    found: dict[UUID, list[dict[str, Any]]] = {}
    for card in marked(rows.mappings(), uow.now):
        found.setdefault(card["stage_id"], []).append(card)
    return found


def _column(
    stage: Stage,
    count: int,
    sums: Mapping[str, Decimal],
    base_amount: Decimal | None,
    cards: Sequence[dict[str, Any]],
) -> Column:
    return Column(
        stage.id,
        stage.code,
        stage.name,
        stage.is_won,
        stage.archived_at is not None,
        stage.probability,
        count,
        sums,
        base_amount,
        sorted(cards, key=_closes),
    )


def _closes(card: Mapping[str, Any]) -> tuple[bool, date, UUID]:
    on = card["expected_close_on"]
    return on is None, on or date.max, card["id"]
