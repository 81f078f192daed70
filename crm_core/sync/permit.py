"""Whether this database may write to a backend: its plan was accepted, and it is not a copy.

A copied or restored database holds what the original last agreed on with the ERP, and must not undo
what the original has done since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text

from crm_core.entities.sync import Backend, SyncCursor
from crm_core.entities.system import Setting
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.dump import RESTORED_AT
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named
from crm_core.sync.apply import APPLIERS
from crm_core.sync.push_queue import enqueue_everything


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a run writes to its backend; ``refusal`` says why not and what to do, else None.

    ``is_accepted`` tells that the plan was accepted: both sides are then merged field by field,
    even while a copy's writes are held back. ``is_reconciling`` tells that this database was copied
    or restored and no run has brought it in step since: what it holds may be older than it seems.
    """

    is_accepted: bool
    refusal: str | None
    is_reconciling: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything may be written."""
        return self.refusal is None


def permit_of(uow: UnitOfWork, backend: Backend) -> Permit:
    """Return whether this database may write to a backend."""
    return permits_of(uow, [backend])[backend.id]


def permits_of(uow: UnitOfWork, backends: Iterable[Backend] | None = None) -> dict[UUID, Permit]:
    """Return whether this database may write to these backends, or to all, by key."""
    listed = list(uow.scalars(select(Backend)) if backends is None else backends)
    if all(backend.plan_accepted_at is None for backend in listed):
        return {backend.id: _permit(backend, None, "") for backend in listed}
    restored_at, here = _restored_at(uow), place_of(uow.database)
    return {backend.id: _permit(backend, restored_at, here) for backend in listed}


def _restored_at(uow: UnitOfWork) -> datetime | None:
    restored = uow.scalar(select(Setting.value).where(Setting.key == RESTORED_AT))
    return datetime.fromisoformat(restored) if restored else None


def _permit(backend: Backend, restored_at: datetime | None, here: str) -> Permit:
    name = backend.name
    if backend.plan_accepted_at is None:
        return Permit(
            is_accepted=False,
            refusal=t(
                "Nothing is written to {name} before its plan was accepted: see crm sync plan "
                "{name}, then crm sync run {name} --accept-plan.",
                name=name,
            ),
        )
    is_stale = restored_at and (backend.confirmed_at is None or backend.confirmed_at < restored_at)
    if is_stale or backend.writes_from != here:
        refusal = (
            t(
                "This database was restored from a backup, so nothing is written to {name}. If it "
                "is the one that shall write from now on, and no other does: crm backend confirm "
                "{name}.",
                name=name,
            )
            if is_stale
            else t(
                "This database is a copy, or was moved, so nothing is written to {name}. If it is "
                "the one that shall write from now on, and no other does: crm backend confirm "
                "{name}.",
                name=name,
            )
        )
        return Permit(is_accepted=True, refusal=refusal, is_reconciling=True)
    return Permit(is_accepted=True, refusal=None, is_reconciling=is_reconciling(backend))


def is_reconciling(backend: Backend) -> bool:
    """Return whether no run has left nothing out since this database was confirmed."""
    return backend.plan_accepted_at is not None and backend.reconciled_at is None


def plan_was_shown(uow: UnitOfWork, name: str) -> None:
    """Remember that a backend's plan was shown; it can be accepted from now on."""
    backend = backend_named(uow, name)
    backend.plan_shown_at = backend.updated_at = uow.now


def accept_plan(uow: UnitOfWork, name: str) -> None:
    """Let this database write to a backend from now on, and queue all there is.

    Raises:
        RuleViolationError: Its plan was never shown.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    if backend.plan_shown_at is None:
        raise RuleViolationError(
            t(
                "The plan of {name} was not shown yet: see it first with crm sync plan {name}.",
                name=name,
            ),
            code="core.sync.plan_not_shown",
        )
    if backend.plan_accepted_at is None:
        backend.plan_accepted_at = uow.now
        _confirm(uow, backend)
        backend.reconciled_at = backend.confirmed_at
        enqueue_everything(uow, backend.id)
        # Plugins' records are told anew to a backend that has no cursor of theirs.
        uow.execute(
            delete(SyncCursor)
            .where(SyncCursor.backend_id == backend.id, SyncCursor.entity.not_in(APPLIERS))
            .execution_options(synchronize_session=False)
        )


def confirm_backend(uow: UnitOfWork, name: str) -> None:
    """Say that this database, copied, moved or restored, is the one that writes to a backend.

    Raises:
        RuleViolationError: Its plan was not accepted.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    if backend.plan_accepted_at is None:
        raise RuleViolationError(
            t(
                "Nothing is written to {name} yet: see its plan (crm sync plan {name}) and accept "
                "it (crm sync run {name} --accept-plan).",
                name=name,
            ),
            code="core.sync.plan_not_accepted",
        )
    _confirm(uow, backend)


def note_reconciled(uow: UnitOfWork, backend_id: UUID, hindrances: Sequence[str]) -> None:
    """Remember that a database that was restored or copied is in step again, or why it is not."""
    backend = uow.get(Backend, backend_id)
    if not hindrances:
        backend.reconciled_at = uow.now
    if backend.hindrances != list(hindrances):
        backend.hindrances = list(hindrances)


def _confirm(uow: UnitOfWork, backend: Backend) -> None:
    restored_at = _restored_at(uow)
    backend.writes_from = place_of(uow.database)
    backend.updated_at = uow.now
    # The clock may have been set back since it was restored.
    backend.confirmed_at = max(uow.now, restored_at) if restored_at else uow.now
    backend.reconciled_at, backend.hindrances = None, []
    uow.flush()


def place_of(database: Database) -> str:
    """Return what tells this database from a copy of it.

    For PostgreSQL the cluster's own number and the database's in it; for SQLite the file's path and
    number on its disk, which a copy does not share.
    """
    if database.path is not None:
        path = database.path.resolve()
        return f"sqlite:{path}:{path.stat().st_ino}"
    with database.engine.connect() as connection:
        may_ask, oid = connection.execute(text(_DATABASE)).one()
        cluster = connection.scalar(text(_CLUSTER if may_ask else _SERVER))
    return f"postgresql:{cluster}:{oid}"


_DATABASE = (
    "SELECT has_function_privilege('pg_control_system()', 'execute'), oid "
    "FROM pg_database WHERE datname = current_database()"
)
_CLUSTER = "SELECT system_identifier FROM pg_control_system()"
_SERVER = "SELECT concat(inet_server_addr(), ':', current_setting('port'))"
"""Where the cluster's number is hidden, as some hosts do."""
