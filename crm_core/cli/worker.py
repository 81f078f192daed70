"""``crm worker``: syncs and upkeep, unattended, for years."""

from __future__ import annotations

import logging
import math
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import CrmError, FatalSyncError, RetryableSyncError

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.bootstrap import Application
    from crm_core.entities.sync import Backend

ROUND_SECONDS = 15.0
JITTER = 0.2
"""Part of an interval by which runs are spread, so that many workers do not ask at once."""
RELAY_SECONDS = 300.0
"""Events that lead to ever more events must not keep the syncs waiting."""
TIDY_SECONDS = 3_600.0
EXIT_PARTLY = 3
LOGIN_REFUSED = "core.sync.login_refused"
"""Code of the one refusal that is not tried again before backend or secret were changed."""


@click.command(cls=CrmCommand)
@click.option("--once", is_flag=True, help="Do every job once, now, and end.")
@pass_context
def worker(context: Context, *, once: bool) -> None:
    """Run syncs and upkeep, unattended.

    Every sync_minutes (crm.toml) each enabled back office is synced; what happened is handed to
    the plugins that want to hear of it; audit entries are sealed. A job that fails is logged and
    tried again at its next turn. SIGTERM ends the worker after the batch under way.
    """
    context.actor.require("core.sync.run")
    context.log_from(logging.INFO)
    loop = Worker(context.application, _stop_on_signals())
    if once:
        context.exit(loop.round(everything=True))
    loop.run()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)
    return stop


class Worker:
    """Does the jobs that are due, each kept apart from the others.

    Args:
        application: The product.
        stop: Set when the worker shall end.
    """

    def __init__(self, application: Application, stop: threading.Event) -> None:
        import structlog

        self.application = application
        self.stop = stop
        self._refused: dict[UUID, tuple[int, str | None]] = {}
        self._unwritten: dict[UUID, str | None] = {}
        self._tidied_at = -math.inf
        self.log = structlog.get_logger(__name__)

    def run(self) -> None:
        """Do rounds until asked to stop."""
        self.log.info("worker started", database=self.application.config.shown_database_url)
        while not self.stop.is_set():
            self.round(everything=False)
            self.stop.wait(ROUND_SECONDS)
        self.log.info("worker stopped")

    def round(self, *, everything: bool) -> int:
        """Do each job that is due, or every job.

        Returns:
            The exit code of the worst that happened; 0 when all went well.
        """
        backends: list[Backend] = []
        codes = [
            self._job("looking for plugins", self._refresh),
            self._job("looking for work", lambda: self._due(backends, everything)),
        ]
        for backend in backends:
            if not self.stop.is_set():
                job = lambda backend=backend: self._sync(backend)  # noqa: E731
                codes.append(self._job(f"sync of {backend.name}", job))
        codes.append(self._job("events", self._relay))
        codes.append(self._job("plugins' jobs", lambda: self._plugin_jobs(everything)))
        codes.append(self._job("audit sealing", self._seal))
        if everything or time.monotonic() - self._tidied_at >= TIDY_SECONDS:
            codes.append(self._job("tidying", self._tidy))
        return max(codes)

    def _job(self, name: str, act: Callable[[], int]) -> int:
        try:
            return act()
        except CrmError as error:
            self.log.error("job failed", job=name, code=error.code, reason=error.message)
            return error.exit_code
        except Exception as error:  # noqa: BLE001  one job's fault must not end the worker
            from crm_core.cli.failures import write_log

            self.log.error(
                "job broke", job=name, reason=repr(error), logged_in=str(write_log(error))
            )
            return 1

    def _refresh(self) -> int:
        if self.application.refresh_plugins():
            self.log.info("plugins changed")
        return 0

    def _relay(self) -> int:
        from crm_core.outbox.relay import relay

        report = relay(
            self.application.database,
            self.application.event_handlers(),
            limit_seconds=RELAY_SECONDS,
            is_stopped=self.stop.is_set,
        )
        if report != type(report)():
            self.log.info("events handed over", **asdict(report))
        return EXIT_PARTLY if report.failed or report.dead else 0

    def _plugin_jobs(self, everything: bool) -> int:
        from crm_core.plugins.jobs import run_jobs

        jobs = self.application.plugins.jobs
        failed = run_jobs(self.application.database, jobs, everything=everything)
        return EXIT_PARTLY if failed else 0

    def _tidy(self) -> int:
        from crm_core.access import system_actor
        from crm_core.services.deliveries import SWEPT_AT_ONCE, sweep_deliveries

        swept = SWEPT_AT_ONCE
        while swept == SWEPT_AT_ONCE and not self.stop.is_set():
            with self.application.unit_of_work(system_actor("worker"), write=True) as uow:
                swept = sweep_deliveries(uow)
                uow.commit()
        self._tidied_at = time.monotonic()
        return 0

    def _seal(self) -> int:
        from crm_core.services.audit import seal

        sealed = seal(self.application.database)
        if sealed:
            self.log.info("audit sealed", entries=sealed)
        return 0

    def _due(self, into: list[Backend], everything: bool) -> int:
        from crm_core.access import system_actor
        from crm_core.services.backends import enabled_backends, list_backends

        interval = timedelta(minutes=self.application.config.sync_minutes)
        with self.application.unit_of_work(system_actor("worker")) as uow:
            started = {item["id"]: item["started_at"] for item in list_backends(uow)}
            for backend in enabled_backends(uow):
                spread = interval * random.uniform(1 - JITTER / 2, 1 + JITTER / 2)  # noqa: S311
                last = started[backend.id]
                if everything or last is None or datetime.now(UTC) - last >= spread:
                    into.append(backend)
        return 0

    def _sync(self, backend: Backend) -> int:
        from crm_core.secret_refs import read_secret

        def watch(_entity: str, _done: int, _total: int | None) -> None:
            if self.stop.is_set():
                raise RetryableSyncError(
                    "The worker was asked to stop; the next run goes on where this one ended.",
                    code="core.sync.stopped",
                )

        access = (backend.version, read_secret(backend.secret_ref, backend.name))
        if self._refused.get(backend.id) == access:
            return 0  # said once; asking again and again would lock the account
        try:
            report = self.application.run_sync(backend, on_progress=watch)
        except FatalSyncError as error:
            if error.code == LOGIN_REFUSED:
                self._refused[backend.id] = access
            raise
        self.log.info(
            "synced",
            backend=backend.name,
            state=report.state,
            counts=report.counts,
            written={
                entity: {what: n for what, n in told.items() if what != "examples"}
                for entity, told in report.pushed.items()
            },
            calls=report.calls,
            seconds=round(report.seconds, 1),
        )
        if report.push_refusal != self._unwritten.get(backend.id):
            self._unwritten[backend.id] = report.push_refusal
            if report.push_refusal:  # said once, not at every turn
                self.log.warning("not written", backend=backend.name, reason=report.push_refusal)
        for warning in report.warnings:
            self.log.warning("sync warning", backend=backend.name, reason=warning)
        return EXIT_PARTLY if report.state == "partly" else 0
