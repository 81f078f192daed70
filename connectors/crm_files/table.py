"""The text of one CSV file: its rows as cells, and as they stand there so that they can stay so."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from crm_core.errors import FatalSyncError
from crm_core.messages import t
from crm_files.layout import EXTERNAL_ID

FIELD_LIMIT = 1_000_000
"""Characters in one cell; more is a broken file, such as a quote that never closes."""
PARENT = "parent_ref"

Row = dict[str, str]
_QUOTED = re.compile('[,"\\r\\n]').search


def broken(file: str, what: str) -> FatalSyncError:
    """Return the error for a file that cannot be understood as a whole."""
    return FatalSyncError(
        t(
            "{file} cannot be read: {what}. It must be CSV in UTF-8 with a header.",
            file=file,
            what=what,
        ),
        code="files.broken",
        details={"file": file},
    )


@contextmanager
def understood(file: str) -> Iterator[None]:
    """Tell what is wrong with a file in words that name it."""
    try:
        yield
    except (csv.Error, UnicodeDecodeError) as error:
        raise broken(file, str(error)) from error
    except OSError as error:
        raise broken(file, error.strerror or str(error)) from error


class Table:
    """A CSV text that is being read, from its header on.

    Args:
        file: What messages call it.
        key: Column that holds the ids.
        lines: Its lines with their endings.
    """

    def __init__(self, file: str, key: str, lines: Iterable[str]) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self.file = file
        self._key = key
        self._lines = lines
        self._read: list[str] = []
        self._reader = csv.reader(self._kept(), strict=True)
        with understood(file):
            self.header = next(self._reader, [])
        self.head = self._taken()
        if key not in self.header:
            raise broken(file, t("it has no column {key!r} in its first line", key=key))
        if len(set(self.header)) < len(self.header):
            raise broken(file, t("a column stands twice in its first line"))
        self.key_index = self.header.index(key)

    def __iter__(self) -> Iterator[tuple[list[str], str]]:
        """Yield each row's cells, and its text; an empty line has no cells."""
        width, key = len(self.header), self.key_index
        with understood(self.file):
            for cells in self._reader:
                if cells and (len(cells) != width or not cells[key].strip()):
                    raise broken(
                        self.file,
                        t(
                            "line {line_num} does not fit the header, or {key} is empty",
                            line_num=self._reader.line_num,
                            key=self._key,
                        ),
                    )
                yield cells, self._taken()

    def rows(self, only: Iterable[str] | None = None) -> Iterator[Row]:
        """Yield rows by column name, without white space around; those with some ids, or all."""
        wanted = None if only is None else set(only)
        for cells, _ in self:
            if cells and (wanted is None or cells[self.key_index].strip() in wanted):
                yield {name: cell.strip() for name, cell in zip(self.header, cells, strict=True)}

    def _kept(self) -> Iterator[str]:
        for line in self._lines:
            self._read.append(line)
            yield line

    def _taken(self) -> str:
        text = "".join(self._read)
        self._read.clear()
        return text


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be known of a file before its rows are read or written.

    Attributes:
        header: Its columns.
        ids: The ids in it.
        twice: Those that stand there more than once.
        external: External id to the ids of the rows that bear it.
        parents: Id to the id in ``parent_ref``.
    """

    header: Sequence[str] = ()
    ids: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    external: dict[str, list[str]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)


def facts_of(table: Table) -> Facts:
    """Read a whole table."""
    facts = Facts(table.header)
    key = table.key_index
    external, parent = (
        table.header.index(name) if name in table.header else -1 for name in (EXTERNAL_ID, PARENT)
    )
    for cells, _ in table:
        if not cells:
            continue
        row_id = cells[key].strip()
        (facts.twice if row_id in facts.ids else facts.ids).add(row_id)
        if external >= 0 and (name := cells[external].strip()):
            facts.external.setdefault(name, []).append(row_id)
        if parent >= 0 and (above := cells[parent].strip()):
            facts.parents[row_id] = above
    return facts


def upwards(parents: Mapping[str, str], start: str) -> list[str]:
    """Return an id and those above it, as far as none comes again."""
    path: dict[str, None] = {}
    here: str | None = start
    while here is not None and here not in path:
        path[here] = None
        here = parents.get(here)
    return list(path)


def circular(parents: Mapping[str, str]) -> set[str]:
    """Return the ids that come back to themselves when their parents are followed."""
    found: set[str] = set()
    settled: set[str] = set()
    for start in parents:
        if start in settled:
            continue
        path = upwards(parents, start)
        last = parents.get(path[-1])
        if last in path:
            found.update(path[path.index(last) :])
        settled.update(path)
    return found


def line_of(cells: Iterable[str], ending: str) -> str:
    """Return a row as text; what would end a cell or row is quoted, nothing else is changed."""
    quoted = ('"' + cell.replace('"', '""') + '"' if _QUOTED(cell) else cell for cell in cells)
    return ",".join(quoted) + ending


def edited(
    table: Table, edits: Mapping[str, Mapping[str, str]], new: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """Yield the text of a table with some cells changed and rows added; the rest stays as it is.

    Args:
        table: As it was read.
        edits: Row id to column to cell. Columns the file lacks are left out.
        new: Column to cell; where one bears an external id, the column is added.
    """
    added = [EXTERNAL_ID] if EXTERNAL_ID not in table.header and new else []
    header = [*table.header, *added]
    body = table.head.rstrip("\r\n")
    ending = table.head[len(body) :] or "\n"
    yield line_of(header, ending) if added else body + ending
    last = ending
    for cells, raw in table:
        row = edits.get(cells[table.key_index].strip()) if cells else None
        last = raw if row is None else _edited(table.header, cells, row, raw, ending)
        if added and cells:
            body = last.rstrip("\r\n")
            last = body + "," + last[len(body) :]
        yield last
    if new and not last.endswith(("\r", "\n")):
        yield ending
    for row in new:
        yield line_of((row.get(name, "") for name in header), ending)


def _edited(
    header: Sequence[str], cells: Sequence[str], row: Mapping[str, str], raw: str, ending: str
) -> str:
    """Return a row's text with new cells; as it stood where they say the same."""
    changed = [
        cell if row.get(name, cell) in (cell, cell.strip()) else row[name]
        for name, cell in zip(header, cells, strict=True)
    ]
    return raw if changed == cells else line_of(changed, ending)
