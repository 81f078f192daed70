"""Records that a sync leaves alone until a person has decided on them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import ByRight


class HoldSide(StrEnum):
    """Where a held record stands."""

    LOCAL = "local"
    REMOTE = "remote"


class HoldReason(StrEnum):
    """Why a record is held.

    ``ignored``: a person wants it so. ``undecided``: nobody has said yet what it is on the other
    side. ``moved``: it changed after it was decided on.
    """

    IGNORED = "ignored"
    UNDECIDED = "undecided"
    MOVED = "moved"


class SyncHold(Keyed):
    """A record that is neither made nor linked on the other side of a backend.

    ``key`` is a local record's id or a remote one's, by ``side``.
    """

    __tablename__ = "core_sync_hold"
    __entity__ = "sync_hold"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False
    __table_args__ = (UniqueConstraint("backend_id", "entity", "side", "key"),)

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    side: Mapped[str]
    key: Mapped[str]
    reason: Mapped[str]
    since: Mapped[datetime]
