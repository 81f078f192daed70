"""What becomes of records that are gone over there: told apart, followed, and merges recognised.

Which fate a record met is asked first. One that was deleted may have been merged into another:
where it went by a name of ours, the one that took it in goes by that name now; else where its
documents and contacts went tells, and a person decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from crm_core.entities.commerce import Transaction
from crm_core.entities.conflict import MERGED, Conflict, ConflictState
from crm_core.entities.customer import Address, Customer
from crm_core.entities.hold import HoldReason, HoldSide
from crm_core.entities.relationship import Relationship
from crm_core.entities.sync import Binding, BindingState, PendingReference
from crm_core.errors import CrmError
from crm_core.persistence.bulk import PARAMETERS, chunked, select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_merge import merge_customers
from crm_core.sync import lock
from crm_core.sync.batch import apply_page
from crm_core.sync.bindings import (
    MOVED,
    bound_records,
    read_again_later,
    rebind,
    set_state,
)
from crm_core.sync.conflicts import forget_conflicts
from crm_core.sync.context import GONE, Bound, SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.holding import hold
from crm_core.sync.masters import KEEP, RESTORE, UNLINK, WHEN_DELETED, master_of
from crm_core.sync.protocol import WritableBackend
from crm_core.sync.push_queue import enqueue
from crm_core.sync.records import DOCUMENT_ENTITIES

TRACES = 50
"""Documents and contacts of a deleted customer that are looked for, at most."""

Gone = Mapping[str, Bound]
"""Bindings of records that are gone, by remote id."""


def follow_gone(context: SyncContext, entity: str, remote_ids: Sequence[str]) -> None:
    """Ask what became of records that are not told any more, and follow them here."""
    fates = context.remote.fates(entity, remote_ids)
    reach("pull.fates_told")
    context.counts[entity].update(fates.values())
    if context.dry_run:
        return
    deleted = [key for key in remote_ids if fates.get(key) == BindingState.DELETED]
    survivors = _survivors(context, deleted) if entity == "customer" and deleted else {}
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        bound = bound_records(uow, context.backend_id, entity, remote_ids)
        forget_conflicts(
            uow, context.backend_id, entity, (each.local_id for each in bound.values())
        )
        for fate in sorted(set(fates.values())):
            gone = {
                key: bound[key] for key in remote_ids if fates.get(key) == fate and key in bound
            }
            if fate == BindingState.DELETED:
                _follow_deleted(context, uow, entity, gone, survivors)
            else:
                set_state(uow, context.backend_id, entity, gone, fate)
        uow.commit()
        reach("pull.gone_followed")
    for chunk in chunked(sorted(set(survivors.values())), PARAMETERS):
        apply_page(context, entity, context.remote.read(entity, chunk))


def _survivors(context: SyncContext, deleted: Sequence[str]) -> dict[str, str]:
    """Return who took deleted customers in, by remote id, as far as their names tell."""
    remote = context.remote
    if not (context.prefix and isinstance(remote, WritableBackend)):
        return {}
    with context.reading() as uow:
        bound = bound_records(uow, context.backend_id, "customer", deleted)
    names = {f"{context.prefix}customer_{each.local_id.hex}": key for key, each in bound.items()}
    found = remote.named("customer", sorted(names)) if names else {}
    return {names[name]: survivor for name, survivor in found.items() if survivor != names[name]}


def _follow_deleted(
    context: SyncContext, uow: UnitOfWork, entity: str, gone: Gone, survivors: Mapping[str, str]
) -> None:
    """Follow records that do not exist any more, by what was chosen for their entity."""
    if entity == "customer":
        # Merging partners in the ERP moves what hangs on them without touching it.
        read_again_later(
            uow, context.backend_id, {each.local_id: key for key, each in gone.items()}
        )
        gone = _merge(context, uow, gone, survivors)
        gone = _without_further(context, uow, gone)
        _suspect(context, uow, gone)
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
    local_ids = [each.local_id for each in gone.values()]
    deleted = {each.binding_id for each in gone.values()}
    followed = {
        row.local_id
        for row in select_in(uow.connection(), Binding, "local_id", local_ids, *_BINDING)
        if (row.backend_id, row.entity) == (context.backend_id, "customer")
        and row.id not in deleted
        and row.state not in GONE
    }
    further = [key for key, bound in gone.items() if bound.local_id in followed]
    set_state(uow, context.backend_id, "customer", further, BindingState.DELETED.value)
    return {key: bound for key, bound in gone.items() if key not in further}


_BINDING = ("id", "backend_id", "entity", "local_id", "state")


def _unbind(uow: UnitOfWork, bound: Iterable[Bound]) -> None:
    for chunk in chunked((each.binding_id for each in bound), PARAMETERS):
        uow.execute(
            delete(Binding)
            .where(Binding.id.in_(chunk))
            .execution_options(synchronize_session=False)
        )


# Merges over there.


def _merge(
    context: SyncContext, uow: UnitOfWork, gone: Gone, survivors: Mapping[str, str]
) -> dict[str, Bound]:
    """Let customers follow those that took them in over there; return the others."""
    left = dict(gone)
    for key, survivor in survivors.items():
        if key not in left:
            continue
        bound = left.pop(key)
        # Merging partners in the ERP moves what hangs on them without touching it.
        read_again_later(uow, context.backend_id, {bound.local_id: survivor})
        there = bound_records(uow, context.backend_id, "customer", [survivor]).get(survivor)
        if there is None:
            rebind(uow, bound, survivor)
        else:
            set_state(uow, context.backend_id, "customer", [key], BindingState.DELETED.value)
            _merge_here(context, uow, key, bound, there.local_id, survivor)
        context.counts["customer"]["merged"] += 1
    return left


def _rebind(uow: UnitOfWork, bound: Bound, survivor: str) -> None:
    """Bind a customer to who took it in: what differs from it is a change made over there."""
    uow.execute(
        update(Binding)
        .where(Binding.id == bound.binding_id)
        .values(remote_id=survivor, state=BindingState.ACTIVE.value, digest=b"", synced_at=uow.now)
        .execution_options(synchronize_session=False)
    )


def _merge_here(
    context: SyncContext, uow: UnitOfWork, key: str, bound: Bound, keep_id: UUID, survivor: str
) -> None:
    """Merge two customers that were merged over there; where a rule forbids it, ask a person."""
    if keep_id == bound.local_id:
        return
    try:
        with uow.session.begin_nested():
            merge_customers(
                uow, keep_id, bound.local_id, reason=f"merged in {context.backend_name}"
            )
    except CrmError as error:
        context.warnings.append(f"customer {key}: {error.message}")
        _ask(context, uow, bound.local_id, key, keep_id, survivor)


def _ask(
    context: SyncContext, uow: UnitOfWork, local_id: UUID, key: str, keep_id: UUID, survivor: str
) -> None:
    names = {
        row.id: row.name
        for row in select_in(uow.connection(), Customer, "id", [local_id, keep_id], "id", "name")
    }
    conflict = uow.scalar(
        select(Conflict).where(
            Conflict.backend_id == context.backend_id,
            Conflict.local_id == local_id,
            Conflict.field == MERGED,
            Conflict.state.in_((ConflictState.OPEN.value, ConflictState.SUSPECTED.value)),
        )
    ) or uow.add(_suspicion(context, uow, key, local_id))
    conflict.label, conflict.ours = names[local_id], names[local_id]
    conflict.theirs = {"id": str(keep_id), "name": names[keep_id], "remote_id": survivor}
    conflict.state = ConflictState.OPEN.value
    context.counts["customer"]["conflicts"] += 1


# Merges that no name tells of.


def _suspicion(
    context: SyncContext, uow: UnitOfWork, key: str, local_id: UUID, traces: Any = None
) -> Conflict:
    return Conflict(
        backend_id=context.backend_id,
        entity="customer",
        local_id=local_id,
        remote_id=key,
        label="",
        field=MERGED,
        base=traces,
        state=ConflictState.SUSPECTED.value,
        opened_at=uow.now,
    )


def _suspect(context: SyncContext, uow: UnitOfWork, gone: Gone) -> None:
    """Note what hung on deleted customers: where it is told to be next shows a merge."""
    owners = [each.local_id for each in gone.values()]
    traces = {each: context.moved[each][:TRACES] for each in owners if each in context.moved}
    for chunk in chunked(owners, PARAMETERS):
        for model, local_id, customer_id in _HANGING:
            rows = uow.execute(
                select(Binding.entity, Binding.remote_id, customer_id.label("customer_id"))
                .select_from(model)
                .join(Binding, Binding.local_id == local_id)
                .where(Binding.backend_id == context.backend_id, customer_id.in_(chunk))
            )
            for row in rows:
                found = traces.setdefault(row.customer_id, [])
                if len(found) < TRACES:
                    found.append((row.entity, row.remote_id))
    for key, bound in gone.items():
        if hanging := [list(each) for each in traces.get(bound.local_id, ())]:
            uow.add(_suspicion(context, uow, key, bound.local_id, hanging))


def judge_suspicions(context: SyncContext) -> None:
    """Ask about deleted customers whose documents or contacts are another's now."""
    with context.reading() as uow:
        there_are = uow.scalar(select(Conflict.id).where(*_suspected(context)).limit(1))
    if there_are is None:
        return
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        for conflict in uow.scalars(select(Conflict).where(*_suspected(context))).all():
            _judge(context, uow, conflict)
        uow.commit()


def _suspected(context: SyncContext) -> tuple[Any, ...]:
    return (
        Conflict.backend_id == context.backend_id,
        Conflict.state == ConflictState.SUSPECTED.value,
    )


def _judge(context: SyncContext, uow: UnitOfWork, conflict: Conflict) -> None:
    waits = select(PendingReference.id).where(
        PendingReference.backend_id == context.backend_id,
        PendingReference.field == MOVED,
        PendingReference.target_remote_id == conflict.remote_id,
    )
    if uow.scalar(waits.limit(1)) is not None:
        return  # not all was read again yet
    owners = _owners(uow, context.backend_id, [(each[0], each[1]) for each in conflict.base or ()])
    owners.pop(conflict.local_id, None)
    if not owners:
        uow.delete(conflict)
        return
    [(keep_id, _)] = owners.most_common(1)
    survivor = uow.scalar(
        select(Binding.remote_id).where(
            Binding.backend_id == context.backend_id,
            Binding.entity == "customer",
            Binding.local_id == keep_id,
        )
    )
    _ask(context, uow, conflict.local_id, conflict.remote_id, keep_id, survivor or "")


def _owners(uow: UnitOfWork, backend_id: UUID, traces: Sequence[tuple[str, str]]) -> Counter[UUID]:
    """Return the customers that these records belong to now, and how many to each."""
    owners: Counter[UUID] = Counter()
    for entity in {entity for entity, _ in traces}:
        ids = [key for kind, key in traces if kind == entity]
        kind = "document" if entity in DOCUMENT_ENTITIES else entity
        for model, local_id, customer_id in _HANGING:
            if _KINDS[model] != kind:
                continue
            rows = uow.execute(
                select(customer_id.label("customer_id"))
                .select_from(model)
                .join(Binding, Binding.local_id == local_id)
                .where(
                    Binding.backend_id == backend_id,
                    Binding.entity == entity,
                    Binding.remote_id.in_(ids),
                )
            )
            owners.update(row.customer_id for row in rows)
    return owners


_HANGING: tuple[tuple[Any, Any, Any], ...] = (
    (Transaction, Transaction.id, Transaction.customer_id),
    (Address, Address.id, Address.customer_id),
    (Relationship, Relationship.from_customer_id, Relationship.to_customer_id),
)
_KINDS: Mapping[Any, str] = {
    Transaction: "document",
    Address: "address",
    Relationship: "customer",
}


# Making again what is to be restored.


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
