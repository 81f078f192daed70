"""Jobs of plugins: which are due, and doing each of them once however many workers there are."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select

from crm_core.access import Actor, system_actor
from crm_core.entities.plugin import JobRun
from crm_core.errors import CrmError, DuplicateError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.plugins.activation import MANAGE
from crm_core.plugins.discovery import FAILURES, described, resolve
from crm_core.plugins.limits import time_limit
from crm_hooks.contributions import Job

log = structlog.get_logger(__name__)
JITTER = 0.1
"""Part of an interval by which turns are spread, so that many workers do not meet."""


def run_jobs(database: Database, jobs: Mapping[str, Job], *, everything: bool) -> dict[str, str]:
    """Do the jobs that are due, or all of them; one that fails holds up no other.

    Args:
        database: Where.
        jobs: The jobs of the plugins in use, by name.
        everything: Whether to do also those that are not due.

    Returns:
        Why jobs failed, by name.
    """
    failed: dict[str, str] = {}
    for name in sorted(jobs):
        if not _claimed(database, jobs[name], everything=everything):
            continue
        error = _done(database, jobs[name])
        if error is not None:
            failed[name] = error
            log.warning("plugin's job failed", job=name, reason=error)
        else:
            log.info("plugin's job done", job=name)
    return failed


def _claimed(database: Database, job: Job, *, everything: bool) -> bool:
    """Note that a job begins, unless it is not due or another worker was quicker."""
    interval = timedelta(minutes=job.every_minutes)
    interval *= random.uniform(1 - JITTER, 1)  # noqa: S311  no secret
    try:
        with unit_of_work(database, actor=system_actor("jobs"), write=True) as uow:
            statement = select(JobRun).where(JobRun.name == job.name).with_for_update()
            row = uow.scalar(statement)
            if row is None:
                row = uow.add(JobRun(name=job.name, started_at=uow.now))
            elif not everything and uow.now - row.started_at < interval:
                return False
            row.started_at, row.finished_at = uow.now, None
            uow.commit()
    except DuplicateError:  # two workers met at its very first turn
        return False
    return True


def _run_within(database: Database, actor: Actor, run: Callable[[UnitOfWork], object]) -> None:
    with unit_of_work(database, actor=actor, write=True) as uow:
        run(uow)
        uow.commit()


def _done(database: Database, job: Job) -> str | None:
    actor = system_actor(f"job:{job.name}")
    error = None
    try:
        run = resolve(job.run, t("The job {job}", job=job.name))
        with time_limit(job.limit_seconds):
            if job.with_database:
                run(database)
            else:
                _run_within(database, actor, run)
    except FAILURES as failure:
        error = failure.message if isinstance(failure, CrmError) else described(failure)
    with unit_of_work(database, actor=actor, write=True) as uow:
        row = uow.get(JobRun, job.name)
        row.finished_at, row.error = uow.now, error
        uow.commit()
    return error


def list_jobs(uow: UnitOfWork, jobs: Mapping[str, Job]) -> list[dict[str, Any]]:
    """Return the jobs of the plugins in use and how each went last, by name.

    Each has ``name, every_minutes, started_at, finished_at, error``; ``started_at`` is None where
    the worker is to do it at its next round.
    """
    uow.actor.require(MANAGE)
    columns = (JobRun.name, JobRun.started_at, JobRun.finished_at, JobRun.error)
    runs = {row.name: dict(row._mapping) for row in uow.execute(select(*columns))}
    never = dict.fromkeys(("started_at", "finished_at", "error"))
    return [
        {"name": name, "every_minutes": job.every_minutes, **runs.get(name, never)}
        for name, job in sorted(jobs.items())
    ]


def ask_for_job(uow: UnitOfWork, name: str) -> None:
    """Have a job done at the worker's next round; nothing happens while it is being done.

    Raises:
        PermissionDeniedError: The actor lacks ``core.plugin.manage``.
    """
    uow.actor.require(MANAGE)
    run = uow.find(JobRun, name)
    if run is not None and run.finished_at is not None:
        uow.delete(run)
        uow.flush()
