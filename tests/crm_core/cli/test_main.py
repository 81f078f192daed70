from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from crm_core import errors
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.main import Crm
from crm_core.cli.main import crm as command
from crm_core.commands import COMMANDS
from crm_core.persistence.database import Database

CRM = [sys.executable, "-c", "from crm_core.cli.main import main; main()"]


def run(*arguments, **kwargs):
    return subprocess.run([*CRM, *arguments], capture_output=True, text=True, check=False, **kwargs)


def failing(error):
    """A command line whose one command fails like this."""

    @click.command(cls=CrmCommand)
    def fail():
        raise error

    group = Crm("crm", lazy={})
    group.add_command(fail)
    return group


def test_help_imports_click_and_the_standard_library_only():
    code = (
        "import sys\n"
        "from crm_core.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "outside = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(outside - {'_distutils_hack'}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    )
    loaded = {name for name in eval(done.stderr) if not name.startswith("_")}
    assert loaded <= {"click", "crm_core"}
    for name, (_, help_) in COMMANDS.items():
        assert name in done.stdout
        assert help_ in done.stdout


def test_a_commands_own_help_imports_no_database():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from crm_core.cli.main import crm\n"
        "from crm_core.commands import COMMANDS\n"
        "for name in COMMANDS:\n"
        "    result = CliRunner().invoke(crm, [name, '--help'])\n"
        "    assert result.exit_code == 0, (name, result.output)\n"
        "    loaded = {'sqlalchemy', 'rich', 'alembic', 'babel'} & set(sys.modules)\n"
        "    assert not loaded, (name, loaded)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["init", "--nonsense"], ["user", "nonsense"]])
def test_a_wrong_command_line_is_exit_2_with_a_hint(arguments):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "--help" in result.stderr

    result = CliRunner().invoke(command, [*arguments, "--json"])
    assert json.loads(result.stdout)["error"]["code"] == "core.usage"


@pytest.mark.parametrize("arguments", [[], ["backend"]])
def test_a_missing_command_shows_the_help(arguments):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.CrmError, 1),
        (errors.InputError, 2),
        (errors.NotFoundError, 2),
        (errors.PermissionDeniedError, 1),
        (errors.ConflictError, 1),
        (errors.StaleVersionError, 1),
        (errors.DuplicateError, 1),
        (errors.LockedError, 5),
        (errors.RuleViolationError, 1),
        (errors.ConfigurationError, 1),
        (errors.RetryableSyncError, 4),
        (errors.RecordSyncError, 3),
        (errors.FatalSyncError, 4),
    ],
)
def test_each_error_has_its_exit_code_and_form(kind, code):
    failure = failing(kind("It broke\x1b[2J: repair it.", code="x.y", details={"id": "7"}))

    plain = CliRunner().invoke(failure, ["fail"])
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert plain.stderr == "Error: It broke[2J: repair it.\n"

    told = CliRunner().invoke(failure, ["fail", "--json"])
    assert told.exit_code == code
    assert json.loads(told.stdout) == {
        "schema": "error/1",
        "error": {"code": "x.y", "message": "It broke\x1b[2J: repair it.", "details": {"id": "7"}},
    }


def test_an_unexpected_error_is_logged_and_shows_no_traceback(tmp_path, monkeypatch):
    log = tmp_path / "logs" / "crm.log"
    monkeypatch.setenv("CRM_LOG_FILE", str(log))
    result = CliRunner().invoke(failing(ZeroDivisionError("secret detail")), ["fail"])
    assert result.exit_code == 1
    assert str(log) in result.stderr
    assert "crm doctor" in result.stderr
    assert "Traceback" not in result.output
    assert "ZeroDivisionError: secret detail" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_an_unexpected_error_is_told_even_where_nothing_can_be_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_LOG_FILE", "/proc/nowhere/crm.log")
    result = CliRunner().invoke(failing(ZeroDivisionError()), ["fail"])
    assert result.exit_code == 1
    assert "crm-" in result.stderr


def test_a_full_disk_is_told_in_words():
    result = CliRunner().invoke(
        failing(OSError(28, "No space left on device", "/data/x")), ["fail"]
    )
    assert result.exit_code == 1
    assert "/data/x: No space left on device" in result.stderr


def test_a_database_fault_outside_any_unit_of_work_is_told_in_words(crm, monkeypatch):
    from sqlalchemy.exc import OperationalError

    fault = OperationalError("SELECT", {}, sqlite3.OperationalError("database or disk is full"))

    def verify(*_, **__):
        raise fault

    monkeypatch.setattr("crm_core.services.audit.verify", verify)
    error = crm.error("audit", "verify", code=1)
    assert error["code"] == "core.database.disk_full"
    assert crm.database_url in error["message"]


def test_an_interrupt_ends_with_130(tmp_path):
    assert CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"]).exit_code == 130


def test_a_reader_that_goes_away_causes_no_noise(bare_crm):
    done = subprocess.run(
        f"{' '.join(CRM[:1])} -c 'from crm_core.cli.main import main; main()' doctor | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_names_outside_the_terminals_encoding_are_no_error(crm):
    env = os.environ | {"PYTHONIOENCODING": "iso8859-1"}
    done = run("--as", "Δήμητρα", "backend", "list", env=env)
    assert done.returncode == 2
    assert "There is no user" in done.stderr
    assert "\\u0394" in done.stderr


def test_flags_stand_before_or_after_the_command(crm):
    before = crm("--json", "--as", "nobody", "backend", "list")
    after = crm("backend", "list", "--as", "nobody", "--json")
    assert before.exit_code == after.exit_code == 2
    assert before.stdout == after.stdout
    assert json.loads(after.stdout)["error"]["code"] == "core.user.not_found"


def test_who_acts_is_the_flag_then_the_variable_then_this_accounts_user(crm, monkeypatch):
    monkeypatch.setenv("CRM_USER", "nobody")
    assert "nobody" in crm.error("backend", "list", code=2)["message"]
    monkeypatch.setenv("CRM_USER", "")
    assert crm("backend", "list").exit_code == 0

    monkeypatch.setattr("crm_core.bootstrap.os_user", lambda: "stranger")
    error = crm.error("backend", "list", code=1)
    assert error["code"] == "core.no_actor"
    assert "--as USER" in error["message"]


def test_a_command_without_a_database_says_so_and_makes_none(bare_crm):
    error = bare_crm.error("backend", "list", code=1)
    assert error["code"] == "core.database.not_initialised"
    assert "crm init" in error["message"]
    assert list(bare_crm.folder.iterdir()) == []


def test_sqlite_locked_by_another_process_is_exit_5(crm, monkeypatch):
    defaults = {"busy_timeout_ms": 50, "key_file": None}
    monkeypatch.setattr(Database.__init__, "__kwdefaults__", defaults)
    other = sqlite3.connect(crm.folder / "crm.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (crm.folder / "data").mkdir()
    try:
        error = crm.error("backend", "add", "files", "x", "--path", "data", code=5)
    finally:
        other.close()
    assert error["code"] == "core.database.locked"
