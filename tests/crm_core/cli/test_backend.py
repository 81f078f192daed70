from __future__ import annotations

import sqlite3

import pytest

from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import CheckResult, RemoteFault

SAFE = ("backend", "add", "paper_safe", "vault", "--place", "x")


@pytest.fixture
def secret_file(crm):
    path = crm.folder / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


def test_add_asks_for_the_options_of_the_named_type(crm, paper):
    shown = crm("backend", "add", "paper", "--help").stdout
    assert "--place" in shown
    assert "--copies" in shown
    assert "[default: 1]" in shown
    assert "--secret-file" not in shown
    assert "--secret-file" in crm("backend", "add", "paper_safe", "--help").stdout
    assert "paper_safe" in crm("backend", "add", "--help").stdout

    missing = crm("backend", "add", "paper", "desk")
    assert missing.exit_code == 2
    assert "--place" in missing.stderr


def test_added_backends_are_listed_and_opened_with_their_options(crm, paper):
    (crm.folder / "here").mkdir()
    added = crm.json("backend", "add", "paper", "desk", "--place", "drawer", "--folder", "here")
    (listed,) = crm.json("backend", "list")["items"]
    assert listed["id"] == added["id"]
    assert (listed["name"], listed["type"], listed["run_state"]) == ("desk", "paper", None)

    assert crm("backend", "test", "desk").exit_code == 0
    assert paper.opened[0].config == {
        "place": "drawer",
        "copies": "1",
        "folder": str(crm.folder / "here"),
    }
    assert paper.opened[0].secret is None
    assert paper.closed == len(paper.opened) == 2  # when it was added, and now


def test_an_unknown_type_is_refused_with_those_there_are(crm, paper):
    error = crm.error("backend", "add", "papyrus", "x", code=2)
    assert error["code"] == "core.backend.unknown_type"
    assert "paper, paper_safe, stone" in error["message"]
    assert (
        "Safe mode" in crm.error("--safe-mode", "backend", "add", "paper", "x", code=2)["message"]
    )


def test_a_missing_library_names_the_extra_that_brings_it(crm, paper):
    error = crm.error("backend", "add", "stone", "x", code=1)
    assert error["code"] == "core.backend.extra_missing"
    assert "pip install 'crm-front-office[stone]'" in error["message"]
    assert crm.json("backend", "list")["items"] == []


@pytest.mark.parametrize("name", ["Main", "a:b", "-x", "ä", "a b", ""])
def test_a_name_that_would_confuse_commands_is_refused(crm, paper, name):
    result = crm("backend", "add", "paper", "--place", "x", "--", name)
    assert result.exit_code == 2
    assert "cannot be a backend's name" in result.stderr


def test_a_taken_name_is_refused(crm, paper):
    crm.json("backend", "add", "paper", "desk", "--place", "x")
    assert crm.error("backend", "add", "paper", "desk", "--place", "y", code=1)["code"] == (
        "core.backend.exists"
    )


def test_a_secret_comes_from_a_file_and_never_reaches_database_or_output(crm, paper, secret_file):
    result = crm(*SAFE, "--secret-file", "secret")
    assert result.exit_code == 0
    assert "s3cret" not in result.output
    assert crm("backend", "test", "vault").exit_code == 0
    assert paper.opened[0].secret == "s3cret"
    dump = "\n".join(sqlite3.connect(crm.folder / "crm.sqlite").iterdump())
    assert "s3cret" not in dump
    assert f"file:{secret_file}" in dump


def test_a_secret_comes_from_the_environment(crm, paper, monkeypatch):
    monkeypatch.setenv("CRM_SECRET_VAULT", "fromenv")
    assert crm.json(*SAFE)["secret_ref"] == "env:CRM_SECRET_VAULT"
    crm("backend", "test", "vault")
    assert paper.opened[0].secret == "fromenv"

    monkeypatch.delenv("CRM_SECRET_VAULT")
    error = crm.error("backend", "test", "vault", code=1)
    assert error["code"] == "core.secret.unreadable"
    assert "CRM_SECRET_VAULT" in error["message"]


def test_without_any_secret_and_nobody_to_ask_nothing_is_added(crm, paper):
    error = crm.error(*SAFE, code=2)
    assert error["code"] == "core.backend.secret_missing"
    assert "--secret-file" in error["message"]
    assert crm.json("backend", "list")["items"] == []


@pytest.fixture
def ring(monkeypatch):
    """A keyring in memory."""
    from keyring.errors import PasswordDeleteError

    kept = {}

    def delete(service, name):
        if kept.pop((service, name), None) is None:
            raise PasswordDeleteError

    monkeypatch.setattr("keyring.set_password", lambda s, n, value: kept.update({(s, n): value}))
    monkeypatch.setattr("keyring.get_password", lambda s, n: kept.get((s, n)))
    monkeypatch.setattr("keyring.delete_password", delete)
    monkeypatch.setattr("crm_core.cli.backend.on_terminal", lambda: True)
    return kept


def test_on_a_terminal_the_secret_is_asked_for_and_kept_in_the_keyring(crm, paper, ring):
    result = crm(*SAFE, input="typed\n")
    assert result.exit_code == 0
    assert "typed" not in result.output
    assert list(ring.values()) == ["typed"]
    crm("backend", "test", "vault")
    assert paper.opened[0].secret == "typed"
    assert crm("backend", "remove", "vault", "--yes").exit_code == 0
    assert ring == {}


def test_a_keyring_that_cannot_keep_it_is_told(crm, paper, ring, monkeypatch):
    from keyring.errors import NoKeyringError

    def refuse(*_):
        raise NoKeyringError("no backend here")

    monkeypatch.setattr("keyring.set_password", refuse)
    result = crm(*SAFE, input="typed\n")
    assert result.exit_code == 1
    assert "--secret-file" in result.stderr
    assert crm.json("backend", "list")["items"] == []


def test_a_secret_others_can_read_is_warned_of(crm, paper, secret_file):
    secret_file.chmod(0o644)
    result = crm(*SAFE, "--secret-file", "secret")
    assert result.exit_code == 0
    assert "chmod 600" in result.stderr
    assert "chmod 600" in crm("backend", "test", "vault").stderr


def test_a_secret_file_that_is_gone_or_empty_is_told(crm, paper, secret_file):
    crm(*SAFE, "--secret-file", "secret")
    secret_file.write_text("\n")
    assert "empty" in crm.error("backend", "test", "vault", code=1)["message"]
    secret_file.unlink()
    assert str(secret_file) in crm.error("backend", "test", "vault", code=1)["message"]


def test_test_tells_each_check_and_ends_with_1_when_a_right_is_missing(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    paper.checks.append(CheckResult("read payments", False, "grant the group Billing"))
    result = crm("backend", "test", "desk")
    assert result.exit_code == 1
    assert "grant the group Billing" in result.stdout
    items = crm("backend", "test", "desk", "--json").stdout
    assert '"ok": false' in items


@pytest.mark.parametrize("kind", [RetryableSyncError, FatalSyncError])
def test_test_ends_with_4_when_not_reachable_or_refused(crm, paper, kind):
    crm("backend", "add", "paper", "desk", "--place", "x")
    paper.trouble = kind("Nobody answers: start it.")
    result = crm("backend", "test", "desk")
    assert result.exit_code == 4
    assert "Nobody answers" in result.stderr
    assert paper.closed == len(paper.opened)


def test_remove_says_what_goes_and_asks(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    paper.faults.append(RemoteFault("9", "Smudge", "x", "unreadable"))
    assert crm("sync", "run", "desk").exit_code == 3

    error = crm.error("backend", "remove", "desk", code=2)
    assert error["code"] == "core.cli.needs_yes"
    assert "2 ties" in error["message"]
    assert "1 run" in error["message"]
    assert "1 set-aside" in error["message"]
    assert len(crm.json("backend", "list")["items"]) == 1

    removed = crm.json("backend", "remove", "desk", "--yes")["removed"]
    assert removed == {"bindings": 2, "runs": 1, "set_aside": 1}
    assert crm.json("backend", "list")["items"] == []
    tags = sqlite3.connect(crm.folder / "crm.sqlite").execute("SELECT count(*) FROM core_tag")
    assert tags.fetchone() == (2,)


def test_an_unknown_backend_is_exit_2_with_those_there_are(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x")
    for words in (["backend", "test"], ["backend", "remove"], ["sync", "run"], ["sync", "status"]):
        error = crm.error(*words, "dask", code=2)
        assert error["details"] == {"backends": ["desk"]}
