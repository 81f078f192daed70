"""The plugin's tables."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from crm_core.persistence.base import Keyed, Versioned
from crm_core.persistence.scope import Public, Through, ThroughCustomer
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

LIVE = text("ended_at IS NULL")


class Tier(StrEnum):
    """How much a customer is worth to us, the lowest first; kept as text."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class LoyaltyCard(Versioned):
    """A customer's card; nobody has two that are good at a time."""

    __tablename__ = "loyalty_card"
    __entity__ = "loyalty_card"
    __scope__ = ThroughCustomer()
    __personal__ = ("number",)
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("points >= 0", name="points_not_negative"),
        Index(None, "customer_id", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
        Index(None, "customer_id", "id"),
        Index(None, "expires_on"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    number: Mapped[str]
    tier: Mapped[str]
    points: Mapped[int]
    issued_on: Mapped[date]
    expires_on: Mapped[date | None]
    ended_at: Mapped[datetime | None]


class LoyaltyEntry(Keyed):
    """Points that came onto a card or, below zero, left it; they add up to its points."""

    __tablename__ = "loyalty_entry"
    __entity__ = "loyalty_entry"
    __scope__ = Through("LoyaltyCard", "card_id")
    __personal__ = ("reason",)
    __table_args__ = (Index(None, "card_id", "id"),)

    card_id: Mapped[UUID] = mapped_column(ForeignKey("loyalty_card.id", ondelete="CASCADE"))
    points: Mapped[int]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class LoyaltySteward(Keyed):
    """The user who answers for new customers tagged so; one row a tag."""

    __tablename__ = "loyalty_steward"
    __entity__ = "loyalty_steward"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (UniqueConstraint("tag"), Index(None, "user_id"))

    tag: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
