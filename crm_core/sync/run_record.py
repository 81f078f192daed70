"""The record of a run: opened when it begins, closed with what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from crm_core.entities.sync import SyncRun
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock
from crm_core.sync.context import SyncContext

RUNS_KEPT = timedelta(days=90)
"""Older records of runs are dropped; a run every few minutes makes 100,000 a year."""


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        run_id: Key of the run's record; None for a dry run.
        state: ``done``, or ``partly`` when records or entities were left out.
        counts: Per entity: created, updated, unchanged, set_aside, vanished, deleted, …
        warnings: What was left out, in plain words.
        calls: Remote calls made.
        seconds: How long it took.
        stages: Seconds per stage.
        pushed: Per entity what was written to the remote, or would be: counts of created, updated,
            linked, set_aside, gone; and ``examples``, names of a few of each.
        push_refusal: Why nothing was written to the remote; None where it was, or never is.
    """

    run_id: UUID | None
    state: str
    counts: dict[str, dict[str, int]]
    warnings: list[str]
    calls: int
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    pushed: dict[str, dict[str, Any]] = field(default_factory=dict)
    push_refusal: str | None = None

    def told(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "id": self.run_id,
            "state": self.state,
            "counts": self.counts,
            "warnings": self.warnings,
            "pushed": self.pushed,
            "push_refusal": self.push_refusal,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
        }


def open_run(uow: UnitOfWork, backend_id: UUID, token: UUID) -> None:
    """Write the record of a run, whose key is the token of its lease.

    Runs that never ended are closed, since their lease is gone.
    """
    close_lost(uow, backend_id)
    _drop_old(uow, backend_id)
    uow.add(SyncRun(id=token, backend_id=backend_id, state="running", started_at=uow.now))


def close_lost(uow: UnitOfWork, backend_id: UUID, run_id: UUID | None = None) -> bool:
    """Close a run whose process is gone, or all of a backend; return whether there was one."""
    lost = update(SyncRun).where(SyncRun.backend_id == backend_id, SyncRun.state == "running")
    if run_id is not None:
        lost = lost.where(SyncRun.id == run_id)
    values = {"state": "failed", "finished_at": uow.now, "message": t("It was stopped half-way.")}
    closed: Any = uow.execute(lost.values(**values).execution_options(synchronize_session=False))
    return bool(closed.rowcount)


def note_unbegun(uow: UnitOfWork, backend_id: UUID, began_at: datetime, message: str) -> None:
    """Write that a run failed before it opened its record, so that it is seen and waited after.

    Does nothing where a record was opened since ``began_at``.
    """
    opened = select(SyncRun.id).where(
        SyncRun.backend_id == backend_id, SyncRun.started_at >= began_at
    )
    if uow.scalar(opened.limit(1)) is None:
        _drop_old(uow, backend_id)
        times = {"started_at": began_at, "finished_at": uow.now}
        uow.add(
            SyncRun(id=new_id(), backend_id=backend_id, state="failed", message=message, **times)
        )


def _drop_old(uow: UnitOfWork, backend_id: UUID) -> None:
    uow.execute(
        delete(SyncRun)
        .where(SyncRun.backend_id == backend_id, SyncRun.started_at < uow.now - RUNS_KEPT)
        .execution_options(synchronize_session=False)
    )


def close_run(
    context: SyncContext, run_id: UUID, state: str, message: str | None, counts: dict[str, Any]
) -> None:
    """Write how a run ended and what it did, and give its lease back."""
    with context.writing() as uow:
        # First, as a run that takes over does: neither waits for the other.
        lock.give_back(uow, context.backend_id, context.token)
        uow.execute(
            update(SyncRun)
            .where(SyncRun.id == run_id)
            .values(
                state=state,
                finished_at=uow.now,
                message=message,
                counts=counts,
                remote_calls=context.remote.calls,
            )
            .execution_options(synchronize_session=False)
        )
        uow.commit()
