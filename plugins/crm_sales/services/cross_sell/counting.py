"""Counting which products the same customers buy.

Of the customers who bought one product, the share that bought another too is the confidence of
the pair; how many did, its support; and how many times as often that is as among all customers,
its lift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select

from crm_core.entities.commerce import (
    Product,
    Transaction,
    TransactionKind,
    TransactionLine,
    TransactionState,
)
from crm_core.persistence.bulk import chunked
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
A_WRITE = 1_000
"""Rows in one statement."""


def bought() -> Select[Any]:
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

    One statement reads who bought what, by customer; pairs are counted in memory, of products that
    enough customers bought, so that it grows with the number of such pairs alone.

    Args:
        uow: A writing unit of work, of an actor who sees all customers: else there are fewer.
    """
    uow.actor.require(CONFIGURE)
    told = values_of(uow, CROSS_SELL)
    least, share = told[CROSS_SELL_SUPPORT.name], told[CROSS_SELL_CONFIDENCE.name]
    baskets = [sorted(basket) for basket in _baskets(uow)]
    buyers = Counter(product_id for basket in baskets for product_id in basket)
    sold = set(uow.scalars(select(Product.id).where(Product.is_sold, Product.archived_at.is_(None))))
    frequent = {product_id for product_id, count in buyers.items() if count >= least}
    pairs: Counter[tuple[UUID, UUID]] = Counter()
    for basket in baskets:
        pairs.update(combinations(_counted(basket, frequent, buyers), 2))
    kept = [
        row
        for (one, two), both in pairs.items()
        if both >= least
        for row in (
            _row(one, two, both, buyers, len(baskets)),
            _row(two, one, both, buyers, len(baskets)),
        )
        if row["other_id"] in sold and _says_something(row, share)
    ]
    uow.execute(delete(ProductAffinity).execution_options(synchronize_session=False))
    uow.execute(delete(AffinityCount).execution_options(synchronize_session=False))
    for rows in chunked(kept, A_WRITE):
        uow.session.execute(_insert(), rows)
    count = uow.add(
        AffinityCount(
            counted_at=uow.now,
            customers=len(baskets),
            least_support=least,
            least_confidence=share,
            pairs=len(kept),
        )
    )
    uow.flush()
    return count
