"""Looking up and writing bindings, always a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select, update

from crm_core.entities.customer import Address
from crm_core.entities.sync import Binding, BindingState, PendingReference
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.context import Applied, Bound, Change, Pending


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
    for chunk in chunked(remote_ids, PARAMETERS):
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
                Binding.remote_id.in_(chunk),
            )
        )
        found.update({row.remote_id: Bound(*row[1:]) for row in rows})
    return found


def local_ids(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str | None]
) -> dict[str, UUID]:
    """Return local ids by remote id, for those that are bound."""
    wanted = {remote_id for remote_id in remote_ids if remote_id}
    found: dict[str, UUID] = {}
    for chunk in chunked(sorted(wanted), PARAMETERS):
        rows = uow.execute(
            select(Binding.remote_id, Binding.local_id).where(
                Binding.backend_id == backend_id,
                Binding.entity == entity,
                Binding.remote_id.in_(chunk),
            )
        )
        found.update({row.remote_id: row.local_id for row in rows})
    return found


def customer_targets(
    uow: UnitOfWork, backend_id: UUID, remote_ids: Iterable[str | None]
) -> dict[str, CustomerTarget]:
    """Return what these remote partners are here; those not known are left out."""
    wanted = {remote_id for remote_id in remote_ids if remote_id}
    customers = local_ids(uow, backend_id, "customer", wanted)
    found = {key: CustomerTarget(value) for key, value in customers.items()}
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
        found.update({row.remote_id: CustomerTarget(row.customer_id, row.id) for row in rows})
    return found


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
    waiting = {(item.owner_remote_id, item.field) for item in applied.pending}
    new, known = [], []
    for change in changes:
        local_id = applied.local_ids.get(change.remote_id)
        if local_id is None:
            continue
        values = change.record.values
        row = {
            "local_id": local_id,
            "state": (
                BindingState.ARCHIVED if values.get("archived") else BindingState.ACTIVE
            ).value,
            "digest": change.digest,
            # A reference that still waits is not agreed on yet.
            "snapshot": {
                name: None if (change.remote_id, name) in waiting else value
                for name, value in values.items()
            }
            if keeps_snapshot
            else None,
            "synced_at": now,
        }
        if change.bound is not None:
            known.append({"id": change.bound.binding_id, **row})
            continue
        key = {"backend_id": backend_id, "entity": entity, "remote_id": change.remote_id}
        new.append({"id": new_id(), **key, **row})
    insert_rows(uow.connection(), Binding, new)
    update_rows(uow.connection(), Binding, known)
    _write_pending(uow, backend_id, entity, [change.remote_id for change in changes], applied)


def _write_pending(
    uow: UnitOfWork, backend_id: UUID, entity: str, owners: Sequence[str], applied: Applied
) -> None:
    for chunk in chunked(owners, PARAMETERS):
        uow.execute(
            delete(PendingReference)
            .where(
                PendingReference.backend_id == backend_id,
                PendingReference.entity == entity,
                PendingReference.owner_remote_id.in_(chunk),
            )
            .execution_options(synchronize_session=False)
        )
    unique: dict[tuple[str, str, str], Pending] = {
        (item.owner_remote_id, item.field, item.target_remote_id): item for item in applied.pending
    }
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
        for item in unique.values()
    ]
    insert_rows(uow.connection(), PendingReference, rows)


def waiting_for(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield (entity, remote id) of records that wait for one of these to arrive."""
    for chunk in chunked(remote_ids, PARAMETERS):
        rows = uow.execute(
            select(PendingReference.entity, PendingReference.owner_remote_id)
            .where(
                PendingReference.backend_id == backend_id,
                PendingReference.target_entity == entity,
                PendingReference.target_remote_id.in_(chunk),
            )
            .distinct()
        )
        for row in rows:
            yield row.entity, row.owner_remote_id


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


def followed_ids(uow: UnitOfWork, backend_id: UUID, entity: str) -> set[str]:
    """Return the remote ids of all records that are bound and not known to be gone."""
    rows = uow.execute(
        select(Binding.remote_id)
        .where(
            Binding.backend_id == backend_id,
            Binding.entity == entity,
            Binding.state.in_([BindingState.ACTIVE.value, BindingState.ARCHIVED.value]),
        )
        .execution_options(yield_per=10_000)
    )
    return {row.remote_id for row in rows}
