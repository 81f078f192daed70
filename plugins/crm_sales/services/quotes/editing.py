"""Making an offer of a deal, and changing what stands around its lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from crm_core.entities import Address, Customer
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import PAGES, optional
from crm_core.services.currencies import checked_code
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import company_day
from crm_sales.models import (
    DealState,
    Opportunity,
    PaymentTerm,
    PriceList,
    Quote,
    QuoteCounter,
)
from crm_sales.permissions import QUOTE_EDIT
from crm_sales.schemas.opportunities import LAST_DAY
from crm_sales.services.opportunity_access import permitted_opportunity
from crm_sales.services.pricing.bands import personal_band
from crm_sales.services.pricing.customer_lists import list_that_holds
from crm_sales.services.quotes.approval import withdraw_request
from crm_sales.services.quotes.checks import changeable_quote, reckoning_for
from crm_sales.services.quotes.pricing import lines_of, settle_quote
from crm_sales.settings import QUOTE_TERMS, QUOTE_VALID_DAYS

HEADER = (
    *("valid_until_on", "price_list_id", "payment_term_id", "delivery_address_id"),
    *("invoice_address_id", "contact_id", "language", "terms", "note"),
)
"""What :func:`edit_quote` changes."""


def add_quote(
    uow: UnitOfWork,
    opportunity_id: UUID,
    *,
    price_list_id: UUID | None = None,
    currency_code: str | None = None,
    **header: Any,
) -> Quote:
    """Make a new offer of a deal, a draft without lines.

    Args:
        uow: A writing unit of work.
        opportunity_id: The deal, which is open.
        price_list_id: By which it is priced; the one that holds for the customer unless said. By
            another one discounts are counted from the customer's all the same.
        currency_code: The price list's, else the deal's unless said.
        **header: More of what :func:`edit_quote` changes.

    Raises:
        NotFoundError, PermissionDeniedError: The deal cannot be seen, or no offer made of it.
        RuleViolationError: The deal is won or lost.
        InputError: The currency is not the price list's, or not one of the company's.
    """
    deal = permitted_opportunity(uow, opportunity_id, QUOTE_EDIT)
    if deal.state != DealState.OPEN:
        raise RuleViolationError(
            t("The deal {deal} is closed: reopen it to make an offer.", deal=deal.name),
            code="sales.quote.deal_closed",
            details={"opportunity_id": str(deal.id)},
        )
    chosen = _price_list(uow, price_list_id, currency_code and checked_code(currency_code), deal)
    code = chosen.currency_code if chosen else checked_code(currency_code or deal.currency_code)
    reckoning_for(uow, code)
    today, now = company_day(uow), uow.now
    defaults = values_of(uow, (QUOTE_VALID_DAYS, QUOTE_TERMS))
    language = uow.scalar(select(Customer.language).where(Customer.id == deal.customer_id))
    band = personal_band(uow, deal.customer_id, today)
    quote = Quote(
        number=_next_number(uow, today.year),
        opportunity_id=deal.id,
        customer_id=deal.customer_id,
        contact_id=deal.contact_id,
        owner_id=deal.owner_id or uow.actor.user_id,
        currency_code=code,
        price_list_id=chosen.id if chosen else None,
        payment_term_id=_default_term(uow),
        language=language,
        valid_until_on=today + timedelta(days=defaults[QUOTE_VALID_DAYS.name]),
        terms=defaults[QUOTE_TERMS.name] or None,
        band_id=band.id if band else None,
        band_facts=dict(band.facts) if band else {},
        created_at=now,
        updated_at=now,
    )
    quote.root_id = quote.id
    uow.add(quote)
    for name, value in _checked_header(uow, quote, header).items():
        setattr(quote, name, value)
    uow.flush()
    return quote


def edit_quote(
    uow: UnitOfWork,
    quote_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
) -> Quote:
    """Change what stands around the lines of an offer; an approved one becomes a draft again.

    Args:
        uow: A writing unit of work.
        quote_id: Which.
        changes: Of ``HEADER``: valid_until_on, price_list_id, payment_term_id, addresses,
            contact_id, language, terms (on the document), note (for us).
        expected_version: The version that was read; None to change whatever is there.

    Raises:
        RuleViolationError: It was sent, or a price would fall below the floor.
        InputError: A field is not known or does not fit the offer.
    """
    quote = changeable_quote(uow, quote_id, expected_version)
    for name, value in _checked_header(uow, quote, changes).items():
        setattr(quote, name, value)
    withdraw_request(uow, quote)
    settle_quote(uow, quote, lines_of(uow, quote.id))
    return quote


def refresh_prices(
    uow: UnitOfWork, quote_id: UUID, *, expected_version: int | None = None
) -> Quote:
    """Price all lines of an offer as if they were added today, prices typed by hand too."""
    quote = changeable_quote(uow, quote_id, expected_version)
    band = personal_band(uow, quote.customer_id, company_day(uow))
    quote.band_id, quote.band_facts = (band.id, dict(band.facts)) if band else (None, {})
    lines = lines_of(uow, quote.id)
    for line in lines:
        line.unit_price = None
    withdraw_request(uow, quote)
    settle_quote(uow, quote, lines)
    return quote


def follow_owner(uow: UnitOfWork, opportunity_id: UUID) -> None:
    """Let a deal's offers answer to whom the deal answers to."""
    uow.actor.require(QUOTE_EDIT)
    owner_id = uow.scalar(select(Opportunity.owner_id).where(Opportunity.id == opportunity_id))
    statement = select(Quote).where(
        Quote.opportunity_id == opportunity_id, Quote.owner_id.is_distinct_from(owner_id)
    )
    for quote in uow.scalars(statement):
        quote.owner_id, quote.updated_at = owner_id, uow.now


def _price_list(
    uow: UnitOfWork, price_list_id: UUID | None, currency_code: str | None, deal: Opportunity
) -> PriceList | None:
    if price_list_id is not None:
        chosen = uow.get(PriceList, price_list_id)
        _check_price_list(chosen, currency_code or chosen.currency_code)
        return chosen
    return list_that_holds(uow, deal.customer_id, currency_code or deal.currency_code)


def _default_term(uow: UnitOfWork) -> UUID | None:
    statement = select(PaymentTerm.id).where(
        PaymentTerm.is_default.is_(True), PaymentTerm.archived_at.is_(None)
    )
    return uow.scalars(statement.order_by(PaymentTerm.position).limit(1)).first()


def _refuse_archived(record: PriceList | PaymentTerm) -> None:
    if record.archived_at is not None:
        raise RuleViolationError(
            t("{name} is archived: choose another.", name=record.name), code="sales.quote.archived"
        )


def _wrong_currency(chosen: PriceList, currency_code: str) -> InputError:
    return InputError(
        t(
            "The price list {name} is in {currency}, the offer in {other}: choose one in the "
            "offer's currency.",
            name=chosen.name,
            currency=chosen.currency_code,
            other=currency_code,
        ),
        code="sales.quote.currency",
        details={"currency": chosen.currency_code},
    )


def _checked_header(uow: UnitOfWork, quote: Quote, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = changes.keys() - set(HEADER)
    if unknown:
        raise InputError(
            t("{field} of an offer cannot be set.", field=min(unknown)), code="sales.quote.field"
        )
    given = dict(changes)
    for name, most in (("terms", PAGES), ("note", PAGES), ("language", 35)):
        if name in given:
            given[name] = optional(given[name], name, most=most)
    if "valid_until_on" in given:
        _check_validity(given["valid_until_on"], company_day(uow))
    if given.get("price_list_id") not in (None, quote.price_list_id):
        _check_price_list(uow.get(PriceList, given["price_list_id"]), quote.currency_code)
    if given.get("payment_term_id") not in (None, quote.payment_term_id):
        _refuse_archived(uow.get(PaymentTerm, given["payment_term_id"]))
    for name in ("delivery_address_id", "invoice_address_id"):
        _check_address(uow, quote, given.get(name))
    if given.get("contact_id") is not None:
        uow.get(Customer, given["contact_id"])
    return given


def _check_price_list(chosen: PriceList, currency_code: str) -> None:
    _refuse_archived(chosen)
    if chosen.currency_code != currency_code:
        raise _wrong_currency(chosen, currency_code)


def _check_validity(day: Any, today: date) -> None:
    if not isinstance(day, date) or not today <= day <= LAST_DAY:
        raise InputError(
            t("An offer is valid until today or later: give another day."),
            code="sales.quote.validity",
        )


def _check_address(uow: UnitOfWork, quote: Quote, address_id: UUID | None) -> None:
    if address_id is None:
        return
    wanted = select(Address.id).where(
        Address.id == address_id,
        Address.customer_id.in_({quote.customer_id, quote.contact_id} - {None}),
    )
    if uow.scalar(wanted) is None:
        raise InputError(
            t("That address is not one of the customer's: choose another."),
            code="sales.quote.address",
            details={"address_id": str(address_id)},
        )


def _next_number(uow: UnitOfWork, year: int) -> str:
    """Give out the next number of a year; others who want one wait until this is committed."""
    insert: Any = sqlite.insert if uow.database.is_sqlite else postgresql.insert
    uow.execute(insert(QuoteCounter).values(year=year, last=0).on_conflict_do_nothing())
    last = uow.scalar(
        update(QuoteCounter)
        .where(QuoteCounter.year == year)
        .values(last=QuoteCounter.last + 1)
        .returning(QuoteCounter.last)
    )
    return f"Q{year}-{last:05}"
