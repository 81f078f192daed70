"""What is asked of the numbers on an offer, and of the offer itself before it changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Currency, Product
from crm_core.errors import InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.normalize import shortened
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services import audit
from crm_core.services.plugin_settings import values_of
from crm_sales.models import Quote, QuoteState
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.quotes.amounts import Reckoning
from crm_sales.settings import QUOTE_PRICE_PLACES, QUOTE_TAX, QUOTE_TAX_ROUNDING

MOST_QUANTITY = Decimal(1_000_000)
MOST_PRICE = Decimal(100_000_000)
QUANTITY_PLACES, PERCENT_PLACES = 3, 2
AMBIGUOUS_DIGITS = 3
MOST_DIGITS = 30
"""Before or after the point; ``1E+999999`` is no quantity, and is not written out either."""
CHANGEABLE = (QuoteState.DRAFT, QuoteState.WAITING, QuoteState.APPROVED)


def number_from(value: Any, code: str) -> Decimal:
    """Return a number from what was typed or sent; raises InputError with this code.

    A comma before one, two, or more than three digits is a decimal one; ``1,200`` might mean both.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(_pointed(str(value).strip()))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise InputError(
            t("{value!r} is not a number: give digits.", value=shortened(str(value))), code=code
        )
    return number


def _pointed(text: str) -> str:
    whole, comma, rest = text.partition(",")
    is_decimal = comma and rest.isdecimal() and len(rest) != AMBIGUOUS_DIGITS and "." not in whole
    return f"{whole}.{rest}" if is_decimal else text


def quantity_from(value: Any) -> Decimal:
    """Return a quantity; raises InputError unless it is above zero and within bounds."""
    code = "sales.quote.quantity"
    quantity = number_from(value, code)
    if not 0 < quantity <= MOST_QUANTITY or quantity != round(quantity, QUANTITY_PLACES):
        raise InputError(
            t(
                "The quantity {quantity} will not do: give a number above zero with at most "
                "{places} decimal places. Take a line away with Remove.",
                quantity=f"{quantity.normalize():f}",
                places=QUANTITY_PLACES,
            ),
            code=code,
        )
    return quantity


def price_from(value: Any, places: int) -> Decimal:
    """Return a unit price; raises InputError for a negative one or too many places."""
    code = "sales.quote.price"
    price = number_from(value, code)
    if not 0 <= price <= MOST_PRICE or price != round(price, places):
        raise InputError(
            t(
                "The price {price} will not do: give zero or more, with at most {places} decimal "
                "places.",
                price=f"{price.normalize():f}",
                places=places,
            ),
            code=code,
        )
    return price


def percent_from(value: Any, code: str = "sales.quote.discount") -> Decimal:
    """Return a percentage from 0 to 100 with at most two places; raises InputError."""
    percent = number_from(value, code)
    if not 0 <= percent <= 100 or percent != round(percent, PERCENT_PLACES):
        raise InputError(
            t(
                "{percent} % will not do: give 0 to 100, with at most {places} decimal places.",
                percent=f"{percent.normalize():f}",
                places=PERCENT_PLACES,
            ),
            code=code,
        )
    return percent


def reckoning_for(uow: UnitOfWork, currency_code: str) -> Reckoning:
    """Return how sums in a currency are made.

    Raises:
        InputError: The company does not deal in this currency.
    """
    uow.actor.require(QUOTE_VIEW)
    places = uow.scalar(
        select(Currency.decimal_places).where(
            Currency.code == currency_code, Currency.is_active.is_(True)
        )
    )
    if places is None:
        raise InputError(
            t(
                "The company does not deal in {currency}: choose a currency it has.",
                currency=currency_code,
            ),
            code="sales.quote.currency",
            details={"currency": currency_code},
        )
    set_ = values_of(uow, (QUOTE_TAX, QUOTE_TAX_ROUNDING, QUOTE_PRICE_PLACES))
    return Reckoning(
        money_places=places,
        price_places=set_[QUOTE_PRICE_PLACES.name],
        rounds_lines=set_[QUOTE_TAX_ROUNDING.name] == "line",
        tax_percent=Decimal(set_[QUOTE_TAX.name]),
    )


def sold_products(uow: UnitOfWork, product_ids: Collection[UUID]) -> Mapping[UUID, Any]:
    """Return products that can be offered by id, as rows with ``id``, ``name`` and ``unit``.

    Raises:
        NotFoundError: There is none.
        RuleViolationError: It is archived or not sold any more.
    """
    uow.actor.require(QUOTE_VIEW)
    columns = (Product.id, Product.name, Product.unit, Product.is_sold, Product.archived_at)
    statement = select(*columns).where(Product.id.in_(sorted(product_ids)))
    found = {row.id: row for row in uow.execute(statement)}
    for product_id in product_ids:
        product = found.get(product_id)
        if product is None:
            raise NotFoundError(
                t("There is no product {product_id}: choose another.", product_id=product_id),
                code="sales.quote.product",
                details={"product_id": str(product_id)},
            )
        if product.archived_at is not None or not product.is_sold:
            raise unsold(product)
    return found


def unsold(product: Any) -> RuleViolationError:
    """Return the refusal of a product that is not sold any more."""
    return RuleViolationError(
        t("{product} is not sold any more: choose another product.", product=product.name),
        code="sales.quote.product_gone",
        details={"product_id": str(product.id)},
    )


def permitted_quote(uow: UnitOfWork, quote_id: UUID, right: str, *, lock: bool = False) -> Quote:
    """Return an offer on which the actor holds ``right``.

    Args:
        uow: Any unit of work; a writing one for ``lock``.
        quote_id: Which.
        right: What it takes.
        lock: Whether others who change it have to wait, so that of two at once one sees the other.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing or does not reach this offer.
    """
    uow.actor.require(right)
    if lock:
        statement = select(Quote).where(Quote.id == quote_id).with_for_update()
        fresh = uow.scalars(statement.execution_options(populate_existing=True))
        quote: Quote | None = fresh.one_or_none()
    else:
        quote = uow.find(Quote, quote_id)
    if quote is None:
        raise NotFoundError(
            t("There is no offer {quote_id} that you may see.", quote_id=quote_id),
            code="sales.quote.not_found",
            details={"id": str(quote_id)},
        )
    uow.actor.require_for_owner(right, quote.owner_id, t("the offer {number}", number=quote.number))
    return quote


def changeable_quote(uow: UnitOfWork, quote_id: UUID, expected_version: int | None = None) -> Quote:
    """Return an offer that the actor may change now.

    Raises:
        NotFoundError, PermissionDeniedError: As :func:`permitted_quote`.
        StaleVersionError: Somebody changed it meanwhile.
        RuleViolationError: It was sent or is over: what a customer has seen is never changed.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    if quote.state not in CHANGEABLE:
        raise RuleViolationError(
            t(
                "The offer {number} is {state} and is not changed any more: make a new version of "
                "it.",
                number=quote.number,
                state=quote.state,
            ),
            code="sales.quote.closed",
            details={"id": str(quote.id), "state": quote.state},
        )
    expect_unchanged(uow, quote, expected_version)
    return quote


def expect_unchanged(uow: UnitOfWork, quote: Quote, expected_version: int | None) -> None:
    """Raise StaleVersionError, which says who changed what, unless an offer is as it was read."""
    uow.actor.require(QUOTE_VIEW)
    changed = t("The offer {number} was changed since you read it.", number=quote.number)
    audit.expect_unchanged(uow, quote, expected_version, changed)
