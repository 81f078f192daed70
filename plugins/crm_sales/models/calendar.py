"""Addresses at which a calendar program reads what a user has to do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import ByOwner


class CalendarFeed(Keyed):
    """One address of a user's; of its secret part only a hash is kept."""

    __tablename__ = "sales_calendar_feed"
    __entity__ = "sales_calendar_feed"
    __scope__ = ByOwner("sales.calendar.keep", "user_id")
    __personal__ = ("title",)
    __withheld__ = ("token_hash",)
    __table_args__ = (Index(None, "user_id", "id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    title: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
