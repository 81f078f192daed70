"""``crm worker``: syncs and upkeep, unattended, for years."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.stopping import stop_on_signals
from crm_core.errors import CrmError

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.bootstrap import Application
    from crm_core.entities.sync import Backend
    from crm_core.sync.metrics import Metrics
    from crm_core.sync.requests import Claimed
    from crm_core.sync.run_record import RunReport
    from crm_core.sync.schedule import Turn

    R = TypeVar("R", RunReport, RunReport | None)

ROUND_SECONDS = 15.0
GLANCE_SECONDS = 1.5
"""Between two looks at whether somebody asked for something: people wait for it."""
ALERT_SECONDS = 30.0
"""How long an ending worker waits for alerts that are being sent."""
RELAY_SECONDS = 300.0
"""Events that lead to ever more events must not keep the syncs waiting."""
TIDY_SECONDS = 3_600.0
EXIT_PARTLY = 3


@click.command(cls=CrmCommand)
@click.option("--once", is_flag=True, help="Do every job once, now, and end.")
@click.option("--metrics-port", type=int, help="Tell Prometheus the figures at this port.")
@pass_context
def worker(context: Context, *, once: bool, metrics_port: int | None) -> None:
    """Run syncs and upkeep, unattended.

    Each enabled back office is synced by its schedule (crm sync schedule NAME), else every
    sync_minutes (crm.toml); what happened is handed to the plugins that want to hear of it; audit
    entries are sealed. A job that fails is logged and tried again at its next turn. SIGTERM ends
    the worker after the batch under way, a second one at once.
    """
    if metrics_port is not None:
        context.set_flag("metrics_port", metrics_port)
    context.actor.require("core.sync.run")
    context.log_from(logging.INFO)
    with stop_on_signals() as stop:
        loop = Worker(context.application, stop)
        if once:
            context.exit(loop.once())
        loop.run()


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
        self._unwritten: dict[UUID, str | None] = {}
        self._tidied_at = -math.inf
        self._alerting: threading.Thread | None = None
        self._metrics: Metrics | None = None
        self.log = structlog.get_logger(__name__)

    def run(self) -> None:
        """Do rounds until asked to stop."""
        config = self.application.config
        self.log.info("worker started", database=config.shown_database_url)
        if config.metrics_port is not None:
            from crm_core.sync.metrics import Metrics

            self._metrics = Metrics(self.application.database)
            port = self._metrics.serve(config.metrics_host, config.metrics_port)
            self.log.info("figures told", address=f"http://{config.metrics_host}:{port}/metrics")
        while not self.stop.is_set():
            self.round(everything=False)
            self._rest()
        self._await_alerts()
        self._job("signing off", lambda: self._sign(leaving=True))
        self.log.info("worker stopped")

    def once(self) -> int:
        """Do every job once and return the exit code of the worst that happened."""
        code = self.round(everything=True)
        self._await_alerts()
        return code

    def round(self, *, everything: bool) -> int:
        """Do each job that is due, or every job.

        Returns:
            The exit code of the worst that happened; 0 when all went well.
        """
        turns: list[Turn] = []
        codes = [
            self._job("looking for plugins", self._refresh),
            self._job("sign of life", self._sign),
            self._job("requests", self._requests),
            self._job("imports", self._imports),
            self._job("looking for work", lambda: self._due(turns, everything)),
        ]
        for turn in turns:
            if not self.stop.is_set():
                job = lambda turn=turn: self._sync(turn)  # noqa: E731
                codes.append(self._job(f"sync of {turn.backend.name}", job))
                codes.append(self._job("requests", self._requests))
        self._job("alerts", self._send_alerts)
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

    def _rest(self) -> None:
        """Wait for the next round, or for somebody to ask for something."""
        until, asked = time.monotonic() + ROUND_SECONDS, 0
        while not asked and time.monotonic() < until and not self.stop.wait(GLANCE_SECONDS):
            asked = self._job("looking for requests", self._is_asked)

    def _is_asked(self) -> int:
        from crm_core.access import system_actor
        from crm_core.services.import_worker import is_import_waiting
        from crm_core.sync.requests import is_asked

        with self.application.unit_of_work(system_actor("worker")) as uow:
            return int(is_asked(uow) or is_import_waiting(uow))

    def _imports(self) -> int:
        from crm_core.cli.worker_imports import run_imports

        return run_imports(self.application, self.log, self.stop.is_set)

    def _sign(self, doing: str | None = None, *, leaving: bool = False) -> int:
        """Show that there is a worker, and what it is busy with."""
        from crm_core.access import system_actor
        from crm_core.services.workers import give_sign, leave
        from crm_core.sync.lock import this_process

        with self.application.unit_of_work(system_actor("worker"), write=True) as uow:
            if leaving:
                leave(uow, this_process())
            else:
                give_sign(uow, this_process(), doing)
            uow.commit()
        return 0

    def _requests(self) -> int:
        """Do what people asked for, in turn; one that fails holds up no other."""
        from crm_core.cli.worker_requests import carry_out, claim_next
        from crm_core.sync.requests import doing

        codes = [0]
        while not self.stop.is_set() and (claimed := claim_next(self.application)) is not None:
            name, kind = claimed.backend.name, claimed.kind.value
            self.log.info("asked for", kind=kind, backend=name, by=claimed.asked_by)

            def act(claimed: Claimed = claimed) -> int:
                self._sign(doing(claimed.kind, claimed.backend.name))
                return carry_out(self.application, claimed, self._watched, self.stop.is_set)

            codes.append(self._job(f"{kind} of {name}", act))
            self._job("sign of life", self._sign)
        return max(codes)

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
        from crm_core.services.mail import sweep_mail
        from crm_core.sync.requests import sweep_requests

        swept = SWEPT_AT_ONCE
        while swept == SWEPT_AT_ONCE and not self.stop.is_set():
            with self.application.unit_of_work(system_actor("worker"), write=True) as uow:
                swept = sweep_deliveries(uow)
                uow.commit()
        with self.application.unit_of_work(system_actor("worker"), write=True) as uow:
            sweep_mail(uow)
            sweep_requests(uow)
            uow.commit()
        self._tidied_at = time.monotonic()
        return 0

    def _seal(self) -> int:
        from crm_core.services.audit import seal

        sealed = seal(self.application.database)
        if sealed:
            self.log.info("audit sealed", entries=sealed)
        return 0

    def _due(self, into: list[Turn], everything: bool) -> int:
        from crm_core.access import system_actor
        from crm_core.sync.schedule import due_turns

        interval = timedelta(minutes=self.application.config.sync_minutes)
        with self.application.unit_of_work(system_actor("worker")) as uow:
            into += due_turns(uow, interval, everything=everything)
        return 0

    def _sync(self, turn: Turn) -> int:
        """Run a backend whose turn it is."""
        from crm_core.entities.sync_request import RequestKind
        from crm_core.sync.context import STOPPED
        from crm_core.sync.requests import doing

        backend = turn.backend
        self._sign(doing(RequestKind.RUN, backend.name))

        def run() -> RunReport | None:
            if self._is_refused(backend):
                return None  # said once; asking again and again would lock the account
            return self.application.run_sync(
                backend,
                left_out=turn.left_out,
                sweep=turn.sweep,
                full=turn.full,
                is_stopped=self.stop.is_set,
            )

        try:
            report = self._watched(backend, run)
        except CrmError as error:
            if error.code == STOPPED:
                return 0
            raise
        return EXIT_PARTLY if report is not None and report.state == "partly" else 0

    def _watched(self, backend: Backend, run: Callable[[], R]) -> R:
        """Run a sync; whatever happens, those who want to know are told."""
        from crm_core.sync.context import STOPPED
        from crm_core.sync.lock import LOCKED

        began, began_at = time.monotonic(), datetime.now(UTC)
        try:
            report = run()
        except Exception as error:
            code = error.code if isinstance(error, CrmError) else "core.unexpected"
            if code == LOCKED:  # another worker, or a person, is at it
                raise
            if code == STOPPED:
                self._count(backend, "stopped", began)
                self.log.info("sync stopped", backend=backend.name)
                raise
            self._count(backend, "failed", began)
            told = error.message if isinstance(error, CrmError) else type(error).__name__
            self._record(backend, began_at, told)
            self._note(backend, code)
            raise
        if report is not None:
            self._count(backend, report.state, began, report)
            self._note(backend, None)
            self._tell(backend, report)
        return report

    def _is_refused(self, backend: Backend) -> bool:
        from crm_core.access import system_actor
        from crm_core.secret_refs import read_secret
        from crm_core.sync.logins import is_refused

        secret = read_secret(backend.secret_ref, backend.name)
        with self.application.unit_of_work(system_actor("worker")) as uow:
            return is_refused(uow, backend, secret)

    def _record(self, backend: Backend, began_at: datetime, message: str) -> None:
        """Write a run that could not begin into the history."""
        from crm_core.access import system_actor
        from crm_core.sync.run_record import note_unbegun

        def write() -> int:
            with self.application.unit_of_work(system_actor("worker"), write=True) as uow:
                note_unbegun(uow, backend.id, began_at, message)
                uow.commit()
            return 0

        self._job(f"history of {backend.name}", write)

    def _tell(self, backend: Backend, report: RunReport) -> None:
        self.log.info(
            "synced",
            backend=backend.name,
            run=str(report.run_id),
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

    def _count(
        self, backend: Backend, state: str, began: float, report: RunReport | None = None
    ) -> None:
        if self._metrics is not None:
            self._metrics.count_run(backend.name, state, time.monotonic() - began, report)

    def _note(self, backend: Backend, failure: str | None) -> None:
        """Queue alerts of what changed; a fault of theirs is not the sync's."""
        self._job(f"alerts of {backend.name}", lambda: self._note_troubles(backend, failure))

    def _note_troubles(self, backend: Backend, failure: str | None) -> int:
        from crm_core.access import system_actor
        from crm_core.sync.alerts import note_troubles

        with self.application.unit_of_work(system_actor("alerts"), write=True) as uow:
            changes = note_troubles(uow, backend.id, backend.name, failure)
            uow.commit()
        for change in changes:
            self.log.warning("trouble", backend=backend.name, change=change)
        return 0

    def _send_alerts(self) -> int:
        """Send what waits, in a thread of its own: a mail server that hangs holds up no sync."""
        if self._alerting is not None and self._alerting.is_alive():
            return 0
        from crm_core.channels import mail_server
        from crm_core.outbox.mail import send_queued_mail
        from crm_core.sync.alerts import send_notices

        database, server = self.application.database, mail_server(self.application.config)

        def send() -> None:
            def act() -> int:
                send_notices(database, server)
                return 0

            def send_mail() -> int:
                send_queued_mail(database, server)
                return 0

            self._job("sending alerts", act)
            self._job("sending mail", send_mail)

        self._alerting = threading.Thread(target=send, name="alerts", daemon=True)
        self._alerting.start()
        return 0

    def _await_alerts(self) -> None:
        if self._alerting is not None:
            self._alerting.join(ALERT_SECONDS)
