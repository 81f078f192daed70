"""Ending work from elsewhere: asked for in its record, which the work looks at while it goes on.

A run has a record of its own; a dry run, a plan and the applying of one have the request for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update

from crm_core.access import Actor
from crm_core.entities.sync import SyncLock, SyncRun
from crm_core.entities.sync_request import RequestKind, RequestState, SyncRequest
from crm_core.entities.system import AuditEntry
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.backends import backend_named
from crm_core.sync.lock import give_back, is_gone, is_held
from crm_core.sync.requests import RIGHTS, RUN
from crm_core.sync.run_record import close_lost

SECONDS = 2.0
"""Between two looks: a run of many small batches asks for no more than that."""
STOPPABLE = (RequestKind.DRY_RUN, RequestKind.PLAN, RequestKind.APPLY)
"""What is stopped by its request; whatever else runs long has a run of its own."""


def ask_stop(uow: UnitOfWork, run_id: UUID) -> bool:
    """Have a run end at its next page, batch or step, whichever process it runs in.

    One whose process is gone can hear nobody: it is closed, and its lease given back.

    Returns:
        Whether it is heard; False where the process was gone.

    Raises:
        NotFoundError: There is no such run.
        RuleViolationError: It has ended already.
    """
    uow.actor.require(RUN)
    run = uow.get(SyncRun, run_id)
    is_heard = is_alive(uow, run.backend_id, run_id)
    if is_heard:
        # Whoever asked first stays named.
        asked_by = func.coalesce(SyncRun.stop_asked_by, uow.actor.login)
        running = update(SyncRun).where(SyncRun.id == run_id, SyncRun.state == "running")
        changed: Any = uow.execute(
            running.values(stop_asked_by=asked_by).execution_options(synchronize_session=False)
        )
        is_done = changed.rowcount != 1
    else:
        # In the order in which a run that takes over touches them: neither waits for the other.
        give_back(uow, run.backend_id, run_id)
        is_done = not close_lost(uow, run.backend_id, run_id)
    if is_done:
        raise RuleViolationError(t("That run has ended already."), code="core.sync.run_ended")
    told = {"stop_asked_by": [run.stop_asked_by, uow.actor.login]}
    uow.add(AuditEntry(**audit_row(uow.actor, "stop", SyncRun.__entity__, run_id, None, told)))
    uow.flush()
    uow.session.expire(run)
    return is_heard


def ask_stop_request(uow: UnitOfWork, request_id: UUID) -> None:
    """Have a dry run, a plan or the applying of one end at its next page or batch.

    What was applied by then is kept; the plan may be applied again for the rest.

    Raises:
        NotFoundError: There is no such request.
        RuleViolationError: It is none of these, has ended already, or has not begun.
    """
    request = uow.get(SyncRequest, request_id)
    kind = RequestKind(request.kind)
    for right in RIGHTS[kind]:
        uow.actor.require(right)
    running = update(SyncRequest).where(
        SyncRequest.id == request_id,
        SyncRequest.kind.in_(STOPPABLE),
        SyncRequest.state == RequestState.RUNNING.value,
    )
    asked_by = func.coalesce(SyncRequest.stop_asked_by, uow.actor.login)
    changed: Any = uow.execute(
        running.values(stop_asked_by=asked_by).execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:
        raise RuleViolationError(
            t("There is nothing to stop: it has ended, has not begun, or is a run of its own."),
            code="core.sync.not_stoppable",
        )
    told = {"stop_asked_by": [request.stop_asked_by, uow.actor.login]}
    uow.add(
        AuditEntry(**audit_row(uow.actor, "stop", SyncRequest.__entity__, request_id, None, told))
    )
    uow.flush()
    uow.session.expire(request)


def stoppable_of(uow: UnitOfWork, name: str) -> UUID | None:
    """Return the request of a backend that is under way and can be stopped; None for none."""
    under_way = select(SyncRequest.id).where(
        SyncRequest.backend_id == backend_named(uow, name).id,
        SyncRequest.kind.in_(STOPPABLE),
        SyncRequest.state == RequestState.RUNNING.value,
    )
    found: UUID | None = uow.scalar(under_way.order_by(SyncRequest.id.desc()).limit(1))
    return found


def running_of(uow: UnitOfWork, name: str) -> UUID:
    """Return the run of a backend that is under way.

    Raises:
        RuleViolationError: There is none.
    """
    backend = backend_named(uow, name)
    running = select(SyncRun.id).where(SyncRun.backend_id == backend.id, SyncRun.state == "running")
    run_id: UUID | None = uow.scalar(running.order_by(SyncRun.id.desc()).limit(1))
    if run_id is None:
        raise RuleViolationError(
            t("No run of {name} is under way.", name=name), code="core.sync.none_running"
        )
    return run_id


def is_alive(uow: UnitOfWork, backend_id: UUID, run_id: UUID) -> bool:
    """Return whether a run that has not ended still holds its lease, as far as can be told."""
    held = uow.execute(
        select(SyncLock.holder, SyncLock.expires_at).where(
            SyncLock.backend_id == backend_id, SyncLock.token == run_id
        )
    ).first()
    return held is not None and is_held(held.expires_at, uow.now) and not is_gone(held.holder)


def heard(database: Database, actor: Actor, run_id: UUID | None) -> Callable[[], str | None]:
    """Return what tells who asked a run to stop; a dry run, which has no record, is asked nothing.

    It looks at most every :data:`SECONDS`, so runs that end sooner never do.
    """
    if run_id is None:
        return lambda: None
    return _looking(database, actor, select(SyncRun.stop_asked_by).where(SyncRun.id == run_id))


def request_heard(database: Database, actor: Actor, request_id: UUID) -> Callable[[], str | None]:
    """Return what tells who asked for the end of what a request is about; see :func:`heard`."""
    statement = select(SyncRequest.stop_asked_by).where(SyncRequest.id == request_id)
    return _looking(database, actor, statement)


def _looking(database: Database, actor: Actor, statement: Select[Any]) -> Callable[[], str | None]:
    looked_at = time.monotonic()
    asked_by: str | None = None

    def look() -> str | None:
        nonlocal looked_at, asked_by
        if asked_by is None and time.monotonic() - looked_at >= SECONDS:
            looked_at = time.monotonic()
            with unit_of_work(database, actor=actor) as uow:
                asked_by = uow.scalar(statement)
        return asked_by

    return look
