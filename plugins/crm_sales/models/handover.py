"""Work that was handed over when somebody left, written down so that it can be undone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Keyed, Versioned
from crm_core.persistence.scope import ByOwner, Through
from crm_core.persistence.types import JsonValue


class ItemState(StrEnum):
    """What became of one record."""

    GIVEN = "given"
    BACK = "back"
    LEFT = "left"


class Handover(Versioned):
    """All that was handed over from one person in one act."""

    __tablename__ = "sales_handover"
    __entity__ = "sales_handover"
    __scope__ = ByOwner("sales.handover.do", "leaver_id")
    __personal__ = ("note",)
    __table_args__ = (Index(None, "leaver_id", "id"),)

    leaver_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id"))
    made_by: Mapped[str]
    """Login of who did it."""
    note: Mapped[str | None]
    rules: Mapped[Any] = mapped_column(JsonValue, default=list)
    """As they were typed: ``country=GR:eleni``, and last those who took turns."""
    counts: Mapped[Any] = mapped_column(JsonValue, default=dict)
    """Records by kind."""
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


class HandedItem(Keyed):
    """One record that went from somebody to somebody."""

    __tablename__ = "sales_handed_item"
    __entity__ = "sales_handed_item"
    __scope__ = Through("Handover", "handover_id")
    __personal__ = ("title",)
    __audited__ = False  # the change of each record's owner is in the audit, and this is a list
    __table_args__ = (
        Index(None, "handover_id", "id"),
        Index(None, "customer_id", "handover_id"),
    )

    handover_id: Mapped[UUID] = mapped_column(ForeignKey("sales_handover.id", ondelete="CASCADE"))
    kind: Mapped[str]
    """As records are named everywhere: ``customer``, ``sales_opportunity``."""
    record_id: Mapped[UUID]
    title: Mapped[str]
    customer_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE")
    )
    to_user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id"))
    state: Mapped[str] = mapped_column(default=ItemState.GIVEN)
