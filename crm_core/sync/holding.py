"""What of a batch is held, so that it is neither made nor linked on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from crm_core.entities.hold import HoldSide, SyncHold
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.holds import held, release
from crm_core.sync.context import SyncContext
from crm_core.sync.protocol import Match, RemoteRecord
from crm_core.sync.records import DOCUMENT_ENTITIES

_CUSTOMER = {"address": "parent_ref", **dict.fromkeys(DOCUMENT_ENTITIES, "customer_ref")}
"""Where a record names the customer that it goes with."""


def held_back(
    uow: UnitOfWork, backend_id: UUID, entity: str, records: Sequence[RemoteRecord]
) -> set[str]:
    """Return which remote records are held: customers, and what goes with a held one."""
    if entity == "customer":
        customers = {record.remote_id: record.remote_id for record in records}
    elif entity in _CUSTOMER:
        told = ((each.remote_id, each.values.get(_CUSTOMER[entity])) for each in records)
        customers = {key: str(ref) for key, ref in told if ref}
    else:
        return set()
    found = held(uow, backend_id, "customer", HoldSide.REMOTE, customers.values())
    return {key for key, customer in customers.items() if customer in found}


def held_here(
    context: SyncContext, uow: UnitOfWork, entity: str, local_ids: Iterable[UUID]
) -> set[UUID]:
    """Return which local records are held, but for those that are just being decided on."""
    asked = set(local_ids) - context.apart
    return {UUID(key) for key in held(uow, context.backend_id, entity, HoldSide.LOCAL, asked)}


def held_there(
    context: SyncContext,
    uow: UnitOfWork,
    entity: str,
    matches: Mapping[UUID, Sequence[Match]],
) -> set[str]:
    """Return which matching remote records are held; one that bears our name for it is not."""
    alike = {m.remote_id for found in matches.values() for m in found if m.by != "external_id"}
    if entity != "customer" or not alike:
        return set()
    return set(held(uow, context.backend_id, entity, HoldSide.REMOTE, alike))


def hold(
    uow: UnitOfWork, backend_id: UUID, entity: str, side: HoldSide, reasons: Mapping[str, str]
) -> None:
    """Hold records from now on, each for its reason, whatever it was held for before."""
    release(uow, backend_id, entity, side, reasons)
    key = {"backend_id": backend_id, "entity": entity, "side": side.value, "since": uow.now}
    rows = [
        {"id": new_id(), **key, "key": each, "reason": reason} for each, reason in reasons.items()
    ]
    insert_rows(uow.connection(), SyncHold, rows)
