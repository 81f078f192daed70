"""Which columns of the database refer to customers, also in tables of plugins that are off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import CHAR, Connection, FromClause, Inspector, Uuid, column, inspect, table

from crm_core.persistence.base import Base
from crm_core.persistence.types import Key

CUSTOMERS = "core_customer"
KEY_DIGITS = 32


class Rows(NamedTuple):
    """A table and the columns of its primary key; without one no row can be found again."""

    table: FromClause
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.table.name)  # type: ignore[attr-defined]


def customer_columns(connection: Connection) -> list[tuple[str, str]]:
    """Return (table, column) of every column with a foreign key to customers that there is."""
    found = inspect(connection).get_multi_foreign_keys()
    return sorted(
        {
            (name, key["constrained_columns"][0])
            for (_, name), keys in found.items()
            for key in keys
            if key["referred_table"] == CUSTOMERS
        }
    )


def rows_named(connection: Connection, name: str, columns: Iterable[str]) -> Rows | None:
    """Return a table by name, with at least its key and these columns; None when it is not there.

    Of a plugin that is off only keys and references to customers are sure to be read as what they
    are.
    """
    mapped = Base.metadata.tables.get(name)
    if mapped is not None:
        return Rows(mapped, tuple(each.name for each in mapped.primary_key.columns))
    inspector = inspect(connection)
    if not inspector.has_table(name):
        return None
    keys = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
    types = _types(inspector, name)
    wanted = dict.fromkeys((*keys, *columns))
    return Rows(table(name, *(column(each, types[each]) for each in wanted)), keys)


def _types(inspector: Inspector, name: str) -> dict[str, Any]:
    found = {}
    for each in inspector.get_columns(name):
        kind = each["type"]
        is_key = isinstance(kind, Uuid) or (isinstance(kind, CHAR) and kind.length == KEY_DIGITS)
        found[each["name"]] = Key() if is_key else kind
    return found
