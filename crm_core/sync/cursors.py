"""How far entities were read: opened for a sweep, refused where it cannot be right, set back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Update, select, update
from sqlalchemy.exc import DataError

from crm_core.entities.sync import SyncCursor
from crm_core.errors import FatalSyncError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import lock
from crm_core.sync.context import SyncContext
from crm_core.sync.protocol import CURSOR, RemoteEntity


def check_cursors(context: SyncContext, entities: Collection[str], latest: datetime) -> None:
    """Refuse to read on from a cursor that cannot be right.

    Args:
        context: The run.
        entities: Those that it reads.
        latest: No mark may lie behind this moment of the remote's clock.

    Raises:
        FatalSyncError: A cursor cannot be read, or lies in the future: whatever changed before that
            moment would never be read.
    """
    columns = (SyncCursor.mark, SyncCursor.sweep_mark, SyncCursor.refreshed_at)
    for entity in sorted(entities):
        statement = select(*columns).where(*_of(context, entity))
        with context.reading() as uow:
            try:
                found = uow.execute(statement).first()
            except (ValueError, DataError):
                _refuse(context, entity, t("cannot be read: it is no moment"))
        for mark in (found.mark, found.sweep_mark) if found else ():
            if mark is not None and mark > latest:
                _refuse(
                    context,
                    entity,
                    t(
                        "stands at {mark:%Y-%m-%d %H:%M} UTC, and the clock over there at "
                        "{latest:%Y-%m-%d %H:%M}: one of its clocks is or was wrong",
                        mark=mark,
                        latest=latest,
                    ),
                )


def reset_cursors(
    context: SyncContext, wanted: Collection[str] | None, left_out: Collection[str]
) -> None:
    """Forget how far entities were read, whatever stands there, so that all is read again.

    Also those that cannot be read now: once they can, all of it is.
    """
    if context.dry_run:
        return
    times = ("mark", "sweep_mark", "sweep_after", "refreshed_at", "began_at", "swept_at")
    with context.writing() as uow:
        uow.execute(tried(context, wanted, left_out, **dict.fromkeys(times)))
        uow.commit()


def tried(
    context: SyncContext,
    wanted: Collection[str] | None,
    left_out: Collection[str],
    **values: datetime | None,
) -> Update:
    """Return the statement that remembers when these were tried, or swept, last.

    Also those that could not be read, for want of a right or since their plugin is off: their turn
    comes again like any other's, or they would be due for ever.
    """
    chosen = [SyncCursor.entity.in_(wanted)] if wanted is not None else []
    statement = update(SyncCursor).where(
        SyncCursor.backend_id == context.backend_id, SyncCursor.entity.not_in(left_out), *chosen
    )
    return statement.values(**values).execution_options(synchronize_session=False)


def open_cursor(
    context: SyncContext, entity: RemoteEntity, server_time: datetime, *, full: bool
) -> SyncCursor:
    """Return an entity's cursor, set for this sweep: a new one, or one to be gone on with.

    How it is set is written with the first page: a run with nothing to do is all commits.

    Args:
        context: The run.
        entity: Which.
        server_time: The remote's clock, asked before anything was read.
        full: Read all of it, whatever the cursor says.
    """
    writes = not context.dry_run
    with unit_of_work(context.database, actor=context.actor, write=writes) as uow:
        if writes:
            lock.renew(uow, context.backend_id, context.token)
        cursor = uow.find(SyncCursor, (context.backend_id, entity.name))
        is_new = cursor is None
        if cursor is None:
            cursor = SyncCursor(backend_id=context.backend_id, entity=entity.name)
            if writes:
                uow.add(cursor)
        stale = cursor.mapping_digest != entity.mapping_digest
        cursor.began_at = context.began_at
        if stale or full:
            cursor.mark = None
        if stale or full or cursor.sweep_mark is None:
            cursor.sweep_after = None
            cursor.sweep_mark = server_time
            if cursor.mark is None:
                cursor.full_at = context.began_at
        cursor.mapping_digest = entity.mapping_digest
        if is_new and writes:
            uow.commit()
        else:
            uow.session.expunge_all()
    return cursor


def moved(context: SyncContext, entity: str, **values: Any) -> Update:
    """Return the statement that sets columns of one entity's cursor."""
    statement = update(SyncCursor).where(*_of(context, entity)).values(**values)
    return statement.execution_options(synchronize_session=False)


def _of(context: SyncContext, entity: str) -> tuple[Any, ...]:
    return SyncCursor.backend_id == context.backend_id, SyncCursor.entity == entity


def _refuse(context: SyncContext, entity: str, why: str) -> NoReturn:
    name = context.backend_name
    raise FatalSyncError(
        t(
            "The mark up to which {entity} records of {name} were read {why}. Nothing was read or "
            "written. Look at both clocks, then read all of them again: crm sync run {name} "
            "--full --entity {entity}",
            entity=entity,
            name=name,
            why=why,
        ),
        code=CURSOR,
        details={"entity": entity},
    )
