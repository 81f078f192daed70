"""Giving handed over work back, as far as nobody has done anything with it since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import User
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.paging import MAXIMUM_LIMIT
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.belongings import assign_belongings, belongings_of
from crm_core.services.users import require_enabled
from crm_hooks.belongings import Belongings
from crm_sales.events import HandoverUndone
from crm_sales.models import HandedItem, Handover, ItemState
from crm_sales.permissions import HANDOVER
from crm_sales.services.handover.reading import handed_items
from crm_sales.services.handover.records import require_reach

KEPT = timedelta(days=30)
"""For how long a handover can be undone."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What was given back, and what was not.

    Attributes:
        handover_id: Of which.
        back: Records given back, by kind.
        left: Those that went on to somebody else, were closed or deleted since, up to a thousand,
            as ``handed_items`` gives them.
    """

    handover_id: UUID
    back: dict[str, int]
    left: Sequence[dict[str, Any]]


def undo_handover(uow: UnitOfWork, handover_id: UUID) -> UndoReport:
    """Give back what a handover took, but for what went on since.

    Args:
        uow: A writing unit of work.
        handover_id: Which; not older than 30 days.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing, or does not reach all concerned.
        RuleViolationError: It was undone already, is too old, or the leaver is disabled.
    """
    handover = _undoable(uow, handover_id)
    items = list(
        uow.scalars(
            select(HandedItem).where(HandedItem.handover_id == handover.id).order_by(HandedItem.id)
        )
    )
    still: dict[tuple[str, UUID], UUID] = {}
    kinds: dict[str, Belongings] = {}
    for user_id in sorted({item.to_user_id for item in items}):
        require_reach(uow, uow.get(User, user_id))
        for part in belongings_of(uow, user_id):
            kinds[part.kind] = part
            still |= {(part.kind, record.id): user_id for record in part.records}
    back = [item for item in items if still.get((item.kind, item.record_id)) == item.to_user_id]
    ids = {item.id for item in back}
    for item in items:
        item.state = (ItemState.BACK if item.id in ids else ItemState.LEFT).value
    for kind in dict.fromkeys(item.kind for item in items):
        owners = {item.record_id: handover.leaver_id for item in back if item.kind == kind}
        if owners:
            assign_belongings(uow, kinds[kind], owners)
    handover.undone_at = handover.updated_at = uow.now
    handover.undone_by = uow.actor.login
    uow.flush()
    uow.record(HandoverUndone(handover.id, handover.leaver_id))
    left = handed_items(uow, handover.id, state=ItemState.LEFT.value, limit=MAXIMUM_LIMIT)
    return UndoReport(handover.id, dict(Counter(item.kind for item in back)), left.items)


def is_undoable(handover: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a handover, as it is listed, can still be undone."""
    return handover["undone_at"] is None and now - handover["created_at"] <= KEPT


def _undoable(uow: UnitOfWork, handover_id: UUID) -> Handover:
    uow.actor.require(HANDOVER)
    locked = select(Handover).where(Handover.id == handover_id).with_for_update()
    uow.scalars(locked.execution_options(populate_existing=True)).all()
    handover = uow.get(Handover, handover_id)
    leaver = uow.get(User, handover.leaver_id)
    require_reach(uow, leaver)
    if handover.undone_at is not None:
        raise RuleViolationError(
            t("This handover was undone already, by {login}.", login=handover.undone_by),
            code="sales.handover.undone",
        )
    if uow.now - handover.created_at > KEPT:
        raise RuleViolationError(
            t(
                "This handover is older than {days} days: hand the records over anew, to {login}.",
                days=KEPT.days,
                login=leaver.login,
            ),
            code="sales.handover.too_old",
        )
    require_enabled(leaver)
    return handover
