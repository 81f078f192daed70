"""``crm sales lead``, ``rule``, ``seller`` and ``absence``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.users import add_user

RULES = """\
[[rule]]
name = "Islands"
countries = ["GR", "CY"]
targets = [{ user = "eleni", weight = 2 }]

[[rule]]
name = "Others"

[[person]]
login = "eleni"
daily_leads = 5
"""


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    """What is enabled."""
    return ("sales",)


@pytest.fixture
def typed(crm_command, crm_database, crm_system):
    """Type a command of the module and return what it tells as JSON."""
    with unit_of_work(crm_database, actor=crm_system, write=True) as uow:
        add_user(uow, "eleni", name="Eleni", role_codes=["employee"])
        uow.commit()

    def run(*arguments: object):
        result = crm_command("sales", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["data"]

    return run


def test_a_lead_from_the_file_of_rules_to_its_deal(typed, crm_command, tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    dry = typed("rule", "import", path, "--dry-run")
    done = typed("rule", "import", path)
    assert dry["removed"] == done["removed"] == ["Everybody"]
    assert typed("rule", "import", path)["changed"] == []
    assert [rule["people"] for rule in typed("rule", "list")["items"]] == [
        "eleni × 2",
        "all who sell",
    ]
    made = typed("lead", "add", "Anna", "--country", "GR", "--company", "Aegean", "--amount", "9.5")
    key = made["id"]
    shown = typed("lead", "show", key)
    assert shown["owner_name"] == "Eleni"  # heard at the end of the command before
    assert shown["decisions"][0]["summary"] == "Eleni, by the rule Islands"
    people = crm_command("sales", "lead", "show", key)
    assert "Islands: fits, in turn." in people.output
    assert typed("lead", "edit", key, "--city", "Chania")["version"] > made["version"]
    assert typed("lead", "duplicates", key)["items"] == []
    typed("lead", "assign", key, "--to", "admin")
    typed("lead", "release", key)
    listed = typed("lead", "list", "--owner", "eleni")["items"]
    assert [each["id"] for each in listed] == [key]
    twin = typed("lead", "add", "Ann", "--mine", "--source", "fair", "--key", "form:1")["id"]
    assert typed("lead", "merge", key, twin)["id"] == key
    assert typed("lead", "disqualify", key, "--reason", "No budget")["state"] == "disqualified"
    assert typed("lead", "reopen", key)["state"] == "new"
    made = typed("lead", "qualify", key, "--deal", "Boats")
    assert made["opportunity_id"]
    assert made["contact_id"]


def test_rules_sellers_and_absences_are_set_by_hand(typed, crm_command):
    typed(
        *("rule", "set", "Big", "--least", "1000", "--currency", "EUR", "--country", "PL"),
        *("--user", "eleni:3", "--way", "weighted", "--speaks", "pl"),
    )
    first = typed("rule", "list")["items"][0]
    assert (first["name"], first["way"], first["people"]) == ("Big", "weighted", "eleni × 3")
    assert first["fits"] == "country PL; language pl; from 1000 EUR"
    typed("rule", "set", "Big", "--off")
    assert typed("rule", "list")["items"][0]["is_active"] is False
    typed("rule", "remove", "Big")
    assert len(typed("rule", "list")["items"]) == 1
    typed("seller", "set", "eleni", "--no-leads", "--daily", "3")
    assert typed("seller", "list")["items"][0]["takes_leads"] is False
    made = typed("absence", "add", "2199-05-01", "2199-05-03", "--user", "eleni")
    assert typed("absence", "list")["items"][0]["name"] == "Eleni"
    typed("absence", "remove", made["id"])
    assert typed("absence", "list")["items"] == []
    assert typed("lead", "add", "Waits")["owner_id"] is None
    assert [each["why"] for each in typed("lead", "list", "--waiting")["items"]] == [
        "Nobody is free by the rule Everybody"
    ]
    assert typed("lead", "assign")["tried"] == 1


WRONG = (
    (("lead", "add", "A", "--email", "nobody"), "e-mail"),
    (("lead", "show", "12345678"), "There is no lead"),
    (("lead", "assign", "--to", "eleni"), "--to needs a LEAD"),
    (("lead", "import", "no-such.csv"), "cannot be read"),
    (("rule", "import", "no-such.toml"), "cannot be read"),
    (("rule", "set", "X", "--way", "luck"), "way"),
    (("rule", "remove", "X"), "There is no rule"),
    (("absence", "add", "2199-05-03", "2199-05-01"), "before the first"),
    (("seller", "set", "nobody"), "nobody"),
)


def test_what_is_wrong_is_said(typed, crm_command):
    for arguments, told in WRONG:
        result = crm_command("sales", *arguments)
        assert result.exit_code == 2, result.output
        assert told in result.output
        assert "Traceback" not in result.output


def test_a_file_is_imported_and_its_faults_are_told(typed, crm_command, tmp_path: Path):
    path = tmp_path / "leads.csv"
    path.write_text("Wer,email\nAnna,anna@example.org\nJan,nobody\n", encoding="utf-8")
    result = crm_command("sales", "lead", "import", path, "--column", "Wer=name")
    assert result.exit_code == 3
    assert "2 rows: 1 taken in, 0 known already, 1 set aside." in result.output
    assert "line 3, email" in result.output
