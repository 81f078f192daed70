"""Putting back what a :class:`~crm_core.persistence.ledger.Ledger` changed.

Nothing that was done afterwards is undone with it: a column goes back only where it still holds
what was put there, and a row that is gone, or whose place is taken, is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.exc import IntegrityError

from crm_core.entities.merge import MergeChange
from crm_core.messages import t
from crm_core.persistence.customer_references import Rows, rows_named
from crm_core.persistence.ledger import Row, RowWriter, read
from crm_core.persistence.unit_of_work import UnitOfWork

PAGE = 300
ORDERING = frozenset({"position"})
"""Columns that only tell an order: they go back whatever they became."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row, or columns of it, that could not be put back."""

    table: str
    key: str
    columns: tuple[str, ...]
    reason: str

    @property
    def told(self) -> str:
        """It in words."""
        what = " ".join(filter(None, (self.table, self.key, ", ".join(self.columns))))
        return t("{what}: {why}", what=what, why=self.reason)

    def __str__(self) -> str:
        return str(self.told)


class _Change(NamedTuple):
    table_name: str
    key: Row
    before: Row | None
    after: Row | None

    @property
    def shape(self) -> tuple[str, bool, bool, tuple[str, ...]]:
        """What changes have in common that are put back together."""
        return self.table_name, self.before is None, self.after is None, tuple(self.after or ())


class Undoing(RowWriter):
    """Puts back the changes of one merge, the last first.

    Args:
        uow: A writing unit of work.
        merge_id: Which.
        moved_from: The id that moved rows pointed at; of a row that somebody moved on nothing is
            put back.

    Attributes:
        left: What could not be put back.
    """

    def __init__(self, uow: UnitOfWork, merge_id: UUID, moved_from: UUID) -> None:
        super().__init__(uow, "unmerge", merge_id)
        self.moved_from = moved_from
        self.left: list[Left] = []

    def run(self) -> None:
        """Put back all that can be."""
        for page in self._pages():
            for _, group in groupby(page, key=lambda change: change.shape):
                self._undo(list(group))

    def _pages(self) -> Iterator[list[_Change]]:
        last: int | None = None
        columns = (MergeChange.table_name, MergeChange.key, MergeChange.before, MergeChange.after)
        statement = (
            select(MergeChange.id, *columns)
            .where(MergeChange.merge_id == self.merge_id)
            .order_by(MergeChange.id.desc())
            .limit(PAGE)
        )
        while True:
            earlier = statement if last is None else statement.where(MergeChange.id < last)
            rows = self.uow.execute(earlier).all()
            if not rows:
                return
            last = rows[-1].id
            yield [
                _Change(
                    row.table_name,
                    read(row.key),
                    None if row.before is None else read(row.before),
                    None if row.after is None else read(row.after),
                )
                for row in rows
            ]

    def _undo(self, changes: Sequence[_Change]) -> None:
        first = changes[0]
        source = rows_named(self.connection, first.table_name, first.after or first.before or ())
        if source is None:
            for change in changes:
                self._leave(change, t("its table is gone"))
        elif not source.keys or set(source.keys) != set(first.key):
            for change in changes:
                self._leave(change, t("its table has another primary key now"))
        elif first.after is None:
            self._insert(source, changes)
        elif first.before is None:
            self._delete(source, changes)
        else:
            self._change_back(source, changes)

    def _insert(self, source: Rows, changes: Sequence[_Change]) -> None:
        try:
            self.write_insert(source, [change.before for change in changes if change.before])
        except IntegrityError:
            if len(changes) == 1:
                reason = t("its place is taken, or what it refers to was deleted since")
                self._leave(changes[0], reason)
                return
            for change in changes:
                self._insert(source, [change])

    def _delete(self, source: Rows, changes: Sequence[_Change]) -> None:
        now = self._now(source, changes)
        doomed = []
        for change in changes:
            row = now.get(_key(source, change.key))
            if row is not None and row == change.after:
                doomed.append(row)
            elif row is not None:
                self._leave(change, t("it was changed since the merge made it, and stays"))
        if doomed:
            self.write_delete(source, doomed)

    def _change_back(self, source: Rows, changes: Sequence[_Change]) -> None:
        now = self._now(source, changes)
        wanted: list[tuple[_Change, Row, Row]] = []
        for change in changes:
            row = now.get(_key(source, change.key))
            if row is None:
                self._leave(change, t("it was deleted since"))
                continue
            back = self._back(change, row)
            if back:
                wanted.append((change, row, back))
        for _, group in groupby(sorted(wanted, key=_columns), key=_columns):
            self._write_back(source, list(group))

    def _write_back(self, source: Rows, wanted: Sequence[tuple[_Change, Row, Row]]) -> None:
        try:
            self.write_update(source, [(row, back) for _, row, back in wanted])
        except IntegrityError:
            if len(wanted) == 1:
                self._leave(wanted[0][0], t("its former place is taken"))
                return
            for each in wanted:
                self._write_back(source, [each])

    def _back(self, change: _Change, row: Row) -> dict[str, Any]:
        """Return what of a row can go back; name what cannot."""
        before, after = change.before or {}, change.after or {}
        edited = [n for n in after if n not in ORDERING and row[n] != after[n]]
        if any(before[name] == self.moved_from for name in edited):
            self._leave(change, t("it was given to another customer since"), edited)
            return {}
        if edited:
            self._leave(change, t("changed since the merge, and stays as it is now"), edited)
        return {name: before[name] for name in after if name not in edited}

    def _now(self, source: Rows, changes: Sequence[_Change]) -> dict[tuple[Any, ...], Row]:
        assert source.keys, f"{source.name} has no primary key: every row of it would be meant"
        columns = [source.table.c[name] for name in source.keys]
        keys = [_key(source, change.key) for change in changes]
        rows = self.connection.execute(
            select(source.table).where(
                columns[0].in_([key[0] for key in keys])
                if len(columns) == 1
                else tuple_(*columns).in_(keys)
            )
        )
        found = (dict(row._mapping) for row in rows)
        return {_key(source, row): row for row in found}

    def _leave(self, change: _Change, reason: str, columns: Sequence[str] = ()) -> None:
        key = ":".join(str(value) for value in change.key.values())
        name = self.entities.get(change.table_name, change.table_name)
        self.left.append(Left(name, key, tuple(columns), reason))


def _key(source: Rows, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values[name] for name in source.keys)


def _columns(wanted: tuple[_Change, Row, Row]) -> tuple[str, ...]:
    return tuple(wanted[2])
