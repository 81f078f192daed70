"""The lines of offers as they are sold: what an order is made of."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Product
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import LineKind, QuoteLine
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quotes.amounts import counts


def sold_lines(uow: UnitOfWork, quote_ids: Sequence[UUID]) -> dict[UUID, list[QuoteLine]]:
    """Return the lines of offers that are bought as things stand, with headings and notes."""
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(QuoteLine)
        .where(QuoteLine.quote_id.in_(list(quote_ids)))
        .order_by(QuoteLine.quote_id, QuoteLine.position, QuoteLine.id)
    )
    found: dict[UUID, list[QuoteLine]] = {}
    for line in uow.scalars(statement):
        if line.kind != LineKind.PRODUCT or counts(line):
            found.setdefault(line.quote_id, []).append(line)
    return found


def neutral_lines(uow: UnitOfWork, quote_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Return sold lines as a back office is told of them; products by local id."""
    lines = sold_lines(uow, quote_ids)
    wanted = {line.product_id for own in lines.values() for line in own if line.product_id}
    named = select(Product.id, Product.name).where(Product.id.in_(wanted))
    names = {row.id: row.name for row in uow.execute(named)}
    return {
        quote_id: [
            {
                "key": line.id.hex,
                "position": number,
                "kind": line.kind,
                "product_ref": line.product_id,
                "description": line.description or names.get(line.product_id),
                "quantity": _text(line.quantity),
                "unit_price": _text(line.unit_price),
                "discount_percent": _text(line.discount_percent),
            }
            for number, line in enumerate(own, start=1)
        ]
        for quote_id, own in lines.items()
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"
