"""What an in-memory back office answers to each call of a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crm_core.entities.sync import BindingState
from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.sync.protocol import (
    RIGHT_MISSING,
    Draft,
    Edit,
    Match,
    Probe,
    RemotePage,
    RemoteRecord,
    Written,
)
from crm_core.testing.memory_rows import FIELDS, TARGETS, Change, Row, marks, references

if TYPE_CHECKING:
    from crm_core.testing.memory_office import MemoryOffice

GONE_CODE = "core.sync.gone"
US = "integration"


class Answers:
    """One call's view of an office."""

    def __init__(self, office: MemoryOffice) -> None:
        self._office = office

    def server_time(self) -> datetime:
        """Return the office's clock."""
        return self._office.now()

    def page(self, entity: str, since: datetime | None, after: str | None, size: int) -> RemotePage:
        """Return the next records touched since a moment, with those left in all."""
        floor = since.replace(microsecond=0) if since else None
        wanted = [
            key
            for key, row in self._seen(entity)
            if key > int(after or 0) and (floor is None or row.stamp >= floor)
        ]
        return self._page(entity, wanted[:size], total=len(wanted))

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return these where they can be read."""
        asked = {int(each) for each in remote_ids}
        return self._page(entity, [key for key, _ in self._seen(entity) if key in asked])

    def ids(self, entity: str) -> list[str]:
        """Return all ids."""
        return [str(key) for key, _ in self._seen(entity)]

    def fates(self, entity: str, remote_ids: Sequence[str]) -> dict[str, str]:
        """Say what became of records that are not told any more."""
        fates = {}
        for remote_id in remote_ids:
            row = self._office.rows[entity].get(int(remote_id))
            if row is None:
                fates[remote_id] = BindingState.DELETED.value
            elif row.is_hidden:
                fates[remote_id] = BindingState.UNREADABLE.value
            elif row.is_outside:
                fates[remote_id] = BindingState.OUTSIDE.value
        return fates

    def tagged(self) -> dict[str, list[str]]:
        """Return the customers that bear each tag."""
        members: dict[str, list[str]] = {}
        for key, row in self._seen("customer"):
            for ref in row.values["tag_refs"]:
                members.setdefault(ref, []).append(str(key))
        return members

    def find(self, entity: str, probes: Sequence[Probe]) -> dict[str, list[Match]]:
        """Return what is there already, by probe key."""
        index: dict[tuple[str, ...], list[int]] = {}
        for key, row in self._seen(entity):
            for mark in marks(entity, row.values):
                index.setdefault(mark, []).append(key)
        for (named, name), key in self._office.names.items():
            if named == entity and self._is_seen(entity, key):
                index[("external_id", name)] = [key]
        found = {}
        for probe in probes:
            wanted = [("external_id", probe.external_id), *marks(entity, probe.values)]
            for mark in [each for each in wanted if each in index][:1]:
                keys = dict.fromkeys(index[mark])
                found[probe.key] = [
                    Match(str(key), self._label(entity, key), mark[0]) for key in keys
                ]
        return found

    def named(self, entity: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return remote ids by external id."""
        names = self._office.names
        found = {name: names.get((entity, name)) for name in external_ids}
        return {
            name: str(key)
            for name, key in found.items()
            if key is not None and self._is_seen(entity, key)
        }

    def borne(self, entity: str, remote_ids: Sequence[str], prefix: str) -> dict[str, str]:
        """Return the first external id that each record goes by."""
        found: dict[str, str] = {}
        for (named, name), key in self._office.names.items():
            if named == entity and str(key) in remote_ids and name.startswith(prefix):
                found.setdefault(str(key), name)
        return found

    def create(self, entity: str, drafts: Sequence[Draft]) -> list[Written]:
        """Make records; one whose external id is there is changed instead."""
        office = self._office
        self._may_write(entity)
        work, answers = office.begin(US), []
        for draft in drafts:
            reason = self._refusal(entity, {**FIELDS[entity], **draft.values})
            known = office.names.get((entity, draft.external_id))
            if reason:
                answers.append(Written(draft.key, None, "memory.refused", reason))
                continue
            if known is None:
                remote_id = office.make(entity, draft.values, work)
                office.names[entity, draft.external_id] = int(remote_id)
            else:
                remote_id = str(known)
                self._change(work.changes, entity, known, draft.values)
            answers.append(Written(draft.key, remote_id))
        office.commit(work)
        office.writes += len(work.changes)
        return answers

    def update(self, entity: str, edits: Sequence[Edit]) -> list[Written]:
        """Change records; one that is gone is never made again."""
        office = self._office
        self._may_write(entity)
        work, answers = office.begin(US), []
        for edit in edits:
            row = office.rows[entity].get(int(edit.remote_id))
            if row is None or not self._is_seen(entity, int(edit.remote_id)):
                answers.append(Written(edit.remote_id, None, GONE_CODE, "It is not there."))
                continue
            reason = self._refusal(entity, {**row.values, **edit.values})
            if reason:
                answers.append(Written(edit.remote_id, None, "memory.refused", reason))
                continue
            self._change(work.changes, entity, int(edit.remote_id), edit.values)
            answers.append(Written(edit.remote_id, edit.remote_id))
        office.commit(work)
        office.writes += len(work.changes)
        return answers

    def merge(self, entity: str, keep: str, drop: str) -> None:
        """Let one record go into another, unless that was done before."""
        self._may_write(entity)
        rows = self._office.rows[entity]
        if int(keep) not in rows:
            raise RecordSyncError(f"There is no {entity} {keep}.")
        if int(drop) in rows:
            self._office.merge(entity, keep, drop)

    def _change(
        self, changes: list[Change], entity: str, key: int, values: Mapping[str, Any]
    ) -> None:
        row = self._office.rows[entity].get(key)
        changes.append(Change(entity, key, dict(values), row.writes if row else 0))

    def _may_write(self, entity: str) -> None:
        if self._office.is_read_only:
            raise FatalSyncError(f"The right to write {entity} is missing.", code=RIGHT_MISSING)

    def _refusal(self, entity: str, values: Mapping[str, Any]) -> str:
        if entity != "address" and not values.get("name"):
            return "It has no name."
        for field, ref in references(values):
            if not self._office.is_there(ref, TARGETS[field]):
                return f"{field}: there is no record {ref}."
        return ""

    def _seen(self, entity: str) -> Iterable[tuple[int, Row]]:
        rows = self._office.rows[entity]
        return [(key, rows[key]) for key in sorted(rows) if self._is_seen(entity, key)]

    def _is_seen(self, entity: str, key: int) -> bool:
        row = self._office.rows[entity].get(key)
        return row is not None and not row.is_hidden and not row.is_outside

    def _label(self, entity: str, key: int) -> str:
        values = self._office.rows[entity][key].values
        return str(values.get("name") or values.get("number") or key)

    def _page(self, entity: str, keys: Sequence[int], total: int | None = None) -> RemotePage:
        records = []
        for key in keys:
            row = self._office.rows[entity][key]
            label = self._label(entity, key)
            values = dict(row.values)
            records.append(RemoteRecord(str(key), label, values, row.stamp, row.by))
        return RemotePage(records, str(keys[-1]) if keys else "", total=total)
