"""What a customer chooses of an offer: options, and one of each group of alternatives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import LineKind, LineRole
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.configuration import broken_rules
from crm_sales.services.quotes.pricing import lines_of

CHOICES = (LineRole.OPTION, LineRole.ALTERNATIVE)


def chosen_of(lines: Sequence[Any]) -> set[UUID]:
    """Return the ids of the options and alternatives that are chosen as things stand."""
    return {line.id for line in lines if line.role in CHOICES and line.is_chosen}


def lines_at(uow: UnitOfWork, quote_id: UUID, positions: Collection[str]) -> list[UUID]:
    """Return the ids of an offer's lines at these positions, as people count them.

    Raises:
        InputError: There is no line at one of them.
    """
    uow.actor.require(QUOTE_VIEW)
    known = {str(line.position): line.id for line in lines_of(uow, quote_id)}
    for position in positions:
        if position not in known:
            raise InputError(
                t("There is no line {position}: see crm sales quote show.", position=position),
                code="sales.quote.choice",
            )
    return [known[position] for position in positions]


def choose_lines(uow: UnitOfWork, lines: Sequence[Any], chosen: Collection[UUID]) -> None:
    """Mark what is chosen of an offer's lines.

    Args:
        uow: Any unit of work.
        lines: All lines of the offer; have the columns of a ``QuoteLine``.
        chosen: Ids of the options and alternatives taken; all others are not.

    Raises:
        InputError: There is no such choice, or not exactly one alternative of each group.
        RuleViolationError: What is chosen cannot be sold together.
    """
    uow.actor.require(QUOTE_VIEW)
    open_lines = [line for line in lines if line.role in CHOICES]
    unknown = set(chosen) - {line.id for line in open_lines}
    if unknown:
        raise InputError(
            t("That is no choice of this offer: load the page again and choose."),
            code="sales.quote.choice",
            details={"ids": sorted(map(str, unknown))},
        )
    for line in open_lines:
        line.is_chosen = line.id in chosen
    _check_groups(open_lines)
    bought = [line for line in lines if line.kind == LineKind.PRODUCT and line.is_chosen]
    told = broken_rules(uow, [line.product_id for line in bought if line.product_id])
    if told:
        raise RuleViolationError(joined(told), code="sales.quote.choice")


def _check_groups(lines: Sequence[Any]) -> None:
    groups: dict[str | None, int] = {}
    for line in lines:
        if line.role == LineRole.ALTERNATIVE:
            groups[line.group] = groups.get(line.group, 0) + line.is_chosen
    for group, count in groups.items():
        if count != 1:
            raise InputError(
                t("Choose one of {group}.", group=group or t("the alternatives")),
                code="sales.quote.alternatives",
                details={"group": group or ""},
            )
