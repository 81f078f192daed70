"""What the sales module itself has against an offer: money that is owed for long."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.commerce import Transaction, TransactionKind
from crm_core.messages import n
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import company_day
from crm_hooks.contributions import Objection
from crm_sales.settings import CROSS_SELL_OVERDUE


def overdue_objections(uow: UnitOfWork, customer_id: UUID) -> list[Objection]:
    """Object while a customer owes what was due long ago; names the oldest invoice."""
    uow.actor.require(CUSTOMER_VIEW)
    days = values_of(uow, [CROSS_SELL_OVERDUE])[CROSS_SELL_OVERDUE.name]
    today = company_day(uow)
    overdue = (
        select(Transaction.number, Transaction.due_on)
        .where(
            Transaction.customer_id == customer_id,
            Transaction.is_open,
            Transaction.kind == TransactionKind.INVOICE.value,
            Transaction.due_on <= today - timedelta(days=days),
        )
        .order_by(Transaction.due_on, Transaction.id)
    )
    found = uow.execute(overdue.limit(1)).first()
    if found is None:
        return []
    late = (today - found.due_on).days
    return [
        Objection(
            n(
                "Invoice {number} is overdue for {count} day: see to its payment first.",
                "Invoice {number} is overdue for {count} days: see to its payment first.",
                late,
                number=found.number or "–",
            ),
            code="sales.offer.overdue",
        )
    ]
