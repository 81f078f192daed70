"""Which back office an order goes to: one alone, however many are written to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities import Backend, Binding, Product, PushItem
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.bulk import table_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_sales.models import PriceList, Quote, QuoteLine, QuoteOrder
from crm_sales.permissions import CONFIGURE, QUOTE_VIEW
from crm_sales.services.quotes.amounts import counts
from crm_sales.settings import ORDER_BACKEND

NOT_CHOSEN = "sales.order.no_backend"
_backend = table_of(Backend).c
_binding = table_of(Binding).c
_item = table_of(PushItem).c


def order_backend(uow: UnitOfWork, quote: Quote, order: QuoteOrder | None = None) -> UUID | None:
    """Return the back office that gets the order of an offer; None where none is written to.

    Where its order may be already, it stays. Else it is the one that the company named, the only
    one that is written to, the only one of those that the offer's price list came from, or the only
    one that knows all that is bought.

    Raises:
        RuleViolationError: It could be more than one (``sales.order.no_backend``), or the one that
            is named is not written to.
    """
    uow.actor.require(QUOTE_VIEW)
    if order is not None and (there := _where_it_may_be(uow, order.quote_id)) is not None:
        return there
    written = _written_to(uow)
    named = values_of(uow, [ORDER_BACKEND])[ORDER_BACKEND.name]
    if named:
        found = next((row.id for row in written if row.name == named), None)
        if found is None:
            raise _not_written_to(named)
        return UUID(str(found))
    if len(written) < 2:
        return written[0].id if written else None
    for known in (_of_price_list(uow, quote), _of_products(uow, quote)):
        fitting: list[UUID] = [row.id for row in written if row.id in known]
        if len(fitting) == 1:
            return fitting[0]
    raise _not_chosen([row.name for row in written])


def meant_for(uow: UnitOfWork, backend_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return those of some offers whose order, or tax, is this back office's business."""
    uow.actor.require(QUOTE_VIEW)
    statement = select(Quote, QuoteOrder).outerjoin(QuoteOrder, QuoteOrder.quote_id == Quote.id)
    rows: Sequence[Any] = uow.execute(statement.where(Quote.id.in_(list(ids)))).all()
    return {quote.id for quote, order in rows if _is_of(uow, backend_id, quote, order)}


def checked_backend(uow: UnitOfWork, name: str) -> str:
    """Return the name of a back office that is set up, or nothing; raises InputError."""
    uow.actor.require(CONFIGURE)
    names = [row.name for row in uow.connection().execute(select(_backend.name))]
    if name and name not in names:
        raise InputError(
            t(
                "There is no back office {name!r}; set up: {names}.",
                name=name,
                names=joined(sorted(names), ", ") if names else "–",
            ),
            code="sales.order.backend_unknown",
        )
    return name


def _is_of(uow: UnitOfWork, backend_id: UUID, quote: Quote, order: QuoteOrder | None) -> bool:
    if order is not None and order.backend_id is not None:
        return order.backend_id == backend_id
    try:
        return order_backend(uow, quote) in (None, backend_id)
    except RuleViolationError:
        return False  # whoever sends the order is told; meanwhile nobody gets it


def _written_to(uow: UnitOfWork) -> Sequence[Any]:
    """Select past the scope: whoever sells is told the names, and no more of them."""
    statement = select(_backend.id, _backend.name).where(_backend.plan_accepted_at.is_not(None))
    return uow.connection().execute(statement.order_by(_backend.name)).all()


def _of_price_list(uow: UnitOfWork, quote: Quote) -> set[UUID]:
    """Return where an offer's price list came from."""
    statement = select(_binding.backend_id).where(
        _binding.entity == PriceList.__entity__, _binding.local_id == quote.price_list_id
    )
    return set(uow.connection().scalars(statement))


def _of_products(uow: UnitOfWork, quote: Quote) -> set[UUID]:
    """Return where all products are known that are bought with an offer."""
    lines = uow.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote.id)).all()
    bought = {line.product_id for line in lines if counts(line) and line.product_id}
    statement = (
        select(_binding.backend_id)
        .where(_binding.entity == Product.__entity__, _binding.local_id.in_(sorted(bought)))
        .group_by(_binding.backend_id)
        .having(func.count(_binding.local_id.distinct()) == len(bought))
    )
    return set(uow.connection().scalars(statement))


def _not_chosen(names: Sequence[str]) -> RuleViolationError:
    return RuleViolationError(
        t(
            "Orders could go to several back offices ({names}), and nobody has said to which, so "
            "this one was not sent. Have an administrator name one: crm setting set {setting} "
            "NAME.",
            names=joined(names, ", "),
            setting=ORDER_BACKEND.name,
        ),
        code=NOT_CHOSEN,
    )


def _not_written_to(name: str) -> RuleViolationError:
    return RuleViolationError(
        t(
            "Orders go to the back office {name}, which is gone or not written to, so this one was "
            "not sent. Have an administrator accept its plan, or name another: crm setting set "
            "{setting} NAME.",
            name=name,
            setting=ORDER_BACKEND.name,
        ),
        code=NOT_CHOSEN,
    )


def _where_it_may_be(uow: UnitOfWork, quote_id: UUID) -> UUID | None:
    """Return the back office that has an order, or was asked for it and whose reply never came."""
    connection = uow.connection()
    entity = QuoteOrder.__entity__
    bound = select(_binding.backend_id).where(
        _binding.entity == entity, _binding.local_id == quote_id
    )
    asked = select(_item.backend_id).where(
        _item.entity == entity, _item.local_id == quote_id, _item.sent_at.is_not(None)
    )
    found: UUID | None = connection.scalar(bound) or connection.scalar(asked)
    return found
