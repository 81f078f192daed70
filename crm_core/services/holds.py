"""Records that a sync leaves alone until a person has decided on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from crm_core.entities.customer import Customer
from crm_core.entities.hold import HoldSide, SyncHold
from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork


def held(
    uow: UnitOfWork, backend_id: UUID, entity: str, side: HoldSide, keys: Iterable[object]
) -> dict[str, str]:
    """Return why records are held, by key; those that are not are left out."""
    found = {}
    for chunk in chunked(sorted({str(key) for key in keys}), PARAMETERS):
        rows = uow.execute(
            select(SyncHold.key, SyncHold.reason).where(
                SyncHold.backend_id == backend_id,
                SyncHold.entity == entity,
                SyncHold.side == side.value,
                SyncHold.key.in_(chunk),
            )
        )
        found.update({row.key: row.reason for row in rows})
    return found


def all_held(uow: UnitOfWork, backend_id: UUID, entity: str, side: HoldSide) -> dict[str, str]:
    """Return why records are held, by key."""
    rows = uow.execute(
        select(SyncHold.key, SyncHold.reason).where(
            SyncHold.backend_id == backend_id,
            SyncHold.entity == entity,
            SyncHold.side == side.value,
        )
    )
    return {row.key: row.reason for row in rows}


def release(
    uow: UnitOfWork, backend_id: UUID, entity: str, side: HoldSide, keys: Iterable[str]
) -> None:
    """Hold these records no longer."""
    for chunk in chunked(sorted(set(keys)), PARAMETERS):
        uow.execute(
            delete(SyncHold)
            .where(
                SyncHold.backend_id == backend_id,
                SyncHold.entity == entity,
                SyncHold.side == side.value,
                SyncHold.key.in_(chunk),
            )
            .execution_options(synchronize_session=False)
        )


def list_holds(
    uow: UnitOfWork, backend_id: UUID, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return what is held of a backend; ``name`` is that of a customer here, else None."""
    uow.actor.require(SYNC_VIEW)
    columns = ("id", "entity", "side", "key", "reason", "since")
    statement: Any = select(*(getattr(SyncHold, name) for name in columns))
    statement = statement.where(SyncHold.backend_id == backend_id)
    page = page_of(uow, statement, keys=(SyncHold.id,), limit=limit, cursor=cursor)
    here = [UUID(item["key"]) for item in page.items if item["side"] == HoldSide.LOCAL]
    found = uow.execute(select(Customer.id, Customer.name).where(Customer.id.in_(here)))
    names = {str(row.id): row.name for row in found}
    items = [{**item, "name": names.get(item["key"])} for item in page.items]
    return Page(items, page.next_cursor)


def count_holds(uow: UnitOfWork, backend_id: UUID) -> dict[str, int]:
    """Return how many records of a backend are held, by reason."""
    uow.actor.require(SYNC_VIEW)
    statement = (
        select(SyncHold.reason, func.count().label("held"))
        .where(SyncHold.backend_id == backend_id)
        .group_by(SyncHold.reason)
    )
    return {row.reason: row.held for row in uow.execute(statement)}
