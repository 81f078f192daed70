"""Folders of CSV files that are written to."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm_core.sync.protocol import Draft, RemoteRecord
from crm_files.backend import FilesBackend

CUSTOMERS = "id,kind,name,reference,vat,parent_ref,tag_refs,email,phone,street,city,country_code\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of its own."""
    path = tmp_path / "office"
    path.mkdir()
    return path


@pytest.fixture
def draft() -> Callable[..., Draft]:
    """A function that drafts a customer under a number."""

    def make(number: int, **values: Any) -> Draft:
        values = {"kind": "person", "name": f"Person {number}", **values}
        return Draft(f"k{number}", f"crm_x.customer_{number:04x}", values["name"], values)

    return make


@pytest.fixture
def records() -> Callable[..., dict[str, RemoteRecord]]:
    """A function that reads all records of an entity with a connection of its own."""

    def read(folder: Path, entity: str = "customer", size: int = 3) -> dict[str, RemoteRecord]:
        pages = FilesBackend(folder).pages(entity, since=None, after=None, size=size)
        return {record.remote_id: record for page in pages for record in page.records}

    return read


@pytest.fixture
def rows() -> Callable[[Path], list[dict[str, str]]]:
    """A function that reads a file as any other program would."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    return read
