"""Looking up and writing bindings, always a batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, exists, select, update

from crm_core.entities.commerce import Transaction
from crm_core.entities.customer import Address
from crm_core.entities.relationship import Relationship
from crm_core.entities.sync import Binding, BindingState, PendingReference
from crm_core.ids import new_id
from crm_core.persistence.bulk import AMONG, PARAMETERS, among, chunked, insert_rows, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.context import Applied, Bound, Change, Pending
from crm_core.sync.records import DOCUMENT_ENTITIES

MOVED_ON = {BindingState.DELETED.value, BindingState.OUTSIDE.value}
"""States of a customer's binding in which an address of the same remote id is what counts."""
FOLLOWED = frozenset({BindingState.ACTIVE.value, BindingState.ARCHIVED.value})
MOVED = "moved"
"""In the place of a field's name: all that hangs on the target has to be looked at again."""


@dataclass(frozen=True, slots=True)
class CustomerTarget:
    """What a remote partner is here: a customer, or an address of one."""

    customer_id: UUID
    address_id: UUID | None = None


def bound_records(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str]
) -> dict[str, Bound]:
    """Return the bindings of these remote records, by remote id."""
    found = {}
    for chunk in chunked(remote_ids, AMONG):
        rows = uow.execute(
            select(
                Binding.remote_id,
                Binding.id,
                Binding.local_id,
                Binding.state,
                Binding.digest,
                Binding.snapshot,
            ).where(
                Binding.backend_id == backend_id,
                Binding.entity == entity,
                among(Binding.remote_id, chunk),
            )
        )
        for row in rows:
            found[row.remote_id] = Bound(row.id, row.local_id, row.state, row.digest, row.snapshot)
    return found


def local_ids(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str | None]
) -> dict[str, UUID]:
    """Return local ids by remote id, for those that are bound."""
    wanted = {remote_id for remote_id in remote_ids if remote_id}
    found: dict[str, UUID] = {}
    for chunk in chunked(sorted(wanted), AMONG):
        rows = uow.execute(
            select(Binding.remote_id, Binding.local_id).where(
                Binding.backend_id == backend_id,
                Binding.entity == entity,
                among(Binding.remote_id, chunk),
            )
        )
        found.update({row.remote_id: row.local_id for row in rows})
    return found


def customer_targets(
    uow: UnitOfWork, backend_id: UUID, remote_ids: Iterable[str | None]
) -> dict[str, CustomerTarget]:
    """Return what these remote partners are here; those not known are left out."""
    wanted = {remote_id for remote_id in remote_ids if remote_id}
    customers = bound_records(uow, backend_id, "customer", wanted)
    found = {key: CustomerTarget(bound.local_id) for key, bound in customers.items()}
    stale = {key for key, bound in customers.items() if bound.state in MOVED_ON}
    for chunk in chunked(sorted(wanted), PARAMETERS):
        rows = uow.execute(
            select(Binding.remote_id, Address.id, Address.customer_id)
            .join(Address, Address.id == Binding.local_id)
            .where(
                Binding.backend_id == backend_id,
                Binding.entity == "address",
                Binding.remote_id.in_(chunk),
            )
        )
        found.update(
            {
                row.remote_id: CustomerTarget(row.customer_id, row.id)
                for row in rows
                if row.remote_id not in customers or row.remote_id in stale
            }
        )
    return found


def mark_further(uow: UnitOfWork, backend_id: UUID, changes: Sequence[Change]) -> None:
    """Mark what is told by records that are not their customer's first, as after a merge here.

    What the first says is the customer's; the others are followed for what hangs on them.
    """
    known = {change.bound.local_id for change in changes if change.bound}
    of_customer: dict[UUID, list[Any]] = {}
    columns = (Binding.id, Binding.local_id, Binding.state)
    for row in bindings_of(uow, backend_id, "customer", known, *columns):
        of_customer.setdefault(row.local_id, []).append(row)
    for change in changes:
        if change.bound is None:
            continue
        all_of_it = of_customer.get(change.bound.local_id, [])
        others = [row for row in all_of_it if row.id != change.bound.binding_id]
        change.is_further = bool(others) and all_of_it[0].id != change.bound.binding_id
        change.is_shared = any(row.state == BindingState.ACTIVE for row in others)


def bindings_of(
    uow: UnitOfWork, backend_id: UUID, entity: str, local_ids: Iterable[UUID], *columns: Any
) -> Iterator[Any]:
    """Yield columns of the bindings of local records, of each those in use first.

    Whose and what they are is told apart here: asked for that, SQLite would go through all of the
    backend's, for want of knowing that a record has but one or two.
    """
    told = (Binding.backend_id.label("of_backend"), Binding.entity.label("of_entity"))
    for chunk in chunked(sorted(set(local_ids)), AMONG):
        statement = select(*columns, *told).where(among(Binding.local_id, chunk))
        for row in uow.execute(statement.order_by(first_in_use(), Binding.id)):
            if row.of_backend == backend_id and row.of_entity == entity:
                yield row


def first_in_use() -> Any:
    """Return how a record's bindings are ordered, before their ids: those that are gone last."""
    in_use = (BindingState.ACTIVE.value, BindingState.ARCHIVED.value)
    return case((Binding.state.in_(in_use), 0), else_=1)


def write_bindings(
    uow: UnitOfWork,
    backend_id: UUID,
    entity: str,
    changes: Sequence[Change],
    applied: Applied,
    *,
    keeps_snapshot: bool,
) -> None:
    """Remember what was applied, and what still waits for a reference."""
    now = uow.now
    waiting = {
        (item.owner_remote_id, item.field, item.target_remote_id) for item in applied.pending
    }
    owners = {item.owner_remote_id for item in applied.pending}
    new, known, moved = [], [], []
    for change in changes:
        local_id = applied.local_ids.get(change.remote_id)
        if local_id is None:
            continue
        values = change.record.values
        waits = change.remote_id in owners
        snapshot = _agreed(change, waiting) if waits else change.agreed()
        row = {
            "state": (
                BindingState.ARCHIVED if values.get("archived") else BindingState.ACTIVE
            ).value,
            "digest": change.digest,
            "snapshot": snapshot if keeps_snapshot else None,
            "synced_at": now,
        }
        if change.bound is None:
            key = {"backend_id": backend_id, "entity": entity, "remote_id": change.remote_id}
            new.append({"id": new_id(), "local_id": local_id, **key, **row})
        elif change.bound.local_id == local_id:  # most: setting it would write its index again
            known.append({"id": change.bound.binding_id, **row})
        else:
            moved.append({"id": change.bound.binding_id, "local_id": local_id, **row})
    insert_rows(uow.connection(), Binding, new)
    update_rows(uow.connection(), Binding, known)
    update_rows(uow.connection(), Binding, moved)
    _write_pending(uow, backend_id, entity, [change.remote_id for change in changes], applied)


def _agreed(change: Change, waiting: AbstractSet[tuple[str, str, str]]) -> dict[str, Any]:
    """Return what is agreed on: nothing that is undecided, nor references that still wait."""

    def agreed(name: str, value: Any) -> Any:
        if isinstance(value, str):
            return None if (change.remote_id, name, value) in waiting else value
        if name.endswith("_refs") and value:
            return [ref for ref in value if (change.remote_id, name, ref) not in waiting]
        return value

    return {name: agreed(name, value) for name, value in change.agreed().items()}


def _write_pending(
    uow: UnitOfWork, backend_id: UUID, entity: str, owners: Sequence[str], applied: Applied
) -> None:
    forget_waiting(uow, backend_id, entity, owners)
    wait(uow, backend_id, ((entity, item) for item in applied.pending))


def wait(uow: UnitOfWork, backend_id: UUID, waiting: Iterable[tuple[str, Pending]]) -> None:
    """Remember (entity, reference) of records that wait for another, each once."""
    unique = {
        (entity, item.owner_remote_id, item.field, item.target_remote_id): item
        for entity, item in waiting
    }
    key = (
        PendingReference.entity,
        PendingReference.owner_remote_id,
        PendingReference.field,
        PendingReference.target_remote_id,
    )
    for chunk in chunked(sorted({owner for _, owner, *_ in unique}), PARAMETERS):
        there = select(*key).where(
            PendingReference.backend_id == backend_id, PendingReference.owner_remote_id.in_(chunk)
        )
        for row in uow.execute(there):
            unique.pop(tuple(row), None)
    rows = [
        {
            "id": new_id(),
            "backend_id": backend_id,
            "entity": entity,
            "owner_remote_id": item.owner_remote_id,
            "field": item.field,
            "target_entity": item.target_entity,
            "target_remote_id": item.target_remote_id,
        }
        for (entity, *_), item in unique.items()
    ]
    insert_rows(uow.connection(), PendingReference, rows)


def forget_waiting(uow: UnitOfWork, backend_id: UUID, entity: str, owners: Iterable[str]) -> None:
    """Forget what these records waited for."""
    for chunk in chunked(owners, AMONG):
        uow.execute(
            delete(PendingReference)
            .where(
                PendingReference.backend_id == backend_id,
                PendingReference.entity == entity,
                among(PendingReference.owner_remote_id, chunk),
            )
            .execution_options(synchronize_session=False)
        )


def overdue(uow: UnitOfWork, backend_id: UUID, entity: str) -> set[str]:
    """Return the remote ids of records that wait for one that is here by now.

    The database is asked, not the run's memory: what arrived may have been written by a run that
    was killed right after.
    """
    targets = (
        select(PendingReference.target_entity, PendingReference.target_remote_id)
        .where(PendingReference.backend_id == backend_id, PendingReference.entity == entity)
        .distinct()
        .subquery()
    )
    kind = targets.c.target_entity
    # A partner that is an address here is waited for as a customer.
    kinds = (kind, case((kind == "customer", "address"), else_=kind))
    is_here = exists().where(
        Binding.backend_id == backend_id,
        Binding.entity.in_(kinds),
        Binding.remote_id == targets.c.target_remote_id,
    )
    owners = (
        select(PendingReference.owner_remote_id)
        .join(
            targets,
            (PendingReference.target_entity == kind)
            & (PendingReference.target_remote_id == targets.c.target_remote_id),
        )
        .where(
            PendingReference.backend_id == backend_id, PendingReference.entity == entity, is_here
        )
    )
    return set(uow.scalars(owners))


def read_again_later(uow: UnitOfWork, backend_id: UUID, customers: Mapping[UUID, str]) -> None:
    """Have what hangs on these customers read again, by this run or the next.

    Args:
        uow: The transaction in which they changed.
        backend_id: Whose records.
        customers: Local ids, each with the remote id of the record whose change is the reason.
    """
    hanging = (
        (Transaction, Transaction.id, Transaction.customer_id, DOCUMENT_ENTITIES),
        (Address, Address.id, Address.customer_id, ("address",)),
        (
            Relationship,
            Relationship.from_customer_id,
            Relationship.to_customer_id,
            ("customer",),
        ),
    )
    waiting = []
    for chunk in chunked(customers, PARAMETERS):
        uow.execute(
            delete(PendingReference)
            .where(
                PendingReference.backend_id == backend_id,
                PendingReference.target_entity == "customer",
                PendingReference.target_remote_id.in_([customers[key] for key in chunk]),
                PendingReference.field == MOVED,
            )
            .execution_options(synchronize_session=False)
        )
        for model, local_id, customer_id, entities in hanging:
            rows = uow.execute(
                select(Binding.entity, Binding.remote_id, customer_id.label("customer_id"))
                .select_from(model)
                .join(Binding, Binding.local_id == local_id)
                .where(
                    Binding.backend_id == backend_id,
                    Binding.entity.in_(entities),
                    customer_id.in_(chunk),
                )
            )
            waiting += [
                (row.entity, Pending(row.remote_id, MOVED, "customer", customers[row.customer_id]))
                for row in rows
            ]
    wait(uow, backend_id, waiting)


def set_state(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str], state: str
) -> None:
    """Mark bindings as deleted, unreadable or outside the domain."""
    for chunk in chunked(remote_ids, PARAMETERS):
        uow.execute(
            update(Binding)
            .where(
                Binding.backend_id == backend_id,
                Binding.entity == entity,
                Binding.remote_id.in_(chunk),
            )
            .values(state=state, synced_at=uow.now)
            .execution_options(synchronize_session=False)
        )


def bind(
    uow: UnitOfWork,
    backend_id: UUID,
    entity: str,
    pairs: Iterable[tuple[UUID, str, Mapping[str, Any]]],
) -> None:
    """Bind local records; what was agreed on is not all, so the next reading looks at each.

    Args:
        uow: A writing unit of work.
        backend_id: To which backend.
        entity: Of the records.
        pairs: Local id, remote id, and what counts as agreed on.
    """
    rows = [
        {
            "id": new_id(),
            "backend_id": backend_id,
            "entity": entity,
            "remote_id": remote_id,
            "local_id": local_id,
            "state": BindingState.ACTIVE.value,
            "digest": b"",
            "snapshot": dict(agreed),
            "synced_at": uow.now,
        }
        for local_id, remote_id, agreed in pairs
    ]
    insert_rows(uow.connection(), Binding, rows)


def rebind(uow: UnitOfWork, bound: Bound, remote_id: str) -> None:
    """Bind a record to the one that took its own in over there.

    What that one has otherwise is then a change made over there.
    """
    uow.execute(
        update(Binding)
        .where(Binding.id == bound.binding_id)
        .values(remote_id=remote_id, state=BindingState.ACTIVE.value, digest=b"", synced_at=uow.now)
        .execution_options(synchronize_session=False)
    )


def followed_ids(uow: UnitOfWork, backend_id: UUID, entity: str) -> set[str]:
    """Return the remote ids of all records that are bound and not known to be gone."""
    return ids_in(uow, backend_id, entity, FOLLOWED)


def ids_in(uow: UnitOfWork, backend_id: UUID, entity: str, states: Collection[str]) -> set[str]:
    """Return the remote ids of all records whose bindings are in these states."""
    rows = uow.execute(
        select(Binding.remote_id)
        .where(
            Binding.backend_id == backend_id,
            Binding.entity == entity,
            Binding.state.in_(states),
        )
        .execution_options(yield_per=10_000)
    )
    return {row.remote_id for row in rows}
