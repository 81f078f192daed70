from __future__ import annotations

import os
import sqlite3
import threading
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crm_core.bootstrap import Application
from crm_core.cli.worker import Worker
from crm_core.config import load_config
from crm_core.errors import ConfigurationError, RetryableSyncError
from crm_core.sync import metrics as subject
from crm_core.sync.protocol import RemoteFault


@pytest.fixture
def office(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    return crm


@pytest.fixture
def scrape(office, monkeypatch):
    """A worker that does one round after the other, and what Prometheus reads after each."""
    monkeypatch.setattr(subject, "KEPT_SECONDS", 0.0)
    ports = []
    serve = subject.Metrics.serve

    def told(metrics, host, port):
        ports.append(serve(metrics, host, port))
        return ports[-1]

    monkeypatch.setattr(subject.Metrics, "serve", told)
    application = Application(load_config({"metrics_port": 0}, os.environ, Path.cwd()))
    stop = threading.Event()
    stop.set()
    worker = Worker(application, stop)
    worker.run()  # it tells its figures, and ends at once since it was asked to
    stop.clear()

    def read(*, run=True):
        if run:
            worker.round(everything=True)
        url = f"http://127.0.0.1:{ports[0]}/metrics"
        with urllib.request.urlopen(url, timeout=60) as answer:
            text = answer.read().decode()
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    yield read
    application.close()


def test_what_runs_did_is_counted(scrape, paper):
    before = scrape(run=False)
    assert ("crm_sync_runs_total", "desk", "done") not in before
    paper.faults.append(RemoteFault("9", "Smudge", "x", "stain"))
    found = scrape()
    assert found["crm_sync_runs_total", "desk", "partly"] == 1
    assert found["crm_sync_run_seconds_count", "desk"] == 1
    assert found["crm_sync_records_total", "created", "desk", "in", "tag"] == 2
    assert found["crm_sync_records_total", "desk", "in", "set_aside", "tag"] == 1
    assert found["crm_sync_remote_calls_total", "desk"] == paper.opened[-1].calls

    paper.trouble = RetryableSyncError("away")
    found = scrape()
    assert found["crm_sync_runs_total", "desk", "failed"] == 1
    assert found["crm_sync_records_total", "created", "desk", "in", "tag"] == 2


def test_how_things_stand_is_told_as_they_are_now(scrape, office, paper):
    paper.faults.append(RemoteFault("9", "Smudge\nx", "x", "stain"))
    found = scrape()
    assert found["crm_database_up",] == 1
    assert found["crm_sync_set_aside", "desk", "tag"] == 1
    assert found["crm_sync_open_conflicts", "desk", "tag"] == 0
    assert found["crm_sync_waiting", "desk", "tag"] == 0
    assert 0 <= found["crm_sync_cursor_age_seconds", "desk", "tag"] < 60
    assert found["crm_sync_last_success_timestamp_seconds", "desk"] > 1_700_000_000
    assert found["crm_sync_running", "desk"] == 0
    assert found["crm_dead_deliveries_waiting",] == 0
    assert found["crm_alerts_waiting",] == 0
    events = found["crm_events_waiting",]
    office("customer", "add", "Secret Name", "--kind", "person")
    with sqlite3.connect(office.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_outbox SET dispatched_at = NULL")
    later = scrape(run=False)
    assert later["crm_events_waiting",] > events
    assert "Secret" not in str(later)


def test_without_a_database_that_is_what_is_told(scrape, office, monkeypatch):
    scrape()

    def broken(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(subject, "standing_counts", broken)
    found = scrape(run=False)
    assert found["crm_database_up",] == 0
    assert found["crm_sync_runs_total", "desk", "done"] == 1, "what was counted is still told"


def test_a_port_that_is_taken_ends_the_worker_with_what_to_do(office):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = office.error("worker", "--metrics-port", str(port), code=1)
    assert error["code"] == "core.metrics.port"
    assert "metrics_port" in error["message"]


def test_figures_are_told_on_this_machine_only_unless_said(office):
    config = load_config({}, os.environ, Path.cwd())
    assert (config.metrics_port, config.metrics_host) == (None, "127.0.0.1")
    with pytest.raises(ConfigurationError, match="metrics_port"):
        load_config({"metrics_port": 70_000}, os.environ, Path.cwd())
