"""Writing many rows at once, past the session: Core statements with lists, in chunks.

The ORM's own bulk insert costs twice as much and ``add_all`` ten times; see docs/performance.md.
Callers audit and index what they write here themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

if TYPE_CHECKING:
    from crm_core.persistence.base import Base

CHUNK = 1_000
PARAMETERS = 900
"""Values in one IN list: SQLite before 3.32 took at most 999."""

Row = Mapping[str, Any]
T = TypeVar("T")


def chunked(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` items, in order."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def table_of(model: type[Base]) -> Table:
    """Return the table behind a mapped class."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def insert_rows(connection: Connection, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows (dicts with the same keys in each; defaults are not applied)."""
    statement = insert(table_of(model))
    for chunk in chunked(rows):
        connection.execute(statement, chunk)


def update_rows(connection: Connection, model: type[Base], rows: Sequence[Row]) -> None:
    """Update rows by ``id``: each dict holds ``id`` and the same set of columns to set."""
    if not rows:
        return
    table = table_of(model)
    columns = [name for name in rows[0] if name != "id"]
    statement = (
        update(table)
        .where(table.c.id == bindparam("b_id"))
        .values({name: bindparam(f"b_{name}") for name in columns})
    )
    for chunk in chunked(rows):
        connection.execute(statement, [{f"b_{k}": v for k, v in row.items()} for row in chunk])


def delete_rows(connection: Connection, model: type[Base], ids: Iterable[UUID]) -> None:
    """Delete rows by ``id``."""
    table = table_of(model)
    for chunk in chunked(ids, PARAMETERS):
        connection.execute(delete(table).where(table.c.id.in_(chunk)))


def select_in(
    connection: Connection, model: type[Base], column: str, values: Iterable[Any], *names: str
) -> Iterator[Any]:
    """Yield rows whose ``column`` is one of ``values``; only the columns named, or all."""
    table = table_of(model)
    columns = [table.c[name] for name in names] or [table]
    for chunk in chunked(values, PARAMETERS):
        yield from connection.execute(select(*columns).where(table.c[column].in_(chunk)))
