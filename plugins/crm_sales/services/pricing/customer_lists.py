"""Which price list holds for a customer, and what it means to offer by another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Customer
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import permitted_customer
from crm_sales.models import CustomerPriceList, PriceList
from crm_sales.permissions import CONFIGURE, QUOTE_VIEW
from crm_sales.services.pricing.formulas import ZERO, given_discount, rounded
from crm_sales.services.quotes.amounts import asked_price

NO_LIST = "–"


@dataclass(frozen=True, slots=True)
class OtherList:
    """An offer goes by another price list than the one that holds for its customer.

    Attributes:
        holds_id: The list that holds; None for the products' own prices.
        holds_name: What it is called.
        name: What the one that the offer goes by is called.
    """

    holds_id: UUID | None
    holds_name: str
    name: str


def list_that_holds(uow: UnitOfWork, customer_id: UUID, currency_code: str) -> PriceList | None:
    """Return a customer's price list in a currency: the one they were given, else the default.

    None where there is neither: the products' own prices hold.
    """
    uow.actor.require(QUOTE_VIEW)
    in_use = PriceList.currency_code == currency_code, PriceList.archived_at.is_(None)
    given = CustomerPriceList.price_list_id == PriceList.id
    statement = (
        select(PriceList)
        .outerjoin(CustomerPriceList, given & (CustomerPriceList.customer_id == customer_id))
        .where(*in_use, PriceList.is_default | CustomerPriceList.customer_id.is_not(None))
        .order_by(CustomerPriceList.customer_id.is_(None), PriceList.position, PriceList.id)
    )
    found: PriceList | None = uow.scalars(statement.limit(1)).first()
    return found


def other_list(uow: UnitOfWork, quote: Any) -> OtherList | None:
    """Return by which list discounts of an offer are counted, where it is not the offer's own.

    None where the offer goes by the customer's list, or by one that is free to use for anybody.
    """
    uow.actor.require(QUOTE_VIEW)
    holds = list_that_holds(uow, quote.customer_id, quote.currency_code)
    if (holds.id if holds else None) == quote.price_list_id:
        return None
    chosen = uow.find(PriceList, quote.price_list_id) if quote.price_list_id else None
    if chosen is not None and chosen.is_open:
        return None
    return OtherList(
        holds.id if holds else None,
        holds.name if holds else NO_LIST,
        chosen.name if chosen else NO_LIST,
    )


def list_facts(other: OtherList | None, lines: Sequence[Any]) -> dict[str, str]:
    """Return what going by another list takes off, to be kept with an offer; empty for nothing."""
    taken = max(
        (given_discount(line.base_price, asked_price(line), ZERO) for line in lines), default=ZERO
    )
    if other is None or not taken:
        return {}
    return {"list": other.name, "own": other.holds_name, "percent": str(rounded(taken, 2))}


def list_reason(facts: Mapping[str, str]) -> str | None:
    """Return in a sentence what going by another list takes off, from the facts kept of it."""
    if not facts:
        return None
    return t(
        "Goes by the price list {list} instead of the customer's, {own}: up to {percent} % less, "
        "which counts as discount.",
        list=facts["list"],
        own=facts["own"],
        percent=facts["percent"].rstrip("0").rstrip("."),
    )


def give_price_list(uow: UnitOfWork, customer_id: UUID, price_list_id: UUID) -> CustomerPriceList:
    """Give a customer a price list of their own, in the place of another of its currency.

    Offers that are made or changed from now on go by it.

    Raises:
        NotFoundError, PermissionDeniedError: The customer or the list cannot be seen.
        RuleViolationError: The list is archived.
    """
    uow.actor.require(CONFIGURE)
    customer = permitted_customer(uow, customer_id, CONFIGURE)
    chosen: PriceList = uow.get(PriceList, price_list_id)
    if chosen.archived_at is not None:
        raise RuleViolationError(
            t("{name} is archived: choose another.", name=chosen.name), code="sales.quote.archived"
        )
    known: CustomerPriceList | None = uow.find(
        CustomerPriceList, (customer.id, chosen.currency_code)
    )
    if known is None:
        known = uow.add(
            CustomerPriceList(customer_id=customer.id, currency_code=chosen.currency_code)
        )
    known.price_list_id = chosen.id
    uow.flush()
    return known


def take_price_list(uow: UnitOfWork, customer_id: UUID, currency_code: str) -> None:
    """Have the default list of a currency hold for a customer again."""
    uow.actor.require(CONFIGURE)
    permitted_customer(uow, customer_id, CONFIGURE)
    known = uow.find(CustomerPriceList, (customer_id, currency_code))
    if known is not None:
        uow.delete(known)
        uow.flush()


def open_price_list(uow: UnitOfWork, price_list_id: UUID, *, is_open: bool) -> PriceList:
    """Say whether whoever sells may use a price list for any customer without giving discount."""
    uow.actor.require(CONFIGURE)
    chosen: PriceList = uow.get(PriceList, price_list_id)
    chosen.is_open = is_open
    uow.flush()
    return chosen


def customers_with_lists(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of the customers that have a price list of their own, as far as one sees them.

    Each has ``customer_id, customer_name, currency_code, price_list_id, price_list_name``.
    """
    uow.actor.require(CONFIGURE)
    statement = (
        select(
            CustomerPriceList.customer_id.label("customer_id"),
            Customer.name.label("customer_name"),
            CustomerPriceList.currency_code.label("currency_code"),
            CustomerPriceList.price_list_id.label("price_list_id"),
            PriceList.name.label("price_list_name"),
        )
        .join(Customer, Customer.id == CustomerPriceList.customer_id)
        .join(PriceList, PriceList.id == CustomerPriceList.price_list_id)
    )
    keys = (CustomerPriceList.customer_id, CustomerPriceList.currency_code)
    return page_of(uow, statement, keys=keys, limit=limit, cursor=cursor)
