"""Writing many rows at once, past the session: Core statements with lists, in chunks.

The ORM's own bulk insert costs twice as much and ``add_all`` ten times; see docs/performance.md.
Callers audit and index what they write here themselves.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import chain, islice
from operator import itemgetter
from sqlite3 import sqlite_version_info
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Table,
    Text,
    TypeDecorator,
    Update,
    Uuid,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from crm_core.persistence.base import Base

CHUNK = 1_000
PARAMETERS = 900
"""Values in one IN list: SQLite before 3.32 took at most 999."""

MOST_VALUES = 30_000 if sqlite_version_info >= (3, 32) else PARAMETERS
"""Values in one INSERT of many rows."""

AMONG = 1_000
"""Values that :func:`among` is given at a time."""

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
    """Look for reference cycles more rarely while much is written, or many are answered.

    A chunk of rows makes a hundred thousand objects without a cycle among them; looking for some
    every 700 objects takes up to a quarter of the time of writing them.
    """
    before = gc.get_threshold()
    gc.freeze()  # modules, classes and the like: none of them becomes garbage meanwhile
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


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


def insert_at_once(connection: Connection, model: type[Base] | Table, rows: Sequence[Row]) -> None:
    """Insert rows like :func:`insert_rows`, on SQLite as many in one statement as it takes.

    For tables with triggers that write to a full-text table: it sorts and stores what it holds at
    the end of each statement, which costs three times as much where each row is one of its own.
    """
    if connection.dialect.name != "sqlite":
        insert_rows(connection, model, rows)
    elif rows:
        table = model if isinstance(model, Table) else table_of(model)
        text, columns, _ = _insert(connection.dialect, table, tuple(rows[0]))
        head, _, marks = text.rpartition("VALUES ")
        for chunk in chunked(rows, MOST_VALUES // len(columns)):
            values = [convert(map(itemgetter(name), chunk)) for _, name, convert in columns]
            parameters = tuple(chain.from_iterable(zip(*values, strict=True)))
            connection.exec_driver_sql(
                f"{head}VALUES {', '.join([marks] * len(chunk))}", parameters
            )


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
        columns.append((key, name, _conversion(kind, kind.bind_processor(dialect), dialect)))
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


def _conversion(
    kind: TypeEngine[Any], process: Callable[[Any], Any] | None, dialect: Dialect
) -> Convert:
    """Return what makes of a column's values what the driver takes."""
    if process is None:
        return list
    if isinstance(kind, Uuid):
        return _hexadecimal
    if isinstance(kind, JSON) and dialect.name == "sqlite":
        return partial(_json_texts, process)
    return partial(_converted, process)


def _hexadecimal(values: Iterable[UUID | None]) -> list[str | None]:
    # What SQLAlchemy's conversion comes down to, without two calls a value.
    return [None if value is None else f"{value.int:032x}" for value in values]


def _json_texts(process: Callable[[Any], Any], values: Iterable[Any]) -> list[str | None]:
    wanted = list(values)
    try:
        # Again without two calls a value.
        return [None if value is None else orjson.dumps(value).decode() for value in wanted]
    except TypeError:  # a number or a text beyond what orjson takes
        return list(map(process, wanted))


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


class _Values(TypeDecorator[Any]):
    """Many values of a column's type in one parameter: an array, on SQLite a JSON one."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use arrays where the database has them."""
        kind = Text() if dialect.name == "sqlite" else ARRAY(self.item)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn a list of values into what is sent."""
        if dialect.name != "sqlite":
            return value
        kind = self.item.dialect_impl(dialect)
        return _text_of(_conversion(kind, kind.bind_processor(dialect), dialect)(value))


def _text_of(values: Sequence[Any]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError:  # a number or a text beyond what orjson takes
        return json.dumps(values)


class _Among(FunctionElement[bool]):
    """Whether a column is one of many values.

    It names no type: SQLite would be asked whether a boolean equals 1, and would use no index.
    """

    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: Any, compiler: Any, **keywords: Any) -> str:
    column, values = (compiler.process(each, **keywords) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608


@compiles(_Among, "postgresql")
def _among_postgresql(element: Any, compiler: Any, **keywords: Any) -> str:
    column, values = (compiler.process(each, **keywords) for each in element.clauses)
    return f"{column} = ANY ({values})"


def among(column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """Return the criterion that a column is one of these values, at most some :data:`AMONG`.

    Like ``in_``, but all are one parameter, so that the statement stays the same: making room for
    500 of them costs more than finding their rows.
    """
    given = bindparam(None, list(values), type_=_Values(column.type))
    return _Among(column, given)


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
    for chunk in chunked(values, AMONG):
        yield from connection.execute(select(*columns).where(among(table.c[column], chunk)))
