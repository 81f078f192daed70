"""What the sync engine remembers: backends, bindings, cursors, runs, records set aside."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import ByRecord, ByRight, ByRightOverAll
from crm_core.persistence.types import JsonTold, JsonValue, Told

SYNC_VIEW = "core.sync.view"


class Backend(Versioned):
    """One configured remote; ``config`` holds no secret, ``secret_ref`` says where it is kept.

    ``secret_ref`` is ``file:PATH``, ``env:NAME`` or ``keyring:NAME``. ``masters`` maps
    ``entity.field`` to its master where it is not the default. Nothing is written to the
    remote before its plan was shown and accepted, nor from another database than ``writes_from``
    tells (``crm_core.sync.permit``).
    """

    __tablename__ = "core_backend"
    __entity__ = "backend"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    config: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    secret_ref: Mapped[str | None]
    is_enabled: Mapped[bool] = mapped_column(default=True)
    masters: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    plan_shown_at: Mapped[datetime | None]
    plan_accepted_at: Mapped[datetime | None]
    writes_from: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    reconciled_at: Mapped[datetime | None]
    hindrances: Mapped[list[str]] = mapped_column(JsonTold(), default=list)
    """Why the last run of all of it did not bring this database in step since it was confirmed."""


class BindingState(StrEnum):
    """What is known of the remote record."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    DELETED = "deleted"
    UNREADABLE = "unreadable"
    OUTSIDE = "outside"
    RESTORING = "restoring"
    """It was deleted there, and is to be made again."""


class Binding(Keyed):
    """Ties a remote record to a local one, with what was last synced.

    ``entity`` also tells what the local record is: customer, address, order, product …
    ``snapshot`` is the neutral record last agreed on, ``digest`` its hash.
    """

    __tablename__ = "core_binding"
    __entity__ = "binding"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ("snapshot",)
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("backend_id", "entity", "remote_id"),
        Index(None, "local_id"),
    )

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    remote_id: Mapped[str]
    local_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default=BindingState.ACTIVE.value)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    snapshot: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    synced_at: Mapped[datetime]


class SyncCursor(Base):
    """How far one entity of one backend has been read.

    ``mark`` is the remote's time up to which all is known; ``sweep_*`` describe a sweep under way,
    so that a killed run goes on where it stopped.
    """

    __tablename__ = "core_sync_cursor"
    __entity__ = "sync_cursor"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    entity: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[datetime | None]
    sweep_mark: Mapped[datetime | None]
    sweep_after: Mapped[str | None]
    mapping_digest: Mapped[str | None]
    """A changed mapping, or changed remote fields, starts a full sweep."""
    refreshed_at: Mapped[datetime | None]
    began_at: Mapped[datetime | None]
    """When it was last begun to be read, by our clock, or could not be."""
    swept_at: Mapped[datetime | None]
    """When its set of ids was last compared, by our clock, or could not be."""
    full_at: Mapped[datetime | None]
    """When it was last begun to be read as a whole, by our clock."""


class SyncRun(Keyed):
    """One run of a backend and its counts.

    Its state is ``running``, ``done``, ``partly`` (something was left out), ``stopped`` (somebody
    asked for it; the next run goes on there) or ``failed``.
    """

    __tablename__ = "core_sync_run"
    __entity__ = "sync_run"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "backend_id", "started_at"),)

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    state: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(JsonTold(), default=dict)
    message: Mapped[str | None] = mapped_column(Told())
    remote_calls: Mapped[int] = mapped_column(default=0)
    stop_asked_by: Mapped[str | None]
    """Login of who asked this run to end (``crm_core.sync.stopping``)."""


class SyncLock(Base):
    """Says which process runs a backend; a lease that is not renewed expires.

    The token of a run's lease is the key of its record.
    """

    __tablename__ = "core_sync_lock"
    __entity__ = "sync_lock"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    token: Mapped[UUID]
    holder: Mapped[str]
    expires_at: Mapped[datetime]


class DeadLetter(Keyed):
    """A remote record that cannot be synced now, and why; resolved when it goes through."""

    __tablename__ = "core_dead_letter"
    __entity__ = "dead_letter"
    __scope__ = ByRightOverAll(SYNC_VIEW)
    __personal__ = ("label", "reason")
    __audited__ = False
    __table_args__ = (UniqueConstraint("backend_id", "entity", "remote_id"),)

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    remote_id: Mapped[str]
    label: Mapped[str]
    code: Mapped[str]
    reason: Mapped[str] = mapped_column(Told())
    attempts: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class PendingReference(Keyed):
    """A remote reference whose target is not here yet, such as a contact read before its company.

    ``owner_remote_id`` of ``entity`` names ``target_remote_id`` of ``target_entity`` in ``field``.
    """

    __tablename__ = "core_pending_reference"
    __entity__ = "pending_reference"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("backend_id", "entity", "owner_remote_id", "field", "target_remote_id"),
        Index(None, "backend_id", "target_entity", "target_remote_id"),
    )

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    owner_remote_id: Mapped[str]
    field: Mapped[str]
    target_entity: Mapped[str]
    target_remote_id: Mapped[str]


class PushItem(Keyed):
    """A local record that may differ from what the remote has, to be looked at by the next push.

    ``revision`` counts up when it changes again meanwhile, ``sent_at`` is set before a record is
    made over there, so that a lost reply is noticed. One that could not be written is set aside
    with the reason and stays.
    """

    __tablename__ = "core_push_item"
    __entity__ = "push_item"
    __scope__ = ByRecord(SYNC_VIEW)
    __personal__ = ("label", "reason")
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("backend_id", "entity", "local_id"),
        Index(None, "backend_id", "is_set_aside", "entity", "id"),
    )

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    entity: Mapped[str]
    local_id: Mapped[UUID]
    revision: Mapped[int] = mapped_column(default=1)
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    is_set_aside: Mapped[bool] = mapped_column(default=False)
    label: Mapped[str | None]
    code: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(Told())
    attempts: Mapped[int] = mapped_column(default=0)
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
