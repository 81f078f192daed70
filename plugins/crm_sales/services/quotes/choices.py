"""What a customer takes of an offer: options, and one of each group of alternatives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import LineRole, Quote, TaxSource
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.configuration import broken_rules
from crm_sales.services.quotes.amounts import Totals, counts, reckon
from crm_sales.services.quotes.checks import reckoning_for
from crm_sales.services.quotes.pricing import keep_totals, lines_of, refuse_broken


def take_choice(uow: UnitOfWork, quote: Quote, chosen: Collection[UUID]) -> Totals:
    """Keep what a customer takes of an offer, and what it comes to; prices stay as they are.

    Args:
        uow: A writing unit of work.
        quote: The offer, which the caller may change.
        chosen: Ids of the options and alternatives taken; all others are left.

    Raises:
        InputError: A line is not one to be chosen, or a group lacks its one choice.
        RuleViolationError: A configuration rule is broken; the message says why.
    """
    uow.actor.require(QUOTE_VIEW)
    lines = lines_of(uow, quote.id)
    mark_chosen(lines, chosen)
    bought = {line.product_id for line in lines if counts(line) and line.product_id}
    refuse_broken(broken_rules(uow, bought))
    how = reckoning_for(uow, quote.currency_code)
    totals = reckon(lines, how, by_erp=quote.tax_source == TaxSource.ERP)
    keep_totals(quote, totals)
    quote.updated_at = uow.now
    return totals


def mark_chosen(lines: Sequence[Any], chosen: Collection[UUID]) -> None:
    """Mark the options and alternatives taken, and the others as left; checked, not stored.

    Raises:
        InputError: A line is not one to be chosen, or a group lacks its one choice.
    """
    open_ = [line for line in lines if line.role in (LineRole.OPTION, LineRole.ALTERNATIVE)]
    unknown = set(chosen) - {line.id for line in open_}
    if unknown:
        raise InputError(
            t("That is nothing to choose on this offer: load it again."),
            code="sales.quote.choice",
            details={"line_ids": sorted(map(str, unknown))},
        )
    groups: dict[str, int] = {}
    for line in open_:
        line.is_chosen = line.id in chosen
        if line.role == LineRole.ALTERNATIVE:
            groups[line.group or ""] = groups.get(line.group or "", 0) + line.is_chosen
    for group, count in groups.items():
        if count != 1:
            raise InputError(
                t("Choose one of the alternatives {group}.", group=group),
                code="sales.quote.choice",
                details={"group": group},
            )
