"""Further addresses of customers that were just linked: those that both sides have are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Address
from crm_core.entities.sync import Binding, BindingState
from crm_core.ids import new_id
from crm_core.matching import Features, features_of
from crm_core.matching.compare import same_place
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows
from crm_core.sync import lock
from crm_core.sync.context import SyncContext
from crm_core.sync.tell import MAIN_FIELDS

READ_SIZE = 500
ADDRESS = "address"

Places = dict[UUID, list[tuple[str, Features]]]
"""By customer: use and place of each address."""


def bind_addresses(context: SyncContext, linked: Mapping[str, UUID | None]) -> None:
    """Bind addresses that a linked customer has on both sides, for the same use and place.

    Args:
        context: A run that holds the backend's lease.
        linked: Local customers by remote id.
    """
    ours = _ours(context, [key for key in linked.values() if key])
    offered = {entity.name for entity in context.remote.entities()}
    if not ours or ADDRESS not in offered:
        return
    rows: list[dict[str, Any]] = []
    for page in context.remote.pages(ADDRESS, since=None, after=None, size=READ_SIZE):
        for record in page.records:
            customer_id = linked.get(record.values.get("parent_ref") or "")
            places = ours.get(customer_id, []) if customer_id else []
            theirs = _place(record.remote_id, record.values)
            use = record.values.get("use")
            found = next((x for x in places if x[0] == use and same_place(x[1], theirs)), None)
            if found is not None:
                places.remove(found)  # one address has one partner
                rows.append({"remote_id": record.remote_id, "local_id": found[1].key})
    _bind(context, rows)


def _ours(context: SyncContext, customer_ids: list[UUID]) -> Places:
    found: Places = defaultdict(list)
    with context.reading() as uow:
        bound = select(Binding.local_id).where(
            Binding.backend_id == context.backend_id, Binding.entity == ADDRESS
        )
        for chunk in chunked(customer_ids, PARAMETERS):
            statement = select(Address).where(
                Address.customer_id.in_(chunk), Address.use != "main", Address.id.not_in(bound)
            )
            columns = (getattr(Address, name) for name in MAIN_FIELDS)
            statement = statement.with_only_columns(
                Address.id, Address.customer_id, Address.use, *columns
            )
            for row in uow.execute(statement.order_by(Address.id)):
                found[row.customer_id].append((row.use, _place(row.id, row._asdict())))
    return found


def _place(key: UUID | str, values: Mapping[str, Any]) -> Features:
    return features_of(key, {"address": {name: values.get(name) for name in MAIN_FIELDS}})


def _bind(context: SyncContext, rows: list[dict[str, Any]]) -> None:
    """Bind them with nothing agreed on yet; the next run merges the two."""
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        taken = set(
            uow.scalars(
                select(Binding.remote_id).where(
                    Binding.backend_id == context.backend_id, Binding.entity == ADDRESS
                )
            )
        )
        key = {"backend_id": context.backend_id, "entity": ADDRESS, "digest": b"", "snapshot": {}}
        state = {"state": BindingState.ACTIVE.value, "synced_at": uow.now}
        new = [{"id": new_id(), **key, **state, **row} for row in rows]
        new = [row for row in new if row["remote_id"] not in taken]
        insert_rows(uow.connection(), Binding, new)
        uow.commit()
