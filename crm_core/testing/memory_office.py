"""A back office in memory, with what makes real ones hard: for tests of the engine and connectors.

Its clock stamps rows with the whole second in which their transaction began, so they appear behind
a mark when they are committed late, and many bear one stamp. Replies get lost after the work was
done. Records are merged, and tags set from their own side, without touching dates.

    office = MemoryOffice()
    front = FrontOffice(database, actor, office.connect)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_core.errors import RetryableSyncError
from crm_core.sync.protocol import WritableBackend
from crm_core.testing.connector_suite import CAPABILITIES
from crm_core.testing.memory_answers import Answers
from crm_core.testing.memory_backend import MemoryBackend
from crm_core.testing.memory_rows import FIELDS, Change, Row, Transaction, held, references

BEFORE, AFTER = "before", "after"
CallWatch = Callable[[str, str], None]
"""Told each call's method and whether it comes (BEFORE) or its work is done (AFTER)."""


class MemoryOffice:
    """The other side: its records, and the hands of the people there.

    Also a workbench of the connector suite. Ids come from one sequence, as if all were one table.

    Attributes:
        rows: Records by entity and id.
        names: (entity, external id) to id.
        offset: How far its clock is ahead of ours.
        writes: How many records were made or changed through connections.
        on_call: Watches every call; what it raises, the caller gets.
        is_read_only: Whether connections are refused to write.
    """

    capabilities = frozenset(CAPABILITIES)

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, Row]] = {entity: {} for entity in FIELDS}
        self.names: dict[tuple[str, str], int] = {}
        self.offset = timedelta()
        self.writes = 0
        self.on_call: CallWatch | None = None
        self.is_read_only = False
        self._last_id = 0
        self._lock = threading.RLock()

    # Connections.

    def connect(self) -> WritableBackend:
        """Open a connection as the integration user."""
        return MemoryBackend(self)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Answer one call of a connection: the one door, which may also be reached from afar."""
        with self._lock:
            if self.on_call is not None:
                self.on_call(method, BEFORE)
            answer = getattr(Answers(self), method)(*arguments)
            if self.on_call is not None:
                self.on_call(method, AFTER)
            return answer

    def fail(self, method: str | None = None, *, at: int = 1, is_lost: bool = False) -> None:
        """Have a call fail: the ``at``-th, or the ``at``-th of a method.

        Args:
            method: Of the protocol; any when None.
            at: From now on.
            is_lost: The work is done and only the reply is lost.
        """
        left = at

        def watch(called: str, moment: str) -> None:
            nonlocal left
            if method not in (None, called):
                return
            left -= moment == BEFORE
            if left == 0 and moment == (AFTER if is_lost else BEFORE):
                self.on_call = None
                raise RetryableSyncError("The office does not answer. Try again later.")

        self.on_call = watch

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Take the right to write away for a while."""
        self.is_read_only = True
        yield
        self.is_read_only = False

    @contextmanager
    def not_answering(self) -> Iterator[None]:
        """Answer nothing for a while."""

        def silent(*_: str) -> None:
            raise RetryableSyncError("The office does not answer.", code="core.sync.timeout")

        self.on_call = silent
        yield
        self.on_call = None

    # What people do there.

    def now(self) -> datetime:
        """Return what its clock shows."""
        return (datetime.now(UTC) + self.offset).replace(microsecond=0)

    def begin(self, by: str = "somebody") -> Transaction:
        """Begin work that is seen once it is committed."""
        return Transaction(self.now(), by)

    def commit(self, work: Transaction) -> None:
        """Make a transaction's work seen.

        When somebody else wrote the same records meanwhile, it is done over, as if begun now.
        """
        with self._lock:
            changes = [each for each in work.changes if not each.seen or self._row(each)]
            stamp = work.stamp
            for change in changes:
                row = self._row(change)
                if row is not None and row.writes != change.seen:
                    stamp = self.now()
            for change in changes:
                if not change.seen:
                    blank = {**FIELDS[change.entity], **change.values}
                    values = held(change.entity, self._sound(blank))
                    self.rows[change.entity][change.id] = Row(values, stamp, work.by)
                    continue
                row = self._row(change)
                assert row is not None
                row.values = held(change.entity, {**row.values, **self._sound(change.values)})
                row.stamp, row.by, row.writes = stamp, work.by, row.writes + 1

    def make(self, entity: str, values: Mapping[str, Any], work: Transaction | None = None) -> str:
        """Make a record, at once or in a transaction."""
        with self._lock:
            self._last_id += 1
            self._do(Change(entity, self._last_id, dict(values)), work)
            return str(self._last_id)

    def make_many(self, entity: str, values: Sequence[Mapping[str, Any]]) -> list[str]:
        """Make records that all bear one moment."""
        work = self.begin()
        made = [self.make(entity, record, work) for record in values]
        self.commit(work)
        return made

    def change(
        self,
        entity: str,
        remote_id: str,
        values: Mapping[str, Any],
        work: Transaction | None = None,
    ) -> None:
        """Change fields of a record, at once or in a transaction."""
        row = self.rows[entity][int(remote_id)]
        self._do(Change(entity, int(remote_id), dict(values), row.writes), work)

    def archive(self, entity: str, remote_id: str) -> None:
        """Archive a record."""
        self.change(entity, remote_id, {"archived": True})

    def delete(self, entity: str, remote_id: str) -> None:
        """Delete a record with its external ids; what refers to it is left without, undated."""
        with self._lock:
            key = int(remote_id)
            del self.rows[entity][key]
            ours = [name for name, each in self.names.items() if (name[0], each) == (entity, key)]
            for name in ours:
                del self.names[name]
            self._repoint(remote_id, None)

    def merge(self, entity: str, keep: str, gone: str) -> None:
        """Let one record take in another: its external ids, what refers to it, what is empty.

        Only the one that is kept is dated.
        """
        with self._lock:
            row, other = self.rows[entity][int(keep)], self.rows[entity].pop(int(gone))
            filled = {n: v for n, v in other.values.items() if v and not row.values.get(n)}
            filled.pop("parent_ref", None)
            self._repoint(gone, keep)
            filled["tag_refs"] = [*row.values["tag_refs"], *other.values["tag_refs"]]
            for name, key in self.names.items():
                if (name[0], key) == (entity, int(gone)):
                    self.names[name] = int(keep)
            self.change(entity, keep, filled)

    def tag(self, tag_id: str, customer_ids: Sequence[str]) -> None:
        """Say from a tag's side which customers bear it; the tag alone is dated."""
        with self._lock:
            for key, row in self.rows["customer"].items():
                others = [ref for ref in row.values["tag_refs"] if ref != tag_id]
                row.values["tag_refs"] = sorted({*others, *[tag_id][: str(key) in customer_ids]})
            self.change("tag", tag_id, {})

    def hide(self, entity: str, remote_id: str, *, hidden: bool = True) -> None:
        """Put a record out of the integration user's sight, or back into it."""
        self.rows[entity][int(remote_id)].is_hidden = hidden

    def put_outside(self, entity: str, remote_id: str, *, outside: bool = True) -> None:
        """Put a record out of the domain that is synced, or back into it."""
        self.change(entity, remote_id, {})
        self.rows[entity][int(remote_id)].is_outside = outside

    # Looking.

    def count(self, entity: str, name: str) -> int:
        """Return how many records of that name there are, out of sight or not."""
        return sum(row.values["name"] == name for row in self.rows[entity].values())

    def content(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return all values by entity and id."""
        return {
            entity: {str(key): dict(row.values) for key, row in rows.items()}
            for entity, rows in self.rows.items()
        }

    def is_there(self, ref: str, entities: Sequence[str]) -> bool:
        """Return whether a reference leads to a record."""
        return any(int(ref) in self.rows[entity] for entity in entities)

    def _row(self, change: Change) -> Row | None:
        return self.rows[change.entity].get(change.id)

    def _do(self, change: Change, work: Transaction | None) -> None:
        if work is not None:
            work.changes.append(change)
            return
        work = self.begin()
        work.changes.append(change)
        self.commit(work)

    def _sound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values without references to what is gone meanwhile."""
        sound = dict(values)
        for name, ref in references(values):
            if any(int(ref) in rows for rows in self.rows.values()):
                continue
            sound[name] = (
                [each for each in sound[name] if each != ref]
                if isinstance(sound[name], list)
                else None
            )
        return sound

    def _repoint(self, old: str, new: str | None) -> None:
        """Let what refers to a record refer to another, or to none, without dating it."""
        for entity, rows in self.rows.items():
            for key, row in rows.items():
                for name, ref in references(row.values):
                    if ref != old:
                        continue
                    told = row.values[name]
                    if isinstance(told, list):
                        row.values[name] = sorted({*told, *([new] if new else [])} - {old})
                    else:
                        row.values[name] = new if str(key) != new else None
                if entity == "customer":
                    row.values = held(entity, row.values)
