"""What became of an offer that was sent: its document, the link to it, and what was answered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import Through
from crm_core.persistence.types import JsonValue, Money


class QuoteDocument(Base):
    """The document that was sent, as it was: whoever opens it later reads the same."""

    __tablename__ = "sales_quote_document"
    __entity__ = "sales_quote_document"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ("content",)
    __audited__ = False

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), primary_key=True
    )
    language: Mapped[str]
    made_at: Mapped[datetime]
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class QuoteLink(Keyed):
    """A link by which a customer opens an offer without signing in; the token itself is not kept.

    It is good until the offer has expired, unless it was revoked.
    """

    __tablename__ = "sales_quote_link"
    __entity__ = "sales_quote_link"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ()
    __withheld__ = ("token_hash",)

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    revoked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    """When somebody with a browser first looked; programs that fetch pages do not count."""


class QuoteAnswer(Base):
    """What a customer answered, by the link or by word: one answer an offer."""

    __tablename__ = "sales_quote_answer"
    __entity__ = "sales_quote_answer"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ("name", "note")

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), primary_key=True
    )
    is_accepted: Mapped[bool]
    at: Mapped[datetime]
    name: Mapped[str]
    """Who answered, as they wrote it or were written down."""
    note: Mapped[str | None]
    chosen: Mapped[Any] = mapped_column(JsonValue, default=list)
    """Ids of the options and alternatives taken, as text."""
    total_amount: Mapped[Decimal | None] = mapped_column(Money())
    """What was accepted, in the offer's currency."""
    link_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_quote_link.id", ondelete="SET NULL")
    )
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    """Who wrote down what the customer said; None where the customer answered by the link."""


class QuoteQuestion(Keyed):
    """What a customer asked on the page of an offer; an activity of its owner's came of it."""

    __tablename__ = "sales_quote_question"
    __entity__ = "sales_quote_question"
    __scope__ = Through("Quote", "quote_id")
    __personal__ = ("name", "text")

    quote_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_quote.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    name: Mapped[str]
    text: Mapped[str]
    activity_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_activity.id", ondelete="SET NULL"), index=True
    )
