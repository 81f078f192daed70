"""Offers on the first page: those that wait for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence

from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import HomeCard, HomeItem
from crm_sales.permissions import QUOTE_APPROVE
from crm_sales.services.quotes.reading import quotes_to_approve

SHOWN, COUNTED = 5, 100


def waiting_offers(uow: UnitOfWork) -> Sequence[HomeCard]:
    """Return a card that names the offers that the actor may let pass, if there are any."""
    uow.actor.require(QUOTE_APPROVE)
    page = quotes_to_approve(uow, limit=COUNTED)
    items = tuple(
        HomeItem(
            each["number"],
            "sales_quote",
            each["id"],
            each["customer_name"] or "",
            each["asked_at"],
        )
        for each in page.items[:SHOWN]
    )
    if not items:
        return []
    title = t("Offers to approve")
    more = page.next_cursor is not None
    return [HomeCard("sales.to_approve", title, len(page.items), items, more, tone="warning")]
