"""What an offer would come to if it were changed so; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_core.errors import CrmError
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.permissions import QUOTE_EDIT
from crm_sales.services.pricing.configuration import broken_rules
from crm_sales.services.pricing.limits import own_limit
from crm_sales.services.quotes.amounts import Totals, counts, reckon
from crm_sales.services.quotes.checks import permitted_quote, reckoning_for
from crm_sales.services.quotes.lines import apply_changes
from crm_sales.services.quotes.pricing import check_floor, price_lines
from crm_sales.services.quotes.view import loose_lines, shown_lines


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be.

    Attributes:
        currency_code: Of all amounts.
        lines: As ``quote_view`` gives them.
        totals: What they come to.
        faults: What would be refused, in sentences.
        needs_approval: Whether the largest discount is above the actor's limit.
    """

    currency_code: str
    lines: list[dict[str, Any]]
    totals: Totals
    faults: list[str]
    needs_approval: bool


def preview_quote(
    uow: UnitOfWork, quote_id: UUID, changes: Mapping[UUID, Mapping[str, Any]]
) -> Preview:
    """Return what an offer would come to with these changes of its lines.

    Args:
        uow: Any unit of work.
        quote_id: Which.
        changes: As ``edit_lines`` takes them.

    Raises:
        InputError: A number will not do.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT)
    how = reckoning_for(uow, quote.currency_code)
    lines, products = loose_lines(uow, quote_id)
    apply_changes(lines, changes, how)
    price_lines(uow, quote, lines, how)
    totals = reckon(lines, how)
    faults: list[str] = []
    for line in lines:
        try:
            check_floor(line, quote.currency_code)
        except CrmError as error:
            faults.append(error.message)
    bought = {line.product_id for line in lines if counts(line) and line.product_id}
    faults += broken_rules(uow, bought)
    return Preview(
        quote.currency_code,
        shown_lines(lines, products),
        totals,
        faults,
        totals.discount_percent > own_limit(uow),
    )
