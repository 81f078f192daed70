"""Looking at offers: one whole, lists of them, and those that wait for somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, null, or_, select, union_all
from sqlalchemy.orm import aliased

from crm_core.entities import Address, Customer, Product, User
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.scope import owner_criterion
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import key_condition, only_one
from crm_sales.models import (
    Bundle,
    Opportunity,
    PaymentTerm,
    PriceList,
    Quote,
    QuoteApproval,
    QuoteState,
)
from crm_sales.permissions import QUOTE_APPROVE, QUOTE_VIEW
from crm_sales.services.pricing.limits import own_limit

MOST_FOUND = 20
SHORTEST_TEXT = 2
Named = PriceList | PaymentTerm | Bundle


def list_quotes(
    uow: UnitOfWork,
    *,
    opportunity_id: UUID | None = None,
    customer_id: UUID | None = None,
    owner_id: UUID | None = None,
    state: str | None = None,
    text: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return a page of offers, the newest first.

    Args:
        uow: Any unit of work.
        opportunity_id: Only of this deal.
        customer_id: Only for this customer.
        owner_id: Only of this salesperson.
        state: Only in this state.
        text: Only those whose number begins with it.
        limit: Offers a page.
        cursor: Where the page before ended.
    """
    uow.actor.require(QUOTE_VIEW)
    wanted = {
        Quote.opportunity_id: opportunity_id,
        Quote.customer_id: customer_id,
        Quote.owner_id: owner_id,
        Quote.state: state,
    }
    statement = _listed()
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(column == value)
    if text:
        statement = statement.where(Quote.number.startswith(text.strip().upper(), autoescape=True))
    return page_of(uow, statement, keys=(Quote.id,), limit=limit, cursor=cursor, descending=True)


def quotes_to_approve(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of offers that wait and that the actor may decide on, the oldest first.

    Those that go beyond the actor's limit, or that they asked for themselves, are for others.
    """
    uow.actor.require(QUOTE_APPROVE)
    asked_by = aliased(User)
    statement = (
        _listed()
        .join(QuoteApproval, QuoteApproval.quote_id == Quote.id)
        .outerjoin(asked_by, asked_by.id == QuoteApproval.asked_by_id)
        .add_columns(
            QuoteApproval.percent.label("percent"),
            QuoteApproval.asked_at.label("asked_at"),
            asked_by.name.label("asked_by"),
        )
        .where(
            Quote.state == QuoteState.WAITING,
            QuoteApproval.decision == "waiting",
            QuoteApproval.percent <= own_limit(uow),
            QuoteApproval.asked_by_id.is_distinct_from(uow.actor.user_id),
        )
    )
    reached = owner_criterion(Quote.owner_id, uow.actor, uow.actor.reach(QUOTE_APPROVE))
    if reached is not None:
        statement = statement.where(reached)
    return page_of(uow, statement, keys=(QuoteApproval.id,), limit=limit, cursor=cursor)


def _listed() -> Any:
    return (
        select(
            Quote.id.label("id"),
            Quote.number.label("number"),
            Quote.version_number.label("version_number"),
            Quote.state.label("state"),
            Quote.opportunity_id.label("opportunity_id"),
            Opportunity.name.label("opportunity_name"),
            Quote.customer_id.label("customer_id"),
            Customer.name.label("customer_name"),
            Quote.owner_id.label("owner_id"),
            User.name.label("owner_name"),
            Quote.currency_code.label("currency_code"),
            Quote.untaxed_amount.label("untaxed_amount"),
            Quote.total_amount.label("total_amount"),
            Quote.tax_source.label("tax_source"),
            Quote.discount_percent.label("discount_percent"),
            Quote.valid_until_on.label("valid_until_on"),
            Quote.created_at.label("created_at"),
            Quote.sent_at.label("sent_at"),
            Quote.answered_at.label("answered_at"),
        )
        .outerjoin(Opportunity, Opportunity.id == Quote.opportunity_id)
        .outerjoin(Customer, Customer.id == Quote.customer_id)
        .outerjoin(User, User.id == Quote.owner_id)
    )


def resolve_quote_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of an offer: by its number, its id, its first digits, or its deal's name.

    By the name of a deal it is the newest offer of that.

    Raises:
        NotFoundError: No such offer, or none that the actor may see.
        InputError: More than one fits.
    """
    uow.actor.require(QUOTE_VIEW)
    text = text.strip()
    by_number = Quote.number == text.upper()
    by_key = key_condition(Quote.id, text)
    condition = by_number if by_key is None else or_(by_number, by_key)
    found = list(uow.scalars(select(Quote.id).where(condition).limit(2)))
    found = found or _newest_of_deals(uow, text)
    return only_one(
        found,
        text,
        code="sales.quote",
        several=t("{text!r} fits several offers; give more of the id.", text=text),
        missing=t(
            "There is no offer {text!r} that {login} may see. See crm sales quote list.",
            text=text,
            login=uow.actor.login,
        ),
    )


def find_products(
    uow: UnitOfWork, text: str, *, limit: int = MOST_FOUND
) -> Sequence[Mapping[str, Any]]:
    """Return what is sold and whose name, reference or barcode holds a text, bundles first.

    Each has ``kind`` (``product`` or ``bundle``), ``id, name, reference, category, unit,
    list_price, currency_code``.
    """
    uow.actor.require(QUOTE_VIEW)
    text = text.strip().lower()
    if len(text) < SHORTEST_TEXT:
        return []
    holds = or_(
        func.lower(Product.name).contains(text, autoescape=True),
        func.lower(Product.reference).contains(text, autoescape=True),
        Product.barcode == text,
    )
    products = select(
        literal("product").label("kind"),
        Product.id,
        Product.name,
        Product.reference,
        Product.category,
        Product.unit,
        Product.list_price,
        Product.currency_code,
    ).where(holds, Product.is_sold.is_(True), Product.archived_at.is_(None))
    bundles = select(
        literal("bundle"),
        Bundle.id,
        Bundle.name,
        null(),
        null(),
        null(),
        null(),
        Bundle.currency_code,
    ).where(func.lower(Bundle.name).contains(text, autoescape=True), Bundle.archived_at.is_(None))
    found = union_all(products, bundles).subquery()
    ordered = select(found).order_by(found.c.kind, found.c.name, found.c.id)
    return [dict(row._mapping) for row in uow.execute(ordered.limit(limit))]


def _newest_of_deals(uow: UnitOfWork, name: str) -> list[UUID]:
    """Return the newest offer of each deal called so, of two at most."""
    uow.actor.require(QUOTE_VIEW)
    deals = uow.scalars(
        select(Quote.opportunity_id)
        .join(Opportunity, Opportunity.id == Quote.opportunity_id)
        .where(Opportunity.name == name)
        .distinct()
        .limit(2)
    ).all()
    of_deal = select(Quote.id).order_by(Quote.id.desc()).limit(1)
    return [uow.scalar(of_deal.where(Quote.opportunity_id == deal)) for deal in deals]


def resolve_product_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the product that a reference, an id, a barcode or its whole name gives.

    Raises:
        NotFoundError: There is none.
        InputError: More than one fits.
    """
    uow.actor.require(QUOTE_VIEW)
    text = text.strip()
    by_key = key_condition(Product.id, text)
    by_word = or_(Product.reference == text, Product.barcode == text, Product.name == text)
    condition = by_word if by_key is None else or_(by_word, by_key)
    live = (condition, Product.archived_at.is_(None))
    found = list(uow.scalars(select(Product.id).where(*live).order_by(Product.id).limit(2)))
    if len(found) > 1:
        raise InputError(
            t("{text!r} fits several products; give the id.", text=text),
            code="sales.quote.product",
        )
    if not found:
        raise NotFoundError(
            t("There is no product {text!r}: give its reference, id or name.", text=text),
            code="sales.quote.product",
            details={"product": text},
        )
    product_id: UUID = found[0]
    return product_id


def resolve_named(uow: UnitOfWork, model: type[Named], text: str) -> UUID:
    """Return the id of the price list, payment term or bundle in use that a name or id gives."""
    uow.actor.require(QUOTE_VIEW)
    text = text.strip()
    by_key = key_condition(model.id, text)
    by_name = func.lower(model.name) == text.lower()
    condition = by_name if by_key is None else or_(by_name, by_key)
    statement = select(model.id).where(condition, model.archived_at.is_(None))
    found: UUID | None = uow.scalars(statement.order_by(model.id).limit(1)).first()
    if found is None:
        raise NotFoundError(
            t("There is none called {text!r}.", text=text),
            code="sales.quote.unknown_name",
            details={"entity": model.__entity__, "name": text},
        )
    return found


_PRICE_LISTS = select(
    PriceList.id,
    PriceList.name,
    PriceList.currency_code,
    PriceList.is_default,
    PriceList.is_open,
).where(PriceList.archived_at.is_(None))


def list_price_lists(uow: UnitOfWork, currency_code: str | None = None) -> Sequence[Any]:
    """Return price lists in use, in their order.

    Each has ``id, name, currency_code, is_default, is_open``.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = _PRICE_LISTS
    if currency_code is not None:
        statement = statement.where(PriceList.currency_code == currency_code)
    return uow.execute(statement.order_by(PriceList.position, PriceList.name)).all()


def price_list_page(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of the price lists in use, as :func:`list_price_lists` has them."""
    uow.actor.require(QUOTE_VIEW)
    keys = (PriceList.position, PriceList.name, PriceList.id)
    return page_of(uow, _PRICE_LISTS, keys=keys, limit=limit, cursor=cursor)


def header_choices(uow: UnitOfWork, quote: Quote) -> Mapping[str, list[tuple[str, str]]]:
    """Return what an offer's price list, payment term and addresses can be: ids and names."""
    uow.actor.require(QUOTE_VIEW)
    terms = select(PaymentTerm.id, PaymentTerm.name).where(PaymentTerm.archived_at.is_(None))
    addresses = select(Address.id, Address.recipient, Address.street, Address.city).where(
        Address.customer_id.in_({quote.customer_id, quote.contact_id} - {None}),
        Address.archived_at.is_(None),
    )
    places = [
        (str(row.id), ", ".join(part for part in (row.recipient, row.street, row.city) if part))
        for row in uow.execute(addresses.order_by(Address.use, Address.id))
    ]
    lists = list_price_lists(uow, quote.currency_code)
    return {
        "price_list_id": [(str(row.id), row.name) for row in lists],
        "payment_term_id": [
            (str(row.id), row.name)
            for row in uow.execute(terms.order_by(PaymentTerm.position, PaymentTerm.name))
        ],
        "delivery_address_id": places,
        "invoice_address_id": places,
    }
