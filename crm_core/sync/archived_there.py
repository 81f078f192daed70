"""Customers with several records over there: archived once all of them are, back with any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from crm_core.entities.customer import Customer
from crm_core.entities.sync import Binding, BindingState
from crm_core.persistence.bulk import select_in, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.sync.bindings import MOVED, bindings_of, wait
from crm_core.sync.context import GONE, Change, Pending

ARCHIVED = BindingState.ARCHIVED.value


def follow_archived(uow: UnitOfWork, backend_id: UUID, changes: Sequence[Change]) -> None:
    """Look again at customers of which a record was archived there or came back, and not the only.

    Once all are archived, the first is read again: being archived is then a change of its own,
    taken over by the field's master like any other. When one comes back, so does the customer, if
    both sides had agreed that it is archived.
    """
    turned = {
        change.bound.local_id: bool(change.record.values.get("archived"))
        for change in changes
        if change.bound
        and (change.is_further or change.is_shared)
        and bool(change.record.values.get("archived")) != (change.bound.state == ARCHIVED)
    }
    columns = (Binding.id, Binding.local_id, Binding.remote_id, Binding.state, Binding.snapshot)
    in_use: dict[UUID, list[Any]] = {}
    for row in bindings_of(uow, backend_id, "customer", turned, *columns):
        if row.state not in GONE:
            in_use.setdefault(row.local_id, []).append(row)
    back = {}
    for local_id, (first, *others) in in_use.items():
        is_agreed = bool((first.snapshot or {}).get("archived"))
        if all(row.state == ARCHIVED for row in (first, *others)):
            if turned[local_id] and not is_agreed:
                read_first_again(uow, backend_id, [first.remote_id])
        elif not turned[local_id] and first.state == ARCHIVED and is_agreed:
            back[local_id] = first
    if back:
        _bring_back(uow, back)


def read_first_again(uow: UnitOfWork, backend_id: UUID, remote_ids: Iterable[str]) -> None:
    """Have records read again, by this run or the next, whose others are of no account any more."""
    again = (Pending(key, MOVED, "customer", key) for key in remote_ids)
    wait(uow, backend_id, (("customer", each) for each in again))


def _bring_back(uow: UnitOfWork, back: dict[UUID, Any]) -> None:
    archived = [
        row.id
        for row in select_in(uow.connection(), Customer, "id", back, "id", "archived_at")
        if row.archived_at is not None
    ]
    save_customers(
        uow,
        [
            CustomerDraft({"archived_at": None}, None, None, None, customer_id=id_)
            for id_ in archived
        ],
    )
    # What is agreed on is as it was while the first alone was archived: nothing to write there.
    agreed = [
        {"id": back[id_].id, "snapshot": {**back[id_].snapshot, "archived": False}}
        for id_ in archived
    ]
    update_rows(uow.connection(), Binding, agreed)
