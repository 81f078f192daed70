"""Records of plugins, written by the plugins themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from crm_core.entities.sync import BindingState
from crm_core.errors import ConfigurationError, FatalSyncError, InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins.discovery import resolve
from crm_core.plugins.limits import PluginTimeoutError, time_limit
from crm_core.sync.bindings import customer_targets, local_ids
from crm_core.sync.context import Applied, Change, Pending, SyncContext
from crm_core.sync.tell import Bindings, Told, bound_locals
from crm_hooks.contributions import IncomingRecord, SyncableEntity, SyncField

BATCH_SECONDS = 60.0
PLUGIN_STOPPED = "core.sync.plugin_failed"
"""Code of a FatalSyncError that leaves out a plugin's entity only."""


class PluginApplier:
    """Hands one plugin entity's records to its plugin, with references as local ids."""

    keeps_snapshot = True

    def __init__(self, entity: SyncableEntity) -> None:
        self.entity = entity
        self.refs = [field for field in entity.fields if field.kind == "ref"]

    def prepare(self, context: SyncContext, change: Change) -> None:
        """Refuse a record that lacks a required field."""
        values = change.record.values
        missing = [f.name for f in self.entity.fields if f.required and values.get(f.name) is None]
        if missing:
            raise InputError(
                t("{missing} is empty: fill it in in the back office.", missing=", ".join(missing)),
                code="core.sync.field_missing",
            )

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Have the plugin write the batch; what lacks a reference waits for it."""
        applied = Applied()
        targets = {
            field.name: _targets(
                uow, context.backend_id, field, [c.record.values.get(field.name) for c in changes]
            )
            for field in self.refs
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
            found: Mapping[UUID, Mapping[str, Any]] = self._call(self.entity.read)(uow, list(ids))
        remote = {
            field.name: bound_locals(
                uow,
                backend_id,
                field.entity,
                [v[field.name] for v in found.values() if v.get(field.name)],
            )
            for field in self.refs
        }
        told = {}
        for local_id, values in found.items():
            remote_id, known = bound.get(local_id, (None, None))
            label = str(values.get(self.entity.label) or f"{self.entity.title} {local_id}")
            record = Told(label, dict(values), known, remote_id)
            for name, ids_there in remote.items():
                target = values.get(name)
                if target is None:
                    continue
                if target in ids_there:
                    record.values[name] = ids_there[target][0]
                else:
                    del record.values[name]
                    record.waits_for = target
            told[local_id] = record
        return told

    def all_ids(self, uow: UnitOfWork) -> list[UUID]:
        """Return the ids of all records of the plugin, where it tells them."""
        if not self.entity.ids:
            return []
        with self._isolated():
            try:
                return list(self._call(self.entity.ids)(uow))
            except (Exception, SystemExit) as error:
                raise self._stopped(f"{type(error).__name__}: {error}") from error

    def _values(
        self, change: Change, targets: Mapping[str, Mapping[str, UUID]], applied: Applied
    ) -> dict[str, Any] | None:
        values = {
            field.name: change.record.values.get(field.name)
            for field in self.entity.fields
            if change.differs(field.name)
        }
        for field in self.refs:
            ref = values.get(field.name)
            if not ref:
                continue
            values[field.name] = targets[field.name].get(ref)
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
    uow: UnitOfWork, backend_id: UUID, field: SyncField, refs: Sequence[str | None]
) -> dict[str, UUID]:
    if field.entity == "customer":
        found = customer_targets(uow, backend_id, refs)
        return {ref: target.customer_id for ref, target in found.items()}
    return local_ids(uow, backend_id, field.entity, refs)
