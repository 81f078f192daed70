"""Counting which products the same customers buy.

Of the customers who bought one product, the share that bought another too is the confidence of
the pair; how many did, its support; and how many times as often that is as among all customers,
its lift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, delete, insert, select

from crm_core.entities.commerce import (
    Product,
    Transaction,
    TransactionKind,
    TransactionLine,
    TransactionState,
)
from crm_core.messages import t
from crm_core.persistence.bulk import chunked
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_sales.models import AffinityCount, ProductAffinity
from crm_sales.permissions import CONFIGURE
from crm_sales.settings import CROSS_SELL, CROSS_SELL_CONFIDENCE, CROSS_SELL_SUPPORT

BOUGHT = (TransactionState.CONFIRMED.value, TransactionState.DONE.value)
DOCUMENTS = (TransactionKind.ORDER.value, TransactionKind.INVOICE.value)
MOST_IN_BASKET = 150
"""Products of one customer that are counted; of one who bought more, those most bought by all."""
LEAST_LIFT = 1.1
"""Below it a product is bought about as often by everybody."""
A_READ = 10_000
"""Rows that are fetched at a time."""


class Thresholds(NamedTuple):
    """What a pair has to meet: customers who bought both, and their share of the buyers."""

    support: int
    percent: int


class Pair(NamedTuple):
    """Two products: of ``buyers`` of one, ``both`` bought the other too.

    Attributes:
        one, two: The products.
        both: Customers who bought both.
        buyers: Of the first.
        other_buyers: Of the second.
        customers: Who bought anything.
    """

    one: Any
    two: Any
    both: int
    buyers: int
    other_buyers: int
    customers: int

    @property
    def confidence(self) -> float:
        """The share of the buyers of one who bought the other too."""
        return self.both / self.buyers

    @property
    def lift(self) -> float:
        """How many times as often they did as all customers do."""
        return self.both * self.customers / (self.buyers * self.other_buyers)


def bought() -> Select[*tuple[Any, ...]]:
    """Return the statement of who bought what: ``customer_id, product_id``, each pair once."""
    return (
        select(Transaction.customer_id, TransactionLine.product_id)
        .join(TransactionLine, TransactionLine.transaction_id == Transaction.id)
        .where(
            Transaction.kind.in_(DOCUMENTS),
            Transaction.state.in_(BOUGHT),
            TransactionLine.product_id.is_not(None),
        )
        .distinct()
    )


def count_affinities(uow: UnitOfWork) -> AffinityCount:
    """Count anew which products the same customers bought, and keep the pairs that say something.

    One statement reads who bought what; pairs are counted in memory, of products that enough
    customers bought, so that it takes as much memory as there are such pairs.

    Args:
        uow: A writing unit of work.

    Raises:
        PermissionDeniedError: The right is missing, or the actor does not see all customers: what
            is counted stands for all.
    """
    uow.actor.require(CONFIGURE)
    uow.actor.require_for_owner(CUSTOMER_VIEW, None, t("all customers"))
    told = values_of(uow, CROSS_SELL)
    asked = Thresholds(told[CROSS_SELL_SUPPORT.name], told[CROSS_SELL_CONFIDENCE.name])
    products, baskets = _baskets(uow)
    sold = set(
        uow.scalars(select(Product.id).where(Product.is_sold, Product.archived_at.is_(None)))
    )
    rows = [
        {
            "product_id": products[pair.one],
            "other_id": products[pair.two],
            "both": pair.both,
            "buyers": pair.buyers,
            "other_buyers": pair.other_buyers,
            "customers": pair.customers,
            "strength": pair.confidence * pair.lift,
        }
        for pair in pairs_among(baskets, asked)
        if products[pair.two] in sold
    ]
    for model in (ProductAffinity, AffinityCount):
        uow.execute(delete(model).execution_options(synchronize_session=False))
    for some in chunked(rows):
        uow.execute(insert(ProductAffinity), some)
    return uow.add(
        AffinityCount(
            counted_at=uow.now,
            customers=len(baskets),
            least_support=asked.support,
            least_confidence=asked.percent,
            pairs=len(rows),
        )
    )


def pairs_among(baskets: Sequence[Sequence[int]], asked: Thresholds) -> Iterator[Pair]:
    """Yield the pairs, in both directions, that enough customers bought and that say something.

    Args:
        baskets: What each customer bought, each product once.
        asked: What a pair has to meet.
    """
    buyers = Counter(chain.from_iterable(baskets))
    customers = sum(1 for basket in baskets if basket)
    bought_by: Counter[tuple[int, int]] = Counter()
    for basket in baskets:
        frequent = [product for product in basket if buyers[product] >= asked.support]
        if len(frequent) > MOST_IN_BASKET:
            frequent = sorted(frequent, key=buyers.__getitem__)[-MOST_IN_BASKET:]
        bought_by.update(combinations(sorted(frequent), 2))
    for (one, two), both in bought_by.items():
        if both >= asked.support:
            for pair in (
                Pair(one, two, both, buyers[one], buyers[two], customers),
                Pair(two, one, both, buyers[two], buyers[one], customers),
            ):
                if both * 100 >= asked.percent * pair.buyers and pair.lift >= LEAST_LIFT:
                    yield pair


def _baskets(uow: UnitOfWork) -> tuple[list[UUID], list[list[int]]]:
    """Return products, and of each customer the places of those they bought among them."""
    places: dict[UUID, int] = {}
    baskets: dict[UUID, list[int]] = {}
    for row in uow.execute(bought().execution_options(yield_per=A_READ)):
        place = places.setdefault(row.product_id, len(places))
        baskets.setdefault(row.customer_id, []).append(place)
    return list(places), list(baskets.values())
