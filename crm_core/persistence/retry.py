"""Rows that wait to be sent out of the machine: tried again less and less often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import or_, select

from crm_core.persistence.base import Keyed
from crm_core.persistence.unit_of_work import UnitOfWork

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
DOUBLINGS = 16

W = TypeVar("W", bound=Keyed)


def claim_due(uow: UnitOfWork, model: type[W], most: int) -> list[W]:
    """Take what is due, so that nobody else sends it meanwhile; the caller commits, then sends.

    What whoever took it does not settle is due again after the wait that this attempt has.

    Args:
        uow: A writing unit of work.
        model: Rows with ``next_at`` (None for what does not wait) and ``attempts``.
        most: How many to take.
    """
    columns: Any = model
    statement = (
        select(model)
        # Also what a clock that was ahead put off for longer than anything is.
        .where(or_(columns.next_at <= uow.now, columns.next_at > uow.now + 2 * LONGEST_WAIT))
        .order_by(columns.next_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows: list[Any] = list(uow.scalars(statement))
    for row in rows:
        wait = min(FIRST_WAIT * 2 ** min(row.attempts, DOUBLINGS), LONGEST_WAIT)
        row.attempts, row.next_at = row.attempts + 1, uow.now + wait
    return rows
