"""Prices and sums of a whole offer: after each change all lines are priced and added up anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Transaction, TransactionLine
from crm_core.errors import NotFoundError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import convert
from crm_sales.models import (
    Bundle,
    LineKind,
    LineRole,
    Quote,
    QuoteLine,
    QuoteState,
    RuleKind,
    TaxSource,
)
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.configuration import broken_rules
from crm_sales.services.pricing.customer_lists import OtherList, list_facts, other_list
from crm_sales.services.pricing.floors import floor_prices
from crm_sales.services.pricing.formulas import ZERO, less, rounded, rounded_to, spread
from crm_sales.services.pricing.price_lists import PriceBook, open_price_book
from crm_sales.services.quotes.amounts import (
    Reckoning,
    Totals,
    asked_price,
    counts,
    net_price,
    reckon,
)
from crm_sales.services.quotes.checks import reckoning_for

LATEST_LINES = 200
"""Documents' lines that are looked at for how a product was taxed."""
LEAST_TELLING = Decimal(10)
"""Tax on less says little of its rate, for it was rounded."""


def lines_of(uow: UnitOfWork, quote_id: UUID) -> list[QuoteLine]:
    """Return the lines of an offer in their order, to be changed."""
    uow.actor.require(QUOTE_VIEW)
    statement = select(QuoteLine).where(QuoteLine.quote_id == quote_id)
    return list(uow.scalars(statement.order_by(QuoteLine.position, QuoteLine.id)))


def settle_quote(
    uow: UnitOfWork, quote: Quote, lines: Sequence[QuoteLine], how: Reckoning | None = None
) -> Totals:
    """Price all lines of an offer that was changed, add them up, and make a draft of it.

    Raises:
        RuleViolationError: A price goes below the floor, or products exclude each other.
    """
    uow.actor.require(QUOTE_VIEW)
    how = how or reckoning_for(uow, quote.currency_code)
    other = price_lines(uow, quote, lines, how)
    quote.list_facts = list_facts(other, lines)
    for number, line in enumerate(lines, start=1):
        line.position = number
        check_floor(line, quote.currency_code)
    chosen = [line.product_id for line in lines if counts(line) and line.product_id]
    refuse_broken(broken_rules(uow, chosen, kind=RuleKind.EXCLUDES))
    totals = reckon(lines, how)
    keep_totals(quote, totals)
    quote.tax_source = TaxSource.ESTIMATE
    quote.state, quote.approved_at = QuoteState.DRAFT, None
    quote.updated_at = uow.now
    uow.flush()
    return totals


def keep_totals(quote: Quote, totals: Totals) -> None:
    """Store what the lines come to."""
    quote.untaxed_amount = totals.untaxed_amount
    quote.tax_amount = totals.tax_amount
    quote.total_amount = totals.total_amount
    quote.discount_percent = totals.discount_percent


def price_lines(
    uow: UnitOfWork, quote: Any, lines: Sequence[Any], how: Reckoning
) -> OtherList | None:
    """Set list, rule and floor prices and the tax of each line; prices typed by a person stay.

    Args:
        uow: Any unit of work.
        quote: Has currency, price list, customer and band.
        lines: ``QuoteLine`` records, of the database or not.
        how: Places of a price.

    Returns:
        By which list discounts are counted, where it is not the offer's own.
    """
    uow.actor.require(QUOTE_VIEW)
    sold = [line for line in lines if line.product_id is not None]
    if not sold:
        return None
    products = {line.product_id for line in sold}
    book = open_price_book(uow, products, quote.currency_code)
    floors = floor_prices(uow, book, quote.currency_code, how.price_places)
    off = Decimal(quote.band_facts["percent"]) if quote.band_id and quote.band_facts else ZERO
    other = other_list(uow, quote)
    before = {line.id: asked_price(line) for line in sold}
    theirs: dict[UUID, Decimal | None] = {}
    for line in sold:
        line.floor_price = floors.get(line.product_id)
        line.list_price = _listed(book, line, quote.price_list_id, quote, how)
        line.unpriced = None
        if line.list_price is None:
            line.unpriced = book.unpriced(line.product_id, line.quantity, quote.price_list_id)
        if other is not None:
            theirs[line.id] = _listed(book, line, other.holds_id, quote, how)
        _ask(line, off, theirs, how)
    _price_bundles(uow, quote, lines, theirs, how)
    for line in sold:
        if line.unit_price is None or line.unit_price == before[line.id]:
            line.unit_price = asked_price(line)
    _estimate_taxes(uow, quote.customer_id, sold, how)
    return other


def _listed(
    book: PriceBook, line: Any, price_list_id: UUID | None, quote: Any, how: Reckoning
) -> Decimal | None:
    quantity = line.quantity or ZERO
    price = book.price(line.product_id, quantity, price_list_id, quote.currency_code)
    return None if price is None else rounded(price, how.price_places)


def _ask(
    line: Any, percent: Decimal | None, theirs: Mapping[UUID, Decimal | None], how: Reckoning
) -> None:
    """Ask so much less than the list of the customer, and than their own list (``theirs``)."""
    line.rule_price = line.base_price = None
    if line.list_price is not None:
        _ask_price(line, rounded(less(line.list_price, percent), how.price_places))
    own = theirs.get(line.id)
    if own is not None:
        line.base_price = _above_floor(line, rounded(less(own, percent), how.price_places))


def _ask_price(line: Any, price: Decimal) -> None:
    price = _above_floor(line, price)
    line.rule_price = None if price == line.list_price else price


def _above_floor(line: Any, price: Decimal) -> Decimal:
    return price if line.floor_price is None else max(price, line.floor_price)


def _price_bundles(
    uow: UnitOfWork,
    quote: Any,
    lines: Sequence[Any],
    theirs: Mapping[UUID, Decimal | None],
    how: Reckoning,
) -> None:
    heads = {line.id: line for line in lines if line.role == LineRole.BUNDLE and line.bundle_id}
    if not heads:
        return
    wanted = sorted({head.bundle_id for head in heads.values()})
    statement = select(Bundle.id, Bundle.percent, Bundle.price, Bundle.currency_code)
    bundles = {row.id: row for row in uow.execute(statement.where(Bundle.id.in_(wanted)))}
    for head in heads.values():
        parts = [line for line in lines if line.bundle_line_id == head.id]
        bundle = bundles.get(head.bundle_id)
        if bundle is None or any(part.list_price is None for part in parts):
            continue
        if bundle.price is not None and bundle.currency_code == quote.currency_code:
            asked = spread(
                bundle.price * (head.quantity or ZERO),
                [(part.list_price, part.quantity) for part in parts],
                how.price_places,
            )
            for part, price in zip(parts, asked, strict=True):
                _ask_price(part, price)
                part.base_price = None  # the bundle's price is its own, whatever the list
        else:
            for part in parts:
                _ask(part, bundle.percent, theirs, how)


def _estimate_taxes(
    uow: UnitOfWork, customer_id: UUID, lines: Sequence[Any], how: Reckoning
) -> None:
    unknown = [line for line in lines if line.tax_percent is None]
    if not unknown:
        return
    known = _taxes_so_far(uow, customer_id, {line.product_id for line in unknown})
    for line in unknown:
        line.tax_percent = known.get(line.product_id, known.get(None, how.tax_percent))


def _taxes_so_far(
    uow: UnitOfWork, customer_id: UUID, product_ids: Collection[UUID]
) -> Mapping[UUID | None, Decimal]:
    """Return what the ERP charged this customer lately, by product; under None on anything."""
    statement = (
        select(
            TransactionLine.product_id, TransactionLine.untaxed_amount, TransactionLine.total_amount
        )
        .join(Transaction, Transaction.id == TransactionLine.transaction_id)
        .where(
            Transaction.customer_id == customer_id,
            Transaction.kind.in_(("order", "invoice")),
            TransactionLine.untaxed_amount > LEAST_TELLING,
        )
        .order_by(Transaction.issued_on.desc(), TransactionLine.id)
    )
    found: dict[UUID | None, Decimal] = {}
    for row in uow.execute(statement.limit(LATEST_LINES)):
        percent = (row.total_amount / row.untaxed_amount - 1) * 100
        percent = max(ZERO, rounded_to(percent, Decimal("0.5")))
        found.setdefault(None, percent)
        if row.product_id in product_ids:
            found.setdefault(row.product_id, percent)
    return found


def take_floors(uow: UnitOfWork, quote: Quote, lines: Sequence[QuoteLine]) -> None:
    """Set the floor prices that hold now: they may have been raised since lines were priced.

    Raises:
        RuleViolationError: No rate leads from a product's price to the offer's currency, so nobody
            can tell what a price that was typed takes off.
    """
    uow.actor.require(QUOTE_VIEW)
    sold = [line for line in lines if line.product_id is not None]
    code = quote.currency_code
    book = open_price_book(uow, {line.product_id for line in sold if line.product_id}, code)
    floors = floor_prices(uow, book, code, reckoning_for(uow, code).price_places)
    for line in sold:
        assert line.product_id is not None
        line.floor_price = floors.get(line.product_id)
        is_typed = line.unit_price is not None and asked_price(line) is None
        if is_typed and book.own_price(line.product_id, code) is None:
            _refuse_unknown_rate(uow, book, book.products[line.product_id], code)


def _refuse_unknown_rate(uow: UnitOfWork, book: PriceBook, product: Any, code: str) -> None:
    if product.list_price is None:
        return
    try:
        known = product.currency_code or book.base_currency
        convert(uow, product.list_price, known, code, book.rates.on)
    except NotFoundError as error:
        raise RuleViolationError(error.message, code="sales.quote.no_rate") from None


def check_floor(line: Any, currency_code: str) -> None:
    """Raise RuleViolationError where a line sells below the floor price."""
    if line.floor_price is None or line.unit_price is None or net_price(line) >= line.floor_price:
        return
    raise RuleViolationError(
        t(
            "{product} would cost {price} {currency} after the discount, less than {floor} "
            "{currency}, below which it is not sold: raise the price or lower the discount.",
            product=line.description or "",
            price=net_price(line),
            floor=line.floor_price,
            currency=currency_code,
        ),
        code="sales.quote.below_floor",
        details={"line_id": str(line.id), "floor_price": str(line.floor_price)},
    )


def refuse_broken(broken: Sequence[str]) -> None:
    """Raise RuleViolationError where configuration rules are broken, with all the reasons."""
    if broken:
        raise RuleViolationError(
            joined(broken, " "), code="sales.quote.configuration", details={"reasons": list(broken)}
        )


def is_product(line: Any) -> bool:
    """Return whether a line sells something, parts of bundles included."""
    return bool(line.kind == LineKind.PRODUCT)
