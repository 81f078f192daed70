from __future__ import annotations

import sqlite3


def test_status_and_upgrade_of_a_current_database(crm):
    status = crm.json("db", "status")
    assert status["current"] == status["head"]
    assert status["pending"] == []
    assert "up to date" in crm("db", "status").stdout
    assert crm.json("db", "upgrade") == {"revision": status["head"], "ran": []}


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
