"""Runs in processes of their own that are asked to stop, killed, or in each other's way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.entities import Backend
from crm_core.entities.sync_request import SyncRequest
from crm_core.persistence.unit_of_work import unit_of_work

SLOW = """
import sys, time
from pathlib import Path
from signal import SIG_DFL, SIGTERM, getsignal
from crm_core.cli.main import main
from crm_files.backend import FilesBackend

pages = FilesBackend.pages

def say(what):
    print(what, file=sys.stderr, flush=True)

def wait_for_go():
    end, heard = time.monotonic() + 120, False
    while time.monotonic() < end and not Path("go").exists():
        if not heard and getsignal(SIGTERM) is SIG_DFL:
            heard = True
            say("HEARD")
        time.sleep(0.02)

def slow(self, *arguments, **options):
    for page in pages(self, *arguments, **options):
        say("PAGE")
        yield page
        wait_for_go()
        time.sleep({seconds})

FilesBackend.pages = slow
main()
"""
TAGS = 60


@pytest.fixture
def office(crm, tmp_path):
    folder = tmp_path / "back-office"
    folder.mkdir()
    lines = "".join(f"{number},Tag {number:03}\n" for number in range(TAGS))
    (folder / "tags.csv").write_text(f"id,name\n{lines}")
    crm("backend", "add", "files", "desk", "--path", str(folder), "--page-size", "10")
    return crm


@pytest.fixture
def slowly(office):
    """Start a command; it has read a page when it is given back, and waits for :func:`go_on`.

    Each page takes so many seconds from then on.
    """
    started = []

    def start(*words, seconds=0):
        script = SLOW.format(seconds=seconds)
        process = subprocess.Popen(
            [sys.executable, "-c", script, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        said(process, "PAGE")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process, what):
    """Wait until a slow process says this; ``HEARD`` that it has been asked to stop."""
    for line in process.stderr:
        if line == f"{what}\n":
            return
    raise AssertionError(process.communicate())


def go_on():
    Path("go").touch()


def states(office):
    return [run["state"] for run in office.json("sync", "history", "desk")["items"]]


def running_by(office):
    return office.json("sync", "status")["items"][0]["running_by"]


def bound(office):
    entities = office.json("sync", "status", "desk")["entities"]
    return next((each["bound"].get("active", 0) for each in entities if each["entity"] == "tag"), 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_first_signal_stops_after_the_page_and_the_next_run_goes_on(
    office, slowly, number, code
):
    process = slowly("sync", "run", "desk", "--json")
    process.send_signal(number)
    said(process, "HEARD")
    go_on()
    told, noted = process.communicate(timeout=60)
    assert process.returncode == code, noted
    assert "Traceback" not in noted
    data = json.loads(told)["data"]
    assert data["state"] == "stopped"
    assert data["left"] == {"entities": ["tag"], "waiting": 0}
    assert states(office) == ["stopped"]
    assert running_by(office) is None, "the lease was given back"
    assert 10 <= bound(office) < TAGS, "what was read is kept"
    assert office("sync", "run", "desk").exit_code == 0
    assert bound(office) == TAGS


def test_another_process_stops_it_and_the_next_run_goes_on(office, slowly):
    process = slowly("sync", "run", "desk", "--json", seconds=1)
    asked = office.json("sync", "stop", "desk")
    assert asked["state"] == "running"
    go_on()
    told, noted = process.communicate(timeout=60)
    assert process.returncode == 0, noted
    assert json.loads(told)["data"]["state"] == "stopped"
    (run,) = office.json("sync", "history", "desk")["items"]
    assert f"stopped by {asked['stop_asked_by']}" in run["message"]
    assert running_by(office) is None
    assert 10 <= bound(office) < TAGS
    assert office("sync", "run", "desk").exit_code == 0
    assert bound(office) == TAGS
    assert office.error("sync", "stop", "desk", code=1)["code"] == "core.sync.none_running"


def test_a_run_comes_before_what_a_dead_worker_was_asked_for(office, slowly):
    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        backend_id = uow.scalar(select(Backend.id))
        times = dict.fromkeys(("asked_at", "began_at", "seen_at"), uow.now)
        request = SyncRequest(
            backend_id=backend_id, kind="dry_run", state="running", asked_by="admin", **times
        )
        uow.add(request)
        uow.commit()
    process = slowly("sync", "run", "desk")
    process.kill()
    process.wait(timeout=60)
    run = office.json("sync", "history", "desk")["items"][0]["id"]
    assert office.json("sync", "stop", "desk")["id"] == run
    asked = office.json("sync", "stop", "desk")
    assert (asked["id"], asked["state"]) == (str(request.id), "running")
    assert asked["stop_asked_by"]


def test_one_that_was_killed_is_closed(office, slowly):
    process = slowly("sync", "run", "desk")
    process.kill()
    process.wait(timeout=60)
    assert office.json("sync", "stop", "desk")["state"] == "failed"
    assert states(office) == ["failed"]
    assert running_by(office) is None


def test_a_second_sigterm_ends_it_at_once_and_the_lease_of_the_dead_is_taken_over(office, slowly):
    process = slowly("sync", "run", "desk")
    process.send_signal(signal.SIGTERM)
    said(process, "HEARD")
    assert process.poll() is None, "it waits for the page under way"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    assert running_by(office)
    assert office("sync", "run", "desk").exit_code == 0
    assert states(office) == ["done", "failed"]
    assert bound(office) == TAGS


def test_of_two_at_once_the_second_is_told_who_is_at_it(office, slowly):
    process = slowly("sync", "run", "desk")
    error = office.error("sync", "run", "desk", code=5)
    assert error["code"] == "core.sync.locked"
    assert f":{process.pid}" in error["message"]
    go_on()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert states(office) == ["done"]


def test_a_worker_that_is_asked_to_stop_ends_with_0_after_the_page(office, slowly):
    process = slowly("worker")
    process.send_signal(signal.SIGTERM)
    said(process, "HEARD")
    go_on()
    _, noted = process.communicate(timeout=60)
    assert process.returncode == 0, noted
    assert "sync stopped" in noted
    assert "worker stopped" in noted
    assert "Traceback" not in noted
    assert states(office) == ["stopped"]
    assert running_by(office) is None


def test_a_second_sigterm_ends_the_worker_at_once(slowly):
    process = slowly("worker")
    process.send_signal(signal.SIGTERM)
    said(process, "HEARD")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM


def test_the_lines_of_a_run_bear_its_id_and_its_back_office(office):
    result = office("sync", "run", "desk", "--verbose")
    (run,) = office.json("sync", "history")["items"]
    lines = [line for line in result.stderr.splitlines() if "event=" in line]
    within = [line for line in lines if "run began" in line or "entity read" in line]
    assert len(within) >= 2
    assert all(f"run='{run['id']}'" in line and "backend='desk'" in line for line in within)


def test_log_lines_can_be_json(office, monkeypatch):
    monkeypatch.setenv("CRM_LOG_FORMAT", "json")
    result = office("worker", "--once")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    (run,) = office.json("sync", "history")["items"]
    (ended,) = [line for line in lines if line["event"] == "run ended"]
    assert (ended["backend"], ended["run"], ended["state"]) == ("desk", run["id"], "done")
    assert {"timestamp", "level"} <= set(ended)
    assert "run" not in next(line for line in lines if line["event"] == "audit sealed")


def test_a_log_format_that_is_none_is_named(office, monkeypatch):
    monkeypatch.setenv("CRM_LOG_FORMAT", "xml")
    assert "log_format" in office.error("worker", "--once", code=1)["message"]
