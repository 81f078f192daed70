"""What becomes of records that are gone over there: fates are told apart and followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from crm_core.entities.conflict import MERGED, Conflict, ConflictState
from crm_core.entities.customer import Address
from crm_core.entities.hold import HoldReason, HoldSide
from crm_core.entities.sync import Binding, BindingState
from crm_core.persistence.bulk import PARAMETERS, chunked, select_in, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock
from crm_core.sync.archived_there import ARCHIVED, read_first_again
from crm_core.sync.batch import apply_page
from crm_core.sync.bindings import (
    FOLLOWED,
    bindings_of,
    bound_records,
    read_again_later,
    set_state,
)
from crm_core.sync.conflicts import forget_conflicts
from crm_core.sync.context import Bound, SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.holding import hold
from crm_core.sync.masters import KEEP, RESTORE, UNLINK, WHEN_DELETED, master_of
from crm_core.sync.merged_there import Gone, follow_merges, survivors_of, suspect
from crm_core.sync.push_queue import enqueue

ENDED = frozenset({BindingState.DELETED.value, BindingState.RESTORING.value})
"""States of a binding whose record does not exist there."""


def follow_gone(context: SyncContext, entity: str, remote_ids: Sequence[str]) -> None:
    """Ask what became of records that are not told any more, and follow them here."""
    fates = context.remote.fates(entity, remote_ids)
    reach("pull.fates_told")
    context.counts[entity].update(fates.values())
    if context.dry_run:
        return
    deleted = [key for key in remote_ids if fates.get(key) == BindingState.DELETED]
    survivors = survivors_of(context, deleted) if entity == "customer" and deleted else {}
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        bound = bound_records(uow, context.backend_id, entity, remote_ids)
        forget_conflicts(uow, context.backend_id, entity, bound)
        for fate in sorted(set(fates.values())):
            gone = {
                key: bound[key] for key in remote_ids if fates.get(key) == fate and key in bound
            }
            if fate == BindingState.DELETED:
                _follow_deleted(context, uow, entity, gone, survivors)
            else:
                if entity == "customer":
                    _hand_on(context, uow, gone, _others(context, uow, gone))
                set_state(uow, context.backend_id, entity, gone, fate)
        uow.commit()
        reach("pull.gone_followed")
    for chunk in chunked(sorted(set(survivors.values())), PARAMETERS):
        apply_page(context, entity, context.remote.read(entity, chunk))


def _follow_deleted(
    context: SyncContext, uow: UnitOfWork, entity: str, gone: Gone, survivors: Mapping[str, str]
) -> None:
    """Follow records that do not exist any more, by what was chosen for their entity."""
    if entity == "customer":
        # Merging partners in the ERP moves what hangs on them without touching it.
        read_again_later(
            uow, context.backend_id, {each.local_id: key for key, each in gone.items()}
        )
        gone = follow_merges(context, uow, gone, survivors)
        gone = _without_further(context, uow, gone)
        suspect(context, uow, gone)
    if not gone:
        return
    deed = master_of(context.masters, entity, WHEN_DELETED)
    state = BindingState.RESTORING if deed == RESTORE else BindingState.DELETED
    set_state(uow, context.backend_id, entity, gone, state.value)
    local_ids = [each.local_id for each in gone.values()]
    if deed == UNLINK:
        _unbind(uow, gone.values())
        reasons = dict.fromkeys(map(str, local_ids), HoldReason.IGNORED.value)
        hold(uow, context.backend_id, entity, HoldSide.LOCAL, reasons)
    elif deed not in (KEEP, RESTORE):
        context.appliers[entity].vanish(context, uow, local_ids, BindingState.DELETED)


def _without_further(context: SyncContext, uow: UnitOfWork, gone: Gone) -> dict[str, Bound]:
    """Return those whose customers have no other record there (two were merged here)."""
    others = _others(context, uow, gone)
    further = [key for key, bound in gone.items() if bound.local_id in others]
    set_state(uow, context.backend_id, "customer", further, BindingState.DELETED.value)
    promoted = _hand_on(context, uow, gone, others)
    archived = []
    for key in further:
        left = [row for row in others[gone[key].local_id] if row.state in FOLLOWED]
        is_archived = left and all(row.state == ARCHIVED for row in left)
        if is_archived and left[0].id not in promoted:
            archived.append(left[0].remote_id)
    read_first_again(uow, context.backend_id, archived)
    return {key: bound for key, bound in gone.items() if key not in further}


def _others(context: SyncContext, uow: UnitOfWork, gone: Gone) -> dict[UUID, list[Any]]:
    """Return what else the customers of these are there, seen or not, those in use first."""
    ended = {each.binding_id for each in gone.values()}
    found: dict[UUID, list[Any]] = {}
    owners = [each.local_id for each in gone.values()]
    columns = (Binding.id, Binding.local_id, Binding.remote_id, Binding.state)
    for row in bindings_of(uow, context.backend_id, "customer", owners, *columns):
        if row.id not in ended and row.state not in ENDED:
            found.setdefault(row.local_id, []).append(row)
    return found


def _hand_on(
    context: SyncContext, uow: UnitOfWork, gone: Gone, others: Mapping[UUID, Sequence[Any]]
) -> set[UUID]:
    """Let the next record take the place of one that was its customer's first.

    Nothing counts as agreed on with it, for what it says was not followed until now.

    Returns:
        The bindings of those that are the first now.
    """
    promoted = {}
    for bound in gone.values():
        left = [row for row in others.get(bound.local_id, ()) if row.state in FOLLOWED]
        if left and bound.state in FOLLOWED and bound.binding_id < left[0].id:
            promoted[left[0].id] = left[0].remote_id
    fresh: list[dict[str, Any]] = [{"id": key, "digest": b"", "snapshot": {}} for key in promoted]
    update_rows(uow.connection(), Binding, fresh)
    read_first_again(uow, context.backend_id, promoted.values())
    return set(promoted)


def _unbind(uow: UnitOfWork, bound: Iterable[Bound]) -> None:
    for chunk in chunked((each.binding_id for each in bound), PARAMETERS):
        uow.execute(
            delete(Binding)
            .where(Binding.id.in_(chunk))
            .execution_options(synchronize_session=False)
        )


def restore_deleted(context: SyncContext, entity: str) -> None:
    """Have records made again that were deleted over there, where that was chosen.

    Not those that people archived here meanwhile, nor those that may have been merged.
    """
    restoring = (
        Binding.backend_id == context.backend_id,
        Binding.entity == entity,
        Binding.state == BindingState.RESTORING.value,
    )
    asked = select(Conflict.local_id).where(
        Conflict.backend_id == context.backend_id,
        Conflict.field == MERGED,
        Conflict.state.in_((ConflictState.OPEN.value, ConflictState.SUSPECTED.value)),
    )
    with context.reading() as uow:
        rows = uow.execute(
            select(Binding.id, Binding.local_id).where(*restoring, Binding.local_id.not_in(asked))
        ).all()
    for chunk in chunked(rows, PARAMETERS):
        with context.writing() as uow:
            lock.renew(uow, context.backend_id, context.token)
            told = context.tellers[entity](
                uow, context.backend_id, [row.local_id for row in chunk], {}
            )
            local_ids = [row.local_id for row in chunk]
            wanted = [each for each in local_ids if each in told and not told[each].is_archived]
            _settle_restored(context, uow, entity, chunk, wanted)
            uow.commit()


def _settle_restored(
    context: SyncContext, uow: UnitOfWork, entity: str, rows: Sequence[Any], wanted: Sequence[UUID]
) -> None:
    left = [row.id for row in rows if row.local_id not in set(wanted)]
    uow.execute(
        update(Binding)
        .where(Binding.id.in_(left))
        .values(state=BindingState.DELETED.value)
        .execution_options(synchronize_session=False)
    )
    doomed = [row.id for row in rows if row.local_id in set(wanted)]
    uow.execute(
        delete(Binding).where(Binding.id.in_(doomed)).execution_options(synchronize_session=False)
    )
    queued = list(wanted)
    if entity == "address":
        addresses = select_in(uow.connection(), Address, "id", queued, "customer_id")
        queued = [row.customer_id for row in addresses]
    enqueue(uow, context.backend_id, "customer" if entity == "address" else entity, queued)
    context.counts[entity]["restored"] += len(wanted)
