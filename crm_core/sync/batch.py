"""Applying a page of remote records: what changed is written, what cannot be is set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import delete, select

from crm_core.entities.customer import Address, Customer
from crm_core.entities.sync import Binding, BindingState, DeadLetter
from crm_core.errors import ConfigurationError, CrmError, FatalSyncError, InputError, LockedError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, select_in, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.record_words import field_words
from crm_core.sync import lock
from crm_core.sync.archived_there import follow_archived
from crm_core.sync.bindings import (
    bound_records,
    forget_waiting,
    mark_further,
    read_again_later,
    set_state,
    write_bindings,
)
from crm_core.sync.conflicts import forget_merges
from crm_core.sync.context import GONE, Applied, Bound, Change, SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.holding import held_back
from crm_core.sync.merge import decide
from crm_core.sync.prefetch import meanwhile
from crm_core.sync.protocol import RemoteFault, RemotePage, RemoteRecord
from crm_core.sync.push_queue import enqueue_carriers
from crm_core.sync.records import digest

log = structlog.get_logger(__name__)
STOPPING = (ConfigurationError, FatalSyncError, LockedError)
"""Faults that concern the whole run, not one record."""
REQUIRED = {"customer": ("name", "kind"), "tag": ("name",)}
"""Fields without which a record cannot be kept here."""
TWINS = {"customer": "address", "address": "customer"}
"""What is one kind of record over there may become the other."""

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
) -> dict[str, str]:
    """Apply a page's records; rows, bindings, records set aside and ``also`` commit together.

    Args:
        context: The run.
        entity: Entity of the records.
        page: Records and faults as the remote gave them.
        also: Written in the last transaction of the page.
        force: Apply records that look the same too, since what they refer to has moved.
        forget: Ids that are not there any more, so they neither stand aside nor wait.

    Returns:
        Those that could not be applied and stand aside now: id to code.
    """
    faults = list(page.faults)
    aside: dict[str, str] = {}
    changes, unchanged = _changed(context, entity, page.records, faults, force=force)
    context.counts[entity]["unchanged"] += len(unchanged)
    if context.dry_run:
        _count_only(context, entity, changes, faults)
        return aside
    ready = _prepare(context, entity, changes, faults)
    settled = [*unchanged, *forget] if entity in context.set_aside else []
    if not (ready or faults or also or settled or forget):
        return aside

    def finish(uow: UnitOfWork, found: Sequence[RemoteFault]) -> None:
        aside.update({fault.remote_id: fault.code for fault in found})
        _set_aside(context, uow, entity, found)
        _forget(context, uow, entity, settled)
        forget_waiting(uow, context.backend_id, entity, forget)
        if also:
            also(uow)

    try:
        _write(context, entity, ready, lambda uow, found: finish(uow, [*faults, *found]))
    except STOPPING:
        raise
    except Exception:  # noqa: BLE001  one record's fault; find which
        aside.clear()
        _halve(context, entity, ready, faults)
        _write(context, entity, [], lambda uow, _: finish(uow, faults))
    return aside


@contextmanager
def read_back(context: SyncContext, entity: str, remote_ids: Sequence[str]) -> Iterator[None]:
    """Take over what a remote made of records, read while it is kept here that they are there."""
    with meanwhile(lambda: context.remote.read(entity, remote_ids)) as answer:
        yield
        page = answer()
    apply_page(context, entity, page)


def _changed(
    context: SyncContext,
    entity: str,
    records: Sequence[RemoteRecord],
    faults: list[RemoteFault],
    *,
    force: bool,
) -> tuple[list[Change], list[str]]:
    times = Counter(record.remote_id for record in records)
    with context.reading() as uow:
        bound = bound_records(uow, context.backend_id, entity, times)
        held = held_back(uow, context.backend_id, entity, records)
    changes, unchanged = [], []
    for record in records:
        known = bound.get(record.remote_id)
        if times[record.remote_id] > 1:
            faults.append(
                RemoteFault(
                    record.remote_id,
                    record.label,
                    "core.sync.twice",
                    t(
                        "The id {remote_id} is told more than once, so it is not known which "
                        "record it means. Give each its own id.",
                        remote_id=record.remote_id,
                    ),
                )
            )
            continue
        try:
            mark = digest(record.values)
        except TypeError as error:  # text that is no Unicode
            faults.append(_fault(Change(record, b"", known), error))
            continue
        same = known is not None and known.digest == mark and known.state not in GONE
        is_held = known is None and record.remote_id in held
        if is_held or (same and not force):
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
        context.counted[entity].add(change.remote_id)
    context.counts[entity]["set_aside"] += len(found)
    context.tried[entity].update(fault.remote_id for fault in found)


def _prepare(
    context: SyncContext, entity: str, changes: Sequence[Change], faults: list[RemoteFault]
) -> list[Change]:
    ready = []
    for change in changes:
        try:
            _check_required(entity, change)
            change.prepared = context.appliers[entity].prepare(context, change)
        except STOPPING:
            raise
        except Exception as error:  # noqa: BLE001  one record's fault, whatever it is
            faults.append(_fault(change, error))
        else:
            ready.append(change)
    return ready


def _check_required(entity: str, change: Change) -> None:
    """Refuse a record without what every record of its entity has."""
    values = change.record.values
    for name in REQUIRED.get(entity, ()):
        if values.get(name) is None and (change.bound is None or name in values):
            raise InputError(
                t("{field} is missing. Fill it in over there.", field=field_words(name, entity)),
                code="core.sync.field_missing",
            )


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
                is_known = isinstance(error, CrmError)  # it says itself what is wrong
                log.warning("record set aside", entity=entity, exc_info=not is_known)
                faults.append(_fault(part[0], error))


def _write(
    context: SyncContext,
    entity: str,
    changes: Sequence[Change],
    finish: Callable[[UnitOfWork, Sequence[RemoteFault]], None],
) -> None:
    """Write a batch in one transaction; ``finish`` runs in it with the records refused."""
    applier = context.appliers[entity]
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        if entity == "customer":
            mark_further(uow, context.backend_id, changes)
        overruled = decide(context, uow, entity, changes)
        for change in changes:
            if change.is_shared and change.record.values.get("archived"):
                change.leave("archived")  # another record of the same customer is in use
        applied = applier.apply(context, uow, changes) if changes else Applied()
        reach("pull.rows_written")
        write_bindings(
            uow,
            context.backend_id,
            entity,
            changes,
            applied,
            keeps_snapshot=applier.keeps_snapshot,
        )
        reach("pull.bindings_written")
        if entity == "customer":
            follow_archived(uow, context.backend_id, changes)
            back = [change.remote_id for change in changes if change.bound and change.has_arrived]
            forget_merges(uow, context.backend_id, back)
        _supersede_twins(context, uow, entity, changes, applied)
        if entity == "tag" and context.is_merging:
            new = [change.remote_id for change in changes if change.bound is None]
            known = [applied.local_ids[key] for key in new if key in applied.local_ids]
            enqueue_carriers(uow, context.backend_id, known)
        _forget(context, uow, entity, applied.local_ids)
        finish(uow, applied.faults)
        reach("pull.before_commit")
        uow.commit()
    if overruled:
        context.counts[entity]["overruled"] += overruled
    for change in changes:
        if change.remote_id in applied.local_ids:
            context.counts[entity]["created" if change.bound is None else "updated"] += 1


def _supersede_twins(
    context: SyncContext,
    uow: UnitOfWork,
    entity: str,
    changes: Sequence[Change],
    applied: Applied,
) -> None:
    """Archive the customer that an address was before, or the address that a customer was."""
    twin = TWINS.get(entity)
    arrived = [
        change.remote_id
        for change in changes
        if change.has_arrived and change.remote_id in applied.local_ids
    ]
    if twin is None or not arrived:
        return
    bound = bound_records(uow, context.backend_id, twin, arrived)
    if not bound:
        return
    former = {each.local_id: remote_id for remote_id, each in bound.items()}
    _agree_on_archiving(uow, Customer if twin == "customer" else Address, bound.values())
    set_state(uow, context.backend_id, twin, former.values(), BindingState.OUTSIDE)
    context.appliers[twin].vanish(context, uow, list(former), BindingState.DELETED)
    if twin == "address":
        rows = select_in(uow.connection(), Address, "id", former, "id", "customer_id")
        former = {row.customer_id: former[row.id] for row in rows}
    read_again_later(uow, context.backend_id, former)


def _agree_on_archiving(uow: UnitOfWork, model: Any, superseded: Iterable[Bound]) -> None:
    """Count as agreed on that these are out of use: back in use there, they are so here as well.

    Not those that people had archived here already: they stay so.
    """
    bound = {each.local_id: each for each in superseded}
    rows = select_in(uow.connection(), model, "id", bound, "id", "archived_at")
    agreed: list[dict[str, Any]] = [
        {"id": each.binding_id, "snapshot": {**(each.snapshot or {}), "archived": True}}
        for each in (bound[row.id] for row in rows if row.archived_at is None)
    ]
    update_rows(uow.connection(), Binding, agreed)


def _fault(change: Change, error: Exception) -> RemoteFault:
    record = change.record
    if isinstance(error, CrmError):
        return RemoteFault(record.remote_id, record.label, error.code, error.message)
    return RemoteFault(
        record.remote_id,
        record.label,
        "core.sync.record",
        t(
            "It could not be taken over ({kind}: {error}). Correct it in the ERP, or report this.",
            kind=type(error).__name__,
            error=error,
        ),
    )


def _set_aside(
    context: SyncContext, uow: UnitOfWork, entity: str, faults: Sequence[RemoteFault]
) -> None:
    new_here = {fault.remote_id for fault in faults} - context.tried[entity]
    context.counts[entity]["set_aside"] += len(new_here)
    context.tried[entity].update(new_here)
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
            # No NUL nor half a sign can be kept; what such a record says must not stop the run.
            "label": fault.label.replace("\0", "").encode(errors="replace").decode(),
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
