"""Price lists by the ERP's precedence, personal bands, and sums that always add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.entities import TransactionLine, TransactionLink
from crm_core.errors import PermissionDeniedError
from crm_core.services.currencies import set_rate
from crm_core.testing.factories import make_invoice, make_transaction
from crm_sales.models import PriceList, PriceListRule, QuoteLine
from crm_sales.services.pricing.bands import band_reason, personal_band
from crm_sales.services.pricing.formulas import (
    given_discount,
    less,
    price_by_rule,
    rounded,
    rounded_to,
    spread,
)
from crm_sales.services.pricing.offer_rules import change_offer_rules
from crm_sales.services.pricing.price_lists import open_price_book
from crm_sales.services.quotes.amounts import Reckoning, reckon
from crm_sales.services.quotes.editing import refresh_prices

prices = st.decimals(min_value=0, max_value=100_000, places=2)
quantities = st.decimals(min_value=Decimal("0.001"), max_value=1_000, places=3)
percents = st.decimals(min_value=0, max_value=100, places=2)
ONE = Decimal(1)


def _line(quantity, price, discount, tax, *, is_chosen=True, role="normal"):
    return QuoteLine(
        kind="product",
        role=role,
        is_chosen=is_chosen,
        quantity=quantity,
        unit_price=price,
        list_price=price,
        discount_percent=discount,
        tax_percent=tax,
    )


lines = st.lists(
    st.builds(
        _line,
        quantities,
        prices,
        percents,
        st.sampled_from([Decimal(0), Decimal(6), Decimal("13.5"), Decimal(24)]),
        is_chosen=st.booleans(),
    ),
    max_size=12,
)


@given(lines, st.sampled_from([0, 2, 3]), st.booleans())
def test_lines_and_rates_and_totals_add_up(some, places, rounds_lines):
    totals = reckon(some, Reckoning(money_places=places, rounds_lines=rounds_lines))
    bought = [line for line in some if line.is_chosen]
    unit = ONE.scaleb(-places)
    assert totals.untaxed_amount == sum(line.untaxed_amount for line in bought)
    assert totals.untaxed_amount == sum(part.untaxed_amount for part in totals.taxes)
    assert totals.total_amount == totals.untaxed_amount + totals.tax_amount
    for line in some:
        exact = line.unit_price * line.quantity * (1 - line.discount_percent / 100)
        assert abs(line.untaxed_amount - exact) <= unit / 2
        assert line.total_amount == line.untaxed_amount + line.tax_amount
        assert line.untaxed_amount == line.untaxed_amount.quantize(unit)
    if rounds_lines:
        assert totals.tax_amount == sum(line.tax_amount for line in bought)
        assert totals.tax_amount == sum(part.tax_amount for part in totals.taxes)
    else:
        exact = sum((line.untaxed_amount * line.tax_percent / 100 for line in bought), Decimal(0))
        assert abs(totals.tax_amount - exact) <= unit / 2


@given(prices, percents)
def test_a_discount_is_found_again_however_it_was_given(asked, percent):
    by_discount = given_discount(asked, asked, percent)
    by_price = given_discount(asked, less(asked, percent), None)
    assert by_discount == by_price
    assert by_discount == (percent if asked else 0)
    assert given_discount(asked, asked + 1, None) == 0


@given(
    prices,
    st.lists(
        st.tuples(prices, st.integers(1, 20).map(Decimal)),
        min_size=1,
        max_size=6,
    ),
)
def test_a_bundle_costs_what_it_shall_to_the_last_unit_that_can_be(total, parts):
    units = spread(total, parts, 2)
    cost = sum(unit * quantity for unit, (_, quantity) in zip(units, parts, strict=True))
    assert all(unit >= 0 and unit == round(unit, 2) for unit in units)
    pieces = sum(quantity for _, quantity in parts)
    assert abs(cost - total) <= Decimal("0.005") * pieces
    whole = [u for u, (_, quantity) in zip(units, parts, strict=True) if quantity == 1]
    if whole and max(whole) >= Decimal("0.005") * pieces and total > pieces:
        assert cost == total or min(whole) == 0


@given(st.decimals(-1000, 1000, places=4), st.sampled_from(["0.05", "0.5", "1", "10"]))
def test_rounding_is_half_up_and_to_the_step(amount, step):
    step = Decimal(step)
    near = rounded_to(amount, step)
    assert near % step == 0
    assert abs(near - amount) <= step / 2
    assert rounded(Decimal("0.125"), 2) == Decimal("0.13")
    assert rounded(Decimal("2.675"), 2) == Decimal("2.68")


@pytest.mark.parametrize(
    ("rule", "price"),
    [
        ({"method": "fixed", "fixed_price": Decimal("42.5")}, "42.5"),
        ({"method": "percent", "percent": Decimal(15)}, "85"),
        ({"method": "percent", "percent": Decimal(-10)}, "110"),
        ({"percent": Decimal(33), "rounding": Decimal(10), "surcharge": Decimal("-0.01")}, "69.99"),
        ({"percent": Decimal(50), "min_margin": Decimal(-20)}, "80"),
        ({"surcharge": Decimal(90), "max_margin": Decimal(25)}, "125"),
    ],
)
def test_a_rule_makes_the_price_that_the_erp_makes(rule, price):
    fields = ("fixed_price", "percent", "rounding", "surcharge", "min_margin", "max_margin")
    whole = SimpleNamespace(**{"method": "formula", **dict.fromkeys(fields), **rule})
    assert price_by_rule(whole, Decimal(100)) == Decimal(price)


def _list(uow, *rules, currency="EUR", **values) -> UUID:
    made = uow.add(PriceList(name="L", currency_code=currency, **values))
    uow.flush()
    for rule in rules:
        uow.add(PriceListRule(**{"price_list_id": made.id, "method": "fixed", **rule}))
    uow.flush()
    return made.id


def test_the_narrowest_rule_wins_then_quantity_then_category_then_the_newest(offers, office):
    table = offers.product("TABLE", "100", category="All / Goods / Tables")
    other = offers.product("OTHER", "10", category="All / Goodsies")
    now = datetime.now(UTC)
    rules = (
        {"target": "all", "method": "percent", "percent": 1, "base": "list"},
        {"target": "category", "category": "All / Goods", "fixed_price": 90},
        {"target": "category", "category": "All / Goods / Tables", "fixed_price": 80},
        {"target": "product", "product_id": table, "fixed_price": 70, "min_quantity": 5},
        {"target": "variant", "product_id": table, "fixed_price": 60, "min_quantity": 10},
        {"target": "variant", "product_id": table, "fixed_price": 55, "min_quantity": 10,
         "position": 3},
        {"target": "variant", "product_id": table, "fixed_price": 1,
         "ends_at": now - timedelta(days=1)},
        {"target": "variant", "product_id": table, "fixed_price": 2,
         "starts_at": now + timedelta(days=1)},
    )  # fmt: skip

    def asked(uow):
        key = _list(uow, *rules)
        book = open_price_book(uow, (table, other), "EUR")
        return [
            book.price(product, Decimal(n), key, "EUR")
            for product, n in ((table, 1), (table, 5), (table, 9), (table, 10), (other, 1))
        ]

    assert office.write(asked) == [80, 70, 70, 55, Decimal("9.9")]


def test_lists_rest_on_lists_in_other_currencies_and_never_on_themselves(offers, office):
    table = offers.product("TABLE", "100")

    def asked(uow):
        set_rate(uow, "USD", "EUR", uow.now.date(), Decimal("1.25"))
        base = _list(uow, {"method": "percent", "percent": 10})
        dollars = _list(
            uow,
            {"method": "percent", "percent": 20, "base": "price_list", "base_price_list_id": base},
            currency="USD",
        )
        circle = _list(uow, {"method": "percent", "percent": 50, "base": "price_list"})
        uow.scalar(_rules_of(circle)).base_price_list_id = circle
        cost = _list(uow, {"method": "percent", "percent": 5, "base": "cost"})
        uow.flush()
        book = open_price_book(uow, (table,), "USD")
        one = Decimal(1)
        return (
            book.price(table, one, dollars, "USD"),
            book.price(table, one, None, "USD"),
            book.price(table, one, cost, "EUR"),
            book.price(table, one, circle, "EUR") is not None,
        )

    assert office.write(asked) == (90, 125, None, True)


def _rules_of(price_list_id):
    from sqlalchemy import select

    return select(PriceListRule).where(PriceListRule.price_list_id == price_list_id)


def _paid(uow, customer_id, days_ago, paid_after, total="1000", due=30):
    issued = uow.now.date() - timedelta(days=days_ago)
    invoice = make_invoice(
        uow,
        customer_id,
        total=total,
        issued_on=issued,
        due_on=issued + timedelta(days=due),
        open_amount="0",
    )
    payment = make_transaction(
        uow, customer_id, "payment", total=total, issued_on=issued + timedelta(days=paid_after)
    )
    uow.flush()
    uow.add(
        TransactionLink(
            from_transaction_id=payment.id,
            to_transaction_id=invoice.id,
            kind="pays",
            amount=Decimal(total),
            told_by_id=payment.id,
        )
    )
    uow.flush()


def test_who_pays_well_pays_less_and_the_reason_is_told(offers, office):
    customer_id = UUID(office.customer("employee"))
    band = lambda: office.read(  # noqa: E731
        lambda uow: personal_band(uow, customer_id, uow.now.date()), "employee"
    )
    office.write(lambda uow: _forget(uow, customer_id))
    assert band() is None  # nothing bought yet
    office.write(lambda uow: _paid(uow, customer_id, 60, 12))
    assert band().percent == 2
    assert band_reason(band().facts) == (
        "Pays on time: 2 % off, for no invoice paid late, paid within 12 days on average "
        "in the last 12 months"
    )
    table = offers.product("TABLE", "100")
    offers.rules(floors=[{"percent_of_list": "50"}, {"category": "All", "percent_of_list": "99"}])
    quote_id = offers.quote()
    offers.line(quote_id, table)
    view = offers.view(quote_id)
    (line,) = view["lines"]
    assert (line["list_price"], line["unit_price"], line["floor_price"]) == (100, 99, 99)
    assert view["discount_percent"] == 0  # it is the company's, nobody gave it
    office.write(lambda uow: _paid(uow, customer_id, 50, 20, "60000"))
    assert band().percent == 5
    assert "61000" in band_reason(band().facts)
    office.write(lambda uow: _paid(uow, customer_id, 90, 45))
    assert band() is None
    offers.act(refresh_prices, quote_id)
    assert offers.view(quote_id)["lines"][0]["unit_price"] == 100
    assert offers.view(quote_id)["band_reason"] is None


def _forget(uow, customer_id):
    from sqlalchemy import delete

    from crm_core.entities import Transaction

    uow.execute(delete(Transaction).where(Transaction.customer_id == customer_id))


def test_an_unknown_product_has_no_price(office):
    with pytest.raises(Exception, match="There is no product"):
        office.read(lambda uow: open_price_book(uow, (uuid4(),), "EUR"), "employee")


def test_tax_is_reckoned_as_the_erp_charged_it_last(offers, office):
    customer_id = UUID(office.customer("employee"))
    table, chair = offers.product("TABLE", "100"), offers.product("CHAIR", "100")

    def bought(uow):
        order = make_transaction(uow, customer_id, "order")
        uow.flush()
        for position, (product, total) in enumerate(((table, "24.80"), (chair, "22.60"))):
            uow.add(
                TransactionLine(
                    transaction_id=order.id,
                    position=position,
                    product_id=product,
                    untaxed_amount=Decimal(20),
                    total_amount=Decimal(total),
                )
            )

    office.write(bought)
    quote_id = offers.quote()
    offers.line(quote_id, table)
    offers.line(quote_id, chair)
    offers.line(quote_id, offers.product("LAMP", "10"), tax_percent="6")
    percents = [line["tax_percent"] for line in offers.view(quote_id)["lines"]]
    assert percents == [24, 13, 6]
    assert offers.view(quote_id)["tax_source"] == "estimate"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_nobody_sets_a_limit_above_their_own(office):
    def limits(percents):
        return lambda uow: change_offer_rules(uow, {"limits": percents})

    lower = {"employee": "20", "manager": "25", "admin": "100"}
    assert office.write(limits(lower), "manager") == ["limits"]
    with pytest.raises(PermissionDeniedError, match="25 %"):
        office.write(limits({**lower, "manager": "60"}), "manager")
    assert office.write(limits({"manager": "60", "admin": "0"}), "admin") == ["limits"]
    assert office.write(limits({**lower, "manager": "60"}), "admin") == ["limits"], "no way back"
