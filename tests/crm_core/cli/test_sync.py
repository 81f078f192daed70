from __future__ import annotations

import json

import pytest

from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import RemoteFault


@pytest.fixture
def office(crm, paper):
    assert crm("backend", "add", "paper", "desk", "--place", "x").exit_code == 0
    return crm


def test_a_run_tells_its_counts_and_a_second_changes_nothing(office, paper):
    first = office.json("sync", "run", "desk")
    assert first["state"] == "done"
    assert first["counts"]["tag"]["created"] == 2
    assert first["calls"] == paper.opened[-1].calls
    second = office.json("sync", "run", "desk")
    assert second["counts"]["tag"].get("created", 0) == 0
    assert second["counts"]["tag"]["unchanged"] == 2
    assert paper.closed == len(paper.opened) == 3  # when it was added, and in each run


def test_a_run_for_people_shows_counts_on_stdout_and_warnings_beside(office, paper):
    paper.warnings.append("the field colour is gone")
    result = office("sync", "run", "desk")
    assert result.exit_code == 0
    assert "created" in result.stdout
    assert "Warning: the field colour is gone" in result.stderr
    assert "Warning" not in result.stdout


def test_set_aside_records_end_with_3_and_are_told_with_their_reason(office, paper):
    paper.faults.append(RemoteFault("9", "Smudge\x1b[2J", "paper.smudged", "a coffee stain"))
    assert office("sync", "run", "desk").exit_code == 3
    shown = office("sync", "status", "desk")
    assert "a coffee stain" in shown.stdout
    assert "\x1b" not in shown.stdout
    status = office.json("sync", "status", "desk")
    assert status["set_aside"] == 1
    assert status["set_aside_records"][0]["label"] == "Smudge\x1b[2J"

    paper.faults.clear()
    paper.tags["9"] = "Smudge"
    assert office.json("sync", "retry", "desk")["state"] == "done"
    assert office.json("sync", "status", "desk")["set_aside"] == 0
    assert office.json("sync", "retry", "desk")["counts"] == {}


def test_a_plan_writes_nothing(office):
    plan = office.json("sync", "plan", "desk")
    assert plan["id"] is None
    assert plan["counts"]["tag"]["created"] == 2
    assert office.json("sync", "run", "desk", "--dry-run")["counts"] == plan["counts"]
    assert office.json("sync", "history")["items"] == []
    assert office.json("sync", "run", "desk")["counts"]["tag"]["created"] == 2


@pytest.mark.parametrize("kind", [RetryableSyncError, FatalSyncError])
def test_not_reachable_or_refused_is_exit_4_and_stands_in_the_history(office, paper, kind):
    paper.trouble = kind("Nobody answers at desk: start it.", code="paper.away")
    error = office.error("sync", "run", "desk", code=4)
    assert error["code"] == "paper.away"
    (run,) = office.json("sync", "history", "desk")["items"]
    assert run["state"] == "failed"
    assert "Nobody answers" in run["message"]
    assert "Nobody answers" in office("sync", "show", run["id"][:23]).stdout


def test_another_run_under_way_is_exit_5(office):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.backends import backend_named
    from crm_core.sync import lock

    actor = system_actor("test")
    with unit_of_work(office.database, actor=actor) as uow:
        backend = backend_named(uow, "desk")
    lock.acquire(office.database, actor, backend.id, "desk")
    assert office.error("sync", "run", "desk", code=5)["code"] == "core.sync.locked"
    assert office.error("backend", "remove", "desk", "--yes", code=5)["code"] == "core.sync.locked"
    (status,) = office.json("sync", "status")["items"]
    assert status["running_by"]


def test_an_unknown_entity_is_exit_2(office):
    assert "tag" in office.error("sync", "run", "desk", "--entity", "unicorn", code=2)["message"]
    assert office("sync", "run", "desk", "--entity", "tag").exit_code == 0


def test_history_comes_in_pages_latest_first_and_runs_are_shown_by_prefix(office):
    ids = [office.json("sync", "run", "desk")["id"] for _ in range(3)]
    first = office.json("sync", "history", "--limit", "2")
    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    rest = office.json("sync", "history", "--limit", "2", "--cursor", first["next_cursor"])
    assert [item["id"] for item in rest["items"]] == ids[:1]
    assert rest["next_cursor"] is None

    shown = office.json("sync", "show", ids[0])
    assert shown["backend"] == "desk"
    assert shown["counts"]["entities"]["tag"]["created"] == 2
    assert office.error("sync", "show", "0" * 12, code=2)["code"] == "core.sync_run.not_found"
    assert office.error("sync", "show", "x", code=2)["code"] == "core.sync_run.not_found"


def test_status_shows_freshness_per_entity(office):
    office("sync", "run", "desk")
    (entity,) = office.json("sync", "status", "desk")["entities"]
    assert entity["entity"] == "tag"
    assert entity["refreshed_at"].endswith("+00:00")
    assert "desk" in office("sync", "status").stdout


@pytest.mark.parametrize("words", [["run", "desk"], ["plan", "desk"], ["retry", "desk"]])
def test_a_user_without_the_right_may_not_sync(office, words):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["employee"])
        uow.commit()
    result = office("sync", *words, "--as", "anna", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "core.permission_denied"
