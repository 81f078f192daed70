"""Leads from a file: columns of any name, bad rows set aside, and nothing twice."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy import func, select

from crm_core.errors import InputError, PermissionDeniedError
from crm_sales.models import Lead
from crm_sales.services.leads.importing import import_leads
from crm_sales.services.leads.reading import list_leads

GOOD = """\
Name;Company;E-mail;Country;Amount;Owner;Firma
Μαρία;;maria@example.gr;GR;12,50;;x
Jan;Łodzie;jan@example.pl;Poland;1200.50;employee;x
"""


@pytest.fixture
def imported(office, tmp_path):
    """Import text as a file: ``imported(GOOD, "employee", columns={...})``."""

    def run(text: str, login: str, name: str = "leads.csv", **options):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        database = office.application.database
        return import_leads(database, office.actor(login), path, **options)

    return run


def count(office) -> int:
    return office.read(lambda uow: uow.scalar(select(func.count(Lead.id))))


def test_good_rows_go_in_once_and_bad_ones_stand_in_a_file(office, imported, heard, tmp_path: Path):
    errors = tmp_path / "errors.csv"
    given = {"columns": {"Firma": ""}, "errors_path": errors}
    dry = imported(GOOD, "employee", dry_run=True, **given)
    assert (dry.rows, dry.created, dry.faulty_rows, count(office)) == (2, 1, 1, 0)
    done = imported(GOOD, "employee", **given)
    assert (done.rows, done.created, done.unchanged, done.faulty_rows) == (2, 1, 0, 1)
    with errors.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["line"], row["column"], row["value"]) for row in rows] == [
        ("2", "expected_amount", "12,50")
    ]
    heard()
    mended = imported(GOOD.replace("12,50", "12.50"), "employee", **given)
    assert (mended.created, mended.unchanged, mended.faulty_rows) == (1, 1, 0)
    again = imported(GOOD.replace("12,50", "12.50"), "outsider", **given)
    assert (again.created, again.unchanged) == (0, 2)  # known, though the other team has them
    heard()
    owners = office.read(lambda uow: {r["name"]: r["owner_name"] for r in list_leads(uow).items})
    assert owners["Jan"] == "Eleni Employee"
    assert owners["Μαρία"] is not None  # given by the rules


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,colour\nA,red\n", "colour"),
        ("name,Name\nA,B\n", "name"),
        ("name\n", "no rows"),
    ],
)
def test_a_file_that_is_wrong_as_such_writes_nothing(office, imported, text, told):
    with pytest.raises(InputError) as refused:
        imported(text, "employee")
    assert told in str(refused.value)
    assert count(office) == 0


@pytest.mark.parametrize("kind", ["sqlite"])
def test_rights_reach_owners_and_rows_known_by_their_key(office, imported):
    with pytest.raises(PermissionDeniedError):
        imported("name\nA\n", "readonly")
    text = "key,name,owner\n1,A,manager\n2,B,nobody\n3,C,employee\n3,C again,employee\n"
    done = imported(text, "employee")
    assert (done.created, done.unchanged, done.faulty_rows) == (1, 1, 2)
    assert [fault.column for fault in done.faults] == ["owner", "owner"]
