"""The connector suite on a folder of CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crm_core.testing.connector_suite import (
    ARCHIVE,
    DELETE,
    ONE_MOMENT,
    REFUSE,
    TIME_OUT,
    ConnectorSuite,
)
from crm_files.backend import FilesBackend
from crm_files.lock import FolderLock

HEADERS = {
    "tags.csv": "id,name",
    "customers.csv": "id,kind,name,reference,vat,note,job_title,archived,parent_ref,owner_ref,"
    "tag_refs,email,phone,street,street2,postal_code,city,region,country_code,language",
    "addresses.csv": "id,parent_ref,use,recipient,street,city,archived",
}
FILES = {"tag": "tags.csv", "customer": "customers.csv", "address": "addresses.csv"}


class FolderWorkbench:
    """What another program does to the folder."""

    capabilities = frozenset({DELETE, ARCHIVE, ONE_MOMENT, REFUSE, TIME_OUT})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0
        for file, header in HEADERS.items():
            (folder / file).write_text(f"{header}\n", encoding="utf-8")

    def connect(self) -> FilesBackend:
        return FilesBackend(self.folder)

    def make(self, entity: str, values: Mapping[str, Any]) -> str:
        return self.make_many(entity, [values])[0]

    def make_many(self, entity: str, values: Sequence[Mapping[str, Any]]) -> list[str]:
        names, rows = self._read(entity)
        ids = []
        for record in values:
            self.made += 1
            ids.append(f"w{self.made:05}")
            rows.append({**dict.fromkeys(names, ""), "id": ids[-1], **_cells(record)})
        self._write(entity, names, rows)
        return ids

    def change(self, entity: str, remote_id: str, values: Mapping[str, Any]) -> None:
        names, rows = self._read(entity)
        for row in rows:
            if row["id"] == remote_id:
                row.update(_cells(values))
        self._write(entity, names, rows)

    def delete(self, entity: str, remote_id: str) -> None:
        names, rows = self._read(entity)
        self._write(entity, names, [row for row in rows if row["id"] != remote_id])

    def archive(self, entity: str, remote_id: str) -> None:
        self.change(entity, remote_id, {"archived": True})

    def count(self, entity: str, name: str) -> int:
        return sum(row["name"] == name for row in self._read(entity)[1])

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody may put a file in another's place."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.replace", _forbidden)
            patch.setattr(Path, "replace", _forbidden)
            yield

    @contextmanager
    def not_answering(self) -> Iterator[None]:
        """The other side keeps the folder to itself."""
        with pytest.MonkeyPatch.context() as patch, FolderLock(self.folder).held():
            patch.setattr("crm_files.lock.WAIT_SECONDS", 0.2)
            yield

    def _read(self, entity: str) -> tuple[list[str], list[dict[str, str]]]:
        with (self.folder / FILES[entity]).open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            return list(reader.fieldnames or ()), list(reader)

    def _write(self, entity: str, names: list[str], rows: list[dict[str, str]]) -> None:
        path = self.folder / FILES[entity]
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)


def _cells(values: Mapping[str, Any]) -> dict[str, str]:
    cells = {}
    for name, value in values.items():
        if name == "contact_points":
            cells |= {point["kind"]: point["value"] for point in value}
        else:
            cells[name] = {True: "yes", False: "no"}.get(value, value)
    return cells


def _forbidden(*_: Any, **__: Any) -> None:
    raise PermissionError(13, "Permission denied")


class TestFiles(ConnectorSuite):
    @pytest.fixture
    def workbench(self, tmp_path: Path) -> FolderWorkbench:
        folder = tmp_path / "office"
        folder.mkdir()
        return FolderWorkbench(folder)
