"""The folder of CSV files as a remote: what it reads and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_core.errors import FatalSyncError
from crm_core.sync.protocol import RemoteBackend, RemotePage
from crm_files.backend import FilesBackend, open_backend

SMALL_OFFICE = Path(__file__).parents[1] / "small_office"
HEADER = "id,kind,name,email,tag_refs,archived\n"


def pages(folder: Path, entity: str = "customer") -> list[RemotePage]:
    return list(FilesBackend(folder).pages(entity, since=None, after=None, size=2))


def test_it_is_a_remote_backend() -> None:
    assert isinstance(FilesBackend(SMALL_OFFICE), RemoteBackend)


def test_rows_become_neutral_records(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(
        HEADER + "7,person,  Ζωή O'Brien ,zoe@example.com, t2;t1 ,yes\n8,company,Łódź AG,,,\n",
        encoding="utf-8-sig",
    )
    (page,) = pages(tmp_path)
    first, second = page.records
    assert (first.remote_id, first.label) == ("7", "Ζωή O'Brien")
    assert first.values["tag_refs"] == ["t1", "t2"]
    assert first.values["archived"] is True
    assert first.values["contact_points"] == [{"kind": "email", "value": "zoe@example.com"}]
    assert (second.values["archived"], second.values["tag_refs"]) == (False, None)
    assert second.values["address"] is None


def test_documents_carry_lines_and_links() -> None:
    records = {
        r.remote_id: r.values for page in pages(SMALL_OFFICE, "invoice") for r in page.records
    }
    assert [line["product_ref"] for line in records["i1"]["lines"]] == ["p4", "p3", "p5"]
    kinds = {(link["kind"], link["entity"], link["towards"]) for link in records["i1"]["links"]}
    assert kinds == {("invoices", "order", True), ("pays", "payment", False)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no column 'id'"),
        ("name,kind\nA,person\n", "no column 'id'"),
        (HEADER + '1,person,"never closed\n', "unexpected end of data"),
        (HEADER + "1,person,A,,,no,too,many\n", "line 2 does not fit"),
        (HEADER + ",person,A,,,\n", "id is empty"),
        (HEADER + "1,person,A\n", "line 2 does not fit"),
        (HEADER + "1,person," + "x" * 1_100_000 + ",,,\n", "field larger than field limit"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "customers.csv").write_text(content, encoding="utf-8")
    with pytest.raises(FatalSyncError, match=says) as caught:
        pages(tmp_path)
    assert caught.value.message.startswith("customers.csv cannot be read")


def test_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(
        HEADER.encode() + "1,person,Ελένη,,,\n".encode("cp1253")
    )
    with pytest.raises(FatalSyncError, match="UTF-8"):
        pages(tmp_path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,robot,A,,,", "'robot' is none of person, company"),
        ("1,person,,,,", "name must be filled"),
        ("1,person,A,,,maybe", "'maybe' is neither yes nor no"),
    ],
)
def test_a_bad_row_is_a_fault_and_the_next_is_read(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "customers.csv").write_text(HEADER + row + "\n2,person,B,,,\n", encoding="utf-8")
    (page,) = pages(tmp_path)
    assert [record.remote_id for record in page.records] == ["2"]
    assert [fault.remote_id for fault in page.faults] == ["1"]
    assert says in page.faults[0].reason


def test_missing_files_leave_out_their_entity_and_unknown_columns_warn(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("id,name,colour\n1,A,red\n", encoding="utf-8")
    (entity,) = FilesBackend(tmp_path).entities()
    assert entity.name == "tag"
    assert entity.warnings == ["tags.csv: the column 'colour' is not known and left out"]
    checks = {check.name: check for check in FilesBackend(tmp_path).check()}
    assert checks["tag"].ok
    assert checks["customer"].message == "no customers.csv: left out"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FatalSyncError, match="There is no folder"):
        open_backend({"path": str(tmp_path / "nowhere")}, None)
