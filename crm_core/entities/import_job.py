"""Imports that run in the background, and how the headings of files were mapped before."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Versioned
from crm_core.persistence.scope import ByOwner, Public
from crm_core.persistence.types import JsonTold, JsonValue, Told

IMPORT = "core.customer.import"


class ImportState(StrEnum):
    """How far an import is; what was ``stopped`` or ``failed`` may have written a part."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    TO_UNDO = "to_undo"
    UNDOING = "undoing"
    UNDONE = "undone"


class ImportJob(Versioned):
    """A file of customers that the worker imports, and what came of it.

    The bytes of the file and those of the file of faults lie in the folder of attachments under
    their SHA-256. Entries of the audit bear ``import:`` and this id as their origin; that is what
    undoing goes by, among the entries from ``first_audit_id`` to ``last_audit_id``.
    """

    __tablename__ = "core_import_job"
    __entity__ = "import_job"
    __scope__ = ByOwner(IMPORT)
    __personal__ = ("file_name", "result", "undo")
    __audited__ = False
    __table_args__ = (Index(None, "state", "id"), Index(None, "owner_id", "id"))

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id"))
    file_name: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    match: Mapped[list[str]] = mapped_column(JsonValue)
    columns: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    """Heading of the file to the column that it means; blank leaves it out."""
    is_dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default=ImportState.WAITING.value)
    is_stop_asked: Mapped[bool] = mapped_column(default=False)
    began_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JsonValue, nullable=True)
    """``stage``, ``done`` and ``total``."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonTold(), nullable=True)
    """The counts of ``ImportReport`` and the first faults."""
    faults_sha256: Mapped[str | None]
    message: Mapped[str | None] = mapped_column(Told())
    """Why it failed."""
    first_audit_id: Mapped[int | None] = mapped_column(BigInteger)
    last_audit_id: Mapped[int | None] = mapped_column(BigInteger)
    undo: Mapped[dict[str, Any] | None] = mapped_column(JsonTold(), nullable=True)
    """Who asked for the undoing (``by``); then ``removed``, ``restored``, ``kept`` and ``left``."""


class ImportMapping(Base):
    """What the headings of a file meant when such a file was imported last."""

    __tablename__ = "core_import_mapping"
    __entity__ = "import_mapping"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False

    headings_hash: Mapped[str] = mapped_column(primary_key=True)
    columns: Mapped[dict[str, str]] = mapped_column(JsonValue)
    used_at: Mapped[datetime]
