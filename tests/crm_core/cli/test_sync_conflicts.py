"""``crm sync mapping`` and ``crm sync conflicts`` as people and scripts use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def office(crm, tmp_path):
    """A front office in step with a folder, whose notes wait for a person."""
    folder = tmp_path / "folder"
    folder.mkdir()
    rows = [f"{n},company,Firma {n},before,{n}@firma.example" for n in range(1, 4)]
    text = "\n".join(["id,kind,name,note,email", *rows, ""])
    (folder / "customers.csv").write_text(text, encoding="utf-8")
    for line in (
        f"backend add files desk --path {folder}",
        "sync plan desk",
        "sync run desk --accept-plan",
        "sync mapping desk --set customer.note=ask",
    ):
        result = crm(*line.split())
        assert result.exit_code == 0, result.stderr
    crm.folder = folder
    return crm


def disagree(office, *ids):
    file = office.folder / "customers.csv"
    for each in ids:
        assert office("customer", "edit", f"desk:{each}", "--note", f"ours {each}").exit_code == 0
        text = file.read_text(encoding="utf-8")
        lines = [
            line.replace("before", f"=theirs {each}") if line.startswith(f"{each},") else line
            for line in text.splitlines(keepends=True)
        ]
        file.write_text("".join(lines), encoding="utf-8")
    assert office("sync", "run", "desk").exit_code == 0


def waiting(office, *options):
    return office.json("sync", "conflicts", "list", "desk", *options)["items"]


def test_the_mapping_tells_each_fields_master_and_where_it_comes_from(office):
    told = {item["id"]: item for item in office.json("sync", "mapping", "desk")["items"]}
    assert (told["customer.note"]["master"], told["customer.note"]["source"]) == ("ask", "command")
    assert (told["customer.name"]["master"], told["customer.name"]["source"]) == ("erp", "default")
    assert told["customer.when_deleted"]["master"] == "archive"
    assert told["tag.name"]["master"] == "erp"
    wrong = office.error("sync", "mapping", "desk", "--set", "customer.note=me", code=2)
    assert wrong["code"] == "core.sync.master"


def test_crm_toml_wins_over_the_command(office):
    here = Path.cwd()
    (here / "crm.toml").write_text('[masters.desk]\n"customer.note" = "erp"\n', "utf-8")
    told = {item["id"]: item for item in office.json("sync", "mapping", "desk")["items"]}
    assert (told["customer.note"]["master"], told["customer.note"]["source"]) == (
        *("erp", "crm.toml"),
    )
    fixed = office.error("sync", "mapping", "desk", "--set", "customer.note=crm", code=2)
    assert fixed["code"] == "core.sync.master_fixed"
    disagree(office, 1)
    assert waiting(office) == []
    [decided] = waiting(office, "--all")
    assert (decided["winner"], decided["decided_by"]) == ("erp", "erp")
    (here / "crm.toml").write_text('[masters.desk]\n"customer.hat" = "erp"\n', "utf-8")
    assert office.error("sync", "run", "desk", code=2)["code"] == "core.sync.master"


def test_one_is_looked_at_and_decided(office):
    disagree(office, 1)
    [found] = waiting(office)
    assert (found["base"], found["ours"], found["theirs"]) == ("before", "ours 1", "=theirs 1")
    prefix = found["id"][:13]
    shown = office("sync", "conflicts", "show", prefix)
    assert "ours 1" in shown.stdout
    assert "Suggestion" in shown.stdout
    told = office.json("sync", "conflicts", "show", prefix)
    assert told["suggestion"] in ("erp", "crm")
    assert office.json("sync", "conflicts", "resolve", prefix, "--take", "erp")["ids"] == [
        found["id"]
    ]
    assert office("sync", "run", "desk").exit_code == 0
    assert waiting(office) == []
    assert office.json("customer", "show", "desk:1")["customer"]["note"] == "=theirs 1"
    again = office.error("sync", "conflicts", "resolve", prefix, "--take", "crm", code=2)
    assert again["code"] == "core.conflict.decided"


def test_many_are_decided_after_a_look_and_with_consent(office):
    disagree(office, 1, 2, 3)
    many = ("sync", "conflicts", "resolve", "--backend", "desk", "--take", "crm")
    assert len(office.json(*many, "--dry-run")["ids"]) == 3
    assert office.error(*many, code=2)["code"] == "core.cli.needs_yes"
    assert {item["state"] for item in waiting(office)} == {"open"}
    assert len(office.json(*many, "--field", "customer.name", "--yes")["ids"]) == 0
    assert len(office.json(*many, "--field", "customer.note", "--yes")["ids"]) == 3
    assert {item["state"] for item in waiting(office)} == {"resolved"}
    assert office("sync", "run", "desk").exit_code == 0
    assert waiting(office) == []
    text = (office.folder / "customers.csv").read_text(encoding="utf-8")
    assert [f"ours {n}" in text for n in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize("field", ["note", "customer", "customer.", ".note", "customer.nonsense"])
def test_what_is_no_field_decides_nothing(office, field):
    disagree(office, 1)
    many = ("sync", "conflicts", "resolve", "--backend", "desk", "--take", "crm", "--yes")
    error = office.error(*many, "--field", field, code=2)
    assert error["code"] == "core.conflict.field"
    assert "customer.note" in error["message"]
    assert {item["state"] for item in waiting(office)} == {"open"}
    for known in ("customer.address", "customer.address.city", "customer.merged", "address.city"):
        assert office.json(*many, "--field", known)["ids"] == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("x" * 8, "--backend", "desk"),
        ("--field", "customer.note"),
        ("0" * 12, "--value", "x"),
    ],
)
def test_what_makes_no_sense_is_refused(office, options):
    error = office.error("sync", "conflicts", "resolve", *options, "--take", "erp", code=2)
    assert json.dumps(error)
