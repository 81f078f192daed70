"""Records of plugins, written by the plugins themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from crm_core.entities.sync import BindingState
from crm_core.errors import ConfigurationError, FatalSyncError, InputError
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins.discovery import resolve
from crm_core.plugins.limits import PluginTimeoutError, time_limit
from crm_core.record_words import field_words
from crm_core.sync.bindings import customer_targets, local_ids
from crm_core.sync.context import Applied, Change, Pending, SyncContext
from crm_core.sync.protocol import Priced
from crm_core.sync.tell import Bindings, Told, bound_locals
from crm_hooks.contributions import IncomingRecord, SyncableEntity, SyncField, WordChange

BATCH_SECONDS = 60.0
PLUGIN_STOPPED = "core.sync.plugin_failed"
"""Code of a FatalSyncError that leaves out a plugin's entity only."""


class PluginApplier:
    """Hands one plugin entity's records to its plugin, with references as local ids."""

    keeps_snapshot = True

    def __init__(self, entity: SyncableEntity) -> None:
        self.entity = entity
        self.refs = [field for field in entity.fields if field.kind == "ref"]
        self.lines = {
            field.name: [each for each in field.fields if each.kind == "ref"]
            for field in entity.fields
            if field.kind == "lines"
        }
        self.words = frozenset(field.name for field in entity.fields if field.kind == "words")

    def prepare(self, context: SyncContext, change: Change) -> None:
        """Refuse a record that lacks a required field."""
        change.sets = self.words
        values = change.record.values
        declared = {self.entity.name: self.entity}
        missing = [
            field_words(field.name, self.entity.name, declared)
            for field in self.entity.fields
            if field.required and values.get(field.name) is None
        ]
        if missing:
            raise InputError(
                t(
                    "{missing} is empty: fill it in in the back office.",
                    missing=joined(missing, ", "),
                ),
                code="core.sync.field_missing",
            )

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Have the plugin write the batch; what lacks a reference waits for it."""
        applied = Applied()
        told = (change.record.values for change in changes)
        targets = {
            name: _targets(uow, context.backend_id, name, refs)
            for name, refs in self._named(told).items()
        }
        ready, records = [], []
        for change in changes:
            values = self._values(change, targets, applied)
            if values is not None:
                ready.append(change)
                local_id = change.bound.local_id if change.bound else None
                records.append(IncomingRecord(local_id, values))
        if not ready:
            return applied
        with self._isolated():
            ids = self._call(self.entity.apply)(uow, records)
        applied.local_ids.update(
            {change.remote_id: each for change, each in zip(ready, ids, strict=True)}
        )
        return applied

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Tell the plugin of records that were deleted over there."""
        if fate == BindingState.DELETED and self.entity.vanish and local_ids:
            with self._isolated():
                self._call(self.entity.vanish)(uow, list(local_ids))

    def tell(
        self, uow: UnitOfWork, backend_id: UUID, ids: Sequence[UUID], bound: Bindings
    ) -> dict[UUID, Told]:
        """Return the plugin's records as neutral ones; see ``crm_core.sync.tell``."""
        with self._isolated():
            meant = list(ids)
            if self.entity.meant:
                chosen = set(self._call(self.entity.meant)(uow, backend_id, meant))
                meant = [each for each in meant if each in chosen]
            found: Mapping[UUID, Mapping[str, Any]] = self._call(self.entity.read)(uow, meant)
        there = {
            name: {key: ref for key, (ref, _) in bound_locals(uow, backend_id, name, ids_).items()}
            for name, ids_ in self._named(found.values()).items()
        }
        told = {}
        for local_id, values in found.items():
            remote_id, known = bound.get(local_id, (None, None))
            label = str(values.get(self.entity.label) or f"{self.entity.title} {local_id}")
            record = Told(label, dict(values), known, remote_id)
            self._refer(record, there)
            told[local_id] = record
        return told

    def refused(self, uow: UnitOfWork, refusals: Mapping[UUID, tuple[str, str]]) -> None:
        """Tell the plugin, where it wants to hear of it, of records that were not taken."""
        if self.entity.refuse and refusals:
            with self._isolated():
                self._call(self.entity.refuse)(uow, dict(refusals))

    def asked(self, uow: UnitOfWork) -> list[UUID]:
        """Return the local records of which the plugin wants to know what they would cost."""
        if not self.entity.ask:
            return []
        with self._isolated():
            return list(self._call(self.entity.ask)(uow))

    def answered(self, uow: UnitOfWork, answers: Mapping[UUID, Priced]) -> None:
        """Tell the plugin what records would cost."""
        with self._isolated():
            self._call(self.entity.answer)(uow, dict(answers))

    def all_ids(self, uow: UnitOfWork) -> list[UUID]:
        """Return the ids of all records of the plugin, where it tells them."""
        if not self.entity.ids:
            return []
        with self._isolated():
            try:
                return list(self._call(self.entity.ids)(uow))
            except (Exception, SystemExit) as error:
                raise self._stopped(f"{type(error).__name__}: {error}") from error

    def _named(self, records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Return what records refer to, by entity."""
        named: dict[str, list[Any]] = defaultdict(list)
        for values in records:
            for field in self.refs:
                if values.get(field.name):
                    named[field.entity].append(values[field.name])
            for name, fields in self.lines.items():
                for line in values.get(name) or ():
                    for field in fields:
                        if line.get(field.name):
                            named[field.entity].append(line[field.name])
        return named

    def _refer(self, record: Told, there: Mapping[str, Mapping[UUID, str]]) -> None:
        """Put the backend's ids for ours; what is not there is waited for, or left out."""

        def put(values: dict[str, Any], field: SyncField) -> None:
            target = values.get(field.name)
            if target is None:
                return
            if target in there[field.entity]:
                values[field.name] = there[field.entity][target]
                return
            del values[field.name]
            if field.required or field.can_wait:
                record.waits_for = target

        for field in self.refs:
            put(record.values, field)
        for name, fields in self.lines.items():
            if record.values.get(name):
                record.values[name] = [dict(line) for line in record.values[name]]
                for line in record.values[name]:
                    for field in fields:
                        put(line, field)

    def _values(
        self, change: Change, targets: Mapping[str, Mapping[str, UUID]], applied: Applied
    ) -> dict[str, Any] | None:
        values = {
            field.name: change.record.values.get(field.name)
            for field in self.entity.fields
            if change.differs(field.name)
        }
        for name in self.words & values.keys():
            before, now = set(change.before(name) or ()), set(values[name] or ())
            values[name] = WordChange(frozenset(now - before), frozenset(before - now))
        for name in self.lines.keys() & values.keys():
            values[name] = self._lines(change, name, targets, applied)
        for field in self.refs:
            ref = values.get(field.name)
            if not ref:
                continue
            values[field.name] = targets[field.entity].get(ref)
            if values[field.name] is None:
                applied.pending.append(Pending(change.remote_id, field.name, field.entity, ref))
                if field.required:
                    applied.refuse(
                        change,
                        "core.sync.reference_missing",
                        t(
                            "Its {field} {ref} is not in the front office yet. It is tried again "
                            "at later runs.",
                            field=field.name,
                            ref=ref,
                        ),
                    )
                    return None
        return values

    def _lines(
        self,
        change: Change,
        name: str,
        targets: Mapping[str, Mapping[str, UUID]],
        applied: Applied,
    ) -> list[dict[str, Any]]:
        """Return lines with our ids; one that needs what is not here yet is left out until then."""
        kept = []
        for told in change.record.values.get(name) or ():
            line, is_whole = dict(told), True
            for field in self.lines[name]:
                ref = line.get(field.name)
                if ref:
                    line[field.name] = targets[field.entity].get(ref)
                    if line[field.name] is None:
                        applied.pending.append(Pending(change.remote_id, name, field.entity, ref))
                        is_whole = is_whole and not field.required
            if is_whole:
                kept.append(line)
        return kept

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        """Let what a plugin does end the work on its own records at most, never the run."""
        try:
            with time_limit(BATCH_SECONDS):
                yield
        except PluginTimeoutError as error:
            raise self._stopped(
                t("it took longer than {batch_seconds:g} s", batch_seconds=BATCH_SECONDS)
            ) from error
        except ConfigurationError as error:
            raise self._stopped(error.message) from error
        except SystemExit as error:
            raise RuntimeError("its plugin tried to end the program") from error

    def _stopped(self, reason: str) -> FatalSyncError:
        return FatalSyncError(
            t(
                "its plugin failed ({reason}), so these records are left out of this run. Repair "
                "or upgrade the plugin, or switch it off: crm plugins disable NAME.",
                reason=reason,
            ),
            code=PLUGIN_STOPPED,
        )

    def _call(self, reference: str) -> Callable[..., Any]:
        found: Callable[..., Any] = resolve(
            reference, t("The synced entity {entity}", entity=self.entity.name)
        )
        return found


def _targets(
    uow: UnitOfWork, backend_id: UUID, entity: str, refs: Sequence[str | None]
) -> dict[str, UUID]:
    if entity == "customer":
        found = customer_targets(uow, backend_id, refs)
        return {ref: target.customer_id for ref, target in found.items()}
    return local_ids(uow, backend_id, entity, refs)
