"""The offers of one deal: of those the customer takes one, and whoever answers holds them all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Customer, User
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Opportunity, OrderState, Quote, QuoteOrder, QuoteState
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.quotes.approval import withdraw_request
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.versions import OVER

NOT_COMING = (OrderState.REFUSED, OrderState.CANCELLED, OrderState.GONE)
"""States of an order that stands in the way of no other."""


def held_with_siblings(uow: UnitOfWork, quote_id: UUID) -> tuple[Quote, list[Quote]]:
    """Return an offer to be changed and the others of its deal, all held: of two one sees both.

    They are held in one order always, so that two never wait for each other.

    Raises:
        NotFoundError, PermissionDeniedError: As :func:`permitted_quote`.
    """
    uow.actor.require(QUOTE_EDIT)
    of_deal = select(Quote.opportunity_id).where(Quote.id == quote_id).scalar_subquery()
    statement = select(Quote).where(Quote.opportunity_id == of_deal).order_by(Quote.id)
    fresh = statement.with_for_update().execution_options(populate_existing=True)
    held = list(uow.scalars(fresh))
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    return quote, [each for each in held if each.id != quote.id]


def close_siblings(uow: UnitOfWork, accepted: Quote, others: list[Quote]) -> list[UUID]:
    """Withdraw the open offers of a deal of which one was accepted; return their ids."""
    uow.actor.require(QUOTE_EDIT)
    closed = [each for each in others if each.state not in OVER]
    for each in closed:
        withdraw_request(uow, each)
        each.state, each.instead_id = QuoteState.WITHDRAWN, accepted.id
        each.updated_at = uow.now
    return [each.id for each in closed]


def ordered_sibling(uow: UnitOfWork, others: list[Quote]) -> Quote | None:
    """Return another offer of the deal whose order is on its way or there."""
    uow.actor.require(QUOTE_VIEW)
    live = select(QuoteOrder.quote_id).where(
        QuoteOrder.quote_id.in_([each.id for each in others]),
        QuoteOrder.state.not_in(NOT_COMING),
    )
    ids = set(uow.scalars(live))
    return next((each for each in others if each.id in ids), None)


def salesperson_of(uow: UnitOfWork, quote: Quote) -> Any | None:
    """Return who works on an offer and is still there, with ``id, name, email``.

    That is its owner, else the deal's, else the customer's.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(Opportunity.owner_id, Customer.owner_id)
        .join(Customer, Customer.id == Opportunity.customer_id)
        .where(Opportunity.id == quote.opportunity_id)
    )
    row = uow.execute(statement).one_or_none() or ()
    named = [each for each in (quote.owner_id, *row) if each is not None]
    enabled = select(User.id, User.name, User.email)
    there = {
        each.id: each
        for each in uow.execute(enabled.where(User.id.in_(named), User.is_enabled.is_(True)))
    }
    return next((there[each] for each in named if each in there), None)
