"""Batch mode on SQLite that keeps triggers and views.

SQLite changes most of a table by copying it, dropping the old one and renaming the copy. Dropping
takes the table's triggers along, and renaming fails while a trigger or view elsewhere names the
dropped table. So all of them are set aside for just that long.
"""

from __future__ import annotations

from typing import Any

from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import Table

TEMPORARY = "_alembic_tmp_"


class TriggerKeepingImpl(SQLiteImpl):
    """Replaces Alembic's implementation for SQLite: it registers itself by its dialect."""

    __dialect__ = "sqlite"

    def drop_table(self, table: Table, **kw: Any) -> None:
        """Drop a table; before the old half of a rebuild is dropped, set triggers aside."""
        if self._rebuilds(table.name):
            self._set_aside = self._triggers_and_views()
            for kind, name, _sql in reversed(self._set_aside):
                self._run(f'DROP {kind} "{name}"')
        super().drop_table(table, **kw)

    def rename_table(self, old_table_name: str, new_table_name: str, schema: Any = None) -> None:
        """Rename a table; after the new half of a rebuild has its name, bring triggers back."""
        super().rename_table(old_table_name, new_table_name, schema=schema)
        if old_table_name.startswith(TEMPORARY):
            for _kind, _name, sql in self._set_aside:
                self._run(sql)
            self._set_aside = []

    def _rebuilds(self, table_name: str) -> bool:
        # Alembic cuts the name of the copy to 50 characters.
        copy = f"{TEMPORARY}{table_name}"[:50]
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._run(query, (copy,)).first() is not None

    def _triggers_and_views(self) -> list[tuple[str, str, str]]:
        query = (
            "SELECT type, name, sql FROM sqlite_master"
            " WHERE type IN ('trigger', 'view') ORDER BY rowid"
        )
        return [(row.type, row.name, row.sql) for row in self._run(query)]

    def _run(self, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
        assert self.connection is not None
        return self.connection.exec_driver_sql(sql, parameters)
