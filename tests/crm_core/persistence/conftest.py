"""A database with rows in every table, whatever tables there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, TypeDecorator, insert, select

import crm_core.entities  # noqa: F401  maps the classes
from crm_core.persistence.base import Base
from crm_core.persistence.database import Database

ROWS = 3
NAMESPACE = UUID("6f1d3d5e-0000-7000-8000-000000000000")


def value_for(column: Column[Any], number: int) -> Any:
    """Return a value of the column's type that differs for each number."""
    makers: dict[type, Callable[[], Any]] = {
        UUID: lambda: uuid5(NAMESPACE, f"{column}{number}"),
        datetime: lambda: datetime(2024, 5, 1, tzinfo=UTC) + timedelta(days=number, microseconds=7),
        date: lambda: date(2024, 5, 1) + timedelta(days=number),
        Decimal: lambda: Decimal(number) / 4,
        bool: lambda: number % 2 == 0,
        int: lambda: number + 1,
        bytes: lambda: bytes([number, 255]),
        str: lambda: f"{column.name} {number} Ωλ'",
        object: lambda: {"κ": [None, number]},
    }
    kind = column.type
    return makers[(kind.impl_instance if isinstance(kind, TypeDecorator) else kind).python_type]()


def fill_table(connection: Connection, table: Table, count: int = ROWS) -> None:
    """Insert ``count`` rows that satisfy the table's foreign keys."""
    parents, within = {}, {}
    for column in table.columns:
        for key in column.foreign_keys:
            if key.column.table is table:
                within[column.name] = key.column.name
                continue
            query = select(key.column).order_by(key.column)
            parents[column.name] = list(connection.scalars(query))
    rows = []
    for number in range(count):
        row = {}
        for offset, column in enumerate(table.columns):
            # Shifted, so that two references to one table name different rows.
            found = parents.get(column.name)
            row[column.name] = (
                found[(number + offset) % len(found)] if found else value_for(column, number)
            )
        for name, key in within.items():
            row[name] = rows[-1][key] if rows else None
        rows.append(row)
    connection.execute(insert(table), rows)


def fill_database(database: Database) -> None:
    """Insert rows into every table of the core."""
    with database.write_engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name.startswith("core_"):
                fill_table(connection, table)


def all_rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table as the database has them, apart from search structures."""
    metadata = MetaData()
    with database.engine.connect() as connection:
        metadata.reflect(connection, only=lambda name, _meta: not name.startswith("core_search"))
        return {
            table.name: sorted(
                (dict(row._mapping) for row in connection.execute(select(table))), key=repr
            )
            for table in metadata.sorted_tables
        }


@pytest.fixture
def filled_database(database: Database) -> Database:
    """A database of each kind in turn, with rows in every table of the core."""
    fill_database(database)
    return database
