"""Orders of accepted offers, for the back office; and what offers would cost there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.protocol import Priced
from crm_hooks.contributions import IncomingRecord
from crm_sales.events import OrderTold
from crm_sales.models import OrderState, Quote, QuoteOrder
from crm_sales.services.order_backends import meant_for
from crm_sales.services.quote_lines_sold import neutral_lines
from crm_sales.services.quote_orders import note_gone, note_problem, stands
from crm_sales.services.quote_tax import answer_tax, open_questions

_CONFIRMED = ("confirmed", "done")
_SUMS = ("untaxed_amount", "tax_amount", "total_amount")
_COLUMNS = ("id", "number", "customer_id", "delivery_address_id", "invoice_address_id", "owner_id")
_TERMS = ("price_list_id", "payment_term_id", "terms")


def read(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """Return offers as the orders that they are to be.

    Of one that was made only what is still to be done is told, so that what people changed there is
    never written over.
    """
    statement = select(Quote, QuoteOrder).outerjoin(QuoteOrder, QuoteOrder.quote_id == Quote.id)
    rows: Sequence[Any] = uow.execute(statement.where(Quote.id.in_(list(ids)))).all()
    lines = neutral_lines(uow, [quote.id for quote, _ in rows])
    return {
        quote.id: _made(quote, order)
        if order is not None and order.number is not None
        else _draft(quote, lines.get(quote.id, []))
        for quote, order in rows
    }


def _made(quote: Quote, order: QuoteOrder) -> dict[str, Any]:
    is_wanted = order.is_confirm_wanted and stands(quote, order)
    is_confirmed = order.state == OrderState.CONFIRMED or is_wanted
    return {"offer": quote.number, "is_confirmed": is_confirmed}


def _draft(quote: Quote, lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "offer": quote.number,
        "customer_ref": quote.customer_id,
        "delivery_address_ref": quote.delivery_address_id,
        "invoice_address_ref": quote.invoice_address_id,
        "owner_ref": quote.owner_id,
        "price_list_ref": quote.price_list_id,
        "payment_term_ref": quote.payment_term_id,
        "reference": quote.number,
        "note": quote.terms,
        "lines": lines,
        "is_confirmed": False,
    }


def apply(uow: UnitOfWork, records: Sequence[IncomingRecord]) -> Sequence[UUID]:
    """Note what the back office says of orders; what follows from it a handler does."""
    rows: Sequence[Any] = uow.execute(
        select(QuoteOrder, Quote)
        .join(Quote, Quote.id == QuoteOrder.quote_id)
        .where(QuoteOrder.quote_id.in_([r.local_id for r in records if r.local_id]))
    ).all()
    known = {order.quote_id: (order, quote) for order, quote in rows}
    for record in records:
        if record.local_id not in known:
            raise InputError(
                t(
                    "{number} names the offer {offer} as its source, but is not the order that was "
                    "made of it: maybe a copy. Clear its source document over there.",
                    number=record.values.get("number") or "",
                    offer=record.values.get("offer") or "",
                ),
                code="sales.order.unknown",
            )
        order, quote = known[record.local_id]
        _note(uow, order, record.values)
        uow.record(OrderTold(quote.id, quote.opportunity_id, quote.customer_id))
    uow.flush()
    return [record.local_id for record in records if record.local_id]


def _note(uow: UnitOfWork, order: QuoteOrder, told: Mapping[str, Any]) -> None:
    order.updated_at = uow.now
    if told.get("number") and order.number is None:
        order.problem = order.problem_code = None  # it was taken at last
    for ours, theirs in (("number", "number"), ("currency_code", "currency")):
        if told.get(theirs):
            setattr(order, ours, told[theirs])
    if told.get("order_ref"):
        order.transaction_id = told["order_ref"]
    for name in _SUMS:
        if told.get(name) is not None:
            setattr(order, name, Decimal(told[name]))
    if told.get("state") in _CONFIRMED:
        order.state = OrderState.CONFIRMED
    elif told.get("state") == "cancelled":
        order.state, order.is_confirm_wanted = OrderState.CANCELLED, False
    elif order.number and (told.get("state") or order.state == OrderState.WAITING):
        order.state = OrderState.CONFIRMING if order.is_confirm_wanted else OrderState.DRAFT


def vanish(uow: UnitOfWork, ids: Sequence[UUID]) -> None:
    """Tell whoever sold them of orders that were deleted over there."""
    for quote_id in uow.scalars(select(QuoteOrder.quote_id).where(QuoteOrder.quote_id.in_(ids))):
        note_gone(uow, quote_id)


def refuse(uow: UnitOfWork, refusals: Mapping[UUID, tuple[str, str]]) -> None:
    """Tell whoever sold them of orders that the back office would not take."""
    ordered = select(QuoteOrder.quote_id).where(QuoteOrder.quote_id.in_(list(refusals)))
    for quote_id in uow.scalars(ordered).all():
        note_problem(uow, quote_id, *refusals[quote_id])


def meant(uow: UnitOfWork, backend_id: UUID, ids: Sequence[UUID]) -> Collection[UUID]:
    """Return the offers whose order this back office gets, or whose tax it is to tell."""
    return meant_for(uow, backend_id, ids)


def waiting(uow: UnitOfWork) -> Sequence[UUID]:
    """Return the offers whose order has waited for a back office that is written to."""
    state = QuoteOrder.state == OrderState.WAITING
    found: Sequence[UUID] = uow.scalars(
        select(QuoteOrder.quote_id).where(state, QuoteOrder.backend_id.is_(None))
    ).all()
    return found


def ask(uow: UnitOfWork) -> Sequence[UUID]:
    """Return the offers whose tax somebody wants to know."""
    return open_questions(uow)


def answer(uow: UnitOfWork, answers: Mapping[UUID, Priced]) -> None:
    """Take over what offers cost over there."""
    for quote_id, priced in answers.items():
        answer_tax(uow, quote_id, priced.values, priced.reason)
