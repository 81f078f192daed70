"""Applying a page of remote records: what changed is written, what cannot be is set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog
from sqlalchemy import delete, select

from crm_core.entities.sync import BindingState, DeadLetter
from crm_core.errors import ConfigurationError, CrmError, FatalSyncError, InputError, LockedError
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock
from crm_core.sync.apply import APPLIERS
from crm_core.sync.bindings import bound_records, waiting_for, write_bindings
from crm_core.sync.context import Applied, Change, SyncContext
from crm_core.sync.protocol import RemoteFault, RemotePage, RemoteRecord
from crm_core.sync.records import digest

log = structlog.get_logger(__name__)
STOPPING = (ConfigurationError, FatalSyncError, LockedError)
"""Faults that concern the whole run, not one record."""
GONE = {BindingState.DELETED.value, BindingState.UNREADABLE.value, BindingState.OUTSIDE.value}

Also = Callable[[UnitOfWork], None]
"""Something to write in the same transaction as a batch, such as the cursor."""


def apply_page(
    context: SyncContext,
    entity: str,
    page: RemotePage,
    *,
    also: Also | None = None,
    force: bool = False,
    forget: Sequence[str] = (),
) -> None:
    """Apply a page's records; rows, bindings, records set aside and ``also`` commit together.

    Args:
        context: The run.
        entity: Entity of the records.
        page: Records and faults as the remote gave them.
        also: Written in the last transaction of the page.
        force: Apply records that look the same too, since what they refer to has moved.
        forget: Ids that no longer need to stand aside, besides those that go through.
    """
    changes, unchanged = _changed(context, entity, page.records, force=force)
    context.counts[entity]["unchanged"] += len(unchanged)
    faults = list(page.faults)
    if context.dry_run:
        _count_only(context, entity, changes, faults)
        return
    ready = _prepare(context, entity, changes, faults)
    settled = [*unchanged, *forget] if entity in context.set_aside else []
    if not (ready or faults or also or settled):
        return

    def finish(uow: UnitOfWork, found: Sequence[RemoteFault]) -> None:
        _set_aside(context, uow, entity, found)
        _forget(context, uow, entity, settled)
        if also:
            also(uow)

    try:
        _write(context, entity, ready, lambda uow, found: finish(uow, [*faults, *found]))
    except STOPPING:
        raise
    except Exception:  # one record's fault; find which
        _halve(context, entity, ready, faults)
        _write(context, entity, [], lambda uow, _: finish(uow, faults))


def _changed(
    context: SyncContext, entity: str, records: Sequence[RemoteRecord], *, force: bool
) -> tuple[list[Change], list[str]]:
    digests = [digest(record.values) for record in records]
    with context.reading() as uow:
        bound = bound_records(
            uow, context.backend_id, entity, (record.remote_id for record in records)
        )
    changes, unchanged = [], []
    for record, mark in zip(records, digests, strict=True):
        known = bound.get(record.remote_id)
        same = known is not None and known.digest == mark and known.state not in GONE
        if same and not force:
            unchanged.append(record.remote_id)
        else:
            changes.append(Change(record, mark, known))
    return changes, unchanged


def _count_only(
    context: SyncContext, entity: str, changes: Sequence[Change], faults: Sequence[RemoteFault]
) -> None:
    found = list(faults)
    for change in _prepare(context, entity, changes, found):
        context.counts[entity]["created" if change.bound is None else "updated"] += 1
    context.counts[entity]["set_aside"] += len(found)


def _prepare(
    context: SyncContext, entity: str, changes: Sequence[Change], faults: list[RemoteFault]
) -> list[Change]:
    ready = []
    for change in changes:
        try:
            change.prepared = APPLIERS[entity].prepare(context, change)
        except (InputError, ArithmeticError, ValueError, KeyError, TypeError) as error:
            faults.append(_fault(change, error))
        else:
            ready.append(change)
    return ready


def _halve(
    context: SyncContext, entity: str, changes: Sequence[Change], faults: list[RemoteFault]
) -> None:
    """Apply the halves of a batch that failed, down to the bad record, which is set aside."""
    middle = (len(changes) + 1) // 2
    for part in (changes[:middle], changes[middle:]):
        if not part:
            continue
        try:
            _write(context, entity, part, lambda _, found: faults.extend(found))
        except STOPPING:
            raise
        except Exception as error:
            if len(part) > 1:
                _halve(context, entity, part, faults)
            else:
                log.warning("record set aside", entity=entity, exc_info=True)
                faults.append(_fault(part[0], error))


def _write(
    context: SyncContext,
    entity: str,
    changes: Sequence[Change],
    finish: Callable[[UnitOfWork, Sequence[RemoteFault]], None],
) -> None:
    """Write a batch in one transaction; ``finish`` runs in it with the records refused."""
    applier = APPLIERS[entity]
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        applied = applier.apply(context, uow, changes) if changes else Applied()
        write_bindings(
            uow,
            context.backend_id,
            entity,
            changes,
            applied,
            keeps_snapshot=applier.keeps_snapshot,
        )
        waiting = _awaited(context, uow, entity, changes, applied)
        _forget(context, uow, entity, applied.local_ids)
        finish(uow, applied.faults)
        uow.commit()
    for waiting_entity, remote_id in waiting:
        context.reread[waiting_entity].add(remote_id)
    for change in changes:
        if change.remote_id in applied.local_ids:
            context.counts[entity]["created" if change.bound is None else "updated"] += 1


def _awaited(
    context: SyncContext,
    uow: UnitOfWork,
    entity: str,
    changes: Sequence[Change],
    applied: Applied,
) -> list[tuple[str, str]]:
    """Return (entity, remote id) of records that waited for one of those that just arrived."""
    arrived = [
        change.remote_id
        for change in changes
        if change.remote_id in applied.local_ids
        and (change.bound is None or change.bound.state in GONE)
    ]
    # A partner that is an address here may have been awaited as a customer.
    names = {"address": ("address", "customer")}.get(entity, (entity,))
    return [
        found for name in names for found in waiting_for(uow, context.backend_id, name, arrived)
    ]


def _fault(change: Change, error: Exception) -> RemoteFault:
    record = change.record
    if isinstance(error, CrmError):
        return RemoteFault(record.remote_id, record.label, error.code, error.message)
    return RemoteFault(
        record.remote_id,
        record.label,
        "core.sync.record",
        f"It could not be taken over ({type(error).__name__}: {error}). Correct it in the ERP, "
        "or report this.",
    )


def _set_aside(
    context: SyncContext, uow: UnitOfWork, entity: str, faults: Sequence[RemoteFault]
) -> None:
    context.counts[entity]["set_aside"] += len(faults)
    if faults:
        context.set_aside.add(entity)
    known = {}
    for chunk in chunked((fault.remote_id for fault in faults), PARAMETERS):
        rows = uow.execute(
            select(DeadLetter.remote_id, DeadLetter.id, DeadLetter.attempts).where(
                DeadLetter.backend_id == context.backend_id,
                DeadLetter.entity == entity,
                DeadLetter.remote_id.in_(chunk),
            )
        )
        known.update({row.remote_id: row for row in rows})
    new, again = [], []
    for fault in {fault.remote_id: fault for fault in faults}.values():
        values = {
            "label": fault.label,
            "code": fault.code,
            "reason": fault.reason,
            "last_at": uow.now,
        }
        if fault.remote_id in known:
            row = known[fault.remote_id]
            again.append({"id": row.id, **values, "attempts": row.attempts + 1})
        else:
            key = {"backend_id": context.backend_id, "entity": entity}
            first = {"remote_id": fault.remote_id, "attempts": 1, "first_at": uow.now}
            new.append({"id": new_id(), **key, **first, **values})
    insert_rows(uow.connection(), DeadLetter, new)
    update_rows(uow.connection(), DeadLetter, again)


def _forget(context: SyncContext, uow: UnitOfWork, entity: str, remote_ids: Iterable[str]) -> None:
    """Records that went through are no longer set aside."""
    if entity not in context.set_aside:
        return
    for chunk in chunked(remote_ids, PARAMETERS):
        uow.execute(
            delete(DeadLetter)
            .where(
                DeadLetter.backend_id == context.backend_id,
                DeadLetter.entity == entity,
                DeadLetter.remote_id.in_(chunk),
            )
            .execution_options(synchronize_session=False)
        )
