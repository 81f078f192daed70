"""Below what nobody sells a product."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import PriceFloor
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.formulas import HUNDRED, rounded
from crm_sales.services.pricing.price_lists import PriceBook, is_within


def floor_prices(
    uow: UnitOfWork, book: PriceBook, currency: str, places: int
) -> Mapping[UUID, Decimal]:
    """Return the floor prices of a book's products in a currency; those without one left out.

    Args:
        uow: Any unit of work.
        book: The products, with rates.
        currency: Of the answer.
        places: Decimal places of a unit price.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = select(
        PriceFloor.product_id,
        PriceFloor.category,
        PriceFloor.price,
        PriceFloor.currency_code,
        PriceFloor.percent_of_list,
    ).where(or_(PriceFloor.product_id.is_(None), PriceFloor.product_id.in_(list(book.products))))
    floors = sorted(uow.execute(statement), key=_narrow_first)
    found = {}
    for product in book.products.values():
        amount = next(
            (_amount(book, f, product, currency) for f in floors if _fits(f, product)), None
        )
        if amount is not None:
            found[product.id] = rounded(amount, places)
    return found


def _narrow_first(floor: Any) -> tuple[bool, int]:
    return floor.product_id is None, -len(floor.category or "")


def _fits(floor: Any, product: Any) -> bool:
    if floor.product_id is not None:
        return bool(floor.product_id == product.id)
    return floor.category is None or is_within(product.category, floor.category)


def _amount(book: PriceBook, floor: Any, product: Any, currency: str) -> Decimal | None:
    if floor.price is not None:
        return book.into(currency, floor.price, floor.currency_code)
    own = book.own_price(product.id, currency)
    return own and own * (floor.percent_of_list or 0) / HUNDRED
