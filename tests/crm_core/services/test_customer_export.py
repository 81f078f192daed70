"""Exporting customers, and importing what was exported."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vobject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import load_workbook
from sqlalchemy import select

from crm_core.access import Reach, system_actor
from crm_core.entities import AuditEntry, Customer
from crm_core.errors import ConfigurationError, InputError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_columns import column_named, guarded, unguarded
from crm_core.services.customer_export import export_customers, write_export
from crm_core.services.customer_import import import_customers
from crm_core.services.customer_rows import CustomerFilter
from crm_core.services.customers import create_customer
from crm_core.services.profile import define_attribute
from crm_core.services.relationships import relate_customers, seed_relationship_types
from crm_core.services.users import add_user


def exported(company: Any, path: Path, login: str = "maria", **options: Any) -> list[list[str]]:
    export_customers(company.database, company.actor(login), path, **options)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.reader(handle))


@pytest.fixture
def filled(company: Any) -> Any:
    """A company with customers that fill every column."""
    with company.writing("anna") as uow:
        define_attribute(uow, "mood", title="Mood", type="text")
    acme = company.customer(
        "=Acme & Söhne",
        kind="company",
        reference="C1",
        vat="BE0477472701",
        note='two\nlines, a ; and a "quote"',
        tags=["VIP", "Ärger"],
        contact_points=[
            {"kind": "phone", "value": "+30 210 1234567"},
            {"kind": "email", "value": "info@acme.example.com"},
            {"kind": "email", "value": "two@acme.example.com"},
            {"kind": "website", "value": "https://acme.example.com"},
        ],
        addresses=[
            {"street": "-Straße 1", "postal_code": "00123", "city": "Wien", "country_code": "AT"},
            {"use": "delivery", "recipient": "Lager", "street": "Hafen", "phone": "+43 1 5880000"},
        ],
        owner="eva",
    )
    anna = company.customer(
        "Άννα Παπά",
        kind="person",
        stage="loyal",
        language="el-GR",
        job_title="@boss",
        preferred_channel="phone",
        contact_points=[{"kind": "mobile", "value": "+306941234567"}],
        profile={"mood": "+calm"},
    )
    with company.writing() as uow:
        relate_customers(uow, anna, "contact_of", acme)
    return company


def test_csv(filled: Any, tmp_path: Path) -> None:
    header, *rows = exported(filled, tmp_path / "out.csv")
    first, second = (
        {name: cell for name, cell in zip(header, row, strict=True) if cell} for row in rows
    )
    assert first == {
        "kind": "company",
        "name": "'=Acme & Söhne",
        "reference": "C1",
        "vat": "BE0477472701",
        "stage": "prospect",
        "note": 'two\nlines, a ; and a "quote"',
        "owner": "eva",
        "tags": "VIP;Ärger",
        "email": "info@acme.example.com",
        "email2": "two@acme.example.com",
        "phone": "+30 210 1234567",
        "website": "https://acme.example.com",
        "street": "'-Straße 1",
        "postal_code": "00123",
        "city": "Wien",
        "country_code": "AT",
        "delivery_recipient": "Lager",
        "delivery_street": "Hafen",
        "delivery_phone": "+43 1 5880000",
    }
    assert second["company"] == "C1"
    assert second["job_title"] == "'@boss"
    assert second["profile:mood"] == "'+calm"


def test_every_column_is_one_that_the_import_knows(filled: Any, tmp_path: Path) -> None:
    header, *_ = exported(filled, tmp_path / "out.csv")
    assert [column.name for column in map(column_named, header) if column] == header


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_an_export_imported_elsewhere_is_exported_the_same(
    filled: Any, sqlite_template: Path, tmp_path: Path, format: str
) -> None:
    path = tmp_path / f"out.{format}"
    before = exported(filled, tmp_path / "before.csv")
    export_customers(filled.database, filled.actor("maria"), path)
    system = system_actor("test")
    shutil.copyfile(sqlite_template, tmp_path / "other.sqlite")
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with unit_of_work(other, actor=system, write=True) as uow:
        seed_relationship_types(uow)
        add_user(uow, "eva")
        define_attribute(uow, "mood", title="Mood", type="text")
        uow.commit()
    report = import_customers(other, system, path)
    assert report.faults == []
    assert (report.created, report.related) == (2, 1)
    export_customers(other, system, tmp_path / "after.csv")
    with (tmp_path / "after.csv").open(encoding="utf-8-sig", newline="") as handle:
        assert list(csv.reader(handle)) == before
    again = import_customers(other, system, path)
    assert (again.unchanged, again.related) == (2, 0)
    other.dispose()


def test_excel_holds_text_and_no_formulas(filled: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    export_customers(filled.database, filled.actor("maria"), path)
    header, first, _ = load_workbook(str(path)).get_sheet_by_index(0).to_python()
    cells = dict(zip(header, first, strict=True))
    assert cells["name"] == "=Acme & Söhne"
    assert cells["postal_code"] == "00123"


def test_no_heading_is_a_formula(filled: Any, tmp_path: Path) -> None:
    path, heading = tmp_path / "out.csv", '=HYPERLINK("http://x")'
    rows = iter([(new_id(), {heading: "=1"})])
    write_export(filled.database, filled.actor("maria"), path, "csv", [heading], rows)
    text = path.read_text(encoding="utf-8-sig")
    assert list(csv.reader(text.splitlines())) == [[f"'{heading}"], ["'=1"]]


def test_vcards(filled: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.vcf"
    assert export_customers(filled.database, filled.actor("maria"), path) == 2
    acme, anna = vobject.readComponents(path.read_text(encoding="utf-8"))
    assert acme.version.value == "3.0"
    assert acme.fn.value == "=Acme & Söhne"
    assert acme.org.value == ["=Acme & Söhne"]
    assert [email.value for email in acme.email_list] == [
        "info@acme.example.com",
        "two@acme.example.com",
    ]
    assert acme.tel.value == "+30 210 1234567"
    work, parcel = acme.adr_list
    assert (work.value.street, work.value.code, work.type_param) == ("-Straße 1", "00123", "WORK")
    assert (parcel.value.street, parcel.type_param) == ("Hafen", "PARCEL")
    assert acme.note.value == 'two\nlines, a ; and a "quote"'
    assert (anna.n.value.given, anna.n.value.family) == ("Άννα", "Παπά")
    assert anna.org.value == ["C1"]
    assert anna.tel.type_param == "CELL"


def test_nothing_to_export(company: Any, tmp_path: Path) -> None:
    assert exported(company, tmp_path / "out.csv")[0][:2] == ["kind", "name"]
    assert export_customers(company.database, company.system, tmp_path / "out.xlsx") == 0
    sheet = load_workbook(str(tmp_path / "out.xlsx")).get_sheet_by_index(0).to_python()
    assert sheet[0][:2] == ["kind", "name"]
    assert export_customers(company.database, company.system, tmp_path / "out.vcf") == 0


def test_filters(company: Any, tmp_path: Path) -> None:
    company.customer("Anna", kind="person", tags=["VIP"], owner="eva")
    company.customer("Acme", kind="company", stage="loyal", owner="tom")
    with company.writing() as uow:
        uow.scalars(select(Customer).where(Customer.name == "Acme")).one().archived_at = uow.now

    def names(**wanted: Any) -> list[str]:
        rows = exported(company, tmp_path / "out.csv", wanted=CustomerFilter(**wanted))
        return [row[1] for row in rows[1:]]

    assert names() == ["Anna"]
    assert names(archived=True) == ["Acme"]
    assert names(archived=None) == ["Anna", "Acme"]
    assert names(archived=None, kind="company") == ["Acme"]
    assert names(archived=None, stage="loyal") == ["Acme"]
    assert names(owner_id=company.user_id("eva")) == ["Anna"]
    assert names(tag="VIP") == ["Anna"]
    assert names(tag="none") == []
    with pytest.raises(InputError, match="'dog' is not a kind; choose one of person, company"):
        names(kind="dog")


def test_only_what_the_actor_may_see_and_only_with_the_right(company: Any, tmp_path: Path) -> None:
    company.customer("Hers", owner="eva")
    company.customer("Other", owner="olga", contact_points=[{"kind": "email", "value": "a@b.eu"}])
    eva = company.actor("eva")
    path = tmp_path / "out.csv"
    with pytest.raises(PermissionDeniedError, match="core.customer.export"):
        export_customers(company.database, eva, path)
    assert not path.exists()
    rights = {**eva.rights, "core.customer.export": Reach.ALL, "core.customer.view": Reach.OWN}
    assert export_customers(company.database, replace(eva, rights=rights), path) == 1
    text = path.read_text(encoding="utf-8-sig")
    assert "Hers" in text
    assert "Other" not in text
    assert "email" not in text, "columns tell nothing either"


def test_the_audit_says_who_exported_how_many(filled: Any, tmp_path: Path) -> None:
    exported(filled, tmp_path / "out.csv")
    with filled.acting() as uow:
        row = uow.execute(
            select(AuditEntry.actor_login, AuditEntry.entity_type, AuditEntry.changes).where(
                AuditEntry.action == "export"
            )
        ).one()
    assert tuple(row) == (
        "maria",
        "customer",
        {"file": [None, "out.csv"], "format": [None, "csv"], "customers": [None, 2]},
    )


def test_more_customers_than_one_page(sqlite_company: Any, tmp_path: Path) -> None:
    lines = ["name", *(f"N{n}" for n in range(2_001))]
    (tmp_path / "in.csv").write_text("\n".join(lines))
    import_customers(sqlite_company.database, sqlite_company.system, tmp_path / "in.csv")
    seen: list[int] = []
    rows = exported(sqlite_company, tmp_path / "out.csv", on_progress=seen.append)
    assert [row[1] for row in rows] == lines
    assert seen == [1000, 2000, 2001]


def test_what_cannot_be_written(filled: Any, tmp_path: Path, monkeypatch: Any) -> None:
    actor = filled.actor("maria")
    with pytest.raises(ConfigurationError, match=r"none/out.csv cannot be written: No such file"):
        export_customers(filled.database, actor, tmp_path / "none" / "out.csv")
    with pytest.raises(InputError, match="cannot be exported as 'pdf'; choose one of csv"):
        export_customers(filled.database, actor, tmp_path / "out.pdf")
    path = tmp_path / "out.csv"
    path.write_text("before")

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crm_core.services.customer_export.line_of", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        export_customers(filled.database, actor, path)
    assert path.read_text() == "before", "the file that was there stays whole"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".out")] == []


def test_text_too_long_for_excel(sqlite_company: Any, tmp_path: Path) -> None:
    sqlite_company.customer("Anna", note="x" * 32_768)
    with pytest.raises(InputError, match=r"do not fit an Excel file: .*32,767.* Export to CSV"):
        export_customers(sqlite_company.database, sqlite_company.system, tmp_path / "out.xlsx")
    assert list(tmp_path.glob("*out*")) == []


@given(st.text(max_size=12) | st.text(alphabet="'=+-@\t\r\n; 0a", max_size=8))
def test_the_guard_against_formulas_can_be_undone(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    for piece in re.split("[;\r\n]", cell):
        assert piece[:1] not in ("=", "@", "\t")
        assert piece[:1] != "-" or piece[1:].replace(".", "").replace(",", "").isdecimal()
        if piece[:1] == "+":
            assert set(piece) <= set("+0123456789 ()./-")


_line = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x00"), max_size=20
).map(str.strip)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": _line.filter(bool), "note": _line, "job_title": _line, "street": _line}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_survives_export_and_import(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    system = system_actor("test")
    tables = []
    for step in ("one", "two"):
        shutil.copyfile(sqlite_template, folder / f"{step}.sqlite")
        database = Database(f"sqlite:///{folder / step}.sqlite")
        if step == "one":
            with unit_of_work(database, actor=system, write=True) as uow:
                for number, record in enumerate(records):
                    street = record["street"]
                    plain = {k: v for k, v in record.items() if k != "street"}
                    addresses = [{"street": street}] if street else []
                    values = {**plain, "reference": f"R{number}", "addresses": addresses}
                    create_customer(uow, values)
                uow.commit()
        else:
            report = import_customers(database, system, folder / "one.csv")
            assert report.faults == []
        export_customers(database, system, folder / f"{step}.csv")
        tables.append((folder / f"{step}.csv").read_bytes())
        database.dispose()
    assert tables[0] == tables[1]


def test_no_more_is_exported_than_the_right_reaches(sqlite_company: Any, tmp_path: Path) -> None:
    points = [{"kind": "fax", "value": "+30 210 1234567"}]
    for owner, more in (("eva", {}), ("olga", {"contact_points": points})):
        sqlite_company.customer(f"of {owner}", kind="person", owner=owner, **more)
    eva = sqlite_company.actor("eva")
    actor = replace(eva, rights={**eva.rights, "core.customer.export": Reach.OWN})
    path = tmp_path / "out.csv"
    assert export_customers(sqlite_company.database, actor, path) == 1
    text = path.read_text(encoding="utf-8-sig")
    assert "of eva" in text
    assert "of olga" not in text
    assert "fax" not in text
    with sqlite_company.acting() as uow:
        assert uow.scalar(select(AuditEntry.actor_login).where(AuditEntry.action == "export"))
