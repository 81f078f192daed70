"""Backends: the remotes that this front office is in step with, and what removing one takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.orm import aliased

from crm_core.access import Actor, Reach
from crm_core.entities.sync import (
    SYNC_VIEW,
    Backend,
    Binding,
    DeadLetter,
    PushItem,
    SyncLock,
    SyncRun,
)
from crm_core.errors import DuplicateError, InputError, LockedError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import ids_by_digits, only_one

MANAGE = "core.backend.manage"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def add_backend(
    uow: UnitOfWork, *, name: str, type_name: str, config: Mapping[str, str], secret_ref: str | None
) -> Backend:
    """Add a remote; nothing is asked of it yet.

    Args:
        uow: The unit of work.
        name: What commands call it: lower-case letters, digits, ``-`` and ``_``.
        type_name: A backend type that a plugin offers.
        config: Option name to value; never a secret.
        secret_ref: ``file:PATH``, ``env:NAME``, ``keyring:NAME``, or None where it needs none.

    Raises:
        InputError: The name will not do.
        DuplicateError: The name is taken.
    """
    uow.actor.require(MANAGE)
    if not _NAME.fullmatch(name):
        raise InputError(
            t(
                "{name!r} cannot be a backend's name: use up to 40 lower-case letters, digits, - "
                "and _, beginning with a letter or digit.",
                name=name,
            ),
            code="core.backend.name",
            details={"name": name},
        )
    if uow.scalar(select(Backend.id).where(Backend.name == name)) is not None:
        raise DuplicateError(
            t(
                "There is a backend {name} already: choose another name, or remove it first.",
                name=name,
            ),
            code="core.backend.exists",
            details={"name": name},
        )
    backend = Backend(
        name=name,
        type=type_name,
        config=dict(config),
        secret_ref=secret_ref,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.add(backend)
    uow.flush()
    return backend


def backend_named(uow: UnitOfWork, name: str) -> Backend:
    """Return a backend by name; raises NotFoundError listing those there are."""
    uow.actor.require(SYNC_VIEW)
    backend: Backend | None = uow.scalar(select(Backend).where(Backend.name == name))
    if backend is None:
        names = list(uow.scalars(select(Backend.name).order_by(Backend.name)))
        raise NotFoundError(
            t(
                "There is no backend {name!r}; known are {known}.",
                name=name,
                known=", ".join(names),
            )
            if names
            else t("There is no backend {name!r}; none is set up: crm backend add.", name=name),
            code="core.backend.not_found",
            details={"backends": names},
        )
    return backend


def enabled_backends(uow: UnitOfWork) -> list[Backend]:
    """Return the backends that the worker runs, by name."""
    return list(uow.scalars(select(Backend).where(Backend.is_enabled).order_by(Backend.name)))


def list_backends(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return every backend and how it stands, by name.

    Each has ``id, name, type, is_enabled, config, secret_ref``; ``hindrances``, why it is not in
    step since this database was confirmed; its latest run as ``run_id, run_state, started_at,
    finished_at, message``; when it last went through as ``succeeded_at``;
    ``set_aside`` records, of both directions; ``writes``, whether it is written to; and
    ``running_by``, the process that holds it, or None.
    """
    uow.actor.require(SYNC_VIEW)
    columns = ("id", "name", "type", "is_enabled", "config", "secret_ref", "hindrances")
    succeeded = SyncRun.state.in_(("done", "partly"))
    statement = (
        select(
            *(getattr(Backend, name) for name in columns),
            Backend.plan_accepted_at,
            SyncRun.id.label("run_id"),
            SyncRun.state.label("run_state"),
            SyncRun.started_at,
            SyncRun.finished_at,
            SyncRun.message,
            _of_backend(SyncRun, func.max(SyncRun.finished_at), succeeded, "succeeded_at"),
            _of_backend(DeadLetter, func.count(), true(), "unread"),
            _of_backend(PushItem, func.count(), PushItem.is_set_aside, "unwritten"),
            _of_backend(SyncLock, SyncLock.holder, SyncLock.expires_at > uow.now, "running_by"),
        )
        .outerjoin(SyncRun, SyncRun.id == _newest_run())
        .order_by(Backend.name)
    )
    return [
        {
            **{name: row._mapping[name] for name in (*columns, *_RUN, "succeeded_at")},
            "set_aside": row.unread + row.unwritten,
            "writes": _writes(row.plan_accepted_at),
            "running_by": row.running_by,
        }
        for row in uow.execute(statement)
    ]


def removal_effects(uow: UnitOfWork, backend_id: UUID) -> dict[str, int]:
    """Return how many ``bindings``, ``runs`` and ``set_aside`` records would go with a backend."""
    counted = {"bindings": Binding, "runs": SyncRun, "set_aside": DeadLetter}
    return {
        name: uow.scalar(
            select(func.count()).select_from(model).where(model.backend_id == backend_id)  # type: ignore[attr-defined]
        )
        for name, model in counted.items()
    }


def remove_backend(uow: UnitOfWork, name: str) -> Backend:
    """Remove a remote with its bindings, runs and set-aside records; customers and documents stay.

    Raises:
        NotFoundError: There is none of that name.
        LockedError: A run is under way.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    held = uow.find(SyncLock, backend.id)
    if held is not None and held.expires_at > uow.now:
        raise LockedError(
            t(
                "A run of {name} is under way ({holder}): wait for it to end or stop it.",
                name=name,
                holder=held.holder,
            ),
            code="core.sync.locked",
        )
    uow.delete(backend)
    uow.flush()
    return backend


def list_runs(
    uow: UnitOfWork,
    backend_id: UUID | None = None,
    *,
    state: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return sync runs, the latest first, of one backend or of all, in one state or in any."""
    uow.actor.require(SYNC_VIEW)
    statement = _runs()
    if backend_id is not None:
        statement = statement.where(SyncRun.backend_id == backend_id)
    if state is not None:
        statement = statement.where(SyncRun.state == state)
    keys = (SyncRun.started_at, SyncRun.id)
    page = page_of(uow, statement, keys=keys, limit=limit, cursor=cursor, descending=True)
    items = [{**item, "counts": seen_by(uow.actor, item["counts"])} for item in page.items]
    return Page(items, page.next_cursor)


def seen_by(actor: Actor, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run tells of itself: names of records only to those who read all customers."""
    if actor.reach(CUSTOMER_VIEW) is Reach.ALL:
        return dict(told)
    pushed = {
        entity: {**counts, "examples": {}} for entity, counts in told.get("pushed", {}).items()
    }
    return {name: value for name, value in told.items() if name not in _NAMING} | (
        {"pushed": pushed} if pushed else {}
    )


def run_named(uow: UnitOfWork, text: str) -> dict[str, Any]:
    """Return a sync run by its id, or by the first eight or more digits of it.

    Raises:
        NotFoundError: There is none.
        InputError: Several begin like that.
    """
    uow.actor.require(SYNC_VIEW)
    run_id = only_one(
        ids_by_digits(uow, SyncRun.id, text),
        text,
        code="core.sync_run",
        several=t("{text!r} fits several sync runs: give more of the id.", text=text),
        missing=t("There is no sync run {text!r}: see crm sync history.", text=text),
    )
    run = dict(uow.execute(_runs().where(SyncRun.id == run_id)).one()._mapping)
    return {**run, "counts": seen_by(uow.actor, run["counts"])}


def list_set_aside(
    uow: UnitOfWork, backend_id: UUID, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return the records of a backend that cannot be synced now, with the reason of each."""
    uow.actor.require(SYNC_VIEW)
    statement: Any = select(
        DeadLetter.id,
        DeadLetter.entity,
        DeadLetter.remote_id,
        DeadLetter.label,
        DeadLetter.code,
        DeadLetter.reason,
        DeadLetter.attempts,
        DeadLetter.first_at,
        DeadLetter.last_at,
    ).where(DeadLetter.backend_id == backend_id)
    return page_of(uow, statement, keys=(DeadLetter.id,), limit=limit, cursor=cursor)


def set_aside_entities(uow: UnitOfWork, backend_id: UUID) -> list[str]:
    """Return the entities of a backend that have records set aside."""
    uow.actor.require(SYNC_VIEW)
    statement = select(DeadLetter.entity).where(DeadLetter.backend_id == backend_id).distinct()
    unwritten = (
        select(PushItem.entity)
        .where(PushItem.backend_id == backend_id, PushItem.is_set_aside)
        .distinct()
    )
    return sorted({*uow.scalars(statement), *uow.scalars(unwritten)})


def list_unwritten(
    uow: UnitOfWork, backend_id: UUID, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return the local records that could not be written to a backend, with the reason of each."""
    uow.actor.require(SYNC_VIEW)
    statement: Any = select(
        PushItem.id,
        PushItem.entity,
        PushItem.local_id,
        PushItem.label,
        PushItem.code,
        PushItem.reason,
        PushItem.attempts,
        PushItem.first_at,
        PushItem.last_at,
    ).where(PushItem.backend_id == backend_id, PushItem.is_set_aside)
    return page_of(uow, statement, keys=(PushItem.id,), limit=limit, cursor=cursor)


def _writes(accepted_at: datetime | None) -> str:
    if accepted_at is None:
        return t("not before its plan was accepted")
    return t("since {accepted_at:%Y-%m-%d}", accepted_at=accepted_at)


_NAMING = ("pushed", "warnings", "plan")
"""Of what a run tells, what may name records."""
_RUN = ("run_id", "run_state", "started_at", "finished_at", "message")


def _newest_run() -> Any:
    later = aliased(SyncRun)
    newest = select(later.id).where(later.backend_id == Backend.id)
    newest = newest.order_by(later.started_at.desc(), later.id.desc()).limit(1)
    return newest.correlate(Backend).scalar_subquery()


def _of_backend(model: Any, what: Any, where: Any, name: str) -> Any:
    """Return a subquery that tells one thing of each backend."""
    told = select(what).select_from(model).where(model.backend_id == Backend.id, where)
    return told.correlate(Backend).scalar_subquery().label(name)


def _runs() -> Any:
    return select(
        SyncRun.id,
        SyncRun.backend_id,
        Backend.name.label("backend"),
        SyncRun.state,
        SyncRun.started_at,
        SyncRun.finished_at,
        SyncRun.counts,
        SyncRun.remote_calls,
        SyncRun.message,
        SyncRun.stop_asked_by,
    ).join(Backend, Backend.id == SyncRun.backend_id)
