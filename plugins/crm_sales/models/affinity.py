"""Which products are bought by the same customers, as it was counted last."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import ByRight


class AffinityCount(Keyed):
    """When products were counted, over how many customers, and what was asked of a pair."""

    __tablename__ = "sales_affinity_count"
    __entity__ = "sales_affinity_count"
    __scope__ = ByRight("sales.opportunity.view")
    __personal__ = ()
    __audited__ = False

    counted_at: Mapped[datetime]
    customers: Mapped[int]
    """Who bought anything."""
    least_support: Mapped[int]
    least_confidence: Mapped[int]
    """In percent."""
    pairs: Mapped[int]


class ProductAffinity(Base):
    """Of the customers who bought one product, how many bought another too.

    Counted over all customers, so it names none; a pair that fewer than the least support bought
    is not kept, so it gives none away.
    """

    __tablename__ = "sales_product_affinity"
    __entity__ = "sales_product_affinity"
    __scope__ = ByRight("sales.opportunity.view")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "strength"),)

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_product.id", ondelete="CASCADE"), primary_key=True
    )
    other_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_product.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    buyers: Mapped[int]
    """Customers who bought the product."""
    both: Mapped[int]
    """Of them, those who bought the other too: the support of the pair."""
    other_buyers: Mapped[int]
    customers: Mapped[int]
    """All customers who bought anything, when it was counted."""
    strength: Mapped[float]
    """Confidence times lift: what suggestions are ranked by."""
