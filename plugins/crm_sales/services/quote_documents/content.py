"""What an offer says to its customer: on paper, and on the page behind its link."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import Locale
from sqlalchemy import case, select
from sqlalchemy.orm import aliased

from crm_core.entities import Address, AddressUse, Currency, Customer, User
from crm_core.locale_format import nearest_locale
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import LineKind, LineRole, PaymentTerm, Quote, QuoteLine, TaxSource
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_choices import CHOICES
from crm_sales.services.quotes.amounts import counts
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.pricing import lines_of

ZERO = Decimal(0)


def offer_content(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any]:
    """Return all that an offer says, as plain values, in six statements.

    It holds ``number, state, version, language, currency_code, decimals, customer, contact,
    address, seller, seller_email, made_on, valid_until_on, payment_term, terms, lines`` (what is
    bought as things stand, with sections and notes), ``options`` (what may be taken in addition),
    ``alternatives`` (``name`` and ``lines`` of what may be taken instead), ``choices`` (all that
    can be chosen), ``has_discount``, the sums, ``taxes`` and ``tax_is_estimate``.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_VIEW)
    lines = lines_of(uow, quote.id)
    settings = load_settings(uow)
    language = quote.language or settings.language
    said = {
        "number": quote.number,
        "state": quote.state,
        "version": quote.version,
        "language": language,
        "currency_code": quote.currency_code,
        "made_on": (quote.sent_at or uow.now).astimezone(ZoneInfo(settings.time_zone)).date(),
        "valid_until_on": quote.valid_until_on,
        "terms": quote.terms,
        "untaxed_amount": quote.untaxed_amount,
        "total_amount": quote.total_amount,
        "tax_is_estimate": quote.tax_source == TaxSource.ESTIMATE,
        "taxes": _taxes(lines, quote),
        "has_discount": any(line.discount_percent for line in lines),
    }
    address = _address(uow, quote, nearest_locale(language))
    return said | _people(uow, quote) | {"address": address} | _sorted(lines)


def _people(uow: UnitOfWork, quote: Quote) -> dict[str, Any]:
    contact = aliased(Customer)
    statement = (
        select(
            Customer.name.label("customer"),
            contact.name.label("contact"),
            User.name.label("seller"),
            User.email.label("seller_email"),
            PaymentTerm.name.label("payment_term"),
            Currency.decimal_places.label("decimals"),
        )
        .select_from(Quote)
        .join(Currency, Currency.code == Quote.currency_code)
        .outerjoin(Customer, Customer.id == Quote.customer_id)
        .outerjoin(contact, contact.id == Quote.contact_id)
        .outerjoin(User, User.id == Quote.owner_id)
        .outerjoin(PaymentTerm, PaymentTerm.id == Quote.payment_term_id)
        .where(Quote.id == quote.id)
    )
    return dict(uow.execute(statement).one()._mapping)


def _address(uow: UnitOfWork, quote: Quote, locale: Locale) -> list[str]:
    """Return the lines of the address that the offer goes to: the invoice's, else the main one."""
    rank = case((Address.id == quote.invoice_address_id, 0), (Address.use == AddressUse.MAIN, 1))
    statement = (
        select(
            Address.recipient,
            Address.street,
            Address.street2,
            Address.postal_code,
            Address.city,
            Address.region,
            Address.country_code,
        )
        .where(Address.customer_id == quote.customer_id)
        .order_by(rank.is_(None), rank, Address.id)
        .limit(1)
    )
    row = uow.execute(statement).one_or_none()
    if row is None:
        return []
    place = " ".join(part for part in (row.postal_code, row.city) if part)
    country = locale.territories.get(row.country_code) if row.country_code else None
    parts = (row.recipient, row.street, row.street2, place, row.region, country)
    return [part for part in parts if part]


def _sorted(lines: Sequence[QuoteLine]) -> dict[str, Any]:
    """Return the lines by what a customer may do about them."""
    shown = [_line(line) for line in lines]
    bought = [
        each
        for line, each in zip(lines, shown, strict=True)
        if counts(line) or line.kind != LineKind.PRODUCT
    ]
    left = [each for each in shown if each["is_choice"] and not each["is_chosen"]]
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in left:
        if each["role"] == LineRole.ALTERNATIVE:
            groups.setdefault(each["group"] or "", []).append(each)
    return {
        "lines": bought,
        "options": [each for each in left if each["role"] == LineRole.OPTION],
        "alternatives": [{"name": name, "lines": some} for name, some in groups.items()],
        "choices": [each for each in shown if each["is_choice"]],
    }


def _line(line: QuoteLine) -> dict[str, Any]:
    is_choice = line.kind == LineKind.PRODUCT and line.role in CHOICES
    return {
        "id": line.id,
        "kind": line.kind,
        "role": line.role,
        "group": line.group,
        "is_choice": is_choice,
        "is_chosen": line.is_chosen,
        "is_part": line.bundle_line_id is not None,
        "description": line.description or "",
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price": line.unit_price,
        "discount_percent": line.discount_percent,
        "tax_percent": line.tax_percent,
        "untaxed_amount": line.untaxed_amount,
        "total_amount": line.total_amount,
    }


def _taxes(lines: Sequence[QuoteLine], quote: Quote) -> list[dict[str, Any]]:
    """Return the tax by rate; in one sum where rounding the total made it another than theirs."""
    by_rate: dict[Decimal, Decimal] = {}
    for line in lines:
        if counts(line):
            rate = line.tax_percent or ZERO
            by_rate[rate] = by_rate.get(rate, ZERO) + (line.tax_amount or ZERO)
    if sum(by_rate.values(), ZERO) != quote.tax_amount:
        return [{"percent": None, "amount": quote.tax_amount}]
    return [{"percent": rate, "amount": by_rate[rate]} for rate in sorted(by_rate) if rate]
