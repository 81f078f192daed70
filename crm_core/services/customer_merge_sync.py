"""What a merge and its undoing mean for records of back offices: what has to be read again.

A merge lets the bindings of the dropped customer follow to the survivor; here is seen to it that
the next run looks at what they stand for, as a run at the same moment may have missed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from crm_core.entities.commerce import Transaction
from crm_core.entities.customer import Address, Customer
from crm_core.entities.merge import CustomerMerge, MergeChange
from crm_core.entities.relationship import Relationship
from crm_core.entities.sync import Binding, BindingState, PendingReference
from crm_core.ids import new_id
from crm_core.persistence.ledger import RowWriter, read
from crm_core.persistence.unit_of_work import UnitOfWork

CUSTOMER = Customer.__entity__
MOVED = "moved"
"""In the place of a field's name: the record itself has to be looked at again."""
HANGING: tuple[tuple[Any, Any], ...] = (
    (Transaction.id, Transaction.customer_id),
    (Address.id, Address.customer_id),
    (Relationship.from_customer_id, Relationship.to_customer_id),
)
"""What a back office tells of a customer: the local record, and where its customer stands."""


def read_customer_again(uow: UnitOfWork, customer_id: UUID) -> None:
    """Have the next runs read the partners again that a customer is bound to.

    Whoever merges may not see what is bound, here and below: past the scope, and nothing is told.
    """
    followed = (BindingState.ACTIVE.value, BindingState.ARCHIVED.value)
    bound = select(Binding.backend_id, Binding.remote_id).where(
        Binding.entity == CUSTOMER, Binding.local_id == customer_id, Binding.state.in_(followed)
    )
    rows = uow.connection().execute(bound)
    _wait(uow, [(row.backend_id, CUSTOMER, row.remote_id, row.remote_id) for row in rows])


def settle_bindings(uow: UnitOfWork, writer: RowWriter, merge: CustomerMerge) -> None:
    """See to it that what back offices changed since a merge reaches the customer that is back.

    What was agreed on with them when the customers were merged is what its values are compared
    with, not what the survivor took over since.
    """
    source = writer.rows(Binding.__tablename__)
    changes = uow.scalars(
        select(MergeChange.before).where(
            MergeChange.merge_id == merge.id, MergeChange.table_name == source.name
        )
    )
    agreed = {before["id"]: before for before in map(read, changes)}
    for now in writer.where(source, entity=CUSTOMER, local_id=merge.drop_id):
        before = agreed.get(now["id"])
        if before is None:
            continue
        if now["digest"] != before["digest"]:
            then = {"digest": b"", "snapshot": before["snapshot"]}
            writer.write_update(source, [(now, then)])
        _wait(uow, [(now["backend_id"], CUSTOMER, now["remote_id"], now["remote_id"])])
        _wait(uow, _hanging(uow, merge, now))


def _hanging(
    uow: UnitOfWork, merge: CustomerMerge, binding: dict[str, Any]
) -> list[tuple[UUID, str, str, str]]:
    """Return what was read onto the survivor since and may belong to the one that is back."""
    waiting = []
    for local_id, customer_id in HANGING:
        rows = uow.connection().execute(
            select(Binding.entity, Binding.remote_id)
            .join(local_id.class_, local_id == Binding.local_id)
            .where(
                Binding.backend_id == binding["backend_id"],
                Binding.synced_at >= merge.merged_at,
                customer_id == merge.keep_id,
            )
        )
        waiting += [
            (binding["backend_id"], row.entity, row.remote_id, binding["remote_id"]) for row in rows
        ]
    return waiting


def _wait(uow: UnitOfWork, waiting: Iterable[tuple[UUID, str, str, str]]) -> None:
    """Note (backend, entity, remote id, remote id of the customer) of records to read again."""
    for backend_id, entity, remote_id, target in waiting:
        key = {
            "backend_id": backend_id,
            "entity": entity,
            "owner_remote_id": remote_id,
            "field": MOVED,
            "target_remote_id": target,
        }
        same = (getattr(PendingReference, name) == value for name, value in key.items())
        uow.connection().execute(delete(PendingReference).where(*same))
        uow.add(PendingReference(id=new_id(), target_entity=CUSTOMER, **key))
    uow.flush()
