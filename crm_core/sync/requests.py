"""What people ask the worker to do with a backend: each is taken up once, by one worker.

A request is a row. A worker claims it in a transaction of its own before it begins, so that it is
never begun twice; one whose worker was killed is told as failed and can be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from crm_core.entities.sync import SYNC_VIEW, Backend, DeadLetter, PushItem
from crm_core.entities.sync_request import RequestKind, RequestState, SyncPlan, SyncRequest
from crm_core.errors import NotFoundError, RuleViolationError
from crm_core.messages import Message, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named, seen_by
from crm_core.sync.lock import is_gone, this_process
from crm_core.sync.push_queue import put_back

RUN = "core.sync.run"
RIGHTS: Mapping[str, tuple[str, ...]] = {
    RequestKind.RUN: (RUN,),
    RequestKind.DRY_RUN: (RUN,),
    RequestKind.RETRY: (RUN,),
    RequestKind.PLAN: (RUN,),
    RequestKind.APPLY: (RUN, MANAGE),
    RequestKind.CHECK: (MANAGE,),
}
SILENT = timedelta(hours=1)
"""A request whose worker gave no sign for so long is given up."""
KEPT = timedelta(days=30)
_LISTED = ("id", "backend_id", "kind", "options", "state", "asked_at", "asked_by", "began_at")
_TOLD = (*_LISTED, "seen_at", "ended_at", "stop_asked_by", "progress", "message", "result")


_DOING: Mapping[RequestKind, Callable[[str], Message]] = {
    RequestKind.RUN: lambda name: t("syncing {name}", name=name),
    RequestKind.DRY_RUN: lambda name: t("finding out what a sync of {name} would do", name=name),
    RequestKind.RETRY: lambda name: t("trying again what of {name} was set aside", name=name),
    RequestKind.PLAN: lambda name: t("planning the first sync of {name}", name=name),
    RequestKind.APPLY: lambda name: t("applying the plan of {name}", name=name),
    RequestKind.CHECK: lambda name: t("trying the connection to {name}", name=name),
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request that this process is to carry out."""

    id: UUID
    kind: RequestKind
    backend: Backend
    options: dict[str, Any]
    asked_by: str


def ask(uow: UnitOfWork, name: str, kind: RequestKind, **options: Any) -> UUID:
    """Ask the worker for something; what waits already is done once, with the options of all.

    A run that waits becomes a full one when a full one is asked for, records to be tried again are
    added to those that wait to be.

    Args:
        uow: A writing unit of work.
        name: The backend's.
        kind: What is wanted.
        **options: For a run those of ``crm_core.sync.engine.run``.

    Returns:
        The id of the request.

    Raises:
        RuleViolationError: The backend is switched off, or there is no plan to apply.
    """
    for right in RIGHTS[kind]:
        uow.actor.require(right)
    backend = backend_named(uow, name)
    if not backend.is_enabled and kind != RequestKind.CHECK:
        raise RuleViolationError(
            t("{name} is switched off: switch it on first.", name=name),
            code="core.backend.disabled",
        )
    if kind == RequestKind.APPLY and uow.find(SyncPlan, backend.id) is None:
        raise RuleViolationError(
            t("There is no plan of {name}: make one first.", name=name), code="core.sync.no_plan"
        )
    found = _added(uow, backend.id, kind, options)
    if found is not None:
        return found
    request = uow.add(
        SyncRequest(
            backend_id=backend.id,
            kind=kind.value,
            options=options,
            asked_at=uow.now,
            asked_by=uow.actor.login,
        )
    )
    uow.flush()
    return request.id


def _added(
    uow: UnitOfWork, backend_id: UUID, kind: RequestKind, options: dict[str, Any]
) -> UUID | None:
    """Add options to the request of this kind that waits; None where none does."""
    waits = select(SyncRequest).where(
        SyncRequest.backend_id == backend_id,
        SyncRequest.kind == kind.value,
        SyncRequest.state == RequestState.WAITING.value,
    )
    # Locked, so that no worker begins it before what is asked for now is in it.
    request: SyncRequest | None = uow.scalar(waits.with_for_update())
    if request is None:
        return None
    added = _both(kind, request.options, options)
    if added != request.options:
        request.options = added
        uow.flush()
    return request.id


def _both(kind: RequestKind, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a request that does what either of two asks for."""
    if kind == RequestKind.RETRY:
        chosen = one.get("entities"), other.get("entities")
        entities = sorted({entity for each in chosen for entity in each or ()})
        is_all = one.get("all") or other.get("all") or not all(chosen)
        return ({"entities": entities} if entities else {}) | (
            {"all": True} if entities and is_all else {}
        )
    return {**one, **{name: value for name, value in other.items() if value}}


def ask_retry(
    uow: UnitOfWork,
    name: str,
    *,
    unread: Collection[UUID] | None = None,
    unwritten: Collection[UUID] | None = None,
) -> UUID:
    """Ask for records that were set aside to be tried again: these, or all when none are named.

    Args:
        uow: A writing unit of work.
        name: The backend's.
        unread: Keys of those that could not be read.
        unwritten: Keys of those that could not be written there.
    """
    uow.actor.require(RUN)
    if not (unread or unwritten):
        return ask(uow, name, RequestKind.RETRY)
    backend_id, entities = backend_named(uow, name).id, set[str]()
    for model, ids in ((DeadLetter, unread), (PushItem, unwritten)):
        columns: Any = model
        statement = select(columns.entity).where(
            columns.backend_id == backend_id, columns.id.in_(list(ids or ()))
        )
        entities.update(uow.scalars(statement))
    put_back(uow, backend_id, list(unwritten or ()))
    first = update(DeadLetter).where(DeadLetter.id.in_(list(unread or ())))
    first = first.where(DeadLetter.backend_id == backend_id).values(last_at=DeadLetter.first_at)
    uow.execute(first.execution_options(synchronize_session=False))
    if not entities:
        raise NotFoundError(
            t("Those records are not set aside any more: load the page again."),
            code="core.sync.not_set_aside",
        )
    return ask(uow, name, RequestKind.RETRY, entities=sorted(entities))


def withdraw(uow: UnitOfWork, request_id: UUID) -> None:
    """Take back what the worker has not begun yet."""
    request = uow.get(SyncRequest, request_id)
    for right in RIGHTS[RequestKind(request.kind)]:
        uow.actor.require(right)
    waits = update(SyncRequest).where(
        SyncRequest.id == request_id, SyncRequest.state == RequestState.WAITING.value
    )
    # A worker may begin between reading and writing: only what still waits is taken back.
    taken: Any = uow.execute(waits.values(state=RequestState.WITHDRAWN.value, ended_at=uow.now))
    if taken.rowcount != 1:
        raise RuleViolationError(
            t("The worker has begun with it already."), code="core.sync.request_begun"
        )


def list_requests(
    uow: UnitOfWork, backend_id: UUID | None = None, *, kinds: Collection[str] = (), limit: int = 10
) -> list[dict[str, Any]]:
    """Return what was asked for lately, the latest first, without what came of it."""
    uow.actor.require(SYNC_VIEW)
    columns = [getattr(SyncRequest, name) for name in _TOLD[:-1]]
    statement: Any = select(*columns, Backend.name.label("backend"))
    statement = statement.join(Backend, Backend.id == SyncRequest.backend_id)
    if backend_id is not None:
        statement = statement.where(SyncRequest.backend_id == backend_id)
    if kinds:
        statement = statement.where(SyncRequest.kind.in_(list(kinds)))
    rows = uow.execute(statement.order_by(SyncRequest.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]


def open_requests(uow: UnitOfWork) -> dict[UUID, list[dict[str, Any]]]:
    """Return by backend what waits for the worker or is under way, the oldest first."""
    uow.actor.require(SYNC_VIEW)
    columns = [getattr(SyncRequest, name) for name in _TOLD[:-1]]
    states = (RequestState.WAITING.value, RequestState.RUNNING.value)
    statement = select(*columns).where(SyncRequest.state.in_(states)).order_by(SyncRequest.id)
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in uow.execute(statement):
        found.setdefault(row.backend_id, []).append(dict(row._mapping))
    return found


def show_request(uow: UnitOfWork, request_id: UUID) -> dict[str, Any]:
    """Return one request with what came of it, and the name of its ``backend``."""
    uow.actor.require(SYNC_VIEW)
    request = uow.get(SyncRequest, request_id)
    name = uow.scalar(select(Backend.name).where(Backend.id == request.backend_id))
    told = {key: getattr(request, key) for key in _TOLD}
    return {"backend": name, **told, "result": _seen(uow, request.result)}


def last_request(uow: UnitOfWork, backend_id: UUID, kind: RequestKind) -> dict[str, Any] | None:
    """Return what was last asked for of a kind, with what came of it; None where nothing was."""
    uow.actor.require(SYNC_VIEW)
    columns = [getattr(SyncRequest, name) for name in _TOLD]
    statement: Any = select(*columns).where(
        SyncRequest.backend_id == backend_id, SyncRequest.kind == kind.value
    )
    row = uow.execute(statement.order_by(SyncRequest.id.desc()).limit(1)).first()
    return None if row is None else {**row._mapping, "result": _seen(uow, row.result)}


def _seen(uow: UnitOfWork, result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if result is None else seen_by(uow.actor, result)


# The worker's side.


def doing(kind: RequestKind, name: str) -> Message:
    """Return what a worker is busy with, in words."""
    return _DOING[kind](name)


def is_asked(uow: UnitOfWork) -> bool:
    """Return whether anything waits for a worker."""
    waits = SyncRequest.state == RequestState.WAITING.value
    return uow.scalar(select(SyncRequest.id).where(waits).limit(1)) is not None


def claim(uow: UnitOfWork) -> Claimed | None:
    """Take the oldest request, so that no other worker begins it; the caller commits, then does it.

    What belongs to workers that are gone is told as failed first.
    """
    _give_up_lost(uow)
    statement = (
        select(SyncRequest)
        .where(SyncRequest.state == RequestState.WAITING.value)
        .order_by(SyncRequest.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    request = uow.scalar(statement)
    if request is None:
        return None
    request.state, request.holder = RequestState.RUNNING.value, this_process()
    request.began_at = request.seen_at = uow.now
    uow.flush()
    backend = uow.get(Backend, request.backend_id)
    kind = RequestKind(request.kind)
    return Claimed(request.id, kind, backend, dict(request.options), request.asked_by)


def note_progress(uow: UnitOfWork, request_id: UUID, told: dict[str, Any]) -> None:
    """Note how far a request is."""
    _update(uow, request_id, progress=told, seen_at=uow.now)


def settle(
    uow: UnitOfWork,
    request_id: UUID,
    result: dict[str, Any] | None,
    message: str | None,
    *,
    is_stopped: bool = False,
) -> None:
    """Write down what came of a request; with a message it failed, or a person stopped it."""
    state = RequestState.DONE if message is None else RequestState.FAILED
    if is_stopped:
        state = RequestState.STOPPED
    values = {"state": state.value, "result": result, "message": message, "progress": None}
    _update(uow, request_id, ended_at=uow.now, **values)


def sweep_requests(uow: UnitOfWork) -> None:
    """Delete requests that ended long ago."""
    old = delete(SyncRequest).where(SyncRequest.ended_at < uow.now - KEPT)
    uow.execute(old.execution_options(synchronize_session=False))


def _give_up_lost(uow: UnitOfWork) -> None:
    statement = select(SyncRequest.id, SyncRequest.holder, SyncRequest.seen_at).where(
        SyncRequest.state == RequestState.RUNNING.value
    )
    rows: Sequence[Any] = uow.execute(statement).all()
    for row in rows:
        if is_gone(row.holder or "") or abs(uow.now - row.seen_at) > SILENT:
            message = t("The worker was stopped half-way. What it had done is kept; ask again.")
            settle(uow, row.id, None, message)


def _update(uow: UnitOfWork, request_id: UUID, **values: Any) -> None:
    statement = update(SyncRequest).where(SyncRequest.id == request_id).values(**values)
    uow.execute(statement.execution_options(synchronize_session=False))
