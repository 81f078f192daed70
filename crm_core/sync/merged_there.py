"""Customers that were merged over there, told from those that were deleted.

Where one went by a name of ours, the record that took it in goes by that name now, and the customer
follows it. Else where its documents and contacts went tells, and a person decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.commerce import Transaction
from crm_core.entities.conflict import MERGED, Conflict, ConflictState
from crm_core.entities.customer import Address, Customer
from crm_core.entities.relationship import Relationship
from crm_core.entities.sync import Binding, BindingState, PendingReference
from crm_core.errors import CrmError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked, select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_merge import merge_customers
from crm_core.sync import lock
from crm_core.sync.bindings import MOVED, bound_records, read_again_later, rebind, set_state
from crm_core.sync.context import Bound, SyncContext
from crm_core.sync.protocol import WritableBackend
from crm_core.sync.push_queue import enqueue
from crm_core.sync.records import DOCUMENT_ENTITIES

AT_ONCE = 500
TRACES = 50
"""Documents and contacts of a deleted customer that are looked for, at most."""

Gone = Mapping[str, Bound]
"""Bindings of records that are gone, by remote id."""


def survivors_of(context: SyncContext, deleted: Sequence[str]) -> dict[str, str]:
    """Return who took deleted customers in, by remote id, as far as their names tell."""
    remote = context.remote
    if not (context.prefix and isinstance(remote, WritableBackend)):
        return {}
    with context.reading() as uow:
        bound = bound_records(uow, context.backend_id, "customer", deleted)
    names = {f"{context.prefix}customer_{each.local_id.hex}": key for key, each in bound.items()}
    found = remote.named("customer", sorted(names)) if names else {}
    return {names[name]: survivor for name, survivor in found.items() if survivor != names[name]}


def follow_merges(
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
            enqueue(uow, context.backend_id, "customer", [bound.local_id])
        else:
            set_state(uow, context.backend_id, "customer", [key], BindingState.DELETED.value)
            _merge_here(context, uow, key, bound, there.local_id, survivor)
        context.counts["customer"]["merged"] += 1
    return left


def _merge_here(
    context: SyncContext, uow: UnitOfWork, key: str, bound: Bound, keep_id: UUID, survivor: str
) -> None:
    """Merge two customers that were merged over there; where a rule forbids it, ask a person."""
    if keep_id == bound.local_id:
        return
    try:
        with uow.session.begin_nested():
            merge_customers(
                uow,
                keep_id,
                bound.local_id,
                reason=t("merged in {backend_name}", backend_name=context.backend_name),
            )
    except CrmError as error:
        context.warnings.append(t("customer {key}: {error}", key=key, error=error.message))
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


def suspect(context: SyncContext, uow: UnitOfWork, gone: Gone) -> None:
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
        ids = uow.scalars(select(Conflict.id).where(*_suspected(context))).all()
    for chunk in chunked(ids, AT_ONCE):
        with context.writing() as uow:
            lock.renew(uow, context.backend_id, context.token)
            found = uow.scalars(select(Conflict).where(Conflict.id.in_(chunk))).all()
            waiting = _waiting(uow, context.backend_id, [each.remote_id for each in found])
            owners = _owners(uow, context.backend_id, [each.base or () for each in found])
            for conflict in found:
                if conflict.remote_id not in waiting:  # all that hung on it was read again
                    _judge(context, uow, conflict, owners)
            uow.commit()


def _suspected(context: SyncContext) -> tuple[Any, ...]:
    return (
        Conflict.backend_id == context.backend_id,
        Conflict.state == ConflictState.SUSPECTED.value,
    )


def _waiting(uow: UnitOfWork, backend_id: UUID, remote_ids: Sequence[str]) -> set[str]:
    """Return which of these customers have records that are still to be read again."""
    return set(
        uow.scalars(
            select(PendingReference.target_remote_id).where(
                PendingReference.backend_id == backend_id,
                PendingReference.field == MOVED,
                PendingReference.target_remote_id.in_(remote_ids),
            )
        )
    )


def _judge(
    context: SyncContext,
    uow: UnitOfWork,
    conflict: Conflict,
    owners: Mapping[tuple[str, str], UUID],
) -> None:
    now = Counter(owners[each[0], each[1]] for each in conflict.base if tuple(each) in owners)
    now.pop(conflict.local_id, None)
    if not now:
        uow.delete(conflict)
        return
    [(keep_id, _)] = now.most_common(1)
    survivor = uow.scalar(
        select(Binding.remote_id).where(
            Binding.backend_id == context.backend_id,
            Binding.entity == "customer",
            Binding.local_id == keep_id,
        )
    )
    _ask(context, uow, conflict.local_id, conflict.remote_id, keep_id, survivor or "")


def _owners(
    uow: UnitOfWork, backend_id: UUID, traces: Iterable[Iterable[Sequence[str]]]
) -> dict[tuple[str, str], UUID]:
    """Return whose these records, told by entity and remote id, are now."""
    asked: dict[str, set[str]] = {}
    for entity, key in (each for some in traces for each in some):
        asked.setdefault(entity, set()).add(key)
    owners: dict[tuple[str, str], UUID] = {}
    for entity, keys in asked.items():
        kind = "document" if entity in DOCUMENT_ENTITIES else entity
        model, local_id, customer_id = next(row for row in _HANGING if _KINDS[row[0]] == kind)
        for chunk in chunked(sorted(keys), PARAMETERS):
            rows = uow.execute(
                select(Binding.remote_id, customer_id.label("customer_id"))
                .select_from(model)
                .join(Binding, Binding.local_id == local_id)
                .where(
                    Binding.backend_id == backend_id,
                    Binding.entity == entity,
                    Binding.remote_id.in_(chunk),
                )
            )
            owners.update({(entity, row.remote_id): row.customer_id for row in rows})
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
