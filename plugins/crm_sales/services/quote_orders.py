"""Accepted offers become orders of the back office: once, watched, and with our sums."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Activity, Product
from crm_core.errors import RuleViolationError
from crm_core.events import RecordsChanged
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import add_activity, complete_activity
from crm_core.services.checks import filled
from crm_core.services.places import place_of
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import load_settings
from crm_sales.events import QuoteOrdered
from crm_sales.models import (
    DealState,
    Opportunity,
    OrderState,
    Quote,
    QuoteLine,
    QuoteOrder,
    QuoteState,
)
from crm_sales.permissions import QUOTE_APPROVE, QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.moves import place_opportunity
from crm_sales.services.order_backends import order_backend
from crm_sales.services.quotes.amounts import counts
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.siblings import (
    held_with_siblings,
    ordered_sibling,
    salesperson_of,
)
from crm_sales.settings import ORDER_CONFIRM

ENTITY = QuoteOrder.__entity__
PRODUCT_ARCHIVED = "sales.order.product_archived"
GONE = "sales.order.gone"
SECOND = "sales.order.second"
_SUMS = ("untaxed_amount", "tax_amount", "total_amount")
_THERE = (OrderState.DRAFT, OrderState.DIFFERENT, OrderState.CONFIRMING)


def order_quote(uow: UnitOfWork, quote_id: UUID) -> QuoteOrder:
    """Have the order of an accepted offer made; called again it changes nothing.

    The deal is won by it. What cannot be sold any more is told at once, before anything is sent.

    Raises:
        RuleViolationError: The offer was not accepted.
    """
    quote, others = held_with_siblings(uow, quote_id)
    known: QuoteOrder | None = uow.find(QuoteOrder, quote.id)
    if known is not None:
        return known
    if quote.state != QuoteState.ACCEPTED:
        raise RuleViolationError(
            t("The offer {number} was not accepted: nothing is ordered.", number=quote.number),
            code="sales.order.not_accepted",
        )
    order = uow.add(QuoteOrder(quote_id=quote.id, created_at=uow.now, updated_at=uow.now))
    uow.flush()
    _win_deal(uow, quote)
    _send(uow, quote, order, others)
    return order


def retry_order(uow: UnitOfWork, quote_id: UUID, *, beside: str | None = None) -> QuoteOrder:
    """Send an order that was refused, or held back, once more.

    Args:
        uow: A writing unit of work.
        quote_id: Of the offer.
        beside: Why it is ordered though another offer of the deal was.

    Raises:
        RuleViolationError: It was not refused, for an order is never made twice; or another offer
            of the deal was ordered, and nobody says why this one is, too.
    """
    quote, others = held_with_siblings(uow, quote_id)
    order: QuoteOrder = uow.get(QuoteOrder, quote.id)
    if order.state != OrderState.REFUSED:
        raise RuleViolationError(
            t(
                "The order of {number} was not refused, so it is not sent again.",
                number=quote.number,
            ),
            code="sales.order.not_refused",
            details={"state": order.state},
        )
    if beside:
        order.beside_reason = filled(beside, "beside", most=2_000)
        order.beside_by_id = uow.actor.user_id
    _solve(uow, order)
    _send(uow, quote, order, others)
    return order


def confirm_order(
    uow: UnitOfWork, quote_id: UUID, *, accept_total: Decimal | None = None
) -> QuoteOrder:
    """Have the back office confirm an order.

    Args:
        uow: A writing unit of work.
        quote_id: Of the offer.
        accept_total: What it comes to over there, by whoever may approve offers, where that is
            another sum than ours.

    Raises:
        RuleViolationError: It is not there, was confirmed, or its sums differ and that was not
            accepted; they may also have changed since somebody looked.
    """
    right = QUOTE_EDIT if accept_total is None else QUOTE_APPROVE
    quote, order = _held(uow, quote_id, right)
    if order.state not in _THERE or order.state == OrderState.CONFIRMING:
        raise RuleViolationError(
            t("The order of {number} is not waiting to be confirmed.", number=quote.number),
            code="sales.order.not_waiting",
            details={"state": order.state},
        )
    if order.state == OrderState.DIFFERENT:
        if accept_total != order.total_amount:
            raise RuleViolationError(
                difference_told(uow, quote, order), code="sales.order.different"
            )
        order.accepted_amount, order.accepted_by_id = accept_total, uow.actor.user_id
    _solve(uow, order)
    _confirm(uow, order)
    return order


def settle_order(uow: UnitOfWork, quote_id: UUID) -> QuoteOrder:
    """Compare an order that was just read with its offer, and do what follows.

    Equal to the last digit, or accepted as it is: it is confirmed where the company wants that.
    Confirmed over there, by whomever: the offer is ordered. Other sums are somebody's to look at.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    order: QuoteOrder = uow.get(QuoteOrder, quote.id)
    if order.state == OrderState.CONFIRMED:
        _ordered(uow, quote, order)
    elif order.state in _THERE and order.total_amount is not None:
        _compare(uow, quote, order)
    return order


def note_problem(uow: UnitOfWork, quote_id: UUID, code: str, reason: str) -> None:
    """Keep why an order was not taken; whoever works on the offer gets it as something to do."""
    quote, order = _held(uow, quote_id, QUOTE_EDIT)
    if order.number is None:
        order.state = OrderState.REFUSED
    elif order.state == OrderState.CONFIRMING:
        order.state, order.is_confirm_wanted = OrderState.DRAFT, False
    order.updated_at = uow.now
    if (order.problem_code, order.problem) == (code, reason) and _is_open(uow, order):
        return
    order.problem_code, order.problem = code, reason
    summary = t("The order of offer {number} was not taken", number=quote.number)
    _ask_for_help(uow, quote, order, summary, joined([reason, _advice(order)], "\n\n"))


def note_gone(uow: UnitOfWork, quote_id: UUID) -> None:
    """Keep that an order was deleted over there: it is not made again unless somebody wants it."""
    quote, order = _held(uow, quote_id, QUOTE_EDIT)
    order.state, order.updated_at = OrderState.GONE, uow.now
    order.problem_code = GONE
    order.problem = t("The order {order} was deleted in the back office.", order=order.number or "")
    advice = t("If the customer still wants it, make a new version of the offer and send it.")
    summary = t("The order of offer {number} is gone", number=quote.number)
    _ask_for_help(uow, quote, order, summary, joined([order.problem, advice]))


def differences(quote: Quote, order: QuoteOrder) -> list[dict[str, Any]]:
    """Return which sums of an order are not those of its offer: ``field, ours, theirs``."""
    if order.total_amount is None:
        return []
    told = [
        {"field": name, "ours": getattr(quote, name), "theirs": getattr(order, name)}
        for name in _SUMS
        if getattr(quote, name) != getattr(order, name)
    ]
    if order.currency_code != quote.currency_code:
        both = {"ours": quote.currency_code, "theirs": order.currency_code}
        told.insert(0, {"field": "currency_code", **both})
    return told


def difference_told(uow: UnitOfWork, quote: Quote, order: QuoteOrder) -> str:
    """Return in words how the sums of an order and of its offer differ."""
    uow.actor.require(QUOTE_VIEW)
    place = place_of(uow, load_settings(uow))
    theirs = order.currency_code or quote.currency_code
    return t(
        "The order {order} of offer {number} comes to {theirs} in the back office, the offer to "
        "{ours} (tax {their_tax} and {our_tax}), so it is not confirmed. Correct one of them, or "
        "have it accepted by somebody who may approve offers.",
        order=order.number or "",
        number=quote.number,
        theirs=place.money(order.total_amount or Decimal(0), theirs),
        ours=place.money(quote.total_amount, quote.currency_code),
        their_tax=place.money(order.tax_amount or Decimal(0), theirs),
        our_tax=place.money(quote.tax_amount, quote.currency_code),
    )


def _held(uow: UnitOfWork, quote_id: UUID, right: str) -> tuple[Quote, QuoteOrder]:
    quote = permitted_quote(uow, quote_id, right, lock=True)
    return quote, uow.get(QuoteOrder, quote.id)


def _send(uow: UnitOfWork, quote: Quote, order: QuoteOrder, others: list[Quote]) -> None:
    try:
        _check_products(uow, quote)
        _check_others(quote, order, ordered_sibling(uow, others))
        order.backend_id = order_backend(uow, quote, order)
    except RuleViolationError as error:
        if uow.actor.user_id is not None:
            raise
        note_problem(uow, quote.id, error.code, error.message)
        return
    order.state, order.updated_at = OrderState.WAITING, uow.now
    uow.record(RecordsChanged(ENTITY, (quote.id,)))


def _check_others(quote: Quote, order: QuoteOrder, other: Quote | None) -> None:
    if other is None or order.beside_reason is not None:
        return
    raise RuleViolationError(
        t(
            "The offer {other} of the same deal was ordered already, so the order of {number} was "
            "held back. If the customer wants both, send it and say why; if not, withdraw from one "
            "of them with the customer.",
            other=other.number,
            number=quote.number,
        ),
        code=SECOND,
    )


def _check_products(uow: UnitOfWork, quote: Quote) -> None:
    archived = _archived_product(uow, quote.id)
    if archived is not None:
        raise RuleViolationError(
            t(
                "{product} is not sold any more. Make a new version of the offer with another "
                "product, or have it brought back into use in the back office.",
                product=archived,
            ),
            code=PRODUCT_ARCHIVED,
        )


def _archived_product(uow: UnitOfWork, quote_id: UUID) -> str | None:
    lines = select(QuoteLine).where(QuoteLine.quote_id == quote_id)
    bought = {line.product_id for line in uow.scalars(lines) if counts(line)}
    statement = select(Product.name).where(
        Product.id.in_([each for each in bought if each]), Product.archived_at.is_not(None)
    )
    name: str | None = uow.scalar(statement.order_by(Product.name).limit(1))
    return name


def _win_deal(uow: UnitOfWork, quote: Quote) -> None:
    state = select(Opportunity.state).where(Opportunity.id == quote.opportunity_id)
    if uow.scalar(state) != DealState.WON:  # one given up for lost, too: the customer has spoken
        place_opportunity(uow, quote.opportunity_id, state=DealState.WON)


def stands(quote: Quote, order: QuoteOrder) -> bool:
    """Return whether an order has the sums of its offer, or those that a person accepted."""
    is_accepted = order.accepted_amount is not None and order.accepted_amount == order.total_amount
    return order.total_amount is not None and (is_accepted or not differences(quote, order))


def _compare(uow: UnitOfWork, quote: Quote, order: QuoteOrder) -> None:
    if not stands(quote, order):
        if order.state != OrderState.DIFFERENT:
            order.state, order.is_confirm_wanted = OrderState.DIFFERENT, False
            told = difference_told(uow, quote, order)
            summary = t("The order of offer {number} has other sums", number=quote.number)
            _ask_for_help(uow, quote, order, summary, told)
        return
    if order.state == OrderState.DIFFERENT:
        order.state = OrderState.DRAFT
    if order.problem_code is None:
        _solve(uow, order)
        wants = values_of(uow, [ORDER_CONFIRM])[ORDER_CONFIRM.name]
        if order.state == OrderState.DRAFT and wants:
            _confirm(uow, order)


def _confirm(uow: UnitOfWork, order: QuoteOrder) -> None:
    order.state, order.is_confirm_wanted = OrderState.CONFIRMING, True
    order.updated_at = uow.now
    uow.record(RecordsChanged(ENTITY, (order.quote_id,)))


def _ordered(uow: UnitOfWork, quote: Quote, order: QuoteOrder) -> None:
    _solve(uow, order)
    order.is_confirm_wanted = True
    if quote.state == QuoteState.ORDERED:
        return
    quote.state, quote.updated_at = QuoteState.ORDERED, uow.now
    uow.flush()
    uow.record(QuoteOrdered(quote.id, quote.opportunity_id, quote.customer_id))
    uow.record(RecordsChanged(Quote.__entity__, (quote.id,)))


def _is_open(uow: UnitOfWork, order: QuoteOrder) -> bool:
    if order.activity_id is None:
        return False
    return bool(uow.scalar(select(Activity.is_open).where(Activity.id == order.activity_id)))


def _solve(uow: UnitOfWork, order: QuoteOrder) -> None:
    """Forget what stood in the way; what was to be done about it ends when it has worked."""
    order.problem = order.problem_code = None
    if uow.actor.user_id is None:
        if order.activity_id is not None and _is_open(uow, order):
            complete_activity(uow, order.activity_id)
        order.activity_id = None


def _ask_for_help(
    uow: UnitOfWork, quote: Quote, order: QuoteOrder, summary: str, note: str
) -> None:
    """Plan one thing to do; what was planned about an earlier problem is done with."""
    if order.activity_id is not None and _is_open(uow, order):
        complete_activity(uow, order.activity_id)
    person = salesperson_of(uow, quote)
    activity = add_activity(
        uow,
        quote.customer_id,
        type="task",
        due_at=uow.now,
        summary=summary,
        note=note,
        owner_id=person.id if person else None,
    )
    uow.flush()
    order.activity_id = activity.id


def _advice(order: QuoteOrder) -> str:
    if order.number is None:
        return t("When that is mended, send the order again from its offer.")
    return t("When that is mended, have the order confirmed from its offer, or over there.")
