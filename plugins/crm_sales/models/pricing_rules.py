"""What a company says of its offers: limits, bands, bundles, and what goes with what."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public
from crm_core.persistence.types import Money, Quantity


class DiscountLimit(Base):
    """How much somebody with a role may take off without asking; of several roles the most."""

    __tablename__ = "sales_discount_limit"
    __entity__ = "sales_discount_limit"
    __scope__ = Public()
    __personal__ = ()

    role: Mapped[str] = mapped_column(primary_key=True)
    """Name of a role."""
    percent: Mapped[Decimal] = mapped_column(Quantity())


class PriceBand(Versioned):
    """A personal price for customers that meet all its conditions; the best one counts."""

    __tablename__ = "sales_price_band"
    __entity__ = "sales_price_band"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)
    percent: Mapped[Decimal] = mapped_column(Quantity())
    """Off the price list; below zero it is added."""
    months: Mapped[int] = mapped_column(default=12)
    """How far back is looked."""
    is_never_overdue: Mapped[bool] = mapped_column(default=False)
    """No invoice that is overdue, or was paid late, within these months."""
    most_days_to_pay: Mapped[int | None]
    """On average, from invoice to payment, within these months."""
    least_revenue: Mapped[Decimal | None] = mapped_column(Money())
    """Invoiced without tax within these months, in ``currency_code``."""
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("core_currency.code"))
    archived_at: Mapped[datetime | None]


class RuleKind(StrEnum):
    """What a configuration rule says."""

    REQUIRES = "requires"
    EXCLUDES = "excludes"


class ProductRule(Keyed):
    """A product, or what is of a category, requires or excludes another."""

    __tablename__ = "sales_product_rule"
    __entity__ = "sales_product_rule"
    __scope__ = Public()
    __personal__ = ()

    kind: Mapped[str]
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"), index=True)
    category: Mapped[str | None]
    other_product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"), index=True)
    other_category: Mapped[str | None]
    reason: Mapped[str]
    """Why, in the company's words; shown when a choice is refused."""
    archived_at: Mapped[datetime | None]


class Bundle(Versioned):
    """Products that are sold together at a price of their own."""

    __tablename__ = "sales_bundle"
    __entity__ = "sales_bundle"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)
    percent: Mapped[Decimal | None] = mapped_column(Quantity())
    """Off the parts' prices."""
    price: Mapped[Decimal | None] = mapped_column(Money())
    """For one of the bundle, in ``currency_code``; spread over the parts by their prices."""
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("core_currency.code"))
    archived_at: Mapped[datetime | None]


class BundlePart(Base):
    """A product in a bundle."""

    __tablename__ = "sales_bundle_part"
    __entity__ = "sales_bundle_part"
    __scope__ = Public()
    __personal__ = ()

    bundle_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_bundle.id", ondelete="CASCADE"), primary_key=True
    )
    product_id: Mapped[UUID] = mapped_column(ForeignKey("core_product.id"), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(Quantity(), default=Decimal(1))
    position: Mapped[int] = mapped_column(default=0)
