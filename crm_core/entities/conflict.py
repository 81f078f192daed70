"""Fields that both sides changed since they last agreed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import ByRecord
from crm_core.persistence.types import JsonValue


class ConflictState(StrEnum):
    """How far a conflict is.

    ``open`` waits for a person, ``resolved`` was decided by one and is carried out by the next run,
    ``done`` was decided by the field's master or has been carried out, ``gone`` went away by itself
    since the two sides came to agree. ``suspected`` is no conflict yet: a customer was deleted
    there, and where what hung on it is now tells whether it was merged.
    """

    OPEN = "open"
    RESOLVED = "resolved"
    DONE = "done"
    GONE = "gone"
    SUSPECTED = "suspected"


PENDING = (ConflictState.OPEN.value, ConflictState.RESOLVED.value)
"""While a conflict is in one of these, both sides keep the field as they have it."""
_IS_PENDING = column("state", String()).in_(PENDING)


MERGED = "merged"
"""In the place of a field: whether two customers are one, as it seems to be over there."""


class Conflict(Keyed):
    """A field that both sides changed since they last agreed: what each had, and what came of it.

    ``base`` is what both last agreed on; ``field`` names a part as ``address.city``. ``winner`` is
    ``erp`` or ``crm``, None while it is open; ``decided_by`` a login, or the master that decided.
    Who changed it and when is told as far as it is known; times are by our clock.
    """

    __tablename__ = "core_conflict"
    __entity__ = "conflict"
    __scope__ = ByRecord(SYNC_VIEW, two=("field", MERGED))
    __personal__ = ("label", "base", "ours", "theirs", "ours_by", "theirs_by")
    __audited__ = False
    __table_args__ = (
        Index(None, "backend_id", "state", "id"),
        Index(None, "local_id"),
        Index(
            "uq_core_conflict_pending",
            "backend_id",
            "entity",
            "local_id",
            "field",
            unique=True,
            sqlite_where=_IS_PENDING,
            postgresql_where=_IS_PENDING,
        ),
    )

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    local_id: Mapped[UUID]
    remote_id: Mapped[str]
    label: Mapped[str]
    field: Mapped[str]
    base: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    ours: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    ours_at: Mapped[datetime | None]
    ours_by: Mapped[str | None]
    theirs: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    theirs_at: Mapped[datetime | None]
    theirs_by: Mapped[str | None]
    state: Mapped[str]
    is_restored: Mapped[bool] = mapped_column(default=False)
    """It is asked about since this database was restored; no master decides it later."""
    winner: Mapped[str | None]
    opened_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
