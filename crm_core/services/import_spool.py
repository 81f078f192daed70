"""A temporary file between the two passes of an import, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import orjson

from crm_core.persistence.bulk import CHUNK, PARAMETERS, chunked
from crm_core.persistence.spool import Spool

_TABLES = """
CREATE TABLE spooled (line INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE done (customer_id TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE contact_of (
    line INTEGER PRIMARY KEY, customer_id TEXT NOT NULL, kind TEXT NOT NULL, company TEXT NOT NULL
);
"""
WRITTEN_AT_ONCE = 2 * CHUNK
"""Rows of one transaction: twice as many spare the full-text index some merging."""


class ImportSpool(Spool):
    """Checked rows, which customers they became, and whose contacts those are."""

    tables = _TABLES
    purpose = "import"
    code = "core.import.temporary_file"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[int, bytes]] = []
        self.rows = 0

    def add(self, line: int, record: dict[str, Any]) -> None:
        """Keep one checked row; call :meth:`finish` after the last."""
        self._waiting.append((line, orjson.dumps(record)))
        self.rows += 1
        if len(self._waiting) >= CHUNK:
            self.finish()

    def finish(self) -> None:
        """Write what is still waiting."""
        self._many("INSERT INTO spooled VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def chunks(self) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        """Yield (line, record) in the order of the file, a transaction's worth at a time."""
        cursor = self._connection.execute("SELECT line, record FROM spooled ORDER BY line")
        while rows := cursor.fetchmany(WRITTEN_AT_ONCE):
            yield [(line, orjson.loads(record)) for line, record in rows]

    def mark_done(self, customers: Iterable[tuple[UUID, int]]) -> None:
        """Remember which line a customer came from."""
        self._many(
            "INSERT OR IGNORE INTO done VALUES (?, ?)", ((key.hex, line) for key, line in customers)
        )

    def lines_of(self, customer_ids: Iterable[UUID]) -> dict[UUID, int]:
        """Return the line of each of these customers that an earlier row became."""
        found: dict[UUID, int] = {}
        for some in chunked(customer_ids, PARAMETERS):
            marks = ",".join("?" * len(some))
            rows = self._connection.execute(
                f"SELECT customer_id, line FROM done WHERE customer_id IN ({marks})",  # noqa: S608
                [key.hex for key in some],
            )
            found.update((UUID(key), line) for key, line in rows)
        return found

    def add_contacts(self, contacts: Iterable[tuple[int, UUID, str, str]]) -> None:
        """Remember (line, customer, kind, company as typed) until all customers are there."""
        self._many(
            "INSERT INTO contact_of VALUES (?, ?, ?, ?)",
            ((line, key.hex, kind, company) for line, key, kind, company in contacts),
        )

    def contacts(self) -> Iterator[list[tuple[int, UUID, str, str]]]:
        """Yield what :meth:`add_contacts` took, 1,000 at a time."""
        cursor = self._connection.execute("SELECT * FROM contact_of ORDER BY line")
        while rows := cursor.fetchmany(CHUNK):
            yield [(line, UUID(key), kind, company) for line, key, kind, company in rows]

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")
