"""Deals as scores see them, read for whoever asks: a score is the same whoever looks at the deal.

What leaves this module are numbers and codes. Callers see to it that the actor may see the deal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select

from crm_core.entities import ContactPoint, Currency
from crm_core.persistence.bulk import AMONG, among, chunked, table_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import RateTable, rates_on
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import company_day, load_settings
from crm_sales.models import DealState, Opportunity, OpportunityTag, ScoreCount, ScoreOverride
from crm_sales.services.scoring.bayes import STAGE, TAG, Facts
from crm_sales.settings import SCORE_BANDS, SCORE_LEAST, SCORE_VARIABLES, SCORES

QUALITIES = ("none", "doubtful", "good")
"""Of the ways to reach somebody: there is none, none that can be understood, a good one."""
PHONES = ("phone", "mobile")

deal = table_of(Opportunity).c
_tag = table_of(OpportunityTag).c
_count = table_of(ScoreCount).c
_override = table_of(ScoreOverride).c
_point = table_of(ContactPoint).c
_PLAIN = {
    "country": deal.country_code,
    "language": deal.language,
    "source": deal.source,
    "product": deal.product_id,
}


class Override(NamedTuple):
    """What a person said of a deal."""

    probability: Decimal
    reason: str
    user_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as scores see it.

    Attributes:
        id: Whose facts.
        team_id: Whose deals it is scored by.
        state: A ``DealState``.
        stage_id: Where it stands.
        probability: That is kept now.
        override: A person's; None where nobody said.
        facts: Variable to values, empty ones left out.
        counted: What it was counted as when it was closed: team, won, facts; None for not.
    """

    id: UUID
    team_id: UUID | None
    state: str
    stage_id: UUID
    probability: Decimal | None
    override: Override | None
    facts: Facts
    counted: tuple[UUID | None, bool, Facts] | None

    @property
    def as_counted(self) -> tuple[UUID | None, bool, Facts] | None:
        """What it has to be counted as now; None for an open one."""
        if self.state == DealState.OPEN:
            return None
        return self.team_id, self.state == DealState.WON, self.facts


class DealReader:
    """Reads deals within one unit of work, with the settings that were in force when it began."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        values = values_of(uow, SCORES)
        self.variables: tuple[str, ...] = tuple(values[SCORE_VARIABLES.name])
        self.least: int = values[SCORE_LEAST.name]
        self.bands = [Decimal(each) for each in values[SCORE_BANDS.name]]

    def of_ids(self, ids: Iterable[UUID]) -> list[Deal]:
        """Return these deals, in any order."""
        return [each for some in chunked(ids, AMONG) for each in self.where(among(deal.id, some))]

    def where(self, *conditions: ColumnElement[bool], limit: int | None = None) -> list[Deal]:
        """Return deals that meet conditions, in the order of their ids; no more than ``limit``."""
        statement = _statement().where(*conditions).order_by(deal.id).limit(limit)
        rows = self.uow.connection().execute(statement).all()
        tags = self._tags([row.id for row in rows])
        return [self._deal(row, tags.get(row.id, ())) for row in rows]

    def _tags(self, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
        found: dict[UUID, list[str]] = {}
        for some in chunked(ids, AMONG):
            statement = select(_tag.opportunity_id, _tag.tag_id).where(
                among(_tag.opportunity_id, some)
            )
            for row in self.uow.connection().execute(statement):
                found.setdefault(row.opportunity_id, []).append(str(row.tag_id))
        return found

    def _deal(self, row: Any, tags: Iterable[str]) -> Deal:
        given = {name: row._mapping[name] for name in _PLAIN}
        if row.language:
            # What is spoken counts, not where: a form says el, an ERP el-GR.
            given["language"] = row.language.partition("-")[0].lower()
        facts = {name: [str(value)] for name, value in given.items() if value is not None}
        facts[STAGE] = [str(row.stage_id)]
        facts["email"] = [QUALITIES[row.email or 0]]
        facts["phone"] = [QUALITIES[row.phone or 0]]
        band = self._band(row.expected_amount, row.currency_code)
        if band:
            facts["amount"] = [band]
        if tags:
            facts[TAG] = sorted(tags)
        counted = None
        if row.is_won is not None:
            counted = (row.counted_team_id, row.is_won, row.counted_facts)
        return Deal(
            id=row.id,
            team_id=row.team_id,
            state=row.state,
            stage_id=row.stage_id,
            probability=row.probability,
            override=Override(*row[-4:]) if row.is_overridden else None,
            facts=facts,
            counted=counted,
        )

    def _band(self, amount: Decimal | None, currency: str) -> str:
        """Return in which band an amount lies; empty where none or no rate leads there."""
        if amount is None:
            return ""
        base = load_settings(self.uow).base_currency
        converted = amount
        if currency != base:
            told = self._rates.convert(amount, currency, base)
            if told is None:
                return ""
            converted = told.amount
        edges = [Decimal(0), *self.bands]
        for low, high in pairwise(edges):
            if converted < high:
                return f"{low}-{high}"
        return f"{edges[-1]}-"

    @cached_property
    def _rates(self) -> RateTable:
        uow = self.uow
        return rates_on(uow, uow.scalars(select(Currency.code)).all(), company_day(uow))


def _statement() -> Select[*tuple[Any, ...]]:
    of_deal = (_count.opportunity_id == deal.id, _override.opportunity_id == deal.id)
    return (
        select(
            deal.id,
            deal.team_id,
            deal.state,
            deal.stage_id,
            deal.probability,
            deal.is_overridden,
            deal.expected_amount,
            deal.currency_code,
            *(column.label(name) for name, column in _PLAIN.items()),
            _quality("email").label("email"),
            _quality(*PHONES).label("phone"),
            _count.team_id.label("counted_team_id"),
            _count.is_won,
            _count.facts.label("counted_facts"),
            _override.probability.label("override"),
            _override.reason,
            _override.user_id,
            _override.at,
        )
        .outerjoin(table_of(ScoreCount), of_deal[0])
        .outerjoin(table_of(ScoreOverride), of_deal[1])
    )


def _quality(*kinds: str) -> Any:
    """The best way of some kinds to reach the customer or the person one talks with."""
    whose = or_(_point.customer_id == deal.customer_id, _point.customer_id == deal.contact_id)
    best = func.max(case((_point.normalized.is_not(None), 2), else_=1))
    return select(best).where(whose, _point.kind.in_(kinds)).scalar_subquery()
