"""Rows of a forecast: what the queries gave, added up and turned into one currency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from crm_core.services.currencies import RateTable

ZERO = Decimal(0)
SECONDS_A_DAY = 86_400
COUNTS = frozenset({"open_count", "won_count", "closed_count", "won_seconds", "slipped_count"})


class Key(NamedTuple):
    """Whose figures, of which period, in which currency."""

    place: int
    owner_id: UUID | None
    team_id: UUID | None
    currency_code: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What is added up, and what follows from it; every amount is in one currency."""

    open_count: int = 0
    open_amount: Decimal = ZERO
    committed_open: Decimal = ZERO
    weighted_open: Decimal = ZERO
    won_amount: Decimal = ZERO
    won_count: int = 0
    closed_count: int = 0
    won_seconds: int = 0
    slipped_count: int = 0
    slipped_amount: Decimal = ZERO
    target_amount: Decimal | None = None

    @property
    def committed_amount(self) -> Decimal:
        """What is won, and what somebody stands for."""
        return self.won_amount + self.committed_open

    @property
    def weighted_amount(self) -> Decimal:
        """What is won, and what is likely."""
        return self.won_amount + self.weighted_open

    @property
    def best_amount(self) -> Decimal:
        """What is won, and all that is open."""
        return self.won_amount + self.open_amount

    @property
    def missing_amount(self) -> Decimal | None:
        """What the target still lacks."""
        if self.target_amount is None:
            return None
        return max(ZERO, self.target_amount - self.won_amount)

    @property
    def coverage(self) -> Decimal | None:
        """How many times what is open covers what is missing."""
        missing = self.missing_amount
        return round(self.open_amount / missing, 2) if missing else None

    @property
    def win_rate(self) -> Decimal | None:
        """The share of closed deals that was won."""
        if not self.closed_count:
            return None
        return round(Decimal(self.won_count) / self.closed_count, 4)

    @property
    def cycle_days(self) -> Decimal | None:
        """How many days a won deal took."""
        if not self.won_count:
            return None
        return round(Decimal(self.won_seconds) / self.won_count / SECONDS_A_DAY, 1)

    def plus(self, other: Figures) -> Figures:
        """Return both together; their amounts are in the same currency."""
        values: dict[str, Any] = {}
        for field in fields(self):
            one, two = getattr(self, field.name), getattr(other, field.name)
            values[field.name] = two if one is None else one if two is None else one + two
        return Figures(**values)

    def converted(self, rates: RateTable, code: str, base: str) -> tuple[Figures, date] | None:
        """Return them in another currency, and from when the rate is; None without a rate."""
        values: dict[str, Any] = {}
        oldest = rates.on
        for field in fields(self):
            amount = getattr(self, field.name)
            if amount is not None and field.name not in COUNTS:
                told = rates.convert(amount, code, base)
                if told is None:
                    return None
                values[field.name], oldest = told.amount, min(oldest, told.rate_on)
        return replace(self, **values), oldest


def gathered(*results: Iterable[Any]) -> dict[Key, Figures]:
    """Return the rows of several queries as figures by key."""
    found: dict[Key, dict[str, Any]] = {}
    for result in results:
        for row in result:
            told = dict(row._mapping)
            key = Key(
                told.pop("place", 0),
                told.pop("owner_id", None),
                told.pop("team_id", None),
                told.pop("currency_code"),
            )
            for name, value in told.items():
                if value is not None:
                    found.setdefault(key, {})[name] = int(value) if name in COUNTS else value
    return {key: Figures(**values) for key, values in found.items()}


def added_up(rows: Iterable[Figures]) -> Figures:
    """Return all together; their amounts are in the same currency."""
    total = Figures()
    for each in rows:
        total = total.plus(each)
    return total
