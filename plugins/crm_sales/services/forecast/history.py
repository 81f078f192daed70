"""What was expected of deals before: noted whenever it changed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import DealExpectation
from crm_sales.permissions import OPPORTUNITY_EDIT
from crm_sales.services.forecast.statements import changed_expectations

A_ROUND = 1_000
MOST_ROUNDS = 20


def note_expectations(uow: UnitOfWork, opportunity_ids: Sequence[UUID] | None = None) -> int:
    """Note of deals what is expected of them, where that is not what was noted last.

    However a deal was changed (by a person, an import, a sync), the next call finds it, so it is
    called when a deal is heard of and, for all open ones, once an hour.

    Args:
        uow: A writing unit of work.
        opportunity_ids: Which; None for all open ones, at most some thousands a call.

    Returns:
        How many were noted.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    noted = 0
    for _ in range(MOST_ROUNDS):
        changed = uow.execute(changed_expectations(A_ROUND, opportunity_ids)).all()
        for row in changed:
            uow.add(
                DealExpectation(
                    opportunity_id=row.id,
                    number=(row.number or 0) + 1,
                    noted_at=uow.now,
                    close_on=row.close_on,
                    amount=row.amount,
                    currency_code=row.currency_code,
                    previous_close_on=row.previous_close_on,
                )
            )
        uow.flush()
        noted += len(changed)
        if len(changed) < A_ROUND:
            break
    return noted
