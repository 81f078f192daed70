"""Records that a sync leaves alone until a person has decided on them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, select

from crm_core.entities.hold import HoldSide, SyncHold
from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.bulk import PARAMETERS, chunked
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


def count_holds(uow: UnitOfWork, backend_id: UUID) -> dict[str, int]:
    """Return how many records of a backend are held, by reason."""
    uow.actor.require(SYNC_VIEW)
    statement = (
        select(SyncHold.reason, func.count().label("held"))
        .where(SyncHold.backend_id == backend_id)
        .group_by(SyncHold.reason)
    )
    return {row.reason: row.held for row in uow.execute(statement)}
