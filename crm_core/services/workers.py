"""Whether a worker is there to do what people ask for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select

from crm_core.entities.worker import WorkerSign
from crm_core.persistence.unit_of_work import UnitOfWork

ALIVE = timedelta(minutes=2)
"""A worker that does nothing long shows itself more often than that."""
KEPT = timedelta(days=7)


class Sign(NamedTuple):
    """When a worker was last seen (None for never), and what it was doing if it is busy."""

    seen_at: datetime | None = None
    doing: str | None = None
    is_there: bool = False


def last_sign(uow: UnitOfWork) -> Sign:
    """Return the last sign of any worker."""
    statement = select(WorkerSign.seen_at, WorkerSign.doing).order_by(WorkerSign.seen_at.desc())
    row = uow.execute(statement.limit(1)).first()
    if row is None:
        return Sign()
    is_late = abs(uow.now - row.seen_at) > ALIVE
    return Sign(row.seen_at, row.doing, row.doing is not None or not is_late)


def give_sign(uow: UnitOfWork, holder: str, doing: str | None = None) -> None:
    """Note that a worker is there, and that it is doing something that takes long."""
    old = delete(WorkerSign).where(WorkerSign.seen_at < uow.now - KEPT)
    uow.execute(old.execution_options(synchronize_session=False))
    sign = uow.find(WorkerSign, holder)
    if sign is None:
        uow.add(WorkerSign(holder=holder, seen_at=uow.now, doing=doing))
    else:
        sign.seen_at, sign.doing = uow.now, doing
    uow.flush()


def leave(uow: UnitOfWork, holder: str) -> None:
    """Note that a worker ends, so that nobody waits for it."""
    sign = uow.find(WorkerSign, holder)
    if sign is not None:
        sign.doing = None
        sign.seen_at = min(sign.seen_at, uow.now - ALIVE)
        uow.flush()
