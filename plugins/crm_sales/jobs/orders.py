"""What follows from accepted offers and from what the back office tells of their orders."""

from __future__ import annotations

from uuid import UUID

from crm_core.entities.sync_request import RequestKind
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import enabled_backends
from crm_core.sync.requests import ask
from crm_hooks.events import EventMessage
from crm_sales.models import OrderState, Quote, QuoteOrder, QuoteState
from crm_sales.services.quote_orders import order_quote, settle_order

ENTITIES = ("customer", "address", "sales_order", "order")


def order(uow: UnitOfWork, message: EventMessage) -> None:
    """Have the order of an offer made that was just accepted; it may be gone by now."""
    quote = uow.find(Quote, UUID(message.payload["quote_id"]))
    if quote is not None and quote.state == QuoteState.ACCEPTED:
        order_quote(uow, quote.id)
        _have_run(uow)


def settle(uow: UnitOfWork, message: EventMessage) -> None:
    """Compare an order with its offer when the back office has told something new of it."""
    quote_id = UUID(message.payload["quote_id"])
    if uow.find(QuoteOrder, quote_id) is not None:
        found = settle_order(uow, quote_id)
        if found.state == OrderState.CONFIRMING:
            _have_run(uow)


def ask_tax(uow: UnitOfWork, _message: EventMessage) -> None:
    """Let the back office hear soon that somebody wants to know a tax."""
    _have_run(uow)


def _have_run(uow: UnitOfWork) -> None:
    """Ask the worker for a run of each back office that is written to, of what orders take."""
    for backend in enabled_backends(uow):
        if backend.plan_accepted_at is not None:
            ask(uow, backend.name, RequestKind.RUN)
