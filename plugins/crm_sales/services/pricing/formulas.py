"""Arithmetic of prices: exact decimals, rounded half up where the ERP rounds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crm_sales.models import PriceMethod

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
NO_MINIMUM = ZERO


def rounded(amount: Decimal, places: int) -> Decimal:
    """Return an amount with so many decimal places, half up."""
    return amount.quantize(ONE.scaleb(-places), rounding=ROUND_HALF_UP)


def rounded_to(amount: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of ``step`` that is nearest, half up."""
    return (amount / step).quantize(ONE, rounding=ROUND_HALF_UP) * step


def less(amount: Decimal, percent: Decimal | None) -> Decimal:
    """Return an amount with so many percent taken off."""
    return amount - amount * (percent or ZERO) / HUNDRED


def price_by_rule(rule: Any, base: Decimal) -> Decimal:
    """Return what a rule of a price list makes of a base price, unrounded but for its own step.

    Args:
        rule: Has the columns of a ``PriceListRule``.
        base: The price it starts from; of no effect on a fixed one.
    """
    if rule.method == PriceMethod.FIXED:
        return rule.fixed_price or ZERO
    price = less(base, rule.percent)
    if rule.method == PriceMethod.PERCENT:
        return price
    if rule.rounding:
        price = rounded_to(price, rule.rounding)
    price += rule.surcharge or ZERO
    if rule.min_margin:
        price = max(price, base + rule.min_margin)
    if rule.max_margin:
        price = min(price, base + rule.max_margin)
    return price


def given_discount(
    asked: Decimal | None, unit_price: Decimal | None, discount_percent: Decimal | None
) -> Decimal:
    """Return how many percent below what our rules ask a person goes, by price and discount.

    Args:
        asked: What price list, band and bundle ask; nothing or zero leaves nothing to take off.
        unit_price: What is asked before the discount.
        discount_percent: The discount.
    """
    if not asked or asked <= 0 or unit_price is None:
        return ZERO
    taken = HUNDRED * (ONE - less(unit_price, discount_percent) / asked)
    return max(ZERO, rounded(taken, 6))


def spread(total: Decimal, parts: Sequence[tuple[Decimal, Decimal]], places: int) -> list[Decimal]:
    """Return unit prices that share out the price of a bundle by what its parts cost.

    What rounding leaves goes to the first part that takes it without breaking a unit; where there
    is none, the bundle costs what its parts sum up to.

    Args:
        total: What all of it shall cost, not negative.
        parts: Price and quantity of each; quantities positive.
        places: Decimal places of a unit price.
    """
    worth = sum((price * quantity for price, quantity in parts), ZERO)
    pieces = sum((quantity for _, quantity in parts), ZERO)
    shares = [price / worth if worth else ONE / pieces for price, _ in parts]
    units = [rounded(total * share, places) for share in shares]
    left = total - sum((u * quantity for u, (_, quantity) in zip(units, parts, strict=True)), ZERO)
    for index, (_, quantity) in enumerate(parts):
        more = left / quantity
        if left and more == rounded(more, places) and units[index] + more >= 0:
            units[index] += more
            break
    return units
