"""Exports of just what a list shows."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import vobject
from python_calamine import load_workbook
from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities import AuditEntry, Customer
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.messages import in_language
from crm_core.services.customer_columns import guarded, unguarded
from crm_core.services.customer_list_export import export_list
from crm_core.services.customer_list_query import parse_list_query
from crm_core.services.users import user_named
from crm_core.testing.factories import make_invoice

QUERY = "sort=-name&columns=name,tags,owner,overdue,balance,email"


@pytest.fixture
def filled(company: Any) -> Any:
    """Three customers, one of them olga's."""
    company.customer("=cmd()", kind="person", owner="eva", tags=["VIP", "Ärger"])
    maria = company.customer(
        "Μαρία",
        kind="person",
        owner="eva",
        contact_points=[{"kind": "email", "value": "maria@example.com"}],
    )
    company.customer("Zoë", kind="person", owner="olga")
    with company.writing() as uow:
        make_invoice(uow, maria, total="12.50")
    return company


def exported(company: Any, path: Path, text: str = QUERY, login: str = "maria") -> Any:
    return export_list(company.database, company.actor(login), parse_list_query(text), path)


def test_csv_holds_the_columns_in_the_order_of_the_list(filled: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert exported(filled, path) == 3
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.reader(handle))
    assert rows == [
        ["Name", "Tags", "Owner", "Overdue", "Balance", "E-mail"],
        ["Μαρία", "", "eva", "no", "12.50 EUR", "maria@example.com"],
        ["Zoë", "", "olga", "no", "", ""],
        ["'=cmd()", "VIP; Ärger", "eva", "no", "", ""],
    ]


def test_excel_and_vcard_hold_the_same_customers(filled: Any, tmp_path: Path) -> None:
    sheet, cards = tmp_path / "out.xlsx", tmp_path / "out.vcf"
    assert exported(filled, sheet, "owner=eva&columns=name,kind") == 2
    assert exported(filled, cards, "owner=eva&columns=name") == 2
    rows = load_workbook(str(sheet)).get_sheet_by_index(0).to_python()
    assert sorted(row[0] for row in rows[1:]) == ["=cmd()", "Μαρία"]
    found = {card.fn.value: card for card in vobject.readComponents(cards.read_text("utf-8"))}
    assert sorted(found) == ["=cmd()", "Μαρία"]
    assert found["Μαρία"].email.value == "maria@example.com"


def test_only_what_the_viewer_sees_is_written_and_it_is_audited(
    filled: Any, tmp_path: Path
) -> None:
    actor = filled.actor("maria")
    own = replace(
        filled.actor("olga"),
        rights={**actor.rights, "core.customer.view": Reach.OWN},
    )
    query = parse_list_query(QUERY)
    assert export_list(filled.database, own, query, tmp_path / "own.csv") == 1
    with filled.acting("anna") as uow:
        changes = uow.scalar(select(AuditEntry.changes).where(AuditEntry.action == "export"))
    assert changes["customers"] == [None, 1]
    assert changes["query"] == [None, QUERY]
    with pytest.raises(PermissionDeniedError):
        exported(filled, tmp_path / "not.csv", login="eva")
    assert not (tmp_path / "not.csv").exists()


def test_what_cannot_be_asked_writes_no_file(filled: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name, text in (("out.csv", "stage=red"), ("out.pdf", ""), ("out.vcf", "colour=red")):
        with pytest.raises(InputError):
            exported(filled, folder / name, text)
        assert not list(folder.iterdir())


def test_no_cell_is_taken_for_a_formula_and_numbers_stay_readable() -> None:
    for risky in (
        "=1+1",
        " =1",
        "\t=1",
        "\u00a0@x",
        "＝1+1",
        "＋1+1",
        "－1-1",
        "-1-1",
        "@x",
    ):
        assert guarded(risky) == "'" + risky
    for plain in ("+30 210 1234567", "-3.5", "-1,200.00", "a=1", "", "Ω", "a; b", "1;+30 210"):
        assert guarded(plain) == plain


def test_no_formula_begins_where_a_semicolon_ends_a_cell() -> None:
    """Excel in most of Europe opens CSV so: quotes in the middle of a cell protect nothing."""
    for text, cell in (
        ("Semi Sp. z o.o.;=HYPERLINK(A1)", "Semi Sp. z o.o.;'=HYPERLINK(A1)"),
        ("a; =1;b;＝2", "a;' =1;b;'＝2"),
        ("=1;@x", "'=1;'@x"),
        ("see:\r\n-1+cmd", "see:\r\n'-1+cmd"),
        ("a;'=1", "a;''=1"),
        ("\r=1", "'\r'=1"),
    ):
        assert (guarded(text), unguarded(cell)) == (cell, text)


@pytest.mark.parametrize("language", ["en", "pl"])
def test_what_is_chosen_and_when_it_was_are_told_as_the_list_tells_them(
    filled: Any, tmp_path: Path, language: str
) -> None:
    with filled.writing("anna") as uow:
        user_named(uow, "maria").time_zone = "Asia/Tehran"
    path = tmp_path / "out.csv"
    with in_language(language):
        exported(filled, path, "owner=olga&columns=kind,stage,overdue,created")
    [_, row] = csv.reader(path.read_text("utf-8-sig").splitlines())
    words = {"en": ["Person", "Prospect", "no"], "pl": ["Osoba", "Potencjalny", "nie"]}
    assert row[:3] == words[language]
    with filled.acting("anna") as uow:
        made = uow.scalar(select(Customer.created_at).where(Customer.name == "Zoë"))
    assert row[3] == f"{made.astimezone(ZoneInfo('Asia/Tehran')):%Y-%m-%d %H:%M}"


def test_an_empty_list_has_headings(filled: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with in_language("en"):
        assert exported(filled, path, "stage=lapsed&columns=name,changed") == 0
    assert path.read_text("utf-8-sig").strip() == "Name,Changed"


@pytest.mark.parametrize(("reach", "names"), [("OWN", {"eva"}), ("TEAM", {"eva", "tom"})])
@pytest.mark.parametrize("ending", ["csv", "vcf"])
def test_no_more_is_exported_than_the_right_reaches(
    sqlite_company: Any, tmp_path: Path, reach: str, names: set[str], ending: str
) -> None:
    for owner in ("eva", "tom", "olga"):
        sqlite_company.customer(f"of {owner}", kind="person", owner=owner)
    eva = sqlite_company.actor("eva")
    actor = replace(eva, rights={**eva.rights, "core.customer.export": Reach[reach]})
    assert actor.reach("core.customer.view") is Reach.ALL
    path = tmp_path / f"out.{ending}"
    query = parse_list_query("columns=name")
    assert export_list(sqlite_company.database, actor, query, path) == len(names)
    text = path.read_text(encoding="utf-8-sig")
    assert {each for each in ("eva", "tom", "olga") if f"of {each}" in text} == names
