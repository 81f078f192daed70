"""Accepted offers on their way through the back office, and what it was asked about others."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base
from crm_core.persistence.scope import Through
from crm_core.persistence.types import Money, Told


class OrderState(StrEnum):
    """Where the order of an offer stands."""

    WAITING = "waiting"
    """To be made over there."""
    REFUSED = "refused"
    DRAFT = "draft"
    """Made, with our sums; nobody confirmed it yet."""
    DIFFERENT = "different"
    """Made, with other sums than ours, so it is not confirmed unless a person accepts them."""
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    GONE = "gone"
    """It was deleted over there."""


class QuoteOrder(Base):
    """The one order that is made of an accepted offer; its key is the offer's."""

    __tablename__ = "sales_quote_order"
    __entity__ = "sales_order"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ()
    __table_args__ = (Index(None, "state", "quote_id"), Index(None, "transaction_id"))

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), primary_key=True
    )
    state: Mapped[str] = mapped_column(default=OrderState.WAITING)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    backend_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_backend.id", ondelete="SET NULL"), index=True
    )
    """The one back office that gets it; None while there was none."""
    beside_reason: Mapped[str | None]
    """Why it is ordered though another offer of the deal was, as a person decided."""
    beside_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    number: Mapped[str | None]
    """As the back office numbered it; None before it was made there."""
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_transaction.id", ondelete="SET NULL")
    )
    """Its mirror, which knows of delivery, invoices and payments."""
    is_confirm_wanted: Mapped[bool] = mapped_column(default=False)
    currency_code: Mapped[str | None]
    untaxed_amount: Mapped[Decimal | None] = mapped_column(Money())
    tax_amount: Mapped[Decimal | None] = mapped_column(Money())
    total_amount: Mapped[Decimal | None] = mapped_column(Money())
    """What it comes to over there."""
    accepted_amount: Mapped[Decimal | None] = mapped_column(Money())
    """The total over there that a person accepted, though it is another than ours."""
    accepted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    problem_code: Mapped[str | None]
    problem: Mapped[str | None] = mapped_column(Told())
    """Why the back office would not take it, for people."""
    activity_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_activity.id", ondelete="SET NULL"), index=True
    )
    """What somebody has to do about it."""


class TaxQuestion(Base):
    """What the back office is to say of an offer: its tax; one question an offer."""

    __tablename__ = "sales_tax_question"
    __entity__ = "sales_tax_question"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "is_open", "asked_at"),)

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), primary_key=True
    )
    quote_version: Mapped[int]
    """The offer's version that it is about: an answer to an older one is dropped."""
    asked_at: Mapped[datetime]
    is_open: Mapped[bool] = mapped_column(default=True)
    problem: Mapped[str | None] = mapped_column(Told())
    """Why there was no answer, for people."""
