"""What happened with a customer, and what is to be done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Keyed, Versioned
from crm_core.persistence.scope import ThroughCustomer


class Channel(StrEnum):
    """How the company and a customer are in touch."""

    PHONE = "phone"
    EMAIL = "email"
    FAX = "fax"
    WEB = "web"
    MESSENGER = "messenger"
    VISIT = "visit"
    STORE = "store"
    POST = "post"
    OTHER = "other"


class Direction(StrEnum):
    """Who began it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Interaction(Keyed):
    """Something that happened; append-only. ``about_type`` and ``about_id`` name another record."""

    __tablename__ = "core_interaction"
    __entity__ = "interaction"
    __scope__ = ThroughCustomer()
    __personal__ = ("subject", "body")
    __table_args__ = (Index("ix_core_interaction_timeline", "customer_id", "at", "id"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    channel: Mapped[str]
    direction: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    about_type: Mapped[str | None]
    about_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]


class Activity(Versioned):
    """Something to do for a customer, with a due time and an owner."""

    __tablename__ = "core_activity"
    __entity__ = "activity"
    __scope__ = ThroughCustomer()
    __personal__ = ("summary", "note")
    __table_args__ = (
        Index(None, "customer_id", "is_open", "due_at"),
        Index(None, "owner_id", "is_open", "due_at", "id"),
        Index(None, "is_open", "due_at", "id"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    type: Mapped[str]
    summary: Mapped[str]
    note: Mapped[str | None]
    due_at: Mapped[datetime]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    is_open: Mapped[bool] = mapped_column(default=True)
    """Stored: a partial index with bound values is not used by either database."""
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
