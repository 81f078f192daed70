"""Events on their way to their handlers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, UniqueConstraint, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base
from crm_core.persistence.scope import ByRight
from crm_core.persistence.types import JsonValue, Told

DELIVERY_VIEW = "core.delivery.view"

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_WAITS = column("next_at").is_not(None)
_WAITS_IN_ORDER = _WAITS & column("entity_id").is_not(None)
_FAILED = column("error").is_not(None)
_NEW = column("dispatched_at").is_(None)


class OutboxEvent(Base):
    """An event, written in the transaction in which it happened.

    ``entity_type`` and ``entity_id`` are those of the one record it is about, if it is about one.
    """

    __tablename__ = "core_outbox"
    __entity__ = "outbox_event"
    __scope__ = ByRight(DELIVERY_VIEW)
    __personal__ = ("payload",)
    __audited__ = False
    __table_args__ = (Index("ix_core_outbox_new", "id", sqlite_where=_NEW, postgresql_where=_NEW),)

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    name: Mapped[str]
    version: Mapped[int]
    entity_type: Mapped[str | None]
    entity_id: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    actor_id: Mapped[UUID | None]
    actor_login: Mapped[str]
    origin: Mapped[str]
    dispatched_at: Mapped[datetime | None]
    """When its deliveries were made; None until then."""


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"


class Delivery(Base):
    """One event for one handler.

    Only a pending one has ``next_at``, and only one that failed or was dropped has ``error``: the
    indexes hold those alone, so that what is done costs nothing.
    """

    __tablename__ = "core_delivery"
    __entity__ = "delivery"
    __scope__ = ByRight(DELIVERY_VIEW)
    __personal__ = ("error",)
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("outbox_id", "handler"),
        Index(
            "ix_core_delivery_due",
            "handler",
            "outbox_id",
            sqlite_where=_WAITS,
            postgresql_where=_WAITS,
        ),
        Index(
            "ix_core_delivery_order",
            "handler",
            "entity_id",
            "outbox_id",
            sqlite_where=_WAITS_IN_ORDER,
            postgresql_where=_WAITS_IN_ORDER,
        ),
        Index("ix_core_delivery_failed", "id", sqlite_where=_FAILED, postgresql_where=_FAILED),
    )

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("core_outbox.id", ondelete="CASCADE"))
    handler: Mapped[str]
    entity_type: Mapped[str | None]
    entity_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=DeliveryState.PENDING.value)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Told())
    done_at: Mapped[datetime | None]
    """When it was handled, dropped, or given up."""


class Subscription(Base):
    """A handler that is to hear of an event.

    Kept here, so that a plugin that cannot be loaded for a while misses nothing meanwhile.
    """

    __tablename__ = "core_subscription"
    __entity__ = "subscription"
    __scope__ = ByRight(DELIVERY_VIEW)
    __personal__ = ()
    __audited__ = False

    handler: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
