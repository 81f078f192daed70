"""The forecast: who will win what in which period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from crm_core.entities import User
from crm_core.entities.user import Team
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import Stage
from crm_sales.permissions import FORECAST_VIEW
from crm_sales.services.forecast.figures import FIGURES
from crm_sales.services.forecast.periods import Period
from crm_sales.services.forecast.rates import base_rates
from crm_sales.services.forecast.rows import ZERO, Figures, Key, added_up, gathered
from crm_sales.services.forecast.statements import (
    Question,
    closed_deals,
    open_deals,
    slipped_deals,
    stage_moves,
    stage_stock,
    targets_within,
)


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """The figures of one holder in one period and currency.

    Attributes:
        period: What it is of.
        user_id: Whose deals; None for nobody's, or where figures are not told apart by persons.
        team_id: Which team's deals.
        name: Of the person or the team; blank for all together.
        currency_code: Of all amounts.
        figures: All figures.
        rate_on: From when the oldest rate is; None where nothing was turned into this currency.
    """

    period: Period
    user_id: UUID | None
    team_id: UUID | None
    name: str
    currency_code: str
    figures: Figures
    rate_on: date | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, the figures by their names."""
        return {
            "period": self.period.code,
            "user_id": self.user_id,
            "team_id": self.team_id,
            "name": self.name,
            "currency_code": self.currency_code,
            **{each.code: getattr(self.figures, each.code) for each in FIGURES},
            "open_amount": self.figures.open_amount,
            "won_count": self.figures.won_count,
            "closed_count": self.figures.closed_count,
            "rate_on": self.rate_on,
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is forecast.

    Attributes:
        asked: The question.
        today: The day it is of, in the company's time zone.
        base_currency: The company's own.
        rows: By period, holder and currency.
        in_base: The same by period and holder, in the base currency; holders who have amounts in a
            currency without a rate are left out.
        totals: All that is seen by period and currency.
        base_totals: All that is seen by period, in the base currency.
        without_rate: Currencies from which no rate leads to the base.
    """

    asked: Question
    today: date
    base_currency: str
    rows: list[ForecastRow]
    in_base: list[ForecastRow]
    totals: list[ForecastRow]
    base_totals: list[ForecastRow]
    without_rate: list[str]


@dataclass(frozen=True, slots=True)
class StageFlow:
    """A stage: what stands in it, and what becomes of that.

    Attributes:
        stage_id: Which.
        name: What it is called.
        open_count: Deals that are open in it.
        open_amount: Their amounts, in the base currency; None where a rate is missing.
        left_count: Moves out of it in the period.
        further: The share of them that went further on.
        days: Mean days in it of those that left.
    """

    stage_id: UUID
    name: str
    open_count: int
    open_amount: Decimal | None
    left_count: int
    further: Decimal | None
    days: Decimal | None


def show_forecast(uow: UnitOfWork, asked: Question) -> Forecast:
    """Return the forecast of what the actor may see, in a fixed number of statements.

    Args:
        uow: The unit of work.
        asked: Of which periods, told apart by what, of which deals.

    Raises:
        PermissionDeniedError: The right is missing.
    """
    uow.actor.require(FORECAST_VIEW)
    zone = ZoneInfo(load_settings(uow).time_zone)
    found = gathered(
        uow.execute(open_deals(asked, uow.actor)),
        uow.execute(closed_deals(asked, uow.actor, zone)),
        uow.execute(slipped_deals(asked, uow.actor, zone)),
    )
    aims = uow.execute(targets_within(asked.first.first_on, asked.last.last_on))
    found = _aimed(asked, found, aims.all())
    rates = base_rates(uow, {key.currency_code for key in found})
    in_base: dict[Key, list[Figures]] = {}
    dates: dict[Key, list[date]] = {}
    missing: set[str] = set()
    for key, figures in found.items():
        told = figures.converted(rates.table, key.currency_code, rates.base)
        place = key._replace(currency_code=rates.base)
        if told is None:
            missing.add(key.currency_code)
        in_base.setdefault(place, []).append(told[0] if told else figures)
        dates.setdefault(place, []).append(told[1] if told else date.min)
    whole = {key for key, known in dates.items() if date.min not in known}
    sums = {key: added_up(in_base[key]) for key in whole}
    names = _names(uow, found)
    oldest = {key: min(dates[key]) for key in whole}
    return Forecast(
        asked=asked,
        today=rates.today,
        base_currency=rates.base,
        rows=_rows(asked, found, names, {}),
        in_base=_rows(asked, sums, names, oldest),
        totals=_totals(asked, found, None),
        base_totals=_totals(asked, sums, min(oldest.values(), default=rates.today)),
        without_rate=sorted(missing),
    )


def stage_flow(uow: UnitOfWork, asked: Question) -> list[StageFlow]:
    """Return what stands in each stage, and how deals went on from it in the periods asked for.

    Without a pipeline named, stages of all of them; those that hold and saw nothing are left out.
    """
    uow.actor.require(FORECAST_VIEW)
    zone = ZoneInfo(load_settings(uow).time_zone)
    stock = uow.execute(stage_stock(asked, uow.actor)).all()
    moves = {row.stage_id: row for row in uow.execute(stage_moves(asked, uow.actor, zone))}
    rates = base_rates(uow, {row.currency_code for row in stock})
    held: dict[UUID, list[tuple[int, Decimal | None]]] = {}
    for row in stock:
        amount = rates.amount(row.open_amount or ZERO, row.currency_code)
        held.setdefault(row.stage_id, []).append((row.open_count, amount))
    statement = select(Stage.id, Stage.name).where(Stage.id.in_({*held, *moves}))
    stages = uow.execute(statement.order_by(Stage.pipeline_id, Stage.position))
    return [
        _flow(stage.id, stage.name, held.get(stage.id, []), moves.get(stage.id)) for stage in stages
    ]


def _flow(
    stage_id: UUID, name: str, held: list[tuple[int, Decimal | None]], moved: Any
) -> StageFlow:
    amounts = [amount for _, amount in held if amount is not None]
    return StageFlow(
        stage_id=stage_id,
        name=name,
        open_count=sum(count for count, _ in held),
        open_amount=sum(amounts, ZERO) if len(amounts) == len(held) else None,
        left_count=moved.left_count if moved else 0,
        further=round(Decimal(moved.further_count) / moved.left_count, 4) if moved else None,
        days=round(Decimal(moved.seconds) / 86_400, 1)
        if moved and moved.seconds is not None
        else None,
    )


def _aimed(asked: Question, found: dict[Key, Figures], aims: Iterable[Any]) -> dict[Key, Figures]:
    """Return figures with the targets of their holders; a quarter's own counts for its months'."""
    held: dict[tuple[Key, bool], Decimal] = {}
    by = asked.by
    aims = [row for row in aims if _is_asked(asked, row)]
    if by == "none":
        aims = _broadest(aims, asked)
    for row in aims:
        place = next(
            n
            for n, each in enumerate(asked.periods)
            if each.first_on <= row.first_on <= each.last_on
        )
        owner_id = row.user_id if by in ("person", "both") else None
        key = Key(place, owner_id, row.team_id if by == "team" else None, row.currency_code)
        is_own = row.period == asked.periods[place].code
        held[key, is_own] = held.get((key, is_own), ZERO) + row.amount
    aimed = dict(found)
    for key in dict.fromkeys(key for key, _ in held):
        amount = held.get((key, True), held.get((key, False)))
        aimed[key] = found.get(key, Figures()).plus(Figures(target_amount=amount))
    return aimed


def _is_asked(asked: Question, row: Any) -> bool:
    """Return whether a target is one of those whose deals are asked for."""
    if asked.pipeline_id is not None:
        return False
    if asked.by == "team":
        return row.team_id is not None and asked.team_id in (None, row.team_id)
    if asked.by == "person":
        return row.user_id is not None and asked.user_id in (None, row.user_id)
    if asked.user_id or asked.team_id:
        return bool(row.user_id == asked.user_id and row.team_id == asked.team_id)
    return True


def _broadest(aims: list[Any], asked: Question) -> list[Any]:
    """Return the company's own targets where there are any, else those of persons."""
    if asked.user_id or asked.team_id:
        return aims
    company = [row for row in aims if row.user_id is None and row.team_id is None]
    return company or [row for row in aims if row.user_id is not None]


def _names(uow: UnitOfWork, found: Mapping[Key, Figures]) -> dict[UUID, str]:
    names: dict[UUID, str] = {}
    for model, ids in (
        (User, {key.owner_id for key in found if key.owner_id}),
        (Team, {key.team_id for key in found if key.team_id}),
    ):
        if ids:
            rows = uow.execute(select(model.id, model.name).where(model.id.in_(ids)))
            names.update({row.id: row.name for row in rows})
    return names


def _rows(
    asked: Question,
    found: Mapping[Key, Figures],
    names: Mapping[UUID, str],
    rates: Mapping[Key, date],
) -> list[ForecastRow]:
    nobody = {"person": t("Nobody's"), "team": t("No team's")}.get(asked.by, "")

    def named(key: Key) -> str:
        holder = key.owner_id or key.team_id
        return names.get(holder, nobody) if holder else nobody

    rows = [
        ForecastRow(
            asked.periods[key.place],
            key.owner_id,
            key.team_id,
            named(key),
            key.currency_code,
            figures,
            rates.get(key),
        )
        for key, figures in found.items()
    ]
    return sorted(rows, key=lambda row: (row.period.first_on, row.name, row.currency_code))


def _totals(
    asked: Question, found: Mapping[Key, Figures], rate_on: date | None
) -> list[ForecastRow]:
    sums: dict[tuple[int, str], Figures] = {}
    for key, figures in found.items():
        place = (key.place, key.currency_code)
        sums[place] = sums.get(place, Figures()).plus(figures)
    return [
        ForecastRow(asked.periods[place], None, None, "", code, figures, rate_on)
        for (place, code), figures in sorted(sums.items())
    ]
