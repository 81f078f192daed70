"""Suggestions for one customer, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, select, union
from sqlalchemy.orm import aliased

from crm_core.entities.commerce import Product, Transaction, TransactionLine, TransactionState
from crm_core.entities.customer import Customer
from crm_core.messages import n
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.offers import objections_to_offer
from crm_hooks.contributions import Objection
from crm_sales.models import AffinityCount, DealState, Opportunity, ProductAffinity
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.cross_sell.counting import Pair

SHOWN = 5
MOST_READ = 500
"""Pairs that are looked at: the strongest; a product may be suggested by several."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product that a customer might buy, and why.

    Attributes:
        product_id, name, reference, list_price, currency_code: Of the product.
        because_id, because: The product they have that speaks most for it.
        both, buyers: Of so many who bought that one, so many bought this one too.
        confidence: ``both`` over ``buyers``.
        lift: How many times as often that is as among all customers.
        reason: The same in a sentence.
    """

    product_id: UUID
    name: str
    reference: str | None
    list_price: Decimal | None
    currency_code: str | None
    because_id: UUID
    because: str
    both: int
    buyers: int
    confidence: float
    lift: float
    reason: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What might be offered to a customer.

    Attributes:
        items: The strongest first.
        objections: Why nothing should be offered now, as modules say; empty where nothing could.
        counted_at: When it was counted who buys what; None where there are no items.
    """

    items: list[Suggestion] = field(default_factory=list)
    objections: list[Objection] = field(default_factory=list)
    counted_at: datetime | None = None


def suggest_products(
    uow: UnitOfWork, customer_id: UUID, *, also: Sequence[UUID] = (), limit: int = SHOWN
) -> Suggestions:
    """Return products that customers who bought the same have bought and this one has not.

    What stands on a document of the customer that was not cancelled counts as had, and so does
    what an open deal with them is about: neither is suggested.

    Args:
        uow: The unit of work.
        customer_id: For whom.
        also: Products that they are about to have, such as those of an offer.
        limit: How many, at most.

    Raises:
        NotFoundError: There is no such customer that the actor may see.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    customer = uow.get(Customer, customer_id)
    found, counted_at = _strongest(uow, customer.id, also, limit)
    offered = [each.product_id for each in found]
    objections = objections_to_offer(uow, customer.id, offered) if found else []
    return Suggestions(found, objections, counted_at)


def suggest_for_deal(uow: UnitOfWork, opportunity_id: UUID, *, limit: int = SHOWN) -> Suggestions:
    """Return what might be offered beside what a deal is about; nothing where it is closed.

    Raises:
        NotFoundError: There is no such deal, or no such customer, that the actor may see.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    deal = uow.get(Opportunity, opportunity_id)
    if deal.state != DealState.OPEN:
        return Suggestions()
    also = [deal.product_id] if deal.product_id else []
    return suggest_products(uow, deal.customer_id, also=also, limit=limit)


def list_affinities(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return all pairs that were kept, the strongest first.

    A dict holds ``product_id, name, other_id, other_name, both, buyers, other_buyers, customers,
    strength, confidence, lift, reason``.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    other = aliased(Product)
    statement = (
        select(
            ProductAffinity.product_id,
            Product.name,
            ProductAffinity.other_id,
            other.name.label("other_name"),
            ProductAffinity.both,
            ProductAffinity.buyers,
            ProductAffinity.other_buyers,
            ProductAffinity.customers,
            ProductAffinity.strength,
        )
        .join(Product, Product.id == ProductAffinity.product_id)
        .join(other, other.id == ProductAffinity.other_id)
    )
    keys = (ProductAffinity.strength, ProductAffinity.product_id, ProductAffinity.other_id)
    page = page_of(uow, statement, keys=keys, limit=limit, cursor=cursor, descending=True)
    return Page([_measured(item) for item in page.items], page.next_cursor)


def last_count(uow: UnitOfWork) -> AffinityCount | None:
    """Return when and how it was counted last who buys what; None before the first time."""
    uow.actor.require(OPPORTUNITY_VIEW)
    found: AffinityCount | None = uow.scalar(select(AffinityCount).limit(1))
    return found


def customer_name(uow: UnitOfWork, customer_id: UUID) -> str:
    """Return what a customer is called; raises NotFoundError where the actor may not see them."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return uow.get(Customer, customer_id).name


def _held(customer_id: UUID, also: Sequence[UUID]) -> CompoundSelect[*tuple[Any, ...]]:
    """Return the statement of what a customer has, is talked with about, or is about to have."""
    bought = (
        select(TransactionLine.product_id)
        .join(Transaction, Transaction.id == TransactionLine.transaction_id)
        .where(
            Transaction.customer_id == customer_id,
            Transaction.state != TransactionState.CANCELLED.value,
            TransactionLine.product_id.is_not(None),
        )
    )
    discussed = select(Opportunity.product_id).where(
        Opportunity.customer_id == customer_id,
        Opportunity.state == DealState.OPEN.value,
        Opportunity.product_id.is_not(None),
    )
    return union(bought, discussed, select(Product.id).where(Product.id.in_(also)))


def _strongest(
    uow: UnitOfWork, customer_id: UUID, also: Sequence[UUID], limit: int
) -> tuple[list[Suggestion], datetime | None]:
    because, held = aliased(Product), _held(customer_id, also)
    rows = uow.execute(
        select(
            ProductAffinity.other_id.label("product_id"),
            Product.name,
            Product.reference,
            Product.list_price,
            Product.currency_code,
            ProductAffinity.product_id.label("because_id"),
            because.name.label("because"),
            ProductAffinity.both,
            ProductAffinity.buyers,
            ProductAffinity.other_buyers,
            ProductAffinity.customers,
            select(AffinityCount.counted_at).limit(1).scalar_subquery().label("counted_at"),
        )
        .join(Product, Product.id == ProductAffinity.other_id)
        .join(because, because.id == ProductAffinity.product_id)
        .where(
            ProductAffinity.product_id.in_(held),
            ProductAffinity.other_id.not_in(held),
            Product.is_sold,
            Product.archived_at.is_(None),
        )
        .order_by(ProductAffinity.strength.desc(), ProductAffinity.other_id)
        .limit(MOST_READ)
    )
    found: dict[UUID, Suggestion] = {}
    counted_at: datetime | None = None
    for row in rows:
        if row.product_id not in found and len(found) < limit:
            told = _measured({**row._mapping, "name": row.because, "other_name": row.name})
            counted_at = told.pop("counted_at")
            del told["other_buyers"], told["customers"], told["other_name"]
            found[row.product_id] = Suggestion(**{**told, "name": row.name})
    return list(found.values()), counted_at


def _measured(item: dict[str, Any]) -> dict[str, Any]:
    counts = (item[name] for name in ("both", "buyers", "other_buyers", "customers"))
    pair = Pair(None, None, *counts)
    return {
        **item,
        "confidence": round(pair.confidence, 4),
        "lift": round(pair.lift, 2),
        "reason": n(
            "{both} of {count} customer who bought {product} also bought {other}.",
            "{both} of {count} customers who bought {product} also bought {other}.",
            pair.buyers,
            both=pair.both,
            product=item["name"],
            other=item["other_name"],
        ),
    }
