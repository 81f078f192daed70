from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint

import pytest
from sqlalchemy import update

from crm_core.access import system_actor
from crm_core.entities import AuditEntry
from crm_core.errors import RetryableSyncError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.plugins import discovery
from crm_core.plugins.discovery import PLUGIN_GROUP
from crm_core.sync.protocol import RemoteFault


def findings(shell, *, code):
    """Run the doctor, which has to end with this code, and return its lines by name."""
    result = shell("doctor", "--json")
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["schema"] == "doctor/1"
    assert document["data"]["ok"] is (code == 0)
    found = {}
    for item in document["data"]["items"]:
        assert item["state"] in ("ok", "warn", "fail")
        found.setdefault(item["id"], []).append(item)
    return found


def states(lines):
    return [line["state"] for line in lines]


def told(lines):
    return " ".join(f"{line['message']} {line['advice']}" for line in lines)


def test_a_sound_installation_fails_in_nothing(crm, paper):
    found = findings(crm, code=0)
    assert states(found["database"]) == ["ok"]
    assert states(found["sqlite"]) == ["ok"]
    assert sqlite3.sqlite_version in told(found["sqlite"])
    assert "journal" in told(found["sqlite"])
    assert states(found["plugin paper"]) == ["ok"]
    assert states(found["user"]) == ["ok"]
    assert f"from {crm.folder / 'crm.toml'}" in told(found["configuration database_url"])
    assert {"setup", "backends", "audit", "clock", "disk space", "program"} <= set(found)


def test_people_get_a_line_for_each_with_what_to_do(bare_crm, paper):
    result = bare_crm("doctor")
    assert result.exit_code == 1
    assert "fail database: There is no file" in result.stdout
    assert "→ Run crm init" in result.stdout
    assert result.stderr == ""


def test_no_database(bare_crm, paper):
    found = findings(bare_crm, code=1)
    assert states(found["database"]) == ["fail"]
    assert "crm init" in told(found["database"])
    assert "setup" not in found
    assert list(bare_crm.folder.iterdir()) == []


def test_broken_settings(crm):
    (crm.folder / "crm.toml").write_text("database_url = \n")
    found = findings(crm, code=1)
    assert states(found["configuration"]) == ["fail"]
    assert "line 1" in told(found["configuration"])


def test_a_newer_database(crm, paper):
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE alembic_version_core SET version_num = '9999'")
    found = findings(crm, code=1)
    assert "newer version" in told(found["database"])


def test_an_empty_database(bare_crm, paper):
    sqlite3.connect(bare_crm.folder / "crm.sqlite").close()
    (bare_crm.folder / "crm.sqlite").touch()
    assert "crm init" in told(findings(bare_crm, code=1)["database"])


def test_a_file_that_is_no_database(bare_crm, paper):
    (bare_crm.folder / "crm.sqlite").write_text("Dear diary, " * 500)
    found = findings(bare_crm, code=1)
    assert "fail" in states(found["sqlite"])
    assert "crm db restore" in told(found["sqlite"])


def test_a_damaged_database(crm, paper):
    path = crm.folder / "crm.sqlite"
    content = bytearray(path.read_bytes())
    chance = random.Random(7)  # the same damage each time
    for start in range(8192, len(content), 16384):
        content[start : start + 600] = chance.randbytes(600)
    path.write_bytes(bytes(content))
    found = findings(crm, code=1)
    assert states(found["sqlite"]) == ["fail"]
    assert "damaged" in told(found["sqlite"])


def test_a_driver_that_is_not_installed(bare_crm, paper, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql://crm:s3cret@127.0.0.1:1/crm")
    result = bare_crm("doctor")
    assert result.exit_code == 1
    assert "pip install 'crm-front-office[postgres]'" in result.stdout
    assert "s3cret" not in result.output


def test_a_server_that_does_not_answer(bare_crm, paper, monkeypatch):
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql://crm:s3cret@127.0.0.1:1/crm")
    result = bare_crm("doctor")
    assert result.exit_code == 1
    assert "does not answer" in result.stdout
    assert "s3cret" not in result.output
    assert "Traceback" not in result.output


def test_an_address_nobody_understands(bare_crm, paper, monkeypatch):
    monkeypatch.setenv("CRM_DATABASE_URL", "mysql://localhost/crm")
    assert "mysql is not supported" in told(findings(bare_crm, code=1)["database"])


def test_a_folder_that_cannot_be_written(crm, paper, monkeypatch):
    # The tests may run as root, who may write anywhere.
    monkeypatch.setattr(
        "crm_core.diagnosis.database.os.access", lambda place, _mode: place != crm.folder
    )
    found = findings(crm, code=1)
    assert str(crm.folder) in told(found["database file"])


@pytest.mark.parametrize(("free", "state", "code"), [(10, "fail", 1), (200, "warn", 0)])
def test_little_room_on_the_disk(crm, paper, monkeypatch, free, state, code):
    usage = namedtuple("usage", "total used free")(1, 1, free * 2**20)  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert states(findings(crm, code=code)["disk space"]) == [state]


def test_a_file_that_had_better_be_postgresql(crm, paper, monkeypatch):
    monkeypatch.setattr("crm_core.diagnosis.database.MOVE_SIZE", 1000)
    assert "PostgreSQL" in told(findings(crm, code=0)["database size"])


def test_an_installation_that_was_never_finished(crm, paper):
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        connection.execute("DELETE FROM core_setting")
    assert "crm init" in told(findings(crm, code=1)["setup"])


def test_an_account_that_is_no_user(crm, paper, monkeypatch):
    monkeypatch.setenv("CRM_USER", "nobody")
    found = findings(crm, code=0)
    assert states(found["user"]) == ["warn"]
    assert "nobody" in told(found["user"])


def test_plugins_with_faults_and_safe_mode(crm, paper, monkeypatch):
    points = discovery.installed_points()
    broken = EntryPoint("broken", "no_such_module_anywhere.plugin", PLUGIN_GROUP)
    monkeypatch.setattr(discovery, "installed_points", lambda: {**points, "broken": [broken]})
    found = findings(crm, code=0)
    assert states(found["plugin broken"]) == ["warn"]
    assert "no_such_module_anywhere" in told(found["plugin broken"])
    assert "safe mode" in json.dumps(json.loads(crm("--safe-mode", "doctor", "--json").stdout))


def test_a_check_that_breaks_is_a_line_and_the_rest_goes_on(crm, paper, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: 1 / 0)
    found = findings(crm, code=1)
    assert "ZeroDivisionError" in told(found["disk space"])
    assert states(found["setup"]) == ["ok"]


@pytest.fixture
def office(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    return crm


def test_a_backend_that_never_ran_then_ran_then_is_late(office, paper, monkeypatch):
    assert "never been run" in told(findings(office, code=0)["backend desk"])
    office("sync", "run", "desk")
    assert states(findings(office, code=0)["backend desk"]) == ["ok"]
    with sqlite3.connect(office.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_sync_run SET finished_at = '2020-01-01 00:00:00.000000'")
    found = findings(office, code=0)["backend desk"]
    assert states(found) == ["warn"]
    assert "crm worker" in told(found)


def test_a_backend_whose_last_run_failed(office, paper):
    paper.trouble = RetryableSyncError("The desk is on fire.")
    office("sync", "run", "desk")
    found = findings(office, code=1)["backend desk"]
    assert states(found) == ["fail"]
    assert "on fire" in told(found)


def test_set_aside_records(office, paper):
    paper.faults.append(RemoteFault("9", "Smudge", "x", "stain"))
    office("sync", "run", "desk")
    found = findings(office, code=0)["backend desk"]
    assert "1 record is set aside" in told(found)
    assert "crm sync status desk" in told(found)


def test_a_backend_whose_type_or_secret_is_gone(crm, paper, monkeypatch):
    secret = crm.folder / "secret"
    secret.write_text("s")
    crm("backend", "add", "paper_safe", "vault", "--place", "x", "--secret-file", str(secret))
    secret.chmod(0o644)
    assert "chmod 600" in told(findings(crm, code=0)["backend vault"])
    secret.unlink()
    assert str(secret) in told(findings(crm, code=1)["backend vault"])
    assert "Safe mode" in crm("--safe-mode", "doctor").stdout


def test_unsealed_entries_and_a_clock_that_went_back(crm, paper):
    with unit_of_work(crm.database, actor=system_actor("test"), write=True) as uow:
        uow.execute(
            update(AuditEntry).values(
                at=datetime.now(UTC) - timedelta(hours=3), position=None, chain_hash=None
            )
        )
        uow.commit()
    found = findings(crm, code=0)
    assert states(found["audit"]) == ["warn"]
    assert "crm audit verify" in told(found["audit"])
    with unit_of_work(crm.database, actor=system_actor("test"), write=True) as uow:
        uow.execute(update(AuditEntry).values(at=datetime.now(UTC) + timedelta(hours=3)))
        uow.commit()
    assert states(findings(crm, code=0)["clock"]) == ["warn"]


def test_postgresql_is_looked_at_too(bare_crm, paper, postgres_database, monkeypatch):
    url = postgres_database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CRM_DATABASE_URL", url)
    bare_crm("init", "--yes")
    found = findings(bare_crm, code=0)
    assert "PostgreSQL" in told(found["server"])
    assert set(states(found["clock"])) == {"ok"}


def test_a_backend_is_late_by_its_own_schedule_and_a_paused_one_is_not(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    crm("sync", "run", "desk")
    ago = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_sync_run SET finished_at = ?", [ago])
    assert "warn" in states(findings(crm, code=0)["backend desk"])
    crm("sync", "schedule", "desk", "--every", "1h")
    assert states(findings(crm, code=0)["backend desk"]) == ["ok"]
    crm("sync", "schedule", "desk", "--every", "default", "--pause")
    assert "Paused" in told(findings(crm, code=0)["backend desk"])
