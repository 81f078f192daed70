"""One offer whole: all that a page, a document or a sync needs, in four statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, inspect, select
from sqlalchemy.orm import aliased

from crm_core.entities import Address, Currency, Customer, Product, User
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_sales.models import (
    LineRole,
    Opportunity,
    PaymentTerm,
    PriceList,
    Quote,
    QuoteApproval,
    QuoteLine,
    TaxSource,
)
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.bands import band_reason
from crm_sales.services.pricing.customer_lists import list_reason
from crm_sales.services.quotes.amounts import (
    Reckoning,
    asked_price,
    counts,
    net_price,
    person_discount,
    reckon,
)
from crm_sales.settings import QUOTE_PRICE_PLACES, QUOTE_TAX_ROUNDING

QUOTE_COLUMNS = tuple(inspect(Quote).column_attrs.keys())
LINE_COLUMNS = tuple(inspect(QuoteLine).column_attrs.keys())
_ADDRESS = (
    *("id", "use", "recipient", "street", "street2", "postal_code", "city", "region"),
    "country_code",
)

_SEEN = "sales_quote_views"


def quote_view(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any]:
    """Return an offer whole.

    Its own columns by name, and: ``customer_name``, ``customer_vat``, ``contact_name``,
    ``owner_name``, ``owner_email``, ``opportunity_name``, ``opportunity_state``,
    ``price_list_name``, ``payment_term_name``, ``payment_term_note``, ``money_places``,
    ``price_places``, ``band_reason`` and ``list_reason`` (sentences or None: why less is asked),
    ``instead_number`` (the offer that was accepted instead), ``is_latest``, and

    - ``lines``: columns of each and ``product_name``, ``product_reference``, ``is_gone`` (not sold
      any more), ``net_price``, ``asked_price``, ``person_discount``, ``counts`` (is bought as
      things stand) and, of a bundle's head, the sums of its parts as amounts;
    - ``taxes``: ``percent, untaxed_amount, tax_amount`` by rate;
    - ``approvals``: ``asked_by_id, asked_by, asked_at, percent, decision, decided_by, decided_at,
      reason, list_reason``;
    - ``versions``: ``id, number, version_number, state, total_amount`` of all, the first first;
    - ``delivery_address`` and ``invoice_address``: fields, or None.

    What the viewer may not see of others is None, such as the customer's name.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    return record_and_view(uow, quote_id)[1]


def record_and_view(uow: UnitOfWork, quote_id: UUID) -> tuple[Quote, dict[str, Any]]:
    """Return an offer as the record that it is, and whole as :func:`quote_view` does.

    While the record is held, others who ask the unit of work for it ask the database nothing; nor
    do those who ask for the view again, as panels of the offer's page do, unless something may be
    written meanwhile.
    """
    uow.actor.require(QUOTE_VIEW)
    seen = {} if uow.is_writing else uow.session.info.setdefault(_SEEN, {})
    if quote_id not in seen:
        seen[quote_id] = _record_and_view(uow, quote_id)
    quote, view = seen[quote_id]
    return quote, deepcopy(view)  # who shows it with another choice changes it


def _record_and_view(uow: UnitOfWork, quote_id: UUID) -> tuple[Quote, dict[str, Any]]:
    quote, view = _header(uow, quote_id)
    set_ = values_of(uow, (QUOTE_PRICE_PLACES, QUOTE_TAX_ROUNDING))
    how = Reckoning(
        money_places=view["money_places"],
        price_places=set_[QUOTE_PRICE_PLACES.name],
        rounds_lines=set_[QUOTE_TAX_ROUNDING.name] == "line",
    )
    lines, products = loose_lines(uow, quote_id)
    totals = reckon(lines, how, by_erp=view["tax_source"] == TaxSource.ERP)
    view["price_places"] = how.price_places
    view["lines"] = shown_lines(lines, products)
    view["taxes"] = [
        {
            "percent": part.percent,
            "untaxed_amount": part.untaxed_amount,
            "tax_amount": part.tax_amount,
        }
        for part in totals.taxes
    ]
    view["versions"], view["approvals"] = _history(uow, quote_id, view["root_id"])
    view["is_latest"] = view["version_number"] == view["versions"][-1]["version_number"]
    return quote, view


def shown_lines(
    lines: Sequence[QuoteLine], products: Mapping[UUID, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return lines as they are shown; each head of a bundle with the sums of its parts."""
    shown = []
    for line in lines:
        values = {name: getattr(line, name) for name in LINE_COLUMNS}
        values |= products.get(line.id, {"product_name": None, "product_reference": None})
        values["net_price"] = net_price(line)
        values["asked_price"] = asked_price(line)
        values["person_discount"] = person_discount(line)
        values["counts"] = counts(line)
        if line.role == LineRole.BUNDLE:
            parts = [part for part in lines if part.bundle_line_id == line.id]
            for name in ("untaxed_amount", "tax_amount", "total_amount"):
                values[name] = sum((getattr(part, name) for part in parts), Decimal(0))
        shown.append(values)
    return shown


def _header(uow: UnitOfWork, quote_id: UUID) -> tuple[Quote, dict[str, Any]]:
    contact, delivery, invoice = aliased(Customer), aliased(Address), aliased(Address)
    instead = aliased(Quote)
    statement = (
        select(
            Customer.name.label("customer_name"),
            Customer.vat.label("customer_vat"),
            contact.name.label("contact_name"),
            User.name.label("owner_name"),
            User.email.label("owner_email"),
            Opportunity.name.label("opportunity_name"),
            Opportunity.state.label("opportunity_state"),
            PriceList.name.label("price_list_name"),
            PaymentTerm.name.label("payment_term_name"),
            PaymentTerm.note.label("payment_term_note"),
            Currency.decimal_places.label("money_places"),
            instead.number.label("instead_number"),
            Quote,
            delivery,
            invoice,
        )
        .join(Currency, Currency.code == Quote.currency_code)
        .outerjoin(Customer, Customer.id == Quote.customer_id)
        .outerjoin(contact, contact.id == Quote.contact_id)
        .outerjoin(User, User.id == Quote.owner_id)
        .outerjoin(Opportunity, Opportunity.id == Quote.opportunity_id)
        .outerjoin(PriceList, PriceList.id == Quote.price_list_id)
        .outerjoin(PaymentTerm, PaymentTerm.id == Quote.payment_term_id)
        .outerjoin(delivery, delivery.id == Quote.delivery_address_id)
        .outerjoin(invoice, invoice.id == Quote.invoice_address_id)
        .outerjoin(instead, instead.id == Quote.instead_id)
        .where(Quote.id == quote_id)
    )
    row = uow.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError(
            t("There is no offer {quote_id} that you may see.", quote_id=quote_id),
            code="sales.quote.not_found",
            details={"id": str(quote_id)},
        )
    values: Sequence[Any] = row
    *named, quote, to, billed = values
    view = {name: getattr(quote, name) for name in QUOTE_COLUMNS}
    view |= dict(zip(row._fields, named, strict=False))
    view["delivery_address"], view["invoice_address"] = _address(to), _address(billed)
    view["band_reason"] = band_reason(quote.band_facts) if quote.band_facts else None
    view["list_reason"] = list_reason(quote.list_facts)
    return quote, view


def loose_lines(
    uow: UnitOfWork, quote_id: UUID
) -> tuple[list[QuoteLine], Mapping[UUID, Mapping[str, Any]]]:
    """Return lines that no session knows, so that adding them up changes nothing.

    With them what is known of the product of each, by the line's id.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(
            *[getattr(QuoteLine, name) for name in LINE_COLUMNS],
            Product.name.label("product_name"),
            Product.reference.label("product_reference"),
            Product.archived_at.label("archived_at"),
            Product.is_sold.label("is_sold"),
        )
        .outerjoin(Product, Product.id == QuoteLine.product_id)
        .where(QuoteLine.quote_id == quote_id)
        .order_by(QuoteLine.position, QuoteLine.id)
    )
    lines, products = [], {}
    for row in uow.execute(statement):
        lines.append(QuoteLine(**dict(zip(LINE_COLUMNS, row, strict=False))))
        products[row.id] = {
            "product_name": row.product_name,
            "product_reference": row.product_reference,
            "is_gone": row.archived_at is not None or row.is_sold is False,
        }
    return lines, products


def _history(
    uow: UnitOfWork, quote_id: UUID, root_id: UUID
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all versions of an offer, and the approvals that were asked for this one."""
    asked_by, decided_by = aliased(User), aliased(User)
    versions = (Quote.id, Quote.number, Quote.version_number, Quote.state, Quote.total_amount)
    approvals = (
        QuoteApproval.asked_by_id,
        asked_by.name.label("asked_by"),
        QuoteApproval.asked_at,
        QuoteApproval.percent,
        QuoteApproval.list_facts,
        QuoteApproval.decision,
        decided_by.name.label("decided_by"),
        QuoteApproval.decided_at,
        QuoteApproval.reason,
    )
    of_this = and_(QuoteApproval.quote_id == Quote.id, Quote.id == quote_id)
    statement = (
        select(*versions, *approvals)
        .outerjoin(QuoteApproval, of_this)
        .outerjoin(asked_by, asked_by.id == QuoteApproval.asked_by_id)
        .outerjoin(decided_by, decided_by.id == QuoteApproval.decided_by_id)
        .where(Quote.root_id == root_id)
        .order_by(Quote.version_number, QuoteApproval.asked_at, QuoteApproval.id)
    )
    known: dict[UUID, dict[str, Any]] = {}
    asked: list[dict[str, Any]] = []
    for row in uow.execute(statement):
        values: list[tuple[str, Any]] = list(zip(row._fields, row, strict=True))
        known[row.id] = dict(values[: len(versions)])
        if row.decision is not None:
            request = dict(values[len(versions) :])
            request["list_reason"] = list_reason(request.pop("list_facts"))
            asked.append(request)
    return list(known.values()), asked


def _address(address: Address | None) -> dict[str, Any] | None:
    if address is None:
        return None
    return {name: getattr(address, name) for name in _ADDRESS}
