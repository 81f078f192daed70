"""One run per backend at a time: a lease in the database, taken over when its holder is gone."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from crm_core.access import Actor
from crm_core.entities.sync import Backend, SyncLock
from crm_core.errors import FatalSyncError, LockedError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work

LEASE = timedelta(minutes=10)
"""Longer than any single step between two renewals."""
LOCKED = "core.sync.locked"
"""Code of the refusal to run a backend that another run holds."""


def acquire(database: Database, actor: Actor, backend_id: UUID, backend_name: str) -> UUID:
    """Take the lease of a backend in a transaction of its own, and return its token.

    Raises:
        LockedError: Another run holds it and is still alive as far as can be told.
    """
    with unit_of_work(database, actor=actor, write=True) as uow:
        token = take(uow, backend_id, backend_name)
        uow.commit()
    return token


def take(uow: UnitOfWork, backend_id: UUID, backend_name: str) -> UUID:
    """Take the lease of a backend and return its token; LockedError where another run holds it."""
    # The backend's row always exists, so two that find no lease wait for each other here.
    uow.execute(select(Backend.id).where(Backend.id == backend_id).with_for_update(key_share=True))
    held = uow.execute(
        select(SyncLock.holder, SyncLock.expires_at).where(SyncLock.backend_id == backend_id)
    ).first()
    if held is not None and is_held(held.expires_at, uow.now) and not is_gone(held.holder):
        raise LockedError(
            t(
                "Another run of {backend_name} is under way ({holder}). Wait for it to end; if "
                "that process is gone, its lock ends by itself at {expires_at:%H:%M} UTC.",
                backend_name=backend_name,
                holder=held.holder,
                expires_at=held.expires_at,
            ),
            code=LOCKED,
            details={"holder": held.holder},
        )
    token = new_id()
    uow.execute(delete(SyncLock).where(SyncLock.backend_id == backend_id))
    uow.execute(
        insert(SyncLock).values(
            backend_id=backend_id, token=token, holder=this_process(), expires_at=uow.now + LEASE
        )
    )
    return token


def is_held(expires_at: datetime, now: datetime) -> bool:
    """Return whether a lease holds; one that ends later than any can be is of a wrong clock."""
    return now < expires_at <= now + 2 * LEASE


def renew(uow: UnitOfWork, backend_id: UUID, token: UUID) -> None:
    """Prolong the lease in the transaction of a batch.

    Raises:
        FatalSyncError: The lease was lost to another run, so nothing more may be written.
    """
    renewed = uow.execute(
        update(SyncLock)
        .where(SyncLock.backend_id == backend_id, SyncLock.token == token)
        .values(expires_at=datetime.now(UTC) + LEASE)
        .execution_options(synchronize_session=False)
    )
    if renewed.rowcount != 1:  # type: ignore[attr-defined]
        raise FatalSyncError(
            t(
                "Another run took over this backend while this one was held up; it stops here and "
                "nothing is lost."
            ),
            code="core.sync.lease_lost",
        )


def release(database: Database, actor: Actor, backend_id: UUID, token: UUID) -> None:
    """Give the lease back in a transaction of its own."""
    with unit_of_work(database, actor=actor, write=True) as uow:
        give_back(uow, backend_id, token)
        uow.commit()


def give_back(uow: UnitOfWork, backend_id: UUID, token: UUID) -> None:
    """Give the lease back, if it is still ours."""
    uow.execute(
        delete(SyncLock)
        .where(SyncLock.backend_id == backend_id, SyncLock.token == token)
        .execution_options(synchronize_session=False)
    )


def this_process() -> str:
    """Name this process; with its moment of start, since numbers of processes are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Return whether the holder is a process of this host that no longer runs."""
    host, pid, started = (*holder.split(":"), "", "")[:3]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(started) and started != _started(int(pid))


def _started(pid: int) -> str:
    """Return when a process was started, in ticks since this machine was; empty if not told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return told.rpartition(")")[2].split()[19]
