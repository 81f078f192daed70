"""crm sync plan and apply: what is told, what a first run is refused for, and who may."""

from __future__ import annotations

import json

import pytest

CUSTOMERS = """id,kind,name,vat,email
1,company,NOVAK DOO,BE1000000021,
2,company,Only There,,
3,person,Rapti Eleni,,eleni@rapti.example
"""


@pytest.fixture
def sides(crm, tmp_path):
    """A front office and a folder that hold two customers both, and one each of their own."""
    folder = tmp_path / "back-office"
    folder.mkdir()
    (folder / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    crm("backend", "add", "files", "main", "--path", str(folder))
    crm("customer", "add", "Novak d.o.o.", "--kind", "company", "--vat", "BE1000000021")
    crm("customer", "add", "Ράπτη Ελένη", "--kind", "person", "--email", "Eleni@Rapti.example")
    crm("customer", "add", "Only Here", "--kind", "company")
    return crm


def names(folder):
    lines = (folder / "customers.csv").read_text(encoding="utf-8").splitlines()[1:]
    return sorted(line.split(",")[2] for line in lines)


def test_a_first_run_without_a_plan_is_refused_unless_it_is_meant(sides):
    error = sides.error("sync", "run", "main", code=2)
    assert error["code"] == "core.sync.plan_first"
    assert "crm sync plan main" in error["message"]
    assert sides("sync", "run", "main", "--dry-run").exit_code == 0
    assert sides.json("sync", "run", "main", "--without-plan")["counts"]["customer"]["created"] == 3
    assert sides("sync", "run", "main").exit_code == 0, "they have met, however"


def test_a_plan_is_told_in_counts_and_examples_and_applied_from_its_file(sides, tmp_path):
    told = sides.json("sync", "plan", "main", "--out", "plan.json")
    counts = told["plan"]["counts"]
    assert (counts["linked"], counts["created_here"], counts["created_there"]) == (2, 1, 1)
    assert told["counts"]["customer"]["created"] == 1
    assert told["pushed"]["customer"]["linked"] == 2
    assert told["pushed"]["customer"]["examples"]["created"] == ["Only Here"]
    assert told["plan"]["file"] == "plan.json"
    text = sides("sync", "plan", "main", "--out", "plan.xlsx")
    assert text.exit_code == 0
    assert "would be linked" in text.stdout
    assert "Novak d.o.o. = NOVAK DOO (" in text.stdout
    assert "same VAT number (BE1000000021)" in text.stdout
    assert "crm sync apply plan.xlsx" in text.stderr

    dry = sides.json("sync", "apply", "plan.xlsx", "--dry-run")
    assert (dry["is_dry_run"], dry["counts"]) == (
        True,
        {"linked": 2, "taken_over": 1, "created": 1},
    )
    assert names(tmp_path / "back-office") == ["NOVAK DOO", "Only There", "Rapti Eleni"]
    done = sides.json("sync", "apply", "plan.json")
    assert (done["is_dry_run"], done["refused"]) == (False, [])
    run = sides.json("sync", "run", "main")
    assert run["state"] == "done"
    assert names(tmp_path / "back-office") == [
        *("NOVAK DOO", "Only Here", "Only There", "Rapti Eleni"),
    ]
    assert len(sides.json("customer", "list")["items"]) == 4
    assert sides.json("sync", "apply", "plan.xlsx")["counts"] == {"done": 4}
    assert (
        sides.json("sync", "plan", "main", "--out", "empty.xlsx")["plan"]["counts"]["in_step"] == 4
    )
    assert sides.json("sync", "apply", "empty.xlsx")["counts"] == {}


def test_accepting_as_it_was_shown_does_what_the_plan_proposes(sides, tmp_path):
    assert sides.error("sync", "run", "main", "--accept-plan", code=1)["code"] == (
        "core.sync.plan_not_shown"
    )
    sides("sync", "plan", "main")
    assert sides("sync", "run", "main", "--accept-plan").exit_code == 0
    assert names(tmp_path / "back-office") == [
        *("NOVAK DOO", "Only Here", "Only There", "Rapti Eleni"),
    ]
    assert len(sides.json("customer", "list")["items"]) == 4


def test_what_moved_ends_with_3_and_is_named(sides, tmp_path):
    sides("sync", "plan", "main", "--out", "plan.xlsx")
    moved = CUSTOMERS.replace("Only There", "Moved There")
    (tmp_path / "back-office" / "customers.csv").write_text(moved, encoding="utf-8")
    result = sides("sync", "apply", "plan.xlsx", "--json")
    assert result.exit_code == 3
    refused = json.loads(result.stdout)["data"]["refused"]
    assert refused == [{"name": "Only There", "reason": "it changed there since"}]
    assert "Warning: Only There: it changed there since" in result.stderr


def test_a_broken_file_or_one_of_another_backend_is_refused(sides, tmp_path):
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    error = sides.error("sync", "apply", str(tmp_path / "plan.json"), code=2)
    assert error["code"] == "core.sync.plan_file"
    sides("sync", "plan", "main", "--out", "plan.json")
    sides("backend", "remove", "main", "--yes")
    assert sides.error("sync", "apply", "plan.json", code=2)["code"] == "core.backend.not_found"
    sides("backend", "add", "files", "main", "--path", str(tmp_path / "back-office"))
    assert sides.error("sync", "apply", "plan.json", code=2)["code"] == "core.sync.plan_of_another"


def test_one_who_may_not_manage_back_offices_applies_nothing(sides):
    sides("sync", "plan", "main", "--out", "plan.json")
    sides("user", "add", "anna", "--role", "employee")
    error = sides.error("sync", "apply", "plan.json", "--as", "anna", code=1)
    assert error["code"] == "core.permission_denied"
