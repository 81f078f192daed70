"""The plugin that says what a run left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("n", [1, 2])
def test_needs_something(n):
    pytest.skip({reason!r})
"""


def _run(folder: Path, reason: str, *flags: str, ci: bool) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_suite.py").write_text(SUITE.format(reason=reason), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env.pop("CI", None)
    env |= {"PYTHONPATH": str(Path(__file__).parent)} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "left_out", *flags, str(folder)]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["alone", "workers"])
def test_says_what_was_left_out_and_why(tmp_path, flags):
    done = _run(tmp_path, "no PostgreSQL: run make services", *flags, ci=False)
    assert done.returncode == 0
    assert "2 tests: no PostgreSQL: run make services" in done.stdout
    assert "1 passed, 2 skipped" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["alone", "workers"])
def test_fails_in_ci(tmp_path, flags):
    done = _run(tmp_path, "no PostgreSQL: run make services", *flags, ci=True)
    assert done.returncode == 1
    assert "the run has failed" in done.stdout


def test_excuses_an_odoo_that_nobody_serves(tmp_path):
    done = _run(tmp_path, "no Odoo: the Debian mirror no longer serves bullseye", ci=True)
    assert done.returncode == 0
    assert "2 tests: no Odoo" in done.stdout
