from __future__ import annotations

import sqlite3


def test_status_and_upgrade_of_a_current_database(crm):
    status = crm.json("db", "status")
    assert status["current"] == status["head"]
    assert status["pending"] == []
    assert "up to date" in crm("db", "status").stdout
    assert crm.json("db", "upgrade") == {
        "revision": status["head"],
        "ran": [],
        "plugins": [],
    }


def test_a_missing_database_is_told_and_not_made(bare_crm):
    for words in (["db", "status"], ["db", "upgrade"]):
        assert bare_crm.error(*words, code=1)["code"] == "core.database.not_initialised"
    assert list(bare_crm.folder.iterdir()) == []


def test_a_newer_database_is_told_and_not_touched(crm):
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE alembic_version_core SET version_num = '9999'")
    assert crm.json("db", "status")["is_newer"] is True
    assert "newer" in crm("db", "status").stdout
    assert crm.error("db", "upgrade", code=1)["code"] == "core.database.newer"


def test_an_older_database_is_refused_by_commands_and_upgraded(crm, monkeypatch):
    from crm_core.persistence import migrate

    def before(connection, line):
        found = real(connection, line)
        return migrate.MigrationStatus("0000", found.head, (found.head,), newer=False)

    real = migrate._status
    monkeypatch.setattr(migrate, "_status", before)
    error = crm.error("backend", "list", code=1)
    assert error["code"] == "core.database.outdated"
    assert "crm db upgrade" in error["message"]
    assert "crm db upgrade" in crm("db", "status").stdout


def test_a_backup_brings_everything_back(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    made = crm.json("db", "backup", "safe.zip")
    assert made["file"] == str(crm.folder / "safe.zip")
    assert made["size_bytes"] == (crm.folder / "safe.zip").stat().st_size

    crm("backend", "remove", "desk", "--yes")
    refused = crm.error("db", "restore", "safe.zip", code=1)
    assert refused["code"] == "core.backup.target_not_empty"
    restored = crm.json("db", "restore", "safe.zip", "--force")
    assert restored["needs_upgrade"] is False
    assert [item["name"] for item in crm.json("backend", "list")["items"]] == ["desk"]


def test_a_backup_can_be_restored_where_there_is_nothing_or_only_rubble(crm):
    crm("db", "backup", "safe.zip")
    path = crm.folder / "crm.sqlite"
    path.unlink()
    assert crm("db", "restore", "safe.zip").exit_code == 0
    assert crm("backend", "list").exit_code == 0
    path.write_text("Dear diary, " * 500)
    assert crm("db", "restore", "safe.zip", "--force").exit_code == 0
    assert crm("backend", "list").exit_code == 0


def test_a_backup_file_that_is_none_or_there_already_is_exit_2(crm):
    (crm.folder / "notes.txt").write_text("mine")
    assert crm.error("db", "backup", "notes.txt", code=2)["code"] == "core.backup.exists"
    error = crm.error("db", "restore", "notes.txt", "--force", code=2)
    assert "notes.txt" in error["message"]
    assert crm.error("db", "restore", "missing.zip", code=2)["code"] == "core.usage"
    assert crm("backend", "list").exit_code == 0


def test_who_may_not_manage_the_database_may_neither_back_up_nor_restore(crm):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    crm("db", "backup", "safe.zip")
    with unit_of_work(crm.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["manager"])
        uow.commit()
    for words in (["backup", "more.zip"], ["restore", "safe.zip", "--force"]):
        error = crm.error("db", *words, "--as", "anna", code=1)
        assert error["code"] == "core.permission_denied"
    assert not (crm.folder / "more.zip").exists()
