"""Versions of an offer: what a customer has seen stays; a revision is a new version beside it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities import Product
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import optional
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import company_day
from crm_sales.models import DealState, LineKind, Opportunity, Quote, QuoteLine, QuoteState
from crm_sales.permissions import QUOTE_EDIT
from crm_sales.services.pricing.bands import personal_band
from crm_sales.services.quotes.approval import withdraw_request
from crm_sales.services.quotes.checks import (
    expect_unchanged,
    permitted_quote,
    reckoning_for,
)
from crm_sales.services.quotes.pricing import lines_of, settle_quote
from crm_sales.settings import QUOTE_VALID_DAYS

ANSWERED = (QuoteState.ACCEPTED, QuoteState.ORDERED)
OVER = (*ANSWERED, QuoteState.REFUSED, QuoteState.EXPIRED, QuoteState.WITHDRAWN)
_COPIED = (
    *("opportunity_id", "customer_id", "contact_id", "owner_id", "currency_code", "price_list_id"),
    *("payment_term_id", "delivery_address_id", "invoice_address_id", "language", "terms", "note"),
)
_LINE = (
    *("position", "kind", "role", "group", "is_chosen", "bundle_id", "product_id", "description"),
    *("quantity", "unit", "list_price", "rule_price", "unit_price", "discount_percent"),
    *("tax_percent",),
)


def revise_quote(uow: UnitOfWork, quote_id: UUID, *, expected_version: int | None = None) -> Quote:
    """Make the next version of an offer, a draft; the one before is withdrawn unless it is over.

    Prices follow today's price list and band, but those typed by a person; products that are not
    sold any more are left out.

    Raises:
        RuleViolationError: It was accepted, there is a later version, or the deal is closed.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    expect_unchanged(uow, quote, expected_version)
    latest = uow.scalar(
        select(func.max(Quote.version_number)).where(Quote.root_id == quote.root_id)
    )
    _refuse_revision(uow, quote, latest)
    root = quote.number if quote.id == quote.root_id else quote.number.rpartition("-")[0]
    today, now = company_day(uow), uow.now
    band = personal_band(uow, quote.customer_id, today)
    days = values_of(uow, (QUOTE_VALID_DAYS,))[QUOTE_VALID_DAYS.name]
    new = uow.add(
        Quote(
            **{name: getattr(quote, name) for name in _COPIED},
            number=f"{root}-{latest + 1}",
            version_number=latest + 1,
            root_id=quote.root_id,
            valid_until_on=today + timedelta(days=days),
            band_id=band.id if band else None,
            band_facts=dict(band.facts) if band else {},
            created_at=now,
            updated_at=now,
        )
    )
    uow.flush()
    lines = _copies(uow, quote, new)
    settle_quote(uow, new, lines, reckoning_for(uow, new.currency_code))
    if quote.state not in OVER:
        _withdraw(uow, quote, None)
    return new


def withdraw_quote(
    uow: UnitOfWork,
    quote_id: UUID,
    *,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Quote:
    """Take an offer back: nobody can accept it any more.

    Raises:
        RuleViolationError: It was answered, or is over already.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    expect_unchanged(uow, quote, expected_version)
    if quote.state in OVER:
        raise RuleViolationError(
            t("The offer {number} is over already.", number=quote.number),
            code="sales.quote.closed",
            details={"id": str(quote.id), "state": quote.state},
        )
    _withdraw(uow, quote, optional(reason, "reason", most=2_000))
    return quote


def _withdraw(uow: UnitOfWork, quote: Quote, reason: str | None) -> None:
    withdraw_request(uow, quote)
    quote.state, quote.answer_note, quote.updated_at = QuoteState.WITHDRAWN, reason, uow.now


def _refuse_revision(uow: UnitOfWork, quote: Quote, latest: int) -> None:
    if quote.version_number != latest:
        raise RuleViolationError(
            t("There is a later version of the offer {number}: revise that.", number=quote.number),
            code="sales.quote.older_version",
        )
    if quote.state in ANSWERED:
        raise RuleViolationError(
            t("The offer {number} was accepted: make a new offer.", number=quote.number),
            code="sales.quote.closed",
            details={"id": str(quote.id), "state": quote.state},
        )
    state = uow.scalar(select(Opportunity.state).where(Opportunity.id == quote.opportunity_id))
    if state != DealState.OPEN:
        raise RuleViolationError(
            t("The deal of {number} is closed: reopen it first.", number=quote.number),
            code="sales.quote.deal_closed",
        )


def _copies(uow: UnitOfWork, quote: Quote, new: Quote) -> list[QuoteLine]:
    """Copy the lines, parts of bundles to the copies of their heads; nothing is shared."""
    old = lines_of(uow, quote.id)
    statement = select(Product.id).where(
        Product.id.in_({line.product_id for line in old} - {None}),
        Product.archived_at.is_(None),
        Product.is_sold.is_(True),
    )
    sold = set(uow.scalars(statement))
    heads: dict[UUID, UUID] = {}
    copies = []
    for line in old:
        if line.kind == LineKind.PRODUCT and line.product_id not in sold:
            continue
        copy = QuoteLine(quote_id=new.id, **{name: getattr(line, name) for name in _LINE})
        if line.bundle_line_id is not None:
            copy.bundle_line_id = heads[line.bundle_line_id]
        heads[line.id] = copy.id
        copies.append(uow.add(copy))
    return copies
