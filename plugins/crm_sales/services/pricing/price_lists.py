"""What a price list asks for a product, by the ERP's own order of precedence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from crm_core.entities import Backend, Binding, Product
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import RateTable, rates_on
from crm_core.services.settings import company_day, load_settings
from crm_sales.models import (
    PriceBase,
    PriceList,
    PriceListRule,
    PriceMethod,
    RuleTarget,
    Unpriced,
)
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.formulas import price_by_rule

LONGEST_CHAIN = 10
"""Price lists that rest on each other; a circle of them ends here."""
_NARROWNESS = {target: rank for rank, target in enumerate(RuleTarget)}
_RULE = (
    *("price_list_id", "position", "target", "product_id", "category", "min_quantity"),
    *("starts_at", "ends_at", "method", "base", "base_price_list_id", "fixed_price"),
    *("percent", "rounding", "surcharge", "min_margin", "max_margin"),
)
_BY_COST = PriceListRule.base == PriceBase.COST, PriceListRule.method != PriceMethod.FIXED
_PRODUCT = (
    *("id", "name", "reference", "category", "description", "unit", "list_price"),
    *("currency_code", "is_sold", "archived_at"),
)


@dataclass(frozen=True)
class PriceBook:
    """Prices of some products by any price list, worked out without asking the database again.

    Attributes:
        products: By id; each has name, category, list_price and so on.
        rules: By price list, in the order in which they are tried.
        currencies: Of each price list.
        rates: That held when it was opened.
        base_currency: Of products that name none.
        at: The moment that prices hold for.
    """

    products: Mapping[UUID, Any]
    rules: Mapping[UUID, Sequence[Any]]
    currencies: Mapping[UUID, str]
    rates: RateTable
    base_currency: str
    at: datetime

    def price(
        self, product_id: UUID, quantity: Decimal, price_list_id: UUID | None, currency: str
    ) -> Decimal | None:
        """Return the price of one, unrounded; None where it cannot be told here.

        That is where the product has no price, a rule rests on the cost, which only the ERP knows,
        or no dated rate leads to the currency.
        """
        product = self.products[product_id]
        found = self._by_list(product, quantity, price_list_id, LONGEST_CHAIN)
        return None if found is None else self.into(currency, *found)

    def unpriced(self, product_id: UUID, quantity: Decimal, price_list_id: UUID | None) -> Unpriced:
        """Return why :meth:`price` tells none."""
        product = self.products[product_id]
        if self._by_list(product, quantity, price_list_id, LONGEST_CHAIN) is not None:
            return Unpriced.RATE
        if self._rests_on_cost(product, quantity, price_list_id, LONGEST_CHAIN):
            return Unpriced.COST
        return Unpriced.PRICE if product.list_price is None else Unpriced.RATE

    def _rests_on_cost(
        self, product: Any, quantity: Decimal, price_list_id: UUID | None, left: int
    ) -> bool:
        if price_list_id is None or left == 0:
            return False
        rules = self.rules.get(price_list_id, ())
        rule = next((each for each in rules if _fits(each, product, quantity, self.at)), None)
        if rule is None or rule.method == PriceMethod.FIXED:
            return False
        if rule.base == PriceBase.PRICE_LIST:
            return self._rests_on_cost(product, quantity, rule.base_price_list_id, left - 1)
        return bool(rule.base == PriceBase.COST)

    def own_price(self, product_id: UUID, currency: str) -> Decimal | None:
        """Return the product's own price in a currency, whatever a price list says."""
        product = self.products[product_id]
        if product.list_price is None:
            return None
        return self.into(currency, product.list_price, product.currency_code or self.base_currency)

    def _by_list(
        self, product: Any, quantity: Decimal, price_list_id: UUID | None, left: int
    ) -> tuple[Decimal, str] | None:
        own = None
        if product.list_price is not None:
            own = product.list_price, product.currency_code or self.base_currency
        if price_list_id is None or left == 0:
            return own
        code = self.currencies[price_list_id]
        for rule in self.rules.get(price_list_id, ()):
            if not _fits(rule, product, quantity, self.at):
                continue
            if rule.method == PriceMethod.FIXED:
                return price_by_rule(rule, Decimal(0)), code
            if rule.base == PriceBase.COST:
                return None
            if rule.base == PriceBase.PRICE_LIST and rule.base_price_list_id is not None:
                base = self._by_list(product, quantity, rule.base_price_list_id, left - 1)
                base = base and self._in(code, *base)
            else:
                base = own
            # As in the ERP a surcharge on the product's own price is in the product's currency.
            return base and (price_by_rule(rule, base[0]), base[1])
        return own

    def _in(self, code: str, amount: Decimal, from_code: str) -> tuple[Decimal, str] | None:
        converted = self.into(code, amount, from_code)
        return None if converted is None else (converted, code)

    def into(self, code: str, amount: Decimal, from_code: str) -> Decimal | None:
        """Return an amount in another currency, hardly rounded; None where no rate leads there."""
        if code == from_code:
            return amount
        # A million units are converted, for the table rounds what it gives as money.
        many = self.rates.convert(amount * 1_000_000, from_code, code)
        return None if many is None else many.amount / 1_000_000


def open_price_book(uow: UnitOfWork, product_ids: Iterable[UUID], currency: str) -> PriceBook:
    """Return the prices of some products, in four statements at most.

    Args:
        uow: Any unit of work.
        product_ids: Which; one that is unknown is refused.
        currency: What prices will be asked in.

    Raises:
        InputError: There is no such product.
    """
    uow.actor.require(QUOTE_VIEW)
    wanted = sorted(set(product_ids))
    columns = [getattr(Product, name) for name in _PRODUCT]
    products = {row.id: row for row in uow.execute(select(*columns).where(Product.id.in_(wanted)))}
    missing = [key for key in wanted if key not in products]
    if missing:
        raise InputError(
            t("There is no product {product_id}: choose another.", product_id=missing[0]),
            code="sales.quote.product",
            details={"product_id": str(missing[0])},
        )
    rules: dict[UUID, list[Any]] = {}
    chosen = select(*(getattr(PriceListRule, name) for name in _RULE)).where(
        or_(PriceListRule.product_id.is_(None), PriceListRule.product_id.in_(wanted))
    )
    for rule in sorted(uow.execute(chosen), key=_precedence):
        rules.setdefault(rule.price_list_id, []).append(rule)
    lists = uow.execute(select(PriceList.id, PriceList.currency_code))
    currencies = {row.id: row.currency_code for row in lists}
    base = load_settings(uow).base_currency
    codes = {currency, base, *currencies.values(), *(p.currency_code for p in products.values())}
    codes.discard(None)
    today = company_day(uow)
    rates = rates_on(uow, codes, today) if len(codes) > 1 else RateTable(today, {})
    return PriceBook(products, rules, currencies, rates, base, uow.now)


def _precedence(rule: Any) -> tuple[Any, ...]:
    """Sort as the ERP does: target, then quantity, category and rule, each from the highest."""
    path = tuple(-ord(letter) for letter in rule.category or "")
    # Of two paths one of which begins the other, the longer one goes first.
    return _NARROWNESS[rule.target], -rule.min_quantity, (*path, 1), -rule.position


def _fits(rule: Any, product: Any, quantity: Decimal, at: datetime) -> bool:
    if rule.min_quantity and quantity < rule.min_quantity:
        return False
    if (rule.starts_at and at < rule.starts_at) or (rule.ends_at and at > rule.ends_at):
        return False
    if rule.product_id is not None:
        return bool(rule.product_id == product.id)
    return rule.category is None or is_within(product.category, rule.category)


def is_within(category: str | None, path: str) -> bool:
    """Return whether a product's category is ``path`` or lies below it."""
    return category is not None and (category == path or category.startswith(f"{path} / "))


def lists_by_cost(uow: UnitOfWork, backend: str) -> list[tuple[str, int]]:
    """Return the price lists of a back office with rules that start from the cost, and how many."""
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(PriceList.name, func.count(PriceListRule.id).label("rules"))
        .join(Binding, Binding.local_id == PriceList.id)
        .join(Backend, Backend.id == Binding.backend_id)
        .join(PriceListRule, PriceListRule.price_list_id == PriceList.id)
        .where(Backend.name == backend, Binding.entity == PriceList.__entity__)
        .where(PriceList.archived_at.is_(None), *_BY_COST)
        .group_by(PriceList.id, PriceList.name, PriceList.position)
        .order_by(PriceList.position, PriceList.name)
    )
    return [(row.name, row.rules) for row in uow.execute(statement)]


def rules_by_cost(uow: UnitOfWork, price_list_ids: Iterable[UUID]) -> Mapping[UUID, int]:
    """Return how many rules of price lists start from the cost; lists without any are left out."""
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(PriceListRule.price_list_id, func.count().label("rules"))
        .where(PriceListRule.price_list_id.in_(sorted(price_list_ids)), *_BY_COST)
        .group_by(PriceListRule.price_list_id)
    )
    return {row.price_list_id: row.rules for row in uow.execute(statement)}
