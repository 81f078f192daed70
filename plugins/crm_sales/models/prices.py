"""Price lists and payment terms, as the ERP has them or as a company without one writes them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public
from crm_core.persistence.types import Money, Quantity


class PriceList(Keyed):
    """Prices in one currency."""

    __tablename__ = "sales_price_list"
    __entity__ = "sales_price_list"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str]
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    is_default: Mapped[bool] = mapped_column(default=False)
    """Offers in its currency that name no list take it."""
    is_open: Mapped[bool] = mapped_column(default=False)
    """Whoever sells may use it for any customer: going by it is no discount."""
    position: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]


class CustomerPriceList(Base):
    """The price list that a customer was given, one for each currency.

    It bears no name, and whoever makes an offer has to come to the same price: all may read it.
    """

    __tablename__ = "sales_customer_price_list"
    __entity__ = "sales_customer_price_list"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (Index(None, "price_list_id"),)

    customer_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE"), primary_key=True
    )
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"), primary_key=True)
    price_list_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_price_list.id", ondelete="CASCADE")
    )


class RuleTarget(StrEnum):
    """What a rule of a price list is for; the narrower one goes first, as they stand here."""

    VARIANT = "variant"
    PRODUCT = "product"
    """Of a rule for a product with all its variants: one row for each of them."""
    CATEGORY = "category"
    ALL = "all"


class PriceMethod(StrEnum):
    """How a rule makes a price."""

    FIXED = "fixed"
    PERCENT = "percent"
    FORMULA = "formula"


class PriceBase(StrEnum):
    """What ``percent`` and ``formula`` start from."""

    LIST = "list"
    COST = "cost"
    PRICE_LIST = "price_list"


class Unpriced(StrEnum):
    """Why a price list asks no price that can be told here."""

    COST = "cost"
    """A rule starts from the cost, which only the ERP knows."""
    PRICE = "price"
    """The product has no price of its own."""
    RATE = "rate"
    """No dated rate leads to the currency."""


class PriceListRule(Keyed):
    """One rule of a price list.

    Of those that fit, the narrowest target wins, then the highest ``min_quantity``, then the last
    category path in order, then the highest ``position``.
    """

    __tablename__ = "sales_price_list_rule"
    __entity__ = "sales_price_list_rule"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (
        Index(None, "price_list_id", "product_id"),
        Index(None, "product_id"),
        Index(None, "base_price_list_id"),
    )

    price_list_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_price_list.id", ondelete="CASCADE")
    )
    position: Mapped[int] = mapped_column(default=0)
    """Orders equal ones: the higher goes first, as the ERP's newer rule does."""
    target: Mapped[str] = mapped_column(default=RuleTarget.ALL)
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"))
    category: Mapped[str | None]
    """Full path; it is for what lies below, too."""
    min_quantity: Mapped[Decimal] = mapped_column(Quantity(), default=Decimal(0))
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    method: Mapped[str] = mapped_column(default=PriceMethod.FIXED)
    base: Mapped[str] = mapped_column(default=PriceBase.LIST)
    base_price_list_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_price_list.id", ondelete="CASCADE")
    )
    fixed_price: Mapped[Decimal | None] = mapped_column(Quantity())
    percent: Mapped[Decimal | None] = mapped_column(Quantity())
    """Taken off the base, by ``percent`` and ``formula``; below zero it is added."""
    rounding: Mapped[Decimal | None] = mapped_column(Quantity())
    """``formula``: the price becomes a multiple of it."""
    surcharge: Mapped[Decimal | None] = mapped_column(Quantity())
    """``formula``: added after rounding."""
    min_margin: Mapped[Decimal | None] = mapped_column(Quantity())
    max_margin: Mapped[Decimal | None] = mapped_column(Quantity())
    """``formula``: how far from the base the price is at least and at most."""


class PaymentTerm(Keyed):
    """When an invoice is to be paid."""

    __tablename__ = "sales_payment_term"
    __entity__ = "sales_payment_term"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str]
    days: Mapped[int | None]
    """Until the last part is due; None where the ERP says it otherwise."""
    note: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]


class PriceFloor(Versioned):
    """Below what nobody sells: the narrowest that fits holds, a product's before a category's."""

    __tablename__ = "sales_price_floor"
    __entity__ = "sales_price_floor"
    __scope__ = Public()
    __personal__ = ()

    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"), index=True)
    category: Mapped[str | None]
    """Full path; with neither product nor category it is for all."""
    price: Mapped[Decimal | None] = mapped_column(Money())
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("core_currency.code"))
    percent_of_list: Mapped[Decimal | None] = mapped_column(Quantity())
    """Of the product's own price; where a price is given, that one holds."""
