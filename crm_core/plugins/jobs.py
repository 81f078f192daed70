"""Jobs of plugins: which are due, and doing each of them once however many workers there are."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from sqlalchemy import select

from crm_core.access import Actor, system_actor
from crm_core.entities.plugin import JobRun
from crm_core.errors import CrmError, DuplicateError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
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
