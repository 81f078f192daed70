"""Runs in processes of their own that are asked to stop, killed, or in each other's way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

SLOW = """
import sys, time
from crm_core.cli.main import main
from crm_files.backend import FilesBackend

pages = FilesBackend.pages

def slow(self, *arguments, **options):
    for page in pages(self, *arguments, **options):
        print("PAGE", file=sys.stderr, flush=True)
        yield page
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
    """Start a command whose pages take so many seconds; it has read one when it is given back."""
    started = []

    def start(*words, seconds=0.3):
        script = SLOW.format(seconds=seconds)
        process = subprocess.Popen(
            [sys.executable, "-c", script, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        for line in process.stderr:
            if line == "PAGE\n":
                return process
        raise AssertionError(process.communicate())

    yield start
    for process in started:
        process.kill()
        process.communicate()


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
    said, noted = process.communicate(timeout=30)
    assert process.returncode == code, noted
    assert "Traceback" not in noted
    data = json.loads(said)["data"]
    assert data["state"] == "stopped"
    assert data["left"] == {"entities": ["tag"], "waiting": 0}
    assert states(office) == ["stopped"]
    assert running_by(office) is None, "the lease was given back"
    assert 10 <= bound(office) < TAGS, "what was read is kept"
    assert office("sync", "run", "desk").exit_code == 0
    assert bound(office) == TAGS


def test_a_second_sigterm_ends_it_at_once_and_the_lease_of_the_dead_is_taken_over(office, slowly):
    process = slowly("sync", "run", "desk", seconds=60)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None, "it waits for the page under way"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == -signal.SIGTERM
    assert running_by(office)
    assert office("sync", "run", "desk").exit_code == 0
    assert states(office) == ["done", "failed"]
    assert bound(office) == TAGS


def test_of_two_at_once_the_second_is_told_who_is_at_it(office, slowly):
    process = slowly("sync", "run", "desk")
    error = office.error("sync", "run", "desk", code=5)
    assert error["code"] == "core.sync.locked"
    assert f":{process.pid}" in error["message"]
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert states(office) == ["done"]


def test_a_worker_that_is_asked_to_stop_ends_with_0_after_the_page(office, slowly):
    process = slowly("worker")
    process.send_signal(signal.SIGTERM)
    _, noted = process.communicate(timeout=30)
    assert process.returncode == 0, noted
    assert "sync stopped" in noted
    assert "worker stopped" in noted
    assert "Traceback" not in noted
    assert states(office) == ["stopped"]
    assert running_by(office) is None


def test_a_second_sigterm_ends_the_worker_at_once(slowly):
    process = slowly("worker", seconds=60)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == -signal.SIGTERM


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
