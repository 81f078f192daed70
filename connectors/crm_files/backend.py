"""A folder of CSV files as a remote: every run reads all of it, digests tell what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from crm_core.entities.sync import BindingState
from crm_core.errors import FatalSyncError
from crm_core.messages import t
from crm_core.persistence.bulk import chunked
from crm_core.sync.protocol import (
    CheckResult,
    Draft,
    Edit,
    LinkSet,
    Match,
    Probe,
    RemoteEntity,
    RemoteFault,
    RemotePage,
    RemoteRecord,
    Written,
)
from crm_files.folder import Folder
from crm_files.layout import LAYOUTS, Layout, plugin_layout
from crm_files.manifest import VERSION, laid_out, read_manifest
from crm_files.records import Records, RowError, fields_of
from crm_files.table import Row
from crm_files.writing import Writer, bearers_of, find_rows, shape
from crm_hooks.contributions import SyncableEntity

IDS_PER_BATCH = 10_000


def open_backend(
    config: Mapping[str, str], __secret: str | None, entities: Sequence[SyncableEntity] = ()
) -> FilesBackend:
    """Open the folder ``config["path"]``.

    Args:
        config: The backend's settings.
        __secret: Folders have none.
        entities: What plugins keep in step, a file each.

    Raises:
        FatalSyncError: There is no such folder, or its manifest is of a newer format.
    """
    folder = Path(config["path"]).expanduser()
    if not folder.is_dir():
        raise FatalSyncError(
            t("There is no folder {folder}: check the path of this backend.", folder=folder),
            code="files.folder_missing",
        )
    return FilesBackend(folder, entities)


class FilesBackend:
    """The connection to one folder; see ``crm_core.sync.protocol.WritableBackend``.

    Files carry no reliable moment of change, so ``since`` and ``after`` are not used: every sweep
    reads whole files in their own order, and records that look the same cost next to nothing.
    """

    def __init__(self, folder: Path, entities: Sequence[SyncableEntity] = ()) -> None:
        plugins = {entity.name: plugin_layout(entity) for entity in _in_order(entities)}
        self.folder = folder
        self._manifest = read_manifest(folder)
        self._layouts = laid_out({**LAYOUTS, **plugins}, self._manifest)
        self._files = Folder(folder)
        self._records = Records(self._files, self._layouts)

    @property
    def calls(self) -> int:
        """How many files were read or written so far."""
        return self._files.calls

    def entities(self) -> Sequence[RemoteEntity]:
        """Return the entities whose file is there, with a warning for columns not known."""
        found = []
        for name, layout in self._layouts.items():
            if self._files.has(layout.file):
                header = self._files.header(layout)
                found.append(
                    RemoteEntity(name, _digest(layout, header), _unknown_columns(layout, header))
                )
        return found

    def server_time(self) -> datetime:
        """Return this machine's own clock."""
        return datetime.now(UTC)

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        """Yield all records of the entity's file, in the file's order."""
        layout = self._layouts[entity]
        self._records = Records(self._files, self._layouts)
        for rows in chunked(self._files.rows(layout.file, layout.key), size):
            yield self._page(entity, rows)

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return the records with these ids."""
        layout = self._layouts[entity]
        rows = list(self._files.rows(layout.file, layout.key, remote_ids))
        return self._page(entity, rows)

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        """Yield all ids of the entity's file."""
        layout = self._layouts[entity]
        rows = self._files.rows(layout.file, layout.key)
        yield from chunked((row[layout.key] for row in rows), IDS_PER_BATCH)

    def fates(self, entity: str, remote_ids: Sequence[str]) -> Mapping[str, str]:
        """A row that is gone from its file was deleted."""
        return dict.fromkeys(remote_ids, BindingState.DELETED.value)

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        """None: a customer's tags stand in its own row."""
        return ()

    def check(self) -> Sequence[CheckResult]:
        """Read every file to its end, and say whether the folder can be written."""
        results = []
        for name, layout in self._layouts.items():
            if not self._files.has(layout.file):
                results.append(
                    CheckResult(name, ok=True, message=t("no {file}: left out", file=layout.file))
                )
                continue
            try:
                facts = self._files.facts(layout)
            except FatalSyncError as error:
                results.append(CheckResult(name, ok=False, message=error.message))
            else:
                results.append(self._checked(name, layout, facts.header))
        can = "can be written" if self._files.is_writable() else "can only be read"
        return [*results, CheckResult("folder", ok=True, message=f"{self.folder} {can}")]

    def _checked(self, name: str, layout: Layout, header: Sequence[str]) -> CheckResult:
        promised = self._manifest.get("entities", {}).get(name, {}).get("columns", ())
        gone = [column for column in promised if column not in header]
        lacking = [column for column in layout.required if column not in header]
        if gone or lacking:
            names = ", ".join(dict.fromkeys([*lacking, *gone]))
            message = t("{file} lacks the columns {names}: add them", file=layout.file, names=names)
            return CheckResult(name, ok=False, message=message)
        return CheckResult(name, ok=True, message=t("{file} can be read", file=layout.file))

    def close(self) -> None:
        """Nothing is held open."""

    def writable(self, entity: str) -> frozenset[str]:
        """Return the fields whose columns the file has; of a file not there yet, all fields."""
        layout = self._layouts.get(entity)
        if layout is None or not layout.is_written or not self._files.is_writable():
            return frozenset()
        return fields_of(entity, layout, self._files.header(layout))

    def shaped(
        self, entity: str, records: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Return records as reading their rows would tell them."""
        layout = self._layouts[entity]
        header = self._files.header(layout) if self.writable(entity) else ()
        return [shape(entity, layout, header, record) for record in records]

    def find(self, entity: str, probes: Sequence[Probe]) -> Mapping[str, Sequence[Match]]:
        """Look for all probes in one reading of the file."""
        return find_rows(entity, self._layouts[entity], self._rows(entity), probes)

    def named(self, entity: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the rows that go by these names; one that two rows go by is left out."""
        bearers = bearers_of(self._rows(entity), self._layouts[entity])
        return {name: bearers[name][0] for name in external_ids if len(bearers.get(name, ())) == 1}

    def names(self, entity: str, remote_ids: Sequence[str], prefix: str) -> Mapping[str, str]:
        """Return the names of ours that these rows go by."""
        wanted = set(remote_ids)
        bearers = bearers_of(self._rows(entity), self._layouts[entity])
        return {
            rows[0]: name
            for name, rows in bearers.items()
            if len(rows) == 1 and rows[0] in wanted and name.startswith(prefix)
        }

    def create(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Written]:
        """Append rows whose id is their external id, in one rewrite of the file."""
        return self._writer(entity).create(drafts)

    def update(self, entity: str, edits: Sequence[Edit]) -> Sequence[Written]:
        """Change cells, in one rewrite of the file."""
        return self._writer(entity).update(edits)

    def _writer(self, entity: str) -> Writer:
        layout = self._layouts[entity]
        if not layout.is_written:
            raise FatalSyncError(
                t("{file} is only read: change it in the back office.", file=layout.file),
                code="files.read_only",
            )
        return Writer(entity, self._layouts, self._files)

    def _rows(self, entity: str) -> Iterable[Row]:
        layout = self._layouts[entity]
        return self._files.rows(layout.file, layout.key) if self._files.has(layout.file) else ()

    def _page(self, entity: str, rows: Sequence[Row]) -> RemotePage:
        layout = self._layouts[entity]
        records: list[RemoteRecord] = []
        faults: dict[str, RemoteFault] = {}
        self._records.look(entity)
        for row in rows:
            row_id = row[layout.key]
            label = row.get(layout.label) or row_id
            try:
                records.append(RemoteRecord(row_id, label, self._values(entity, layout, row)))
            except RowError as error:
                faults[row_id] = RemoteFault(row_id, label, error.code, error.reason)
        last_id = rows[-1][layout.key] if rows else ""
        return RemotePage(records, last_id, list(faults.values()))

    def _values(self, entity: str, layout: Layout, row: Row) -> dict[str, Any]:
        return self._records.values(entity, layout, row)


def _in_order(entities: Sequence[SyncableEntity]) -> Sequence[SyncableEntity]:
    """Return plugins' entities with those first that others refer to."""
    named = {entity.name: entity for entity in entities}
    order = TopologicalSorter({name: entity.after for name, entity in named.items()})
    try:
        return [named[name] for name in order.static_order() if name in named]
    except CycleError:  # they refer to each other; late references are followed up anyway
        return entities


def _digest(layout: Layout, header: Sequence[str]) -> str:
    known = [name for name in layout.known if name in header]
    told = "\n".join([str(VERSION), layout.file, layout.key, *known])
    return f"files/{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}"


def _unknown_columns(layout: Layout, header: Sequence[str]) -> list[str]:
    known = {*layout.known, layout.key}
    return [
        t("{file}: the column {name!r} is not known and left out", file=layout.file, name=name)
        for name in header
        if name not in known
    ]
