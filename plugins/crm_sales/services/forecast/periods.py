"""Months and quarters of the calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, literal

from crm_core.errors import InputError
from crm_core.messages import t

MONTHS_OF = {"month": 1, "quarter": 3}
_CODE = re.compile(r"((?:19|2[01])\d\d)-(?:(0[1-9]|1[0-2])|[Qq]([1-4]))")
_MOST_AHEAD = 24


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a quarter.

    Attributes:
        kind: ``month`` or ``quarter``.
        first_on: Its first day.
    """

    kind: str
    first_on: date

    @property
    def code(self) -> str:
        """``2026-11`` or ``2026-Q4``: what people type and links hold."""
        if self.kind == "quarter":
            return f"{self.first_on.year}-Q{(self.first_on.month + 2) // 3}"
        return f"{self.first_on:%Y-%m}"

    @property
    def last_on(self) -> date:
        """Its last day."""
        return self.shifted(1).first_on - timedelta(days=1)

    @property
    def months(self) -> tuple[date, ...]:
        """The first days of its months."""
        return tuple(_month(self.first_on, n) for n in range(MONTHS_OF[self.kind]))

    def shifted(self, count: int) -> Period:
        """Return the period so many after this one; before it where that is negative."""
        return Period(self.kind, _month(self.first_on, count * MONTHS_OF[self.kind]))

    def begins_at(self, zone: ZoneInfo) -> datetime:
        """Return its first moment."""
        return datetime.combine(self.first_on, time.min, zone).astimezone(UTC)

    def ends_at(self, zone: ZoneInfo) -> datetime:
        """Return the first moment after it."""
        return self.shifted(1).begins_at(zone)


def period_of(day: date, kind: str = "month") -> Period:
    """Return the period that a day lies in."""
    return Period(kind, _month(day.replace(day=1), -((day.month - 1) % MONTHS_OF[kind])))


def period_from(text: str, today: date) -> Period:
    """Return the period that a text names: ``2026-11``, ``2026-Q4``, ``month``, ``quarter``, +1.

    ``month`` and ``quarter`` are those of today; nothing typed is the month, ``+1`` the next one.

    Raises:
        InputError: It names none.
    """
    word = text.strip()
    named = _CODE.fullmatch(word)
    if named:
        year, month, quarter = named.groups()
        kind = "month" if month else "quarter"
        return Period(kind, date(int(year), int(month or 3 * int(quarter) - 2), 1))
    if word.lower() in ("", *MONTHS_OF):
        return period_of(today, word.lower() or "month")
    if re.fullmatch(r"[+-]\d{1,2}", word) and abs(int(word)) <= _MOST_AHEAD:
        return period_of(today).shifted(int(word))
    raise InputError(
        t(
            "{text!r} is no period: write a month like 2026-11 or a quarter like 2026-Q4.",
            text=text[:40],
        ),
        code="sales.forecast.period",
    )


def place_among(periods: Sequence[Period], day: Any) -> ColumnElement[int]:
    """Return the expression that says in which of some periods in a row a day lies: 0, 1, ..."""
    return _place([day <= each.last_on for each in periods[:-1]])


def place_of_moment(periods: Sequence[Period], at: Any, zone: ZoneInfo) -> ColumnElement[int]:
    """Return the expression that says in which of some periods in a row a moment lies."""
    return _place([at < each.ends_at(zone) for each in periods[:-1]])


def _place(within: Sequence[ColumnElement[bool]]) -> ColumnElement[int]:
    if not within:
        return literal(0)
    return case(*((each, place) for place, each in enumerate(within)), else_=len(within))


def _month(first_on: date, count: int) -> date:
    months = first_on.year * 12 + first_on.month - 1 + count
    if not date.min.year <= months // 12 <= date.max.year:
        raise InputError(
            t("That period lies too far away: name another."), code="sales.forecast.period"
        )
    return date(months // 12, months % 12 + 1, 1)
