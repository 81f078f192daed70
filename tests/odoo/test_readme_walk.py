"""The README's own walk, typed as a newcomer would, from an empty folder to a customer shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALK = "## Take your Odoo's customers along"
EXAMPLES = ("https://odoo.example.com", "production", "crm_bot", "/run/secrets/odoo")


def _commands() -> list[str]:
    """The lines of the walk that call ``crm``, without their comments."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(WALK)[1]
    block = section.split("```")[1].replace("\\\n", " ")
    lines = [re.sub(r"\s+# .*", "", line).strip() for line in block.splitlines()]
    return [line for line in lines if line.startswith("crm ")]


def _type(line: str, folder: Path) -> str:
    """Run one line in the folder and return what it printed; it has to succeed.

    A sync may end with 3: the seeded Odoo has records that have to be set aside.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    environment["HOME"] = str(folder)
    environment["XDG_CONFIG_HOME"] = str(folder / ".config")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "crm"), *shlex.split(line)[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    good = (0, 3) if line.startswith("crm sync run") else (0,)
    assert done.returncode in good, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_newcomer_gets_from_nothing_to_a_customer(odoo_db, tmp_path):
    commands = _commands()
    assert [line.split()[1] for line in commands] == [
        "init", "backend", "backend", "sync", "customer", "customer", "doctor"
    ]  # fmt: skip
    given = (odoo_db.url, odoo_db.name, odoo_db.bot.login, str(odoo_db.bot.secret_file))
    wanted = odoo_db.rpc().execute(
        "res.partner", "search_read", [("customer_rank", ">", 0), ("is_company", "=", True)],
        ["name", "phone"], limit=1,
    )[0]  # fmt: skip
    shown = ""
    for command in commands:
        line = command
        for example, real in zip(EXAMPLES, given, strict=True):
            line = line.replace(example, real)
        if line.startswith("crm customer search"):
            line = f"crm customer search {shlex.quote(wanted['name'])}"
            answer = json.loads(_type(f"{line} --json", tmp_path))
            (found,) = [c for c in answer["data"]["items"] if c["name"] == wanted["name"]][:1]
        if line.startswith("crm customer show"):
            line = line.replace("ID", found["id"])
            shown = _type(line, tmp_path)
        else:
            _type(line, tmp_path)
    assert wanted["name"] in shown
