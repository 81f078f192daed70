"""Whether a rule fits a lead, and whose turn it is: knows no database.

Turns follow the smooth weighted round robin: each who could take a lead is credited with their
weight, whoever has the most credit takes it and pays for all. Over as many leads as the weights add
up to, everybody gets as many as their weight, and nobody many in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_core.services.currencies import RateTable
from crm_sales.models import AssignmentRule, Way

BELOW = " / "
"""Stands between a category and one below it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A lead as far as rules ask for it."""

    country: str | None = None
    postal_code: str | None = None
    product: str | None = None
    category: str | None = None
    language: str | None = None
    source: str | None = None
    amount: Decimal | None = None
    currency: str = ""


@dataclass(slots=True)
class Person:
    """Somebody who could take a lead by a rule.

    Attributes:
        weight: How many leads they get for one of somebody whose weight is one.
        credit: How much they have waited by this rule.
        load: How many leads they have open.
    """

    user_id: UUID
    weight: int = 1
    credit: int = 0
    load: int = 0


def misfit(rule: AssignmentRule, facts: Facts, rates: RateTable) -> dict[str, Any] | None:
    """Return the first condition of a rule that a lead does not meet; None where it fits."""
    for code, value, is_met in _conditions(rule, facts):
        if not is_met:
            return {"code": code, "is": value}
    if rule.least_amount is None and rule.most_amount is None:
        return None
    if facts.amount is None:
        return {"code": "amount", "is": None}
    there = rates.convert(facts.amount, facts.currency, rule.currency_code or facts.currency)
    if there is None:
        return {"code": "rate", "is": f"{facts.currency} {rule.currency_code}"}
    below = rule.least_amount is not None and there.amount < rule.least_amount
    above = rule.most_amount is not None and there.amount > rule.most_amount
    told = f"{plain(facts.amount)} {facts.currency}"
    return {"code": "amount", "is": told} if below or above else None


def _conditions(rule: AssignmentRule, facts: Facts) -> Iterator[tuple[str, str | None, bool]]:
    code = _compact(facts.postal_code)
    language = (facts.language or "").lower()
    category = facts.category or ""
    told: tuple[tuple[str, list[str], str | None, Callable[[str], bool]], ...] = (
        ("country", rule.countries, facts.country, lambda wanted: wanted == facts.country),
        (
            "postal_code",
            rule.postal_prefixes,
            facts.postal_code,
            lambda wanted: bool(code) and code.startswith(_compact(wanted)),
        ),
        ("product", rule.products, facts.product, lambda wanted: wanted == facts.product),
        (
            "category",
            rule.categories,
            facts.category,
            lambda wanted: category == wanted or category.startswith(wanted + BELOW),
        ),
        (
            "language",
            rule.languages,
            facts.language,
            lambda wanted: language == wanted.lower() or language.startswith(wanted.lower() + "-"),
        ),
        (
            "source",
            rule.sources,
            facts.source,
            lambda wanted: wanted.casefold() == (facts.source or "").casefold(),
        ),
    )
    for name, wanted, value, fits in told:
        yield name, value, not wanted or any(fits(each) for each in wanted)


def _compact(text: str | None) -> str:
    return "".join((text or "").upper().split())


def plain(amount: Decimal) -> str:
    """Return an amount without the zeros that say nothing."""
    return f"{amount.normalize():f}"


def choose(way: str, people: Sequence[Person]) -> Person:
    """Return who takes the lead, and settle the credit of all who could have.

    Args:
        way: Of :class:`Way`.
        people: One or more, each free to take it; equal ones are taken in this order.
    """
    if way == Way.LEAST_LOADED:
        least = min(person.load / person.weight for person in people)
        people = [person for person in people if person.load / person.weight == least]
    weights = [person.weight if way == Way.WEIGHTED else 1 for person in people]
    for person, weight in zip(people, weights, strict=True):
        person.credit += weight
    taker = max(people, key=lambda person: person.credit)
    taker.credit -= sum(weights)
    return taker
