"""The forecast as it was on each day, and how it compares with what came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, false, func, or_, select

from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import ForecastFigure, ForecastSnapshot
from crm_sales.permissions import CONFIGURE, FORECAST_VIEW, OPPORTUNITY_VIEW
from crm_sales.services.forecast.periods import Period, period_of
from crm_sales.services.forecast.rates import base_rates
from crm_sales.services.forecast.rows import ZERO, gathered
from crm_sales.services.forecast.statements import Question, closed_deals, open_deals

MONTHS_AHEAD = 6
"""Months that are kept each day, this one among them; those of its quarter before it, too."""
KEPT = ("won_amount", "committed_amount", "weighted_amount", "best_amount")


@dataclass(frozen=True, slots=True)
class Told:
    """What was forecast of a period on a day, in the base currency.

    Attributes:
        taken_on: When.
        won_amount, committed_amount, weighted_amount, best_amount: As the figures are defined.
    """

    taken_on: date
    won_amount: Decimal
    committed_amount: Decimal
    weighted_amount: Decimal
    best_amount: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """A period that was forecast when it began, and what it came to.

    Attributes:
        period: Which.
        told: What was forecast on the first day that was kept within it; None where none was.
        won_amount: What was won in it until now.
        is_over: Whether it has ended.
    """

    period: Period
    told: Told | None
    won_amount: Decimal
    is_over: bool

    @property
    def off_by(self) -> Decimal | None:
        """By which share of what was won the weighted forecast was too high; None if open."""
        if self.told is None or not self.is_over or not self.won_amount:
            return None
        return round((self.told.weighted_amount - self.won_amount) / self.won_amount, 4)


def take_snapshot(uow: UnitOfWork) -> int | None:
    """Keep the forecast of this month and the next ones as it is today, once a day.

    Returns:
        How many rows were kept; None when today's forecast was kept before.

    Raises:
        PermissionDeniedError: The right is missing, or the actor does not see all deals: what is
            kept stands for all.
    """
    uow.actor.require(CONFIGURE)
    for right in (FORECAST_VIEW, OPPORTUNITY_VIEW):
        uow.actor.require_for_owner(right, None, t("the deals of all"))
    zone = ZoneInfo(load_settings(uow).time_zone)
    today = uow.now.astimezone(zone).date()
    if uow.find(ForecastSnapshot, today) is not None:
        return None
    uow.add(ForecastSnapshot(taken_on=today, taken_at=uow.now))
    uow.flush()  # whoever comes second on the same day fails here, before anything is counted
    months = [period_of(each) for each in period_of(today, "quarter").months]
    while months[-1].first_on < period_of(today).shifted(MONTHS_AHEAD - 1).first_on:
        months.append(months[-1].shifted(1))
    asked = Question(tuple(months), by="both")
    found = gathered(
        uow.execute(open_deals(asked, uow.actor)),
        uow.execute(closed_deals(asked, uow.actor, zone)),
    )
    for key, figures in found.items():
        uow.add(
            ForecastFigure(
                taken_on=today,
                month_on=asked.periods[key.place].first_on,
                user_id=key.owner_id,
                team_id=key.team_id,
                currency_code=key.currency_code,
                open_count=figures.open_count,
                **{name: getattr(figures, name) for name in KEPT},
            )
        )
    return len(found)


def forecast_told(uow: UnitOfWork, asked: Question, *, days_before: int = 31) -> list[Told]:
    """Return what was forecast of the first period asked for, day by day until its end.

    Amounts are turned into the base currency at today's rates, so that days can be compared; those
    without a rate are left out.

    Args:
        uow: The unit of work.
        asked: Of which period, of whose deals; pipelines are not told apart.
        days_before: How many days before the period to begin.
    """
    uow.actor.require(FORECAST_VIEW)
    period = asked.first
    begin = period.first_on - timedelta(days=days_before)
    within = ForecastFigure.taken_on.between(begin, period.last_on)
    return _told(uow, asked, within & ForecastFigure.month_on.in_(period.months))


def forecast_outcomes(uow: UnitOfWork, asked: Question, *, count: int = 6) -> list[Outcome]:
    """Return the periods before, the latest last: what each was forecast to be, and came to.

    Args:
        uow: The unit of work.
        asked: The last of the periods, and whose deals; pipelines are not told apart.
        count: How many, that one among them.
    """
    uow.actor.require(FORECAST_VIEW)
    zone = ZoneInfo(load_settings(uow).time_zone)
    today = uow.now.astimezone(zone).date()
    periods = tuple(asked.first.shifted(n) for n in range(1 - count, 1))
    whole = Question(periods, "none", asked.user_id, asked.team_id)
    days = select(ForecastSnapshot.taken_on).where(
        ForecastSnapshot.taken_on.between(periods[0].first_on, periods[-1].last_on)
    )
    begun: dict[Period, date] = {}
    for day in uow.scalars(days.order_by(ForecastSnapshot.taken_on)):
        begun.setdefault(period_of(day, asked.first.kind), day)
    kept = [
        (ForecastFigure.taken_on == day) & ForecastFigure.month_on.in_(each.months)
        for each, day in begun.items()
    ]
    told = {each.taken_on: each for each in _told(uow, asked, or_(false(), *kept))}
    won = gathered(uow.execute(closed_deals(whole, uow.actor, zone)))
    rates = base_rates(uow, {key.currency_code for key in won})
    sums: dict[int, Decimal] = {}
    for key, figures in won.items():
        amount = rates.amount(figures.won_amount, key.currency_code)
        sums[key.place] = sums.get(key.place, ZERO) + (amount or ZERO)
    return [
        Outcome(each, told.get(begun.get(each, date.max)), sums.get(n, ZERO), each.last_on < today)
        for n, each in enumerate(periods)
    ]


def _told(uow: UnitOfWork, asked: Question, kept: ColumnElement[bool]) -> list[Told]:
    """Return what was kept, added up by day, in the base currency at today's rates."""
    columns = [getattr(ForecastFigure, name) for name in KEPT]
    sums = [func.sum(column).label(name) for name, column in zip(KEPT, columns, strict=True)]
    statement = select(ForecastFigure.taken_on, ForecastFigure.currency_code, *sums).where(kept)
    for column, wanted in (
        (ForecastFigure.user_id, asked.user_id),
        (ForecastFigure.team_id, asked.team_id),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    statement = statement.group_by(ForecastFigure.taken_on, ForecastFigure.currency_code)
    rows = uow.execute(statement).all()
    rates = base_rates(uow, {row.currency_code for row in rows})
    days: dict[date, dict[str, Decimal]] = {}
    for row in rows:
        day = days.setdefault(row.taken_on, dict.fromkeys(KEPT, ZERO))
        for name in KEPT:
            day[name] += rates.amount(getattr(row, name), row.currency_code) or ZERO
    return [Told(day, **amounts) for day, amounts in sorted(days.items())]
