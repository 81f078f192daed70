"""What the worker tells Prometheus: what its runs did, and how things stand when it is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.entities.sync import SyncCursor
from crm_core.errors import ConfigurationError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.backends import list_backends
from crm_core.services.sync_status import backlog, standing_counts
from crm_core.sync.run_record import RunReport

log = structlog.get_logger(__name__)
SECONDS = (1, 5, 15, 60, 300, 900, 3_600, 14_400)
KEPT_SECONDS = 5.0
"""How long figures are told again without asking the database."""
_STANDING = {
    "waiting": ("crm_sync_waiting", "Records that wait to be written to a back office"),
    "unwritten": ("crm_sync_unwritten", "Records set aside that could not be written"),
    "set_aside": ("crm_sync_set_aside", "Records set aside that could not be read"),
    "conflicts": ("crm_sync_open_conflicts", "Fields that wait for a person's decision"),
    "held": ("crm_sync_held", "Records left alone until a person says what they are there"),
}


class Metrics:
    """The figures of one worker.

    Args:
        database: Asked how things stand, at most every few seconds.
    """

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self._runs = Counter(
            "crm_sync_runs", "Runs by how they ended", ["backend", "state"], **made
        )
        self._seconds = Histogram(
            "crm_sync_run_seconds", "How long runs took", ["backend"], buckets=SECONDS, **made
        )
        self._records = Counter(
            "crm_sync_records",
            "Records by what became of them; direction in is read, out is written",
            ["backend", "entity", "direction", "outcome"],
            **made,
        )
        self._calls = Counter("crm_sync_remote_calls", "Calls to back offices", ["backend"], **made)
        self.registry.register(Standing(database))

    def count_run(self, backend: str, state: str, seconds: float, report: RunReport | None) -> None:
        """Count a run that ended; one that failed has no report."""
        self._runs.labels(backend, state).inc()
        self._seconds.labels(backend).observe(seconds)
        if report is None:
            return
        self._calls.labels(backend).inc(report.calls)
        for direction, told in (("in", report.counts), ("out", report.pushed)):
            for entity, counts in told.items():
                self._count(backend, entity, direction, counts)

    def _count(self, backend: str, entity: str, direction: str, counts: Mapping[str, Any]) -> None:
        for outcome, number in counts.items():
            if isinstance(number, int) and number > 0:
                self._records.labels(backend, entity, direction, outcome).inc(number)

    def serve(self, host: str, port: int) -> int:
        """Answer Prometheus in a thread of its own and return the port.

        Raises:
            ConfigurationError: The port is taken, or the address is none of this machine.
        """
        try:
            server, _ = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"Figures cannot be told at {host}:{port}: {error.strerror or error}. Choose "
                "another metrics_port or metrics_host.",
                code="core.metrics.port",
            ) from None
        return int(server.server_port)


class Standing(Collector):
    """How things stand, asked of the database when somebody wants to know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: list[Metric] = []
        self._asked_at = 0.0

    def describe(self) -> list[Metric]:
        """Ask nothing at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures; without a database, that there is none."""
        if not self._told or time.monotonic() - self._asked_at >= KEPT_SECONDS:
            self._asked_at = time.monotonic()
            try:
                with unit_of_work(self._database, actor=system_actor("metrics")) as uow:
                    self._told = [_gauge("crm_database_up", "Whether it answers", 1), *_ask(uow)]
            except Exception as error:  # noqa: BLE001  figures must never end the worker
                log.warning("figures not told", reason=type(error).__name__)
                self._told = [_gauge("crm_database_up", "Whether it answers", 0)]
        yield from self._told


def _ask(uow: UnitOfWork) -> Iterator[Metric]:
    backends = {item["id"]: item for item in list_backends(uow)}
    standing = standing_counts(uow)
    for key, (name, help_) in _STANDING.items():
        gauge = GaugeMetricFamily(name, help_, labels=["backend", "entity"])
        for (backend_id, entity), counts in sorted(standing.items()):
            gauge.add_metric([backends[backend_id]["name"], entity], counts[key])
        yield gauge
    age = GaugeMetricFamily(
        "crm_sync_cursor_age_seconds",
        "Since an entity was last read to the end",
        labels=["backend", "entity"],
    )
    columns = (SyncCursor.backend_id, SyncCursor.entity, SyncCursor.refreshed_at)
    for row in uow.execute(select(*columns).where(SyncCursor.refreshed_at.is_not(None))):
        seconds = (uow.now - row.refreshed_at).total_seconds()
        age.add_metric([backends[row.backend_id]["name"], row.entity], seconds)
    yield age
    success = GaugeMetricFamily(
        "crm_sync_last_success_timestamp_seconds",
        "When a run last went through",
        labels=["backend"],
    )
    running = GaugeMetricFamily(
        "crm_sync_running", "Whether a run is under way", labels=["backend"]
    )
    for item in backends.values():
        running.add_metric([item["name"]], item["running_by"] is not None)
        if item["succeeded_at"] is not None:
            success.add_metric([item["name"]], item["succeeded_at"].timestamp())
    yield from (success, running)
    for name, number in backlog(uow).items():
        yield _gauge(f"crm_{name}_waiting", f"How many {name.replace('_', ' ')} wait", number)


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)
