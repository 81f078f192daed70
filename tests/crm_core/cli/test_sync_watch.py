from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import RemoteFault


@pytest.fixture
def office(crm, paper):
    assert crm("backend", "add", "paper", "desk", "--place", "x").exit_code == 0
    return crm


@pytest.fixture
def hook():
    """A web server's address and what was posted there."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


# --- schedules


def test_a_schedule_is_shown_as_it_was_set_and_taken_back(office):
    before = office.json("sync", "schedule", "desk")
    assert before["every"] == "5m"
    assert before["entities"] == {}
    assert before["sweep"] is before["full"] is before["heavy_hours"] is None
    words = ["--every", "10m", "--entity", "customer=1m", "--entity", "invoice=1h", "--sweep", "1d"]
    found = office.json("sync", "schedule", "desk", *words, "--heavy-hours", "22:00-06:00")
    assert found["every"] == "10m"
    assert found["entities"] == {"customer": "1m", "invoice": "1h"}
    assert found["sweep"] == "1d"
    assert office.json("sync", "schedule", "desk", "--full", "7d")["full"] == "7d"
    assert "7d" in office("sync", "schedule", "desk").stdout
    assert office.json("sync", "schedule", "desk", "--full", "default")["full"] is None
    assert found["heavy_hours"] == "22:00-06:00"
    assert office.json("sync", "schedule", "desk") == found
    shown = office("sync", "schedule", "desk").stdout
    assert "customer every 1m, invoice every 1h" in shown

    words = ["--every", "default", "--entity", "customer=default", "--sweep", "default"]
    left = office.json("sync", "schedule", "desk", *words)
    assert (left["every"], left["entities"], left["sweep"]) == ("5m", {"invoice": "1h"}, None)


def test_a_paused_backend_is_left_out_by_the_worker_and_not_by_people(office):
    assert office.json("sync", "schedule", "desk", "--pause")["is_paused"]
    assert office("worker", "--once").exit_code == 0
    assert office.json("sync", "history")["items"] == []
    assert office("sync", "run", "desk").exit_code == 0
    office("sync", "schedule", "desk", "--resume")
    assert office("worker", "--once").exit_code == 0
    assert len(office.json("sync", "history")["items"]) == 2


def test_what_no_schedule_can_be_is_exit_2(office):
    error = office.error("sync", "schedule", "desk", "--every", "now", code=2)
    assert error["code"] == "core.sync.schedule"
    error = office.error("sync", "schedule", "desk", "--entity", "unicorn=5m", code=2)
    assert "customer" in error["message"]
    office.error("sync", "schedule", "nowhere", code=2)
    error = office.error("sync", "schedule", "desk", "--entity", "customer", code=2)
    assert "'customer' lacks the time: write customer=TIME" in error["message"]


def test_status_tells_who_is_paused_or_switched_off(office):
    office("backend", "add", "paper", "shelf", "--place", "y")
    office("sync", "schedule", "desk", "--pause")
    office("backend", "disable", "shelf")
    items = office.json("sync", "status")["items"]
    assert [each["standstill"] for each in items] == ["paused", "switched off"]
    shown = office("sync", "status").stdout
    assert "paused" in shown
    assert "switched off" in shown
    assert "crm sync schedule desk --resume" in office("sync", "status", "desk").stdout


# --- alerts


def test_the_worker_tells_once_that_a_run_failed_and_once_that_it_is_over(office, paper, hook):
    url, got = hook
    office("sync", "alert", "desk", "--webhook", url)
    paper.trouble = RetryableSyncError("Nobody answers Mr. Secret at the desk.", code="paper.away")
    for _ in range(3):
        assert office("worker", "--once").exit_code == 4
    paper.trouble = None
    for _ in range(2):
        assert office("worker", "--once").exit_code == 0
    assert [(each["began"], each["ended"]) for each in got] == [
        ([{"trouble": "failed", "code": "paper.away"}], []),
        ([], [{"trouble": "failed", "code": "paper.away"}]),
    ]
    assert "Secret" not in json.dumps(got)


def test_a_run_that_could_not_even_begin_is_told(crm, paper, hook):
    url, got = hook
    secret = crm.folder / "secret"
    secret.write_text("x")
    crm("backend", "add", "paper_safe", "vault", "--place", "x", "--secret-file", str(secret))
    crm("sync", "alert", "vault", "--webhook", url)
    secret.unlink()
    assert crm("worker", "--once").exit_code == 1
    assert got[0]["began"] == [{"trouble": "failed", "code": "core.secret.unreadable"}]


def test_an_unforeseen_fault_is_told_too(office, paper, hook):
    url, got = hook
    office("sync", "alert", "desk", "--webhook", url)
    paper.trouble = ZeroDivisionError("oh")
    assert office("worker", "--once").exit_code == 1
    assert got[0]["began"][0]["code"] == "core.unexpected"


def test_records_set_aside_are_told_from_a_number_on(office, paper, hook):
    url, got = hook
    office("sync", "alert", "desk", "--webhook", url, "--set-aside", "2")
    paper.faults.append(RemoteFault("8", "Smudge", "x", "stain"))
    office("worker", "--once")
    assert got == []
    paper.faults.append(RemoteFault("9", "Smudge", "x", "stain"))
    office("worker", "--once")
    assert got[0]["began"] == [{"trouble": "set_aside", "count": 2, "limit": 2}]


def test_a_test_is_sent_at_once_and_says_what_went_wrong(office, hook):
    url, got = hook
    assert office.error("sync", "alert", "desk", "--test", code=2)["code"] == "core.alert.none"
    office("sync", "alert", "desk", "--webhook", url)
    assert office("sync", "alert", "desk", "--test").exit_code == 0
    assert got[0]["is_test"] is True
    office("sync", "alert", "desk", "--mail", "ops@example.com")
    result = office("sync", "alert", "desk", "--test", "--json")
    assert result.exit_code == 1
    errors = {each["id"]: each["error"] for each in json.loads(result.stdout)["data"]["items"]}
    assert errors["webhook"] is None
    assert "smtp_host" in errors["mail"]


def test_alerts_are_shown_and_removed(office, hook):
    url, _ = hook
    words = ["--webhook", url, "--mail", "a@example.com,b@example.com", "--conflicts", "10"]
    found = office.json("sync", "alert", "desk", *words)
    assert found["mail_to"] == "a@example.com, b@example.com"
    assert found["webhook"] == "http://127.0.0.1/…"
    assert found["conflicts"] == 10
    assert "a@example.com" in office("sync", "alert", "desk").stdout
    for more in (["--mail", "x@example.com"], ["--test"]):
        error = office.error("sync", "alert", "desk", "--remove", *more, code=2)
        assert error["code"] == "core.alert.remove"
    assert office.json("sync", "alert", "desk") == found
    gone = office.json("sync", "alert", "desk", "--remove")
    assert gone["mail_to"] is gone["webhook"] is gone["conflicts"] is None


@pytest.mark.parametrize(
    "words", [["schedule", "desk", "--every", "1h"], ["alert", "desk", "--mail", "a@example.com"]]
)
def test_they_take_the_right_to_manage_backends(office, words):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["employee"])
        uow.commit()
    error = office.error("sync", *words, "--as", "anna", code=1)
    assert error["code"] == "core.permission_denied"


# --- status, history, show


def test_status_tells_each_entity_with_its_age_and_rate(office, paper):
    paper.faults.append(RemoteFault("9", "Smudge", "x", "stain"))
    office("sync", "run", "desk")
    (tag,) = office.json("sync", "status", "desk")["entities"]
    assert tag["bound"] == {"active": 2}
    assert tag["set_aside"] == 1
    assert tag["waiting"] == tag["unwritten"] == tag["conflicts"] == 0
    assert 0 <= tag["age_seconds"] < 60
    assert tag["mark"]
    assert tag["swept_at"]
    assert tag["is_under_way"] is False
    assert tag["last_run"]["records"] == 3
    assert tag["last_run"]["rate"] > 0
    shown = office("sync", "status", "desk").stdout
    assert "Tied" in shown
    assert "Smudge" in shown


def test_history_is_narrowed_to_a_state_and_tells_how_fast_it_went(office, paper):
    office("sync", "run", "desk")
    paper.trouble = FatalSyncError("No.", code="paper.no")
    office("sync", "run", "desk")
    (failed,) = office.json("sync", "history", "--state", "failed")["items"]
    assert failed["message"] == "No."
    (done,) = office.json("sync", "history", "desk", "--state", "done")["items"]
    assert done["records"] == 2
    assert done["seconds"] > 0
    assert done["rate"] > 0
    assert office("sync", "history", "--state", "odd").exit_code == 2

    run = office.json("sync", "show", done["id"])
    assert run["entities"][0]["entity"] == "tag"
    assert run["entities"][0]["rate"] > 0
    assert run["conflicts"] == 0
    assert "Seconds" in office("sync", "show", done["id"]).stdout


def test_a_damaged_cursor_is_refused_by_name_and_repaired_by_a_full_run(office, hook):
    import sqlite3

    url, got = hook
    office("sync", "run", "desk")
    office("sync", "alert", "desk", "--webhook", url)
    with sqlite3.connect(office.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_sync_cursor SET mark = 'yesterday'")
    error = office.error("sync", "run", "desk", code=4)
    assert error["code"] == "core.sync.cursor"
    assert "crm sync run desk --full --entity tag" in error["message"]
    assert office("sync", "status", "desk").exit_code == 0
    assert office("worker", "--once").exit_code == 4
    assert got[0]["began"] == [{"trouble": "failed", "code": "core.sync.cursor"}]
    assert office("sync", "run", "desk", "--full", "--entity", "tag").exit_code == 0
    assert office("worker", "--once").exit_code == 0
    assert got[1]["ended"]
