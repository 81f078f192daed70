"""What was expected of the demo's deals, and what was forecast of them week by week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import User
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.demo.deals import Story
from crm_sales.models import DealExpectation, ForecastFigure, ForecastSnapshot
from crm_sales.services.forecast.periods import period_of
from crm_sales.services.forecast.targets import set_target

WEEKS, MONTHS_AHEAD = 40, 3
HIGHER = Decimal("1.15")
SLIPPED = 0.35
"""Deals whose day of closing was put off once."""


def tell_history(uow: UnitOfWork, story: Story) -> None:
    """Write what was expected when, and the forecasts that followed from it."""
    expected = {deal["id"]: list(_expected(story, deal)) for deal in story.deals}
    connection = uow.connection()
    insert_rows(connection, DealExpectation, [row for rows in expected.values() for row in rows])
    today = story.company.today
    days = [today - timedelta(weeks=week) for week in range(WEEKS, 0, -1)]
    taken = [{"taken_on": day, "taken_at": _noon(day)} for day in days]
    insert_rows(connection, ForecastSnapshot, taken)
    figures = [row for day in days for row in _figures(story, expected, day)]
    insert_rows(connection, ForecastFigure, figures)
    _aim(uow, story)


def _aim(uow: UnitOfWork, story: Story) -> None:
    """Have everybody aim a little higher than they came in a month of the last year."""
    since = _noon(story.company.today - timedelta(days=365))
    won: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    for deal in story.deals:
        if deal["state"] == "won" and deal["owner_id"] and deal["closed_at"] > since:
            won[deal["owner_id"], deal["currency_code"]] += deal["expected_amount"]
    logins = {row.id: row.login for row in uow.execute(select(User.id, User.login))}
    this, following = period_of(story.company.today, "quarter"), []
    for quarter in (this, this.shifted(1)):
        following += [f"{month:%Y-%m}" for month in quarter.months]
    for (user_id, currency), amount in won.items():
        aim = max(round(amount / 12 * HIGHER, -2), Decimal(100))
        for month in following:
            set_target(uow, period=month, amount=aim, user=logins[user_id], currency_code=currency)


def _expected(story: Story, deal: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    random, at = story.random, deal["created_at"]
    last: date = deal["expected_close_on"]
    row = {
        "opportunity_id": deal["id"],
        "amount": deal["expected_amount"],
        "currency_code": deal["currency_code"],
    }
    number, previous = 1, None
    ended = deal["closed_at"] or _noon(story.company.today)
    if random.random() < SLIPPED and ended - at > timedelta(days=4):
        previous = last - timedelta(days=random.randint(10, 45))
        first = {"id": new_id(), "number": 1, "noted_at": at, "previous_close_on": None}
        yield {**row, **first, "close_on": previous}
        at += (ended - at) * random.uniform(0.3, 0.8)
        number = 2
    told = {"id": new_id(), "number": number, "noted_at": at, "previous_close_on": previous}
    yield {**row, **told, "close_on": last}


def _figures(
    story: Story, expected: Mapping[UUID, Sequence[Mapping[str, Any]]], day: date
) -> Iterator[dict[str, Any]]:
    """Yield the forecast of the month of a day and the next ones, as it was on that day."""
    noon, months = _noon(day), _months(day)
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
        lambda: (
            {"won": Decimal(0), "committed": Decimal(0), "weighted": Decimal(0)}
            | {"open": Decimal(0), "count": 0}
        )
    )
    for deal in story.deals:
        if deal["created_at"] > noon:
            continue
        key = deal["owner_id"], deal["team_id"], deal["currency_code"]
        amount = deal["expected_amount"]
        closed = deal["closed_at"]
        if closed is not None and closed <= noon:
            if deal["state"] == "won" and closed.date().replace(day=1) == months[0]:
                sums[months[0], *key]["won"] += amount
            continue
        close_on = next(
            (row["close_on"] for row in reversed(expected[deal["id"]]) if row["noted_at"] <= noon),
            None,
        )
        if close_on is None or close_on.replace(day=1) not in months:
            continue
        found = sums[close_on.replace(day=1), *key]
        place = max(place for at, place in story.paths[deal["id"]] if at <= noon)
        found["open"] += amount
        found["weighted"] += amount * story.company.stages[place].probability / 100
        found["committed"] += amount if deal["is_committed"] and place > 1 else 0
        found["count"] += 1
    for (month, user_id, team_id, currency), found in sums.items():
        yield {
            "id": new_id(),
            "taken_on": day,
            "month_on": month,
            "user_id": user_id,
            "team_id": team_id,
            "currency_code": currency,
            "won_amount": found["won"],
            "committed_amount": found["won"] + found["committed"],
            "weighted_amount": (found["won"] + found["weighted"]).quantize(Decimal("0.01")),
            "best_amount": found["won"] + found["open"],
            "open_count": found["count"],
        }


def _months(day: date) -> list[date]:
    months = [day.replace(day=1)]
    while len(months) < MONTHS_AHEAD:
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return months


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
