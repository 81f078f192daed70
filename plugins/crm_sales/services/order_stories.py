"""What became of accepted offers: order, delivery, invoices and payment, as far as one may see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Transaction, TransactionLink
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Quote, QuoteOrder
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_orders import SECOND, differences


def order_story(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any] | None:
    """Return what became of an accepted offer; None where nothing was ordered of it.

    ``order`` with ``state, number, problem, differences`` (of ``field, ours, theirs``),
    ``activity_id, is_second`` (held back, for another offer of the deal was ordered),
    ``beside_reason`` (why both are); ``document``, its mirror, with ``delivery_state`` and
    ``total_amount``; ``invoices`` with ``number, state, payment_state, total_amount,
    open_amount``; ``is_paid``.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = select(Quote, QuoteOrder).join(QuoteOrder, QuoteOrder.quote_id == Quote.id)
    row: Any = uow.execute(statement.where(Quote.id == quote_id)).one_or_none()
    if row is None:
        return None
    quote, order = row
    columns = ("id", "number", "state", "delivery_state", "invoice_state", "total_amount")
    document = None
    if order.transaction_id is not None:
        of_order = select(*(getattr(Transaction, name) for name in columns))
        found = uow.execute(of_order.where(Transaction.id == order.transaction_id)).one_or_none()
        document = dict(found._mapping) if found else None
    invoices = _invoices(uow, order.transaction_id) if document else []
    return {
        "quote_id": quote.id,
        "quote_number": quote.number,
        "quote_version": quote.version,
        "currency_code": quote.currency_code,
        "order": {
            "state": order.state,
            "number": order.number,
            "total_amount": order.total_amount,
            "currency_code": order.currency_code,
            "problem": order.problem,
            "problem_code": order.problem_code,
            "activity_id": order.activity_id,
            "is_second": order.problem_code == SECOND,
            "beside_reason": order.beside_reason,
            "differences": differences(quote, order),
        },
        "document": document,
        "invoices": invoices,
        "is_paid": bool(invoices)
        and all(each["open_amount"] == 0 and each["state"] == "done" for each in invoices),
    }


def stories_of_deal(uow: UnitOfWork, opportunity_id: UUID) -> list[dict[str, Any]]:
    """Return the story of each offer of a deal that was ordered, the latest first."""
    uow.actor.require(QUOTE_VIEW)
    ids = uow.scalars(
        select(QuoteOrder.quote_id)
        .join(Quote, Quote.id == QuoteOrder.quote_id)
        .where(Quote.opportunity_id == opportunity_id)
        .order_by(QuoteOrder.created_at.desc())
        .limit(3)
    ).all()
    return [story for quote_id in ids if (story := order_story(uow, quote_id))]


def _invoices(uow: UnitOfWork, order_id: UUID) -> list[dict[str, Any]]:
    columns = ("id", "kind", "number", "state", "payment_state", "currency_code")
    sums = ("total_amount", "open_amount")
    statement = (
        select(*(getattr(Transaction, name) for name in (*columns, *sums)))
        .join(TransactionLink, TransactionLink.from_transaction_id == Transaction.id)
        .where(TransactionLink.to_transaction_id == order_id, TransactionLink.kind == "invoices")
        .order_by(Transaction.issued_on, Transaction.id)
        .limit(20)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]
