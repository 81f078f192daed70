"""Writing many rows at once, past the session: Core statements with lists, in chunks.

The ORM's own bulk insert costs twice as much and ``add_all`` ten times; see docs/performance.md.
Callers audit and index what they write here themselves.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    Connection,
    Dialect,
    Insert,
    Table,
    Update,
    Uuid,
    bindparam,
    delete,
    insert,
    select,
    update,
)

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from crm_core.persistence.base import Base

CHUNK = 1_000
PARAMETERS = 900
"""Values in one IN list: SQLite before 3.32 took at most 999."""

STATEMENTS = 256
"""Compiled statements kept."""

OBJECTS_BETWEEN_COLLECTIONS = 100_000

Row = Mapping[str, Any]
Convert = Callable[[Iterable[Any]], Sequence[Any]]
T = TypeVar("T")


class _Prepared(NamedTuple):
    """A compiled statement: its text, and (parameter, column, conversion) in order."""

    text: str
    columns: Sequence[tuple[str, str, Convert]]
    is_positional: bool


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for reference cycles more rarely while much is written.

    A chunk of rows makes a hundred thousand objects without a cycle among them; looking for some
    every 700 objects takes up to a quarter of the time of writing them.
    """
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


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


def insert_rows(connection: Connection, model: type[Base] | Table, rows: Sequence[Row]) -> None:
    """Insert rows (dicts with the same keys in each; defaults are not applied).

    The statement is compiled once and its rows go straight to the driver, which costs a third of
    what Core's own way through every parameter does.
    """
    if rows:
        table = model if isinstance(model, Table) else table_of(model)
        prepared = _insert(connection.dialect, table, tuple(rows[0]))
        _run_many(connection, prepared, rows)


def update_rows(connection: Connection, model: type[Base], rows: Sequence[Row]) -> None:
    """Update rows by ``id``: each dict holds ``id`` and the same set of columns to set."""
    if rows:
        prepared = _update(connection.dialect, table_of(model), tuple(rows[0]))
        _run_many(connection, prepared, rows)


@lru_cache(maxsize=STATEMENTS)
def _insert(dialect: Dialect, table: Table, names: tuple[str, ...]) -> _Prepared:
    columns: dict[str, Any] = {name: bindparam(name) for name in names}
    return _prepared(insert(table).values(columns), dialect, table)


@lru_cache(maxsize=STATEMENTS)
def _update(dialect: Dialect, table: Table, names: tuple[str, ...]) -> _Prepared:
    columns: dict[str, Any] = {name: bindparam(f"b_{name}") for name in names if name != "id"}
    statement = update(table).where(table.c.id == bindparam("b_id")).values(columns)
    return _prepared(statement, dialect, table)


def _prepared(statement: Insert | Update, dialect: Dialect, table: Table) -> _Prepared:
    compiled: Any = statement.compile(dialect=dialect)
    if compiled.insert_prefetch:
        missing = ", ".join(column.name for column in compiled.insert_prefetch)
        raise KeyError(f"{table.name}: the rows lack {missing}; defaults are not applied")
    columns: list[tuple[str, str, Convert]] = []
    for key in compiled.positiontup or compiled.binds:
        name = key.removeprefix("b_")
        kind = table.c[name].type.dialect_impl(dialect)
        columns.append((key, name, _conversion(kind, kind.bind_processor(dialect))))
    return _Prepared(str(compiled), columns, compiled.positiontup is not None)


def _run_many(connection: Connection, prepared: _Prepared, rows: Sequence[Row]) -> None:
    text, columns, is_positional = prepared
    for chunk in chunked(rows):
        values = [convert(map(itemgetter(name), chunk)) for _, name, convert in columns]
        parameters: Any = list(zip(*values, strict=True))
        if not is_positional:
            keys = [key for key, _, _ in columns]
            parameters = [dict(zip(keys, each, strict=True)) for each in parameters]
        connection.exec_driver_sql(text, parameters)


def _conversion(kind: TypeEngine[Any], process: Callable[[Any], Any] | None) -> Convert:
    """Return what makes of a column's values what the driver takes."""
    if process is None:
        return list
    if isinstance(kind, Uuid):
        return _hexadecimal
    return partial(_converted, process)


def _hexadecimal(values: Iterable[UUID | None]) -> list[str | None]:
    # What SQLAlchemy's conversion comes down to, without two calls a value.
    return [None if value is None else f"{value.int:032x}" for value in values]


def _converted(process: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """Convert a column; runs of the same object (the moment, the day) only once."""
    converted = []
    last: Any = process
    result: Any = None
    for value in values:
        if value is not last:
            last, result = value, process(value)
        converted.append(result)
    return converted


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
    columns: list[Any] = [table.c[name] for name in names] or [table]
    for chunk in chunked(values, PARAMETERS):
        yield from connection.execute(select(*columns).where(table.c[column].in_(chunk)))
