"""Where things stand in the pictures of the forecast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from math import floor, log10
from typing import Any

from crm_sales.services.forecast.rows import Figures
from crm_sales.services.forecast.show import StageFlow
from crm_sales.services.forecast.snapshots import KEPT, Outcome, Told

BAR = 200
"""Width of a bar's row; its ends are nothing and the most of all rows."""
WIDE, HIGH = 640, 240
LEFT, BELOW, ABOVE = 74, 26, 18
"""Of the picture of days, and the room beside for what is written there."""


def bars(rows: Sequence[Figures]) -> list[dict[str, Any]]:
    """Return of each row where won, committed, weighted, best case and target end."""
    most = max((_most(row) for row in rows), default=Decimal(0)) or Decimal(1)
    return [
        {
            "won": _share(row.won_amount, most),
            "committed": _share(row.committed_amount, most),
            "weighted": _share(row.weighted_amount, most),
            "best": _share(row.best_amount, most),
            "target": None if row.target_amount is None else _share(row.target_amount, most),
        }
        for row in rows
    ]


def funnel(flow: Sequence[StageFlow]) -> list[dict[str, Any]]:
    """Return stages, each with where its bar begins and how long it is, around the middle."""
    most = max((each.open_count for each in flow), default=0) or 1
    drawn = []
    for each in flow:
        width = round(BAR * each.open_count / most, 1)
        drawn.append({"stage": each, "x": round((BAR - width) / 2, 1), "width": width})
    return drawn


def outcome_bars(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return periods, each with how long the bars of its forecast and its outcome are."""
    told = [each.told.weighted_amount for each in outcomes if each.told]
    most = max([Decimal(1), *told, *(each.won_amount for each in outcomes)])
    return [
        {
            "outcome": each,
            "won": _share(each.won_amount, most),
            "weighted": _share(each.told.weighted_amount, most) if each.told else None,
        }
        for each in outcomes
    ]


def days(told: Sequence[Told], last_on: date, target: Decimal | None) -> dict[str, Any] | None:
    """Return the lines of what was forecast day by day; None where that is not two days yet."""
    if len(told) < 2:
        return None
    first_on = told[0].taken_on
    length = max((last_on - first_on).days, 1)
    most = max([target or Decimal(0), Decimal(1), *(each.best_amount for each in told)])
    step = _step(most)
    marks = [step * n for n in range(int(most / step) + 2)]
    top = marks[-1]

    def across(day: date) -> float:
        return round(LEFT + (WIDE - LEFT) * (day - first_on).days / length, 1)

    def down(amount: Decimal) -> float:
        return round(ABOVE + (HIGH - ABOVE - BELOW) * float(1 - amount / top), 1)

    return {
        "wide": WIDE,
        "high": HIGH,
        "left": LEFT,
        "marks": [{"amount": int(mark), "y": down(mark)} for mark in marks],
        "lines": [{"name": name, "path": _path(told, name, across, down)} for name in KEPT],
        "target": None if target is None else down(target),
        "first_on": first_on,
        "last_on": last_on,
    }


def _path(
    told: Sequence[Told],
    name: str,
    across: Callable[[date], float],
    down: Callable[[Decimal], float],
) -> str:
    points = [f"{across(each.taken_on)} {down(getattr(each, name))}" for each in told]
    return f"M{'L'.join(points)}"


def _most(row: Figures) -> Decimal:
    return max(row.best_amount, row.weighted_amount, row.target_amount or Decimal(0))


def _share(amount: Decimal, most: Decimal) -> float:
    return round(float(BAR * amount / most), 1)


def _step(most: Decimal) -> Decimal:
    """Return the round number of which some three to six make the most."""
    power = Decimal(10) ** floor(log10(most))
    return next(each for each in (power / 5, power / 2, power, power * 2) if most / each <= 5)
