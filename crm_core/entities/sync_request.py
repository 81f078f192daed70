"""What people ask the worker to do with a backend, and the plan of its first sync."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import ByRight, ByRightOverAll
from crm_core.persistence.types import JsonTold, JsonValue, Told


class RequestKind(StrEnum):
    """What is asked for.

    ``run`` and ``dry_run`` a sync, ``retry`` one of what was set aside, ``plan`` to match both
    sides' customers, ``apply`` to do what that plan says, ``check`` to try the connection.
    """

    RUN = "run"
    DRY_RUN = "dry_run"
    RETRY = "retry"
    PLAN = "plan"
    APPLY = "apply"
    CHECK = "check"


class RequestState(StrEnum):
    """How far a request is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"


_IS_WAITING = column("state", String()) == RequestState.WAITING.value


class SyncRequest(Keyed):
    """Something to be done with a backend, which the worker takes up once at its next round.

    ``holder`` is the process that carries it out and ``seen_at`` when it last gave a sign;
    ``progress`` holds ``stage``, ``done`` and ``total``; ``result`` is what came of it, by kind.
    """

    __tablename__ = "core_sync_request"
    __entity__ = "sync_request"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ("result",)
    __audited__ = False
    __table_args__ = (
        Index(None, "backend_id", "id"),
        Index(
            "uq_core_sync_request_waiting",
            "backend_id",
            "kind",
            unique=True,
            sqlite_where=_IS_WAITING,
            postgresql_where=_IS_WAITING,
        ),
    )

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    kind: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    state: Mapped[str] = mapped_column(default=RequestState.WAITING.value)
    asked_at: Mapped[datetime]
    asked_by: Mapped[str]
    holder: Mapped[str | None]
    began_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JsonValue, nullable=True)
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonTold(), nullable=True)
    message: Mapped[str | None] = mapped_column(Told())
    stop_asked_by: Mapped[str | None]
    """Login of who asked it to end half-way (``crm_core.sync.stopping``)."""


class SyncPlan(Base):
    """The plan of a backend's first sync that is kept here, to be decided on and applied.

    ``head`` and ``summary`` are those of ``crm_core.sync.planning``.
    """

    __tablename__ = "core_sync_plan"
    __entity__ = "sync_plan"
    __scope__ = ByRightOverAll(SYNC_VIEW)
    __personal__ = ("summary",)
    __audited__ = False

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    head: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    summary: Mapped[dict[str, Any]] = mapped_column(JsonTold())
    made_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]


class SyncPlanRow(Base):
    """One row of a kept plan; ``proposal`` is what the decision was when the plan was made.

    ``refusal`` is why applying it left this row for a new plan.
    """

    __tablename__ = "core_sync_plan_row"
    __entity__ = "sync_plan_row"
    __scope__ = ByRightOverAll(SYNC_VIEW)
    __personal__ = ("local_name", "remote_name")
    __audited__ = False
    __table_args__ = (Index(None, "backend_id", "proposal", "side", "position"),)

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_sync_plan.backend_id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str]
    side: Mapped[str]
    proposal: Mapped[str]
    decision: Mapped[str]
    local_id: Mapped[UUID | None]
    local_name: Mapped[str]
    remote_id: Mapped[str | None]
    remote_name: Mapped[str]
    score: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Told())
    local_state: Mapped[str]
    remote_state: Mapped[str]
    refusal: Mapped[str | None] = mapped_column(Told())
