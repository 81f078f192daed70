"""How far work is, noted in the database now and then for whoever watches from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update

from crm_core.access import Actor
from crm_core.entities.sync import SyncRun
from crm_core.errors import LockedError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.sync.context import Progress

log = structlog.get_logger(__name__)
SECONDS = 2.0
"""Between two notes: nobody reads faster, and writing is not free."""


def noting(
    database: Database,
    actor: Actor,
    note: Callable[[UnitOfWork, dict[str, Any]], None],
    also: Progress | None = None,
) -> Progress:
    """Return what is told of each page and notes it; ``also`` is told of each as well.

    Args:
        database: Where to note it, in short transactions of their own.
        actor: On whose behalf.
        note: Writes ``stage``, ``done`` and ``total``.
        also: Somebody else who watches.
    """
    noted_at = time.monotonic()

    def tell(stage: str, done: int, total: int | None) -> None:
        nonlocal noted_at
        if also is not None:
            also(stage, done, total)
        if time.monotonic() - noted_at < SECONDS:
            return
        noted_at = time.monotonic()
        try:
            with unit_of_work(database, actor=actor, write=True) as uow:
                note(uow, {"stage": stage, "done": done, "total": total})
                uow.commit()
        except LockedError:  # others write: what is shown may lag, the work may not
            log.debug("progress not noted", stage=stage)

    return tell


def noting_run(
    database: Database, actor: Actor, run_id: UUID | None, also: Progress | None
) -> Progress | None:
    """Return what notes in a run's record how far it is; a dry run has none."""
    if run_id is None:
        return also

    def note(uow: UnitOfWork, told: dict[str, Any]) -> None:
        statement = update(SyncRun).where(SyncRun.id == run_id, SyncRun.state == "running")
        statement = statement.values(counts={"progress": told})
        uow.execute(statement.execution_options(synchronize_session=False))

    return noting(database, actor, note, also)
