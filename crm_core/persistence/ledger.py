"""Changing rows and writing down what they were, so that it can be put back after later edits.

A merge of two customers goes through a :class:`Ledger`; ``crm_core.persistence.ledger_undo`` puts
back what stands in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from crm_core.entities.merge import MergeChange
from crm_core.entities.system import AuditEntry
from crm_core.messages import t
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import CHUNK, insert_rows
from crm_core.persistence.customer_references import Rows, rows_named
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork

Row = Mapping[str, Any]
FORBIDDEN = t("a rule of that table forbids it beside what the survivor has")
KEYLESS = t("that table has no primary key to find it by again")
_WRITTEN: Mapping[type, tuple[str, Any, Any]] = {
    UUID: ("uuid", str, UUID),
    datetime: ("at", datetime.isoformat, datetime.fromisoformat),
    date: ("on", date.isoformat, date.fromisoformat),
    Decimal: ("number", str, Decimal),
    bytes: ("bytes", bytes.hex, bytes.fromhex),
    dict: ("json", dict, dict),
    list: ("json", list, list),
}
_READ = {mark: read for mark, _, read in _WRITTEN.values() if mark != "json"}


def written(values: Row) -> dict[str, Any]:
    """Return column values as JSON can hold them, each so that :func:`read` gives it back."""
    return {name: _written(value) for name, value in values.items()}


def read(values: Row) -> dict[str, Any]:
    """Return what :func:`written` was given."""
    return {name: _read(value) for name, value in values.items()}


def _written(value: Any) -> Any:
    if type(value) not in _WRITTEN:
        return value
    mark, write, _ = _WRITTEN[type(value)]
    return {mark: write(value)}


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(mark, content)] = value.items()
    return _READ[mark](content) if mark in _READ else content


class RowWriter:
    """Writes rows by primary key and audits what it wrote.

    Args:
        uow: A writing unit of work.
        action: What the audit calls it: ``merge`` or ``unmerge``.
        merge_id: Stands on each of its audit entries.

    Attributes:
        entities: What people call the rows of a table.
    """

    def __init__(self, uow: UnitOfWork, action: str, merge_id: UUID) -> None:
        self.uow, self.action, self.merge_id = uow, action, merge_id
        self.connection = uow.connection()
        mapped = {str(each.local_table.name): each.class_ for each in Base.registry.mappers}  # type: ignore[attr-defined]
        self.entities = {name: model.__entity__ for name, model in mapped.items()}
        self._silent = {name for name, model in mapped.items() if not model.__audited__}

    def rows(self, name: str, *columns: str) -> Rows:
        """Return a table that is known to be there."""
        found = rows_named(self.connection, name, columns)
        assert found is not None, f"no table {name}"
        return found

    def where(self, source: Rows, **values: Any) -> list[dict[str, Any]]:
        """Return whole rows by the values of some columns, in the order of their keys."""
        conditions = [source.table.c[name] == value for name, value in values.items()]
        order = [source.table.c[name] for name in source.keys]
        found = self.connection.execute(select(source.table).where(*conditions).order_by(*order))
        return [dict(row._mapping) for row in found]

    def write_update(self, source: Rows, changes: Sequence[tuple[Row, Row]]) -> None:
        """Set columns of rows: each is (the row as it is, what to set); the same columns in each.

        Raises:
            IntegrityError: A constraint forbids one; nothing of these was written.
        """
        names = list(changes[0][1])
        statement = update(source.table).where(_by_key(source))  # type: ignore[arg-type]
        values: dict[str, Any] = {name: bindparam(f"v_{name}") for name in names}
        if "version" in source.table.c:  # who read the row before must read it again
            values["version"] = source.table.c.version + 1
            values["updated_at"] = self.uow.now
        parameters = [
            {f"k_{key}": row[key] for key in source.keys}
            | {f"v_{name}": new[name] for name in names}
            for row, new in changes
        ]
        with self.connection.begin_nested():
            self.connection.execute(statement.values(values), parameters)
        self._audit(source, [(row, {n: row.get(n) for n in names}, new) for row, new in changes])

    def write_delete(self, source: Rows, rows: Sequence[Row]) -> None:
        """Delete whole rows."""
        statement = delete(source.table).where(_by_key(source))  # type: ignore[arg-type]
        keys = [{f"k_{key}": row[key] for key in source.keys} for row in rows]
        self.connection.execute(statement, keys)
        self._audit(source, [(row, row, None) for row in rows])

    def write_insert(self, source: Rows, rows: Sequence[Row]) -> None:
        """Insert whole rows; raises IntegrityError, and inserts none, where one has no place."""
        with self.connection.begin_nested():
            self.connection.execute(insert(source.table), list(rows))  # type: ignore[arg-type]
        self._audit(source, [(row, None, row) for row in rows])

    def _audit(self, source: Rows, changes: Iterable[tuple[Row, Row | None, Row | None]]) -> None:
        if source.name in self._silent:
            return
        entity = self.entities.get(source.name, source.name)
        rows = []
        for row, before, after in changes:
            told = {
                name: [plain_value((before or {}).get(name)), plain_value((after or {}).get(name))]
                for name in before or after or ()
            }
            told = {name: pair for name, pair in told.items() if pair[0] != pair[1]}
            told["merge_id"] = [None, str(self.merge_id)]
            now = {**row, **(after or {})}
            customer_id = now.get("customer_id") or now.get("from_customer_id")
            if entity == "customer":
                customer_id = row["id"]
            key = ":".join(str(now[name]) for name in source.keys)
            rows.append(audit_row(self.uow.actor, self.action, entity, key, customer_id, told))
        insert_rows(self.connection, AuditEntry, rows)


class Ledger(RowWriter):
    """Changes rows for a merge and keeps what they were.

    Attributes:
        counts: How many rows of each table were changed.
        stuck: How many rows stayed where they were, by table and reason.
    """

    def __init__(self, uow: UnitOfWork, merge_id: UUID) -> None:
        super().__init__(uow, "merge", merge_id)
        self.counts: Counter[str] = Counter()
        self.stuck: Counter[tuple[str, str]] = Counter()

    def update(
        self, source: Rows, changes: Sequence[tuple[Row, Row]], *, remember: Sequence[str] = ()
    ) -> None:
        """Set columns of rows; of what is the same already nothing is done.

        Args:
            source: The table.
            changes: Each is (the row as it is, what to set).
            remember: Columns whose value is kept although they stay as they are.
        """
        alike: dict[tuple[str, ...], list[tuple[Row, Row]]] = defaultdict(list)
        for row, wanted in changes:
            new = {name: value for name, value in wanted.items() if row[name] != value}
            if new:
                alike[tuple(new)].append((row, new))
        for names, group in alike.items():
            self.write_update(source, group)
            kept = (*names, *remember)
            self._keep(
                source,
                [({**row, **new}, {name: row[name] for name in kept}, new) for row, new in group],
            )

    def delete(self, source: Rows, rows: Sequence[Row]) -> None:
        """Delete rows."""
        if rows:
            self.write_delete(source, rows)
            self._keep(source, [(row, row, None) for row in rows])

    def insert(self, source: Rows, rows: Sequence[Row]) -> None:
        """Insert rows."""
        if rows:
            self.write_insert(source, rows)
            self._keep(source, [(row, None, row) for row in rows])

    def move(self, name: str, column: str, drop_id: UUID, keep_id: UUID) -> None:
        """Let all rows of a table refer to another customer, those that a constraint allows.

        Rows without a primary key stay, for nothing could put just them back.
        """
        source = self.rows(name, column)
        theirs = source.table.c[column] == drop_id
        keys = [source.table.c[each] for each in source.keys]
        found = select(*keys, *([] if column in source.keys else [source.table.c[column]]))
        # SQLite lets a key hold NULL.
        found = found.where(theirs, *(key.is_not(None) for key in keys)).order_by(*keys)
        stuck = 0
        while keys and (page := self.connection.execute(found.limit(CHUNK).offset(stuck)).all()):
            stuck += self._move_page(
                source, [(dict(row._mapping), {column: keep_id}) for row in page]
            )
        count = select(func.count()).select_from(source.table).where(theirs)
        left = self.connection.execute(count).scalar_one()
        self.stuck[name, FORBIDDEN] += stuck
        self.stuck[name, KEYLESS] += left - stuck

    def _move_page(self, source: Rows, changes: Sequence[tuple[Row, Row]]) -> int:
        """Update rows, each by itself where a constraint forbids all at once; count the stuck."""
        try:
            self.update(source, changes)
        except IntegrityError:
            if len(changes) == 1:
                return 1
            return sum(self._move_page(source, [change]) for change in changes)
        return 0

    def _keep(self, source: Rows, changes: Sequence[tuple[Row, Row | None, Row | None]]) -> None:
        self.counts[source.name] += len(changes)
        insert_rows(
            self.connection,
            MergeChange,
            [
                {
                    "merge_id": self.merge_id,
                    "table_name": source.name,
                    "key": written({name: row[name] for name in source.keys}),
                    "before": None if before is None else written(before),
                    "after": None if after is None else written(after),
                }
                for row, before, after in changes
            ],
        )


def _by_key(source: Rows) -> ColumnElement[bool]:
    assert source.keys, f"{source.name} has no primary key: every row of it would be meant"
    return and_(*(source.table.c[key] == bindparam(f"k_{key}") for key in source.keys))
