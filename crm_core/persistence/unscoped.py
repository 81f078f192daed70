"""The few reads that must see past the actor's scope, kept in one place to be watched.

None gives back what a record says, only ids, and yes or no. Callers check
through the scoped session that the actor may see the customer an id leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select

from crm_core.persistence.bulk import table_of

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork


def bound_ids(uow: UnitOfWork, backend_name: str, remote_id: str) -> Sequence[tuple[str, UUID]]:
    """Return ``(entity, local_id)`` of customers and addresses bound to a remote record."""
    from crm_core.entities.sync import Backend, Binding

    backend, binding = table_of(Backend), table_of(Binding)
    statement = (
        select(binding.c.entity, binding.c.local_id)
        .join(backend, backend.c.id == binding.c.backend_id)
        .where(
            backend.c.name == backend_name,
            binding.c.remote_id == remote_id,
            binding.c.entity.in_(("customer", "address")),
        )
    )
    return [(row.entity, row.local_id) for row in uow.connection().execute(statement)]


def survivors_of(uow: UnitOfWork, condition: ColumnElement[bool]) -> list[UUID]:
    """Return the ids of those customers into whom customers that meet a condition were merged."""
    from crm_core.entities.customer import Customer

    uow.flush()
    into = table_of(Customer).c.merged_into_id
    statement = select(into).where(condition, into.is_not(None)).distinct()
    return list(uow.connection().scalars(statement))


def later_merges(uow: UnitOfWork, merge_id: UUID, survivor_id: UUID) -> list[UUID]:
    """Return the merges of a merge's survivor that have to be undone before it, the last first."""
    from crm_core.entities.merge import CustomerMerge

    uow.flush()
    merge = table_of(CustomerMerge)
    again = (merge.c.keep_id == survivor_id) & (merge.c.id > merge_id)
    statement = (
        select(merge.c.id)
        .where(merge.c.undone_at.is_(None), again | (merge.c.drop_id == survivor_id))
        .order_by(merge.c.id.desc())
    )
    return list(uow.connection().scalars(statement))


def leads_to(uow: UnitOfWork, type_id: UUID, start: UUID, goal: UUID) -> bool:
    """Return whether ``goal`` is reached from ``start`` along open relationships of one type."""
    from crm_core.entities.relationship import Relationship

    uow.flush()
    tie = table_of(Relationship)
    path = select(literal(start, tie.c.id.type).label("id")).cte(recursive=True)
    step = select(tie.c.to_customer_id).where(
        tie.c.from_customer_id == path.c.id, tie.c.type_id == type_id, tie.c.ended_on.is_(None)
    )
    path = path.union(step)
    count = select(func.count()).select_from(path).where(path.c.id == goal)
    return bool(uow.connection().execute(count).scalar_one())
