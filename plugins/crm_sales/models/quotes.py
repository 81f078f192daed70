"""Offers: versions of them, their lines, and who let them pass."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import ByOwner, Public, Through
from crm_core.persistence.types import JsonValue, Money, Quantity


class QuoteState(StrEnum):
    """Where an offer stands."""

    DRAFT = "draft"
    WAITING = "waiting"
    APPROVED = "approved"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ORDERED = "ordered"


class TaxSource(StrEnum):
    """Who worked the tax out."""

    ESTIMATE = "estimate"
    ERP = "erp"


class LineKind(StrEnum):
    """What a line is."""

    PRODUCT = "product"
    SECTION = "section"
    NOTE = "note"


class LineRole(StrEnum):
    """Whether a line is bought with the offer.

    The head of a bundle has the role ``bundle`` and the kind ``section``: it bears no amounts, its
    parts (``bundle_line_id``) do, priced together.
    """

    NORMAL = "normal"
    OPTION = "option"
    ALTERNATIVE = "alternative"
    BUNDLE = "bundle"


class Quote(Versioned):
    """One version of an offer. What was sent is never changed: a revision is a new version."""

    __tablename__ = "sales_quote"
    __entity__ = "sales_quote"
    __scope__ = ByOwner("sales.quote.view")
    __personal__ = ("terms", "note", "answer_note")
    __table_args__ = (
        UniqueConstraint("root_id", "version_number"),
        Index(None, "opportunity_id", "id"),
        Index(None, "customer_id", "id"),
        Index(None, "owner_id", "state", "id"),
        Index(None, "state", "valid_until_on", "id"),
    )

    number: Mapped[str] = mapped_column(unique=True)
    """``Q2026-00012``; its second version is ``Q2026-00012-2``."""
    version_number: Mapped[int] = mapped_column(default=1)
    root_id: Mapped[UUID] = mapped_column(ForeignKey("sales_quote.id"))
    """The first version; its own id for that one."""
    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE")
    )
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_customer.id", ondelete="SET NULL"), index=True
    )
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    state: Mapped[str] = mapped_column(default=QuoteState.DRAFT)
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    price_list_id: Mapped[UUID | None] = mapped_column(ForeignKey("sales_price_list.id"))
    payment_term_id: Mapped[UUID | None] = mapped_column(ForeignKey("sales_payment_term.id"))
    delivery_address_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_address.id", ondelete="SET NULL")
    )
    invoice_address_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_address.id", ondelete="SET NULL")
    )
    language: Mapped[str | None]
    """Of the document; None for the company's."""
    valid_until_on: Mapped[date]
    """The last day on which it can be accepted."""
    terms: Mapped[str | None]
    note: Mapped[str | None]
    """For us, never on the document."""
    band_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_price_band.id", ondelete="SET NULL")
    )
    """The customer's personal price band when its lines were priced."""
    band_facts: Mapped[Any] = mapped_column(JsonValue, default=dict)
    """What it rested on, so that the reason can be told later."""
    list_facts: Mapped[Any] = mapped_column(JsonValue, default=dict)
    """Where it goes by another price list than the customer's: both, and what that takes off."""
    untaxed_amount: Mapped[Decimal] = mapped_column(Money(), default=Decimal(0))
    tax_amount: Mapped[Decimal] = mapped_column(Money(), default=Decimal(0))
    total_amount: Mapped[Decimal] = mapped_column(Money(), default=Decimal(0))
    tax_source: Mapped[str] = mapped_column(default=TaxSource.ESTIMATE)
    discount_percent: Mapped[Decimal] = mapped_column(Quantity(), default=Decimal(0))
    """Stored: the largest discount on a line that a person gave; approval goes by it."""
    approved_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answer_note: Mapped[str | None]
    """Why it was refused, or what was said when it was accepted."""
    instead_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="SET NULL"), index=True
    )
    """The offer of the same deal that was accepted, and so closed this one."""


class QuoteLine(Keyed):
    """A line of an offer, in the order of ``position``."""

    __tablename__ = "sales_quote_line"
    __entity__ = "sales_quote_line"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ("description",)
    __table_args__ = (
        Index(None, "quote_id", "position"),
        Index(None, "product_id"),
        Index(None, "bundle_line_id"),
    )

    quote_id: Mapped[UUID] = mapped_column(ForeignKey("sales_quote.id", ondelete="CASCADE"))
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(default=LineKind.PRODUCT)
    role: Mapped[str] = mapped_column(default=LineRole.NORMAL)
    group: Mapped[str | None]
    """Alternatives of one name: one of them is chosen."""
    is_chosen: Mapped[bool] = mapped_column(default=True)
    """Whether it counts in the totals; False for options and alternatives not taken."""
    bundle_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_quote_line.id", ondelete="CASCADE")
    )
    bundle_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_bundle.id", ondelete="SET NULL")
    )
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"))
    description: Mapped[str | None]
    """What the document says; the product's name where nothing else was typed."""
    quantity: Mapped[Decimal | None] = mapped_column(Quantity())
    unit: Mapped[str | None]
    list_price: Mapped[Decimal | None] = mapped_column(Quantity())
    """What the price list asks of everybody, for this quantity."""
    unpriced: Mapped[str | None]
    """An ``Unpriced``: why the price list asks nothing; None where it does."""
    rule_price: Mapped[Decimal | None] = mapped_column(Quantity())
    """What our own rules ask of this customer: the band's or the bundle's price."""
    base_price: Mapped[Decimal | None] = mapped_column(Quantity())
    """What they ask by the customer's own price list, where the offer goes by another one that is
    not free to use: what a person takes off is counted from here."""
    unit_price: Mapped[Decimal | None] = mapped_column(Quantity())
    """What is asked before the discount."""
    discount_percent: Mapped[Decimal | None] = mapped_column(Quantity())
    floor_price: Mapped[Decimal | None] = mapped_column(Quantity())
    tax_percent: Mapped[Decimal | None] = mapped_column(Quantity())
    untaxed_amount: Mapped[Decimal | None] = mapped_column(Money())
    tax_amount: Mapped[Decimal | None] = mapped_column(Money())
    total_amount: Mapped[Decimal | None] = mapped_column(Money())


class QuoteApproval(Keyed):
    """An offer above its maker's limit, and what was decided; append-only but for that."""

    __tablename__ = "sales_quote_approval"
    __entity__ = "sales_quote_approval"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ("reason",)
    __table_args__ = (Index(None, "quote_id", "asked_at"), Index(None, "decision", "id"))

    quote_id: Mapped[UUID] = mapped_column(ForeignKey("sales_quote.id", ondelete="CASCADE"))
    asked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    asked_at: Mapped[datetime]
    percent: Mapped[Decimal] = mapped_column(Quantity())
    list_facts: Mapped[Any] = mapped_column(JsonValue, default=dict)
    """The offer's when it was asked: what another price list takes off."""
    decision: Mapped[str] = mapped_column(default="waiting")
    """``waiting``, ``approved``, ``refused``, or ``withdrawn`` when it was changed meanwhile."""
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class QuoteCounter(Base):
    """The last number that was given out in a year."""

    __tablename__ = "sales_quote_counter"
    __entity__ = "sales_quote_counter"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
