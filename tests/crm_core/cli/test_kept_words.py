"""What the software kept of its own words is said in the language that the reader asks for."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text

from crm_core.access import system_actor
from crm_core.entities.sync import DeadLetter, SyncRun
from crm_core.messages import say
from crm_core.persistence.unit_of_work import unit_of_work

MARK = "\x1e"
HOSTILE = f"\u202e\"{{0}} Α.Ε.'{MARK}"


@pytest.fixture
def desk(crm, tmp_path):
    """A front office in step with a folder, one of whose customers cannot be taken over."""
    folder = tmp_path / "folder"
    folder.mkdir()
    crm.file = folder / "customers.csv"
    crm.file.write_text("id,kind,name,job_title,email\n1,person,Eleni,before,1@firma.example\n")
    for line in (
        f"backend add files desk --path {folder}",
        "sync plan desk",
        "sync run desk --accept-plan",
        "sync mapping desk --set customer.job_title=ask",
    ):
        result = crm(*line.split())
        assert result.exit_code == 0, result.stderr
    with crm.file.open("a", encoding="utf-8") as file:
        file.write('2,"robot {0}",Nikos,,2@firma.example\n')
    assert crm("sync", "run", "desk").exit_code == 3
    return crm


def kept(crm, column):
    with unit_of_work(crm.database, actor=system_actor("test")) as uow:
        return uow.scalars(select(column).where(column.is_not(None))).all()


def test_why_a_record_was_set_aside(desk):
    [reason] = kept(desk, DeadLetter.reason)
    greek = desk("sync", "status", "desk", "--language", "el")
    assert say(reason, "el") != reason
    assert say(reason, "el") in greek.stdout
    assert reason not in greek.stdout
    assert "robot {0}" in greek.stdout
    assert reason in desk("sync", "status", "desk").stdout
    told = desk("sync", "status", "desk", "--json", "--language", "el").stdout
    [record] = json.loads(told)["data"]["set_aside_records"]
    assert record["reason"] == reason
    assert MARK not in told
    assert "\\u001e" not in told


def test_why_a_run_failed(desk):
    desk.file.write_bytes(b"\x00\x01,not a table\n\xff")
    assert desk("sync", "run", "desk").exit_code != 0
    [message] = kept(desk, SyncRun.message)
    run = desk.json("sync", "history", "desk", "--state", "failed")["items"][0]
    assert run["message"] == message
    assert say(message, "el") != message
    for command in (["history", "desk"], ["show", run["id"]]):
        assert (
            say(message, "el").split("\n")[0] in desk("sync", *command, "--language", "el").stdout
        )


def test_a_run_of_an_earlier_version_is_read_as_it_was_written(desk):
    with desk.database.write_engine.begin() as connection:
        connection.execute(
            text("UPDATE core_sync_run SET state = 'failed', message = 'It broke {x}, said Zoë.'")
        )
    assert "It broke {x}, said Zoë." in desk("sync", "history", "--language", "el").stdout


def test_a_conflict_is_told_by_what_its_field_is_called(desk):
    assert desk("customer", "edit", "desk:1", "--job-title", "ours").exit_code == 0
    desk.file.write_text("id,kind,name,job_title,email\n1,person,Eleni,theirs,1@firma.example\n")
    desk("sync", "run", "desk")
    [found] = desk.json("sync", "conflicts", "list", "desk")["items"]
    assert found["field"] == "job_title"
    listed = desk("sync", "conflicts", "list", "desk", "--language", "el").stdout
    assert "Θέση εργασίας" in listed
    assert "job_title" not in listed
    assert "Job title" in desk("sync", "conflicts", "list", "desk").stdout
    shown = desk("sync", "conflicts", "show", found["id"], "--language", "el").stdout
    assert "Eleni: Πελάτες, Θέση εργασίας" in shown
    assert "customer.job_title" in shown  # as --field takes it
    assert desk.json("sync", "conflicts", "show", found["id"])["field"] == "job_title"


def test_what_a_server_said_is_told_as_it_is_and_steers_nothing(desk):
    with unit_of_work(desk.database, actor=system_actor("test"), write=True) as uow:
        uow.scalar(select(DeadLetter)).reason = HOSTILE
        uow.commit()
    assert kept(desk, DeadLetter.reason) == [HOSTILE]
    told = desk("sync", "status", "desk", "--language", "el").stdout
    assert "\"{0} Α.Ε.'" in told
    assert MARK not in told
