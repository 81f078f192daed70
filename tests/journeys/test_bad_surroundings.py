"""Folders, disks, locks, settings and secrets that are not as they should be."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from crm_core.persistence.database import Database

# Root may write anywhere; without these two capabilities it may not.
AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
WRITES = [
    ("customer", "add", "X"),
    ("customer", "import", "../people.csv"),
    ("user", "add", "eva"),
]


def told(done: subprocess.CompletedProcess[str], *, code: int) -> str:
    """Return the message of a process that ended with ``code``, told to people and to programs."""
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "error/1"
    message: str = document["error"]["message"]
    assert f"Error: {message}" in done.stderr
    return message


@pytest.fixture
def anybody() -> tuple[str, ...]:
    """What stands before a command so that the rights on files count, also for root."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv when run as root")
    return AS_ANYBODY


@pytest.fixture
def people(desk) -> Path:
    path = desk.folder.parent / "people.csv"
    path.write_text("name\nAnna\n", encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "file"])
def test_a_folder_or_file_that_may_only_be_read(desk, people, anybody, place):
    locked = desk.folder if place == "folder" else desk.folder / "crm.sqlite"
    mode = locked.stat().st_mode
    before = desk.rows()
    locked.chmod(0o555 if place == "folder" else 0o444)
    try:
        for words in WRITES:
            message = told(desk.process(*words, "--json", before=anybody), code=1)
            assert "crm.sqlite cannot be written: check the rights" in message
        assert desk.process("customer", "list", before=anybody).returncode == 0
        if place == "folder":
            for words in (("customer", "export", "--out", "x.csv"), ("db", "backup", "b")):
                assert "cannot be written" in told(
                    desk.process(*words, "--json", before=anybody), code=1
                )
        seen = desk.process("doctor", before=anybody)
        assert seen.returncode == 1
        assert f"{locked} cannot be written" in seen.stdout
    finally:
        locked.chmod(mode)
    assert desk.rows() == before


def test_a_folder_in_which_nothing_can_be_set_up(surroundings, desk, anybody):
    closed = surroundings / "closed"
    closed.mkdir(mode=0o555)
    url = f"sqlite:///{closed / 'crm.sqlite'}"
    done = desk.process("init", "--yes", "--json", "--database-url", url, before=anybody)
    assert "check that the folder exists and may be written" in told(done, code=1)
    url = "sqlite:////nowhere/at/all/crm.sqlite"
    done = desk.process("init", "--yes", "--json", "--database-url", url, before=anybody)
    assert "check that the folder exists" in told(done, code=1)
    assert list(closed.iterdir()) == []


@pytest.fixture
def full_disk(desk):
    """The desk's folder as a small disk of its own, filled to the last block."""
    disk = desk.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        shutil.copyfile(desk.folder / "crm.sqlite", disk / "crm.sqlite")
        desk.database_url = f"sqlite:///{disk / 'crm.sqlite'}"
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                try:
                    ballast.write(bytes(4096))
                except OSError:
                    break
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk(desk, people, full_disk):
    before = desk.rows()
    for words in (
        ("customer", "add", "X", "--note", "x" * 50_000),
        ("customer", "import", people),
        ("customer", "export", "--out", full_disk / "x.csv"),
        ("db", "backup", full_disk / "b"),
        ("init", "--yes", "--database-url", f"sqlite:///{full_disk / 'new.sqlite'}"),
    ):
        message = told(desk.process(*words, "--json"), code=1)
        assert "full" in message or "space" in message, message
    assert desk.rows() == before
    assert {p.name for p in full_disk.iterdir()} <= {"crm.sqlite", "ballast", "new.sqlite"}
    assert "No space" not in desk.process("customer", "list").stderr
    seen = desk.process("doctor")
    assert (seen.returncode, "Free some space" in seen.stdout) == (1, True)
    (full_disk / "ballast").unlink()
    assert desk.process("customer", "add", "X").returncode == 0


def test_a_write_that_reaches_a_limit_of_the_machine(desk, people):
    """Works without root: no file may grow beyond what the database has now."""
    before = desk.rows()
    blocks = (desk.folder / "crm.sqlite").stat().st_size // 1024
    limit = ("bash", "-c", f'ulimit -f {blocks}; trap "" XFSZ; exec "$@"', "x")
    done = desk.process("customer", "add", "X", "--note", "x" * 90_000, "--json", before=limit)
    assert "quota" in told(done, code=1)
    lines = "\n".join(f"Customer {n},{'x' * 5000}" for n in range(500))
    people.write_text(f"name,note\n{lines}\n", encoding="utf-8")
    done = desk.process("customer", "import", people, "--json", before=limit)
    assert "temporary file" in told(done, code=1)
    assert desk.rows() == before


@pytest.fixture
def impatient(monkeypatch):
    """Wait a fifth of a second for another process's lock, not ten."""
    monkeypatch.setitem(Database.__init__.__kwdefaults__, "busy_timeout_ms", 200)


def test_a_database_that_another_process_holds(desk, people, impatient):
    before = desk.rows()
    other = sqlite3.connect(desk.folder / "crm.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        for words in (*WRITES[:1], *WRITES[2:], ("customer", "import", str(people))):
            error = json.loads(desk(*words, "--json", code=5).stdout)["error"]
            assert error["code"] == "core.database.locked"
            assert "Another process" in error["message"]
            assert "Try again later" in error["message"]
        assert "Another process may hold it" in desk("doctor", code=1).stdout
    finally:
        other.close()
    assert desk.rows() == before
    desk("customer", "add", "X")


def test_a_database_from_a_newer_version(desk):
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE alembic_version_core SET version_num = '9999'")
    for words in (("customer", "list"), ("customer", "add", "X"), ("db", "upgrade"), ("init",)):
        error = desk.refused(*words, code=1, says=("9999", "newer version", "install that version"))
        assert error["code"] == "core.database.newer"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"database_url = \n", ("line 1", "Correct")),
        (b"\n\nshoe = 4\n", ("line 3", "'shoe'", "sync_minutes")),
        (b"[database]\nurl = 'x'\n", ("line 1", "'database'")),
        (b"sync_minutes = -1\n", ("sync_minutes", "minutes")),
        (b"safe_mode = 'perhaps'\n", ("safe_mode", "true")),
        (b"user = ['a']\n", ("user", "login")),
        (b"\xff\xfe", ("cannot be read", "move it away")),
        (b"files_folder = 5\n", ("files_folder", "not a path")),
    ],
)
def test_broken_settings(desk, content, says):
    desk.write("crm.toml", content)
    for words in (("customer", "list"), ("customer", "add", "X"), ("init",)):
        desk.refused(*words, code=1, says=("crm.toml", *says))
    seen = desk("doctor", code=1).stdout
    assert all(word in seen for word in ("fail configuration", *says))


ODOO = {"--url": "https://127.0.0.1:1", "--database": "d", "--login": "l", "--secret-file": "s"}


def added(name: str, **options: str) -> tuple[str, ...]:
    """The command that adds an Odoo, with some options otherwise than right."""
    given = ODOO | {f"--{key.replace('_', '-')}": value for key, value in options.items()}
    return ("backend", "add", "odoo", name, *(word for pair in given.items() for word in pair))


@pytest.fixture
def secret(desk) -> Path:
    path = desk.write("s", "hunter2\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "nonsense"}, ("url", "'nonsense'", "https://")),
        ({"url": "http://erp.example.com"}, ("unencrypted", "https://")),
        ({"url": "https://u:hunter2@erp.example.com"}, ("url", "leave out user and password")),
        ({"url": "https://127.0.0.1:99999"}, ("url", "no address")),
        ({"database": ""}, ("database",)),
        ({"login": " "}, ("login",)),
        ({"timeout_seconds": "soon"}, ("timeout-seconds", "'soon'", "1 to 3600")),
        ({"customer_domain": "[[["}, ("customer-domain", "JSON")),
        ({"ca_file": "nofile"}, ("ca-file", "nofile", "PEM")),
        ({"secret_file": "nofile"}, ("--secret-file", "nofile")),
        ({"shoe_size": "42"}, ("--shoe-size",)),
    ],
)
def test_a_backend_with_wrong_options_is_not_added(desk, secret, options, says):
    desk.refused(*added("erp", **options), code=2, says=says)
    assert "hunter2" not in desk(*added("erp", **options), code=2).output
    assert desk.json("backend", "list")["items"] == []


def test_a_backend_of_no_kind_or_name(desk, secret):
    desk.refused("backend", "add", "sap", "x", code=2, says=("'sap'", "odoo"))
    for name in ("a b", "a:b", "", "Ä", "x" * 500):
        desk.refused(*added(name), code=2, says=("cannot be a backend's name",))
    desk.refused("backend", "add", "files", "f", "--path", "no", code=2, says=("no folder", "path"))
    for words in (("backend", "test"), ("backend", "remove"), ("sync", "run"), ("sync", "plan")):
        desk.refused(*words, "ghost", code=2, says=("'ghost'", "crm backend add"))


def test_flags_behind_a_backend_still_say_where(desk):
    url = f"sqlite:///{desk.folder / 'other.sqlite'}"
    desk("init", "--yes", "--database-url", url)
    desk("backend", "add", "files", "f", "--path", ".", "--database-url", url)
    assert desk.json("backend", "list")["items"] == []
    assert len(desk.json("backend", "list", "--database-url", url)["items"]) == 1


def test_a_secret_that_is_missing_empty_no_text_or_open_to_all(desk, secret):
    desk.refused(*added("erp")[:-2], code=2, says=("--secret-file", "CRM_SECRET_ERP"))
    desk(*added("erp"))
    for spoil, says in (
        (lambda: secret.write_text(""), "empty"),
        (lambda: secret.write_bytes(b"\xff\xfe"), "UTF-8"),
        (secret.unlink, "No such file"),
    ):
        spoil()
        for words in (("backend", "test"), ("sync", "run"), ("sync", "plan")):
            desk.refused(*words, "erp", code=1, says=("erp", str(secret), says, "Put it there"))
        assert says in desk("doctor", code=1).stdout
    secret.write_text("hunter2")
    secret.chmod(0o644)
    result = desk("backend", "test", "erp", code=4)
    assert f"chmod 600 {secret}" in result.stderr
    assert "hunter2" not in result.output
    assert b"hunter2" not in (desk.folder / "crm.sqlite").read_bytes()
