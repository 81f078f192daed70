"""A folder of CSV files read as a remote: every run reads all of it, digests tell what changed."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from crm_core.entities.sync import BindingState
from crm_core.errors import FatalSyncError
from crm_core.persistence.bulk import chunked
from crm_core.sync.protocol import (
    CheckResult,
    LinkSet,
    RemoteEntity,
    RemoteFault,
    RemotePage,
    RemoteRecord,
)
from crm_files.layout import (
    ADDRESS_COLUMNS,
    CONTACT_COLUMNS,
    DOCUMENTS,
    LAYOUTS,
    LINE,
    LINES_FILE,
    LINK,
    LINKS_FILE,
    OWNER_COLUMNS,
    RATES_FILE,
    Convert,
    Layout,
)

IDS_PER_BATCH = 10_000
FIELD_LIMIT = 1_000_000
"""Characters in one cell; more is a broken file, such as a quote that never closes."""

Row = dict[str, str]


def open_backend(config: Mapping[str, str], __secret: str | None) -> FilesBackend:
    """Open the folder ``config["path"]``.

    Raises:
        FatalSyncError: There is no such folder.
    """
    folder = Path(config["path"]).expanduser()
    if not folder.is_dir():
        raise FatalSyncError(
            f"There is no folder {folder}: check the path of this backend.",
            code="files.folder_missing",
        )
    return FilesBackend(folder)


class FilesBackend:
    """The connection to one folder; see ``crm_core.sync.protocol.RemoteBackend``.

    Files carry no reliable moment of change, so ``since`` and ``after`` are not used: every sweep
    reads whole files in their own order, and records that look the same cost next to nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = 0

    def entities(self) -> Sequence[RemoteEntity]:
        """Return the entities whose file is there, with a warning for columns not known."""
        return [
            RemoteEntity(name, "files/1", self._unknown_columns(layout))
            for name, layout in LAYOUTS.items()
            if (self.folder / layout.file).is_file()
        ]

    def _unknown_columns(self, layout: Layout) -> list[str]:
        row = next(self._rows(layout.file), {})
        known = {"id", *layout.columns, *layout.extra}
        return [
            f"{layout.file}: the column {name!r} is not known and left out"
            for name in row
            if name not in known
        ]

    def server_time(self) -> datetime:
        """Return this machine's own clock."""
        return datetime.now(UTC)

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        """Yield all records of the entity's file, in the file's order."""
        for rows in chunked(self._rows(LAYOUTS[entity].file), size):
            yield self._page(entity, rows)

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return the records with these ids."""
        wanted = set(remote_ids)
        rows = [row for row in self._rows(LAYOUTS[entity].file) if row["id"] in wanted]
        return self._page(entity, rows)

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        """Yield all ids of the entity's file."""
        rows = self._rows(LAYOUTS[entity].file)
        yield from chunked((row["id"] for row in rows), IDS_PER_BATCH)

    def fates(self, entity: str, remote_ids: Sequence[str]) -> Mapping[str, str]:
        """A row that is gone from its file was deleted."""
        return dict.fromkeys(remote_ids, BindingState.DELETED.value)

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        """None: a customer's tags stand in its own row."""
        return ()

    def check(self) -> Sequence[CheckResult]:
        """Read every file's header."""
        results = []
        for name, layout in LAYOUTS.items():
            if not (self.folder / layout.file).is_file():
                results.append(CheckResult(name, ok=True, message=f"no {layout.file}: left out"))
                continue
            try:
                next(iter(self._rows(layout.file)), None)
            except FatalSyncError as error:
                results.append(CheckResult(name, ok=False, message=error.message))
            else:
                results.append(CheckResult(name, ok=True, message=f"{layout.file} can be read"))
        return results

    def close(self) -> None:
        """Nothing is held open."""

    def _page(self, entity: str, rows: Sequence[Row]) -> RemotePage:
        layout = LAYOUTS[entity]
        records, faults = [], []
        for row in rows:
            label = row.get(layout.label) or row["id"]
            try:
                values = self._values(entity, layout, row)
            except ValueError as error:
                reason = f"{layout.file}: {error}. Correct the file and run again."
                faults.append(RemoteFault(row["id"], label, "files.bad_row", reason))
            else:
                records.append(RemoteRecord(row["id"], label, values))
        return RemotePage(records, rows[-1]["id"] if rows else "", faults)

    def _values(self, entity: str, layout: Layout, row: Row) -> dict[str, Any]:
        missing = [name for name in layout.required if not row.get(name)]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be filled")
        values = _converted(layout.columns, row, layout.defaults)
        if entity == "address" and row["id"] in self._customer_ids:
            raise ValueError(f"the id {row['id']} is in customers.csv too; give it another")
        if entity == "customer":
            values["contact_points"] = [
                {"kind": kind, "value": row[kind]} for kind in CONTACT_COLUMNS if row.get(kind)
            ]
            address = {name: row.get(name) or None for name in ADDRESS_COLUMNS}
            values["address"] = address if any(address.values()) else None
        if entity == "currency":
            values["rates"] = self._rates.get(values["code"], [])
        if entity in DOCUMENTS:
            key = (entity, row["id"])
            values["lines"] = [_converted(LINE, line, {}) for line in self._lines.get(key, ())]
            values["links"] = [_converted(LINK, link, {}) for link in self._links.get(key, ())]
        return values

    @cached_property
    def _lines(self) -> dict[tuple[str, str], list[Row]]:
        return self._by_document(LINES_FILE)

    @cached_property
    def _links(self) -> dict[tuple[str, str], list[Row]]:
        return self._by_document(LINKS_FILE)

    @cached_property
    def _customer_ids(self) -> set[str]:
        """Documents name a customer or an address by one id, so it must not be both."""
        file = LAYOUTS["customer"].file
        return {row["id"] for row in self._rows(file)} if (self.folder / file).is_file() else set()

    @cached_property
    def _rates(self) -> dict[str, list[dict[str, str]]]:
        rates = defaultdict(list)
        if (self.folder / RATES_FILE).is_file():
            for row in self._rows(RATES_FILE, key="currency"):
                rates[row["currency"]].append({"on": row["on"], "rate": row["rate"]})
        return rates

    def _by_document(self, file: str) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        if (self.folder / file).is_file():
            for row in self._rows(file, key=OWNER_COLUMNS[1]):
                found[row[OWNER_COLUMNS[0]], row[OWNER_COLUMNS[1]]].append(row)
        return found

    def _rows(self, file: str, key: str = "id") -> Iterator[Row]:
        """Yield a file's rows; raises FatalSyncError where the file itself is broken."""
        self.calls += 1
        csv.field_size_limit(FIELD_LIMIT)
        try:
            with (self.folder / file).open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, strict=True)
                if key not in (reader.fieldnames or ()):
                    raise _broken(file, f"it has no column {key!r} in its first line")
                for row in reader:
                    if None in row or not row.get(key) or None in row.values():
                        raise _broken(
                            file,
                            f"line {reader.line_num} does not fit the header, or {key} is empty",
                        )
                    yield {name: value.strip() for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise _broken(file, str(error)) from error
        except OSError as error:
            raise _broken(file, error.strerror or str(error)) from error


def _broken(file: str, what: str) -> FatalSyncError:
    return FatalSyncError(
        f"{file} cannot be read: {what}. It must be CSV in UTF-8 with a header.",
        code="files.broken",
        details={"file": file},
    )


def _converted(
    columns: Mapping[str, Convert], row: Row, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = dict(defaults)
    for name, convert in columns.items():
        cell = row.get(name)
        if not cell:
            values.setdefault(name, None)
            continue
        try:
            values[name] = convert(cell)
        except ValueError as error:
            raise ValueError(f"record {row.get('id') or ''}, column {name}: {error}") from None
    return values
