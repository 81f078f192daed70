"""What the lines of an offer come to, rounded as the ERP does; nothing here asks the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crm_sales.models import LineKind
from crm_sales.services.pricing.formulas import HUNDRED, ZERO, given_discount, less, rounded


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How sums are made.

    Attributes:
        money_places: Decimal places of the currency.
        price_places: Decimal places of a unit price.
        rounds_lines: Whether tax is rounded on each line, else on the total.
        tax_percent: Of lines about which nothing is known.
    """

    money_places: int = 2
    price_places: int = 2
    rounds_lines: bool = True
    tax_percent: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class TaxPart:
    """What is taxed at one rate."""

    percent: Decimal
    untaxed_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """What an offer comes to.

    Attributes:
        untaxed_amount: Sum of the lines that count.
        tax_amount: Sum of their taxes.
        total_amount: Both.
        taxes: By rate, the lowest first.
        discount_percent: The largest discount that a person gave on any line, chosen or not.
    """

    untaxed_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    taxes: Sequence[TaxPart]
    discount_percent: Decimal


def counts(line: Any) -> bool:
    """Return whether a line is bought as things stand."""
    return bool(line.kind == LineKind.PRODUCT and line.is_chosen)


def net_price(line: Any) -> Decimal:
    """Return what one costs after the discount, unrounded."""
    return less(line.unit_price or ZERO, line.discount_percent)


def asked_price(line: Any) -> Decimal | None:
    """Return what our rules ask for one."""
    price: Decimal | None = line.list_price if line.rule_price is None else line.rule_price
    return price


def person_discount(line: Any) -> Decimal:
    """Return how many percent a person took off a line, by another price list too."""
    base = asked_price(line) if line.base_price is None else line.base_price
    return given_discount(base, line.unit_price, line.discount_percent)


def reckon_line(line: Any, how: Reckoning) -> None:
    """Set the amounts of a line from its quantity, price, discount and tax."""
    if line.kind != LineKind.PRODUCT:
        line.untaxed_amount = line.tax_amount = line.total_amount = None
        return
    untaxed = rounded(net_price(line) * (line.quantity or ZERO), how.money_places)
    tax = rounded(_exact_tax(untaxed, line), how.money_places)
    line.untaxed_amount, line.tax_amount, line.total_amount = untaxed, tax, untaxed + tax


def reckon(lines: Iterable[Any], how: Reckoning, *, by_erp: bool = False) -> Totals:
    """Return what lines come to, and set the amounts of each.

    Args:
        lines: Have the columns of a ``QuoteLine``.
        how: Places and rounding.
        by_erp: Whether the lines bear the ERP's own amounts, which stay.
    """
    lines = list(lines)
    for line in lines:
        if not by_erp:
            reckon_line(line, how)
    bought = [line for line in lines if counts(line)]
    parts: dict[Decimal, list[Any]] = {}
    for line in bought:
        parts.setdefault(line.tax_percent or ZERO, []).append(line)
    round_each = how.rounds_lines or by_erp
    taxes = [
        TaxPart(
            percent,
            _sum(line.untaxed_amount for line in some),
            _tax(some, how, round_each=round_each),
        )
        for percent, some in sorted(parts.items())
    ]
    untaxed = _sum(line.untaxed_amount for line in bought)
    tax = _tax(bought, how, round_each=round_each)
    largest = max((person_discount(line) for line in lines), default=ZERO)
    return Totals(untaxed, tax, untaxed + tax, taxes, largest)


def _tax(lines: Sequence[Any], how: Reckoning, *, round_each: bool) -> Decimal:
    if round_each:
        return _sum(line.tax_amount for line in lines)
    exact = _sum(_exact_tax(line.untaxed_amount, line) for line in lines)
    return rounded(exact, how.money_places)


def _exact_tax(untaxed: Decimal, line: Any) -> Decimal:
    percent: Decimal = line.tax_percent or ZERO
    return untaxed * percent / HUNDRED


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount or ZERO for amount in amounts), ZERO)
