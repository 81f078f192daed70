"""What operators rely on, against a real Odoo: the agreed pace, and stopping half-way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm_core.cli.main import crm

Shell = Callable[..., Result]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odoo_db: Any) -> Shell:
    """The command line in a folder of its own, with the back office ``erp``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path / "config"))

    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(crm, list(arguments), catch_exceptions=False)

    assert typed("init", "--yes").exit_code == 0
    options = {
        "url": odoo_db.url,
        "database": odoo_db.name,
        "login": odoo_db.bot.login,
        "secret-file": str(odoo_db.bot.secret_file),
        "page-size": "10",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert typed("backend", "add", "odoo", "erp", *words).exit_code == 0
    return typed


def data(result: Result) -> Any:
    assert result.exit_code in (0, 3), result.output
    return json.loads(result.stdout)["data"]


def test_no_more_calls_a_second_than_agreed(shell: Shell) -> None:
    shell("backend", "set", "erp", "--calls-per-second", "8")
    run = data(shell("sync", "run", "erp", "--entity", "tag", "--entity", "currency", "--json"))
    assert run["calls"] > 12
    assert run["seconds"] > (run["calls"] - 8 - 3) / 8, "the first eight may go at once"


def test_a_run_that_is_asked_to_stop_keeps_what_it_read_and_is_gone_on_with(shell: Shell) -> None:
    shell("backend", "set", "erp", "--calls-per-second", "6")
    script = "from crm_core.cli.main import main; main()"
    words = ["sync", "run", "erp", "--json", "--verbose"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "entity read" in line and "entity='product'" in line:
            break
    process.send_signal(signal.SIGTERM)
    said, noted = process.communicate(timeout=120)
    assert process.returncode == 0, noted
    assert json.loads(said)["data"]["state"] == "stopped"
    (run,) = data(shell("sync", "history", "--json"))["items"]
    assert run["state"] == "stopped"
    assert shell("sync", "status", "erp").exit_code == 0

    shell("backend", "set", "erp", "--unset", "calls-per-second")
    again = data(shell("sync", "run", "erp", "--json"))
    assert again["counts"]["product"].get("created", 0) == 0, "that was read before"
    assert again["counts"]["customer"]["created"] > 0
    third = data(shell("sync", "run", "erp", "--json"))
    assert all(counts.get("created", 0) == 0 for counts in third["counts"].values())
