"""Files that an import refuses or understands: encodings, delimiters, spreadsheets, faults."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rustpy_xlsxwriter import write_worksheet
from sqlalchemy import select

from crm_core.entities import Customer
from crm_core.errors import ConfigurationError, InputError
from crm_core.services.customer_import import ImportReport, import_customers


def customers(company: Any, *names: str) -> list[tuple[Any, ...]]:
    columns = [getattr(Customer, name) for name in names]
    with company.acting() as uow:
        return [tuple(row) for row in uow.execute(select(*columns).order_by(Customer.name))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"name,email\n", "it has a header but no rows"),
        (b"name,colour\nA,red\n", "Unknown columns: 'colour'"),
        (b"name,\nA,red\n", r"Unknown columns: no name \(no. 2\)"),
        (b"name,Name\nA,B\n", "Columns given twice: name"),
        (b"name,email,E-mail\nA,B,C\n", "Columns given twice: email"),
        (b"name,note\nA,b\nB,c,d\n", "line 3 has 3 values where the header has 2"),
        (b'name,note\nA,"b"c\n', "row that begins at line 2 is broken"),
        (b'name,note\nA,b\nB,"never closed\nC,d\n', "row that begins at line 3 is broken"),
        (b"name,note\nA,b\0c\n", "line 2 holds a NUL character"),
        (b"name\nAnna\n\xc1\xed\xed\xe1\n", r"line 3 is not utf-8 text .* cp1253 \(Greek\)"),
        (b"name,note\nA," + b"x" * 10_000_000 + b"\n", "line 2 has more than 2,000,000"),
        (b'name,note\nA,"' + b"x\n" * 5_000_000 + b'"\n', "begins at line 2 is broken"),
        (b"name,profile:shoe\nA,b\n", "There are no profile attributes shoe"),
        ("name\nAnna\n".encode("utf-16-le"), "holds a NUL character.*--encoding utf-16"),
        ("name\nAnna\n".encode("utf-16")[:-1], "is not utf-16 text"),
    ],
)
def test_a_broken_file_writes_nothing(
    sqlite_company: Any, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"(?s){message}") as found:
        import_customers(sqlite_company.database, sqlite_company.actor("maria"), path)
    assert found.value.exit_code == 2
    assert "Nothing was written" in found.value.message
    assert customers(sqlite_company, "id") == []


def test_files_that_cannot_be_opened(sqlite_company: Any, tmp_path: Path) -> None:
    actor = sqlite_company.actor("maria")
    (tmp_path / "fake.xlsx").write_bytes(b"no zip")
    for name, message in (
        ("none.csv", "No such file"),
        ("none.xlsx", "No such file"),
        ("fake.xlsx", "no spreadsheet that can be opened"),
        (".", "Is a directory"),
    ):
        with pytest.raises(InputError, match=message):
            import_customers(sqlite_company.database, actor, tmp_path / name)
    (tmp_path / "ok.csv").write_text("name\nAnna\n")
    with pytest.raises(ConfigurationError, match="file for errors .* cannot be written"):
        import_customers(
            sqlite_company.database,
            actor,
            tmp_path / "ok.csv",
            errors_path=tmp_path / "none" / "errors.csv",
        )
    assert customers(sqlite_company, "id") == []


@pytest.mark.parametrize(
    ("encoding", "named", "name"),
    [
        ("utf-8", None, "Željko Άννα"),
        ("utf-8-sig", None, "Željko Άννα"),
        ("utf-8-sig", "utf-8", "Željko Άννα"),
        ("utf-16", None, "Željko Άννα"),
        ("cp1250", "cp1250", "Željko Łukasz"),
        ("cp1251", "cp1251", "Иван"),
        ("cp1253", "windows-1253", "Άννα"),
        ("cp1256", "cp1256", "گل"),
    ],
)
def test_encodings(
    sqlite_company: Any, tmp_path: Path, encoding: str, named: str | None, name: str
) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(f"name,note\r\n{name},a\r\n".encode(encoding))
    import_customers(sqlite_company.database, sqlite_company.actor("maria"), path, encoding=named)
    assert customers(sqlite_company, "name", "note") == [(name, "a")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(sqlite_company: Any, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(f'name{delimiter}"note"\nA{delimiter}"x,;|y"\n')
    actor = sqlite_company.actor("maria")
    import_customers(sqlite_company.database, actor, path)
    import_customers(sqlite_company.database, actor, path, delimiter=delimiter)
    assert customers(sqlite_company, "name", "note", "version") == [("A", "x,;|y", 1)]


def test_no_such_encoding(load: Callable[..., ImportReport]) -> None:
    with pytest.raises(InputError, match="There is no text encoding 'klingon'"):
        load("name", "Anna", encoding="klingon")
    with pytest.raises(InputError, match="There is no text encoding 'hex'"):
        load("name", "Anna", encoding="hex")


def test_excel(sqlite_company: Any, tmp_path: Path) -> None:
    path = tmp_path / "customers.xlsx"
    rows = [
        {"Name": "Anna", "Reference": 42, "Phone": 302101234567, "Note": "=1+1", "City": None},
        {"Name": None, "Reference": None, "Phone": None, "Note": None, "City": None},
        {"Name": "Bob", "Reference": 43.5, "Phone": "+30 210 1234567", "Note": True, "City": "X"},
    ]
    write_worksheet(rows, str(path))
    report = import_customers(sqlite_company.database, sqlite_company.actor("maria"), path)
    assert [(fault.line, fault.column) for fault in report.faults] == [(2, "phone")], (
        "a number without + in no country"
    )
    assert customers(sqlite_company, "name", "reference", "note") == [("Bob", "43.5", "true")]
    with sqlite_company.writing("anna") as uow:
        from crm_core.services.settings import set_setting

        set_setting(uow, "phone_region", "GR")
    report = import_customers(sqlite_company.database, sqlite_company.actor("maria"), path)
    assert (report.created, report.unchanged, report.fault_count) == (1, 1, 0)
    assert customers(sqlite_company, "name", "reference", "note")[0] == ("Anna", "42", "=1+1")


def test_what_was_set_aside_calculates_nothing_in_a_spreadsheet(
    sqlite_company: Any, tmp_path: Path
) -> None:
    path, errors = tmp_path / "in.csv", tmp_path / "errors.csv"
    path.write_text('name,email,country_code\nA,"=HYPERLINK(""http://x"")",=2+2\n', "utf-8")
    actor = sqlite_company.actor("maria")
    import_customers(sqlite_company.database, actor, path, errors_path=errors)
    with errors.open(encoding="utf-8", newline="") as handle:
        _, *faults = csv.reader(handle)
    assert {fault[2] for fault in faults} == {'\'=HYPERLINK("http://x")', "'=2+2"}
    assert not [cell for fault in faults for cell in fault if cell.startswith("=")]
