from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from crm_core.bootstrap import Application
from crm_core.cli.worker import Worker
from crm_core.config import load_config
from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import RemoteFault


@pytest.fixture
def office(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    crm("backend", "add", "paper", "shelf", "--place", "y")
    return crm


def runs(office, name):
    return [run["state"] for run in office.json("sync", "history", name)["items"]]


@pytest.fixture
def worker(office):
    application = Application(load_config({}, os.environ, Path.cwd()))
    yield Worker(application, threading.Event())
    application.close()


def test_once_does_every_job_and_seals_the_audit(office):
    result = office("worker", "--once")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "synced" in result.stderr
    assert runs(office, "desk") == runs(office, "shelf") == ["done"]
    audit = next(i for i in office.json("doctor")["items"] if i["id"] == "audit")
    assert audit["message"].startswith("0 entries")


def test_one_backends_trouble_does_not_stop_the_other(office, paper, monkeypatch):
    monkeypatch.setattr(paper, "trouble", RetryableSyncError("The desk is on fire."))
    result = office("worker", "--once")
    assert result.exit_code == 4
    assert runs(office, "desk") == runs(office, "shelf") == ["failed"]
    assert "on fire" in result.stderr


def test_a_job_that_breaks_is_logged_without_a_traceback(office, paper, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "trouble", ZeroDivisionError("oh"))
    result = office("worker", "--once")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "ZeroDivisionError: oh" in (tmp_path / "crm.log").read_text()


def test_set_aside_records_make_once_end_with_3(office, paper):
    paper.faults.append(RemoteFault("9", "Smudge", "x", "stain"))
    assert office("worker", "--once").exit_code == 3


def test_only_what_is_due_is_run(office, worker):
    worker.round(everything=False)
    worker.round(everything=False)
    assert runs(office, "desk") == ["done"]
    ago = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with sqlite3.connect(office.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_sync_run SET started_at = ?", [ago])
        connection.execute("UPDATE core_sync_cursor SET began_at = ?", [ago])
    worker.round(everything=False)
    assert runs(office, "desk") == ["done", "done"]


def test_a_request_to_stop_ends_the_run_after_the_batch_and_the_next_goes_on(
    office, worker, monkeypatch, paper_remote
):
    pages = paper_remote.pages

    def first_page(remote, *arguments, **options):
        worker.stop.set()
        yield from pages(remote, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(paper_remote, "pages", first_page)
        assert worker.round(everything=True) == 0
    assert runs(office, "desk") == ["stopped"]
    assert runs(office, "shelf") == []
    assert office.json("sync", "status")["items"][0]["running_by"] is None
    worker.stop.clear()
    assert worker.round(everything=False) == 0, "no need to wait: it goes on where it was"
    assert runs(office, "desk") == ["done", "stopped"]


def test_a_refused_login_is_not_tried_again_before_something_changed(crm, paper, monkeypatch):
    secret = crm.folder / "secret"
    secret.write_text("wrong")
    crm("backend", "add", "paper_safe", "vault", "--place", "x", "--secret-file", str(secret))
    application = Application(load_config({}, os.environ, Path.cwd()))
    worker = Worker(application, threading.Event())
    paper.trouble = FatalSyncError("The login is refused.", code="core.sync.login_refused")
    codes = [worker.round(everything=True) for _ in range(3)]
    assert codes == [4, 0, 0]
    assert len(paper.opened) == 2  # when it was added, and once by the worker
    assert crm("worker", "--once").exit_code == 0
    assert len(paper.opened) == 2, "nor by another worker, such as the next of cron"
    (item,) = crm.json("sync", "status")["items"]
    assert item["standstill"] == "login refused"
    assert "crm sync run vault" in crm("sync", "status", "vault").stdout
    secret.write_text("right")
    paper.trouble = None
    assert worker.round(everything=True) == 0
    assert paper.opened[-1].secret == "right"
    application.close()
    assert runs(crm, "vault") == ["done", "failed"]
    assert crm.json("sync", "status", "vault")["login_refused_at"] is None
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM core_login_refusal").fetchone() == (0,)


def test_a_run_by_hand_lets_the_worker_sign_in_again(crm, paper):
    secret = crm.folder / "secret"
    secret.write_text("right")
    crm("backend", "add", "paper_safe", "vault", "--place", "x", "--secret-file", str(secret))
    paper.trouble = FatalSyncError("The login is refused.", code="core.sync.login_refused")
    assert crm("sync", "run", "vault").exit_code == 4
    opened = len(paper.opened)
    assert crm("worker", "--once").exit_code == 0
    assert len(paper.opened) == opened, "a person's run counts too"
    paper.trouble = None  # the account was mended over there
    assert crm("worker", "--once").exit_code == 0
    assert len(paper.opened) == opened
    assert crm("sync", "run", "vault").exit_code == 0
    assert crm("worker", "--once").exit_code == 0
    assert runs(crm, "vault") == ["done", "done", "failed"]


def test_a_run_that_cannot_begin_stands_in_the_history_and_is_waited_after(crm, paper):
    secret = crm.folder / "secret"
    secret.write_text("x")
    crm("backend", "add", "paper_safe", "vault", "--place", "x", "--secret-file", str(secret))
    secret.unlink()
    application = Application(load_config({}, os.environ, Path.cwd()))
    worker = Worker(application, threading.Event())
    codes = [worker.round(everything=False) for _ in range(3)]
    application.close()
    assert codes == [1, 0, 0]
    (run,) = crm.json("sync", "history", "vault")["items"]
    assert run["state"] == "failed"
    assert str(secret) in run["message"]
    assert crm.json("sync", "status")["items"][0]["run_state"] == "failed"
    secret.write_text("x")
    assert crm("worker", "--once").exit_code == 0
    assert runs(crm, "vault") == ["done", "failed"]


def test_sigterm_ends_the_worker_cleanly(crm):
    process = subprocess.Popen(
        [sys.executable, "-c", "from crm_core.cli.main import main; main()", "worker"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    assert "worker started" in line
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "worker stopped" in rest
    assert "Traceback" not in rest


def test_a_user_without_the_right_may_not_start_it(crm):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    with unit_of_work(crm.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["employee"])
        uow.commit()
    assert crm.error("worker", "--once", "--as", "anna", code=1)["code"] == "core.permission_denied"


def test_what_is_written_and_why_it_is_not_stands_in_the_log(crm, tmp_path):
    (tmp_path / "back-office").mkdir()
    crm("backend", "add", "files", "main", "--path", str(tmp_path / "back-office"))
    crm("sync", "plan", "main")
    crm("sync", "run", "main", "--accept-plan")
    crm("customer", "add", "Another Secret", "--kind", "company")
    result = crm("worker", "--once")
    assert "{'customer': {'created': 1}}" in result.stderr
    assert "Secret" not in result.stderr, "names of customers have no place in a log"

    application = Application(load_config({}, os.environ, Path.cwd()))
    with closing(sqlite3.connect(str(application.database.path))) as database, database:
        database.execute("UPDATE core_backend SET writes_from = 'elsewhere'")
    worker = Worker(application, threading.Event())
    with capture_logs() as said:
        worker.round(everything=True)
        worker.round(everything=True)
    application.close()
    (line,) = [each for each in said if each["event"] == "not written"]
    assert "is a copy" in line["reason"]
