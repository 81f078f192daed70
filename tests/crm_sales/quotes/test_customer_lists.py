"""The price list that holds for a customer is what discounts are counted from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from crm_core.errors import PermissionDeniedError, RuleViolationError
from crm_sales.models import PriceList, PriceListRule
from crm_sales.services.pricing.customer_lists import (
    give_price_list,
    open_price_list,
    take_price_list,
)
from crm_sales.services.pricing.price_lists import rules_by_cost
from crm_sales.services.quotes.approval import submit_quote
from crm_sales.services.quotes.editing import edit_quote
from crm_sales.services.quotes.lines import add_bundle, edit_lines
from crm_sales.services.quotes.preview import preview_quote
from crm_sales.services.quotes.reading import find_products

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def price_list(office: Any, name: str, percent: Any = None, **values: Any) -> UUID:
    """Add a price list in euros, everything so much less than the product's own price."""

    def act(uow: Any) -> UUID:
        made = uow.add(PriceList(name=name, currency_code="EUR", **values))
        uow.flush()
        if percent is not None:
            rule = {"method": "percent", "percent": Decimal(percent)}
            uow.add(PriceListRule(price_list_id=made.id, **rule))
        return made.id  # type: ignore[no-any-return]

    return office.write(act)  # type: ignore[no-any-return]


@pytest.fixture
def lists(office: Any) -> dict[str, UUID]:
    """The usual list, one for friends that takes 20 % off, and a dear one."""
    return {
        "usual": price_list(office, "Usual", 0, is_default=True),
        "friends": price_list(office, "Friends", 20),
        "dear": price_list(office, "Dear", -10),
    }


def test_a_cheaper_list_counts_as_discount(offers, office, lists, web):
    table = offers.product()
    quote_id = offers.quote()
    offers.line(quote_id, table)
    offers.act(edit_quote, quote_id, {"price_list_id": lists["friends"]})
    view = offers.view(quote_id)
    [line] = view["lines"]
    assert (line["unit_price"], line["base_price"]) == (80, 100)
    assert (line["person_discount"], view["discount_percent"]) == (20, 20)
    assert "price list Friends instead of the customer's, Usual: up to 20 %" in view["list_reason"]
    offers.act(submit_quote, quote_id)
    asked = offers.view(quote_id)
    assert asked["state"] == "waiting", "an employee's limit is 10 %"
    assert "Friends" in asked["approvals"][0]["list_reason"]
    page = web("manager").get(f"/sales/quotes/{quote_id}")
    assert "Goes by the price list Friends" in page.words
    assert len(page.queries) <= 15
    editor = web("employee").get(f"/sales/quotes/{quote_id}")
    assert "by the customer's price list €100.00" in editor.words
    [told] = web("employee").get(f"/api/v1/sales/quotes/{quote_id}").response.get_json()["lines"]
    assert Decimal(told["base_price"]) == 100


def test_a_discount_adds_to_what_the_list_takes_off(offers, office, lists):
    quote_id = offers.quote(price_list_id=lists["friends"])
    line_id = offers.line(quote_id, offers.product(), discount_percent="10")
    assert offers.view(quote_id)["discount_percent"] == 28
    # Priced as the customer's list would, it is no discount, whatever list it goes by.
    offers.act(edit_quote, quote_id, {"price_list_id": lists["dear"]})
    changes = {line_id: {"unit_price": "110", "discount_percent": "0"}}
    offers.act(edit_lines, quote_id, changes)
    assert offers.view(quote_id)["discount_percent"] == 0
    assert offers.view(quote_id)["list_reason"] is None
    offers.act(edit_lines, quote_id, {line_id: {"unit_price": "90"}})
    assert offers.view(quote_id)["discount_percent"] == 10
    preview = office.read(
        lambda uow: preview_quote(uow, quote_id, {line_id: {"unit_price": "80"}}), "employee"
    )
    assert (preview.totals.discount_percent, preview.needs_approval) == (20, True)


def test_no_list_at_all_is_another_list_too(offers, lists):
    """The products' own prices are not what the customer's list asks."""
    quote_id = offers.quote(price_list_id=lists["dear"])
    offers.line(quote_id, offers.product())
    offers.act(edit_quote, quote_id, {"price_list_id": None})
    assert offers.view(quote_id)["discount_percent"] == 0
    [line] = offers.view(quote_id)["lines"]
    assert (line["unit_price"], line["base_price"]) == (100, 100)


def test_a_list_that_is_free_to_use_takes_nothing_off(offers, office, lists):
    with pytest.raises(PermissionDeniedError):
        offers.act(open_price_list, lists["friends"], is_open=True)
    offers.act(open_price_list, lists["friends"], is_open=True, by="manager")
    quote_id = offers.quote(price_list_id=lists["friends"])
    offers.line(quote_id, offers.product())
    view = offers.view(quote_id)
    assert (view["discount_percent"], view["list_reason"]) == (0, None)
    assert view["lines"][0]["base_price"] is None


def test_a_customer_s_own_list_holds(offers, office, lists):
    customer_id = UUID(office.customer("employee"))
    with pytest.raises(PermissionDeniedError):
        offers.act(give_price_list, customer_id, lists["friends"])
    offers.act(give_price_list, customer_id, lists["friends"], by="manager")
    quote_id = offers.quote()
    offers.line(quote_id, offers.product())
    view = offers.view(quote_id)
    assert (view["price_list_name"], view["discount_percent"]) == ("Friends", 0)
    assert view["lines"][0]["unit_price"] == 80
    offers.act(take_price_list, customer_id, "EUR", by="manager")
    offers.act(edit_quote, quote_id, {"note": "Again"})
    assert offers.view(quote_id)["discount_percent"] == 20, "the default holds again"


def test_a_bundle_by_a_cheaper_list_counts_too_but_not_one_with_a_price(offers, office, lists):
    offers.product("TABLE"), offers.product("LAMP", "50")
    parts = [["TABLE", 1], ["LAMP", 2]]
    offers.rules(
        bundles=[
            {"name": "Set less", "percent": 5, "parts": parts},
            {"name": "Set fixed", "price": 150, "currency": "EUR", "parts": parts},
        ]
    )
    found = office.read(lambda uow: find_products(uow, "Set"), "employee")
    ids = {each["name"]: each["id"] for each in found}
    for name, percent in (("Set fixed", 0), ("Set less", 20)):
        quote_id = offers.quote(price_list_id=lists["friends"])
        offers.act(add_bundle, quote_id, ids[name])
        assert offers.view(quote_id)["discount_percent"] == percent, name


def test_the_personal_price_is_no_discount_by_another_list_either(offers, office, lists):
    """A band takes the same off both lists, so what the list takes off stays what it is."""
    offers.rules(bands=[])
    quote_id = offers.quote(price_list_id=lists["friends"])
    offers.line(quote_id, offers.product("TABLE", "100"))
    assert offers.view(quote_id)["discount_percent"] == 20


def test_a_price_by_cost_says_so_where_one_is_missing(offers, office, lists, web):
    by_cost = price_list(office, "By cost")

    def rule(uow: Any) -> None:
        values = {"method": "formula", "base": "cost", "percent": Decimal(-30)}
        uow.add(PriceListRule(price_list_id=by_cost, **values))

    office.write(rule)
    office.write(lambda uow: setattr(uow.get(PriceList, lists["usual"]), "is_default", False))
    office.write(lambda uow: setattr(uow.get(PriceList, by_cost), "is_default", True))
    quote_id = offers.quote()
    line_id = offers.line(quote_id, offers.product())
    assert offers.view(quote_id)["lines"][0]["unpriced"] == "cost"
    said = "works it out from the cost, which only the back office knows"
    assert said in web("employee").get(f"/sales/quotes/{quote_id}").words
    with pytest.raises(RuleViolationError, match=said):
        offers.act(submit_quote, quote_id)
    offers.act(edit_lines, quote_id, {line_id: {"unit_price": "90"}})
    assert offers.act(submit_quote, quote_id).state == "approved"
    assert office.read(lambda uow: rules_by_cost(uow, [*lists.values(), by_cost])) == {by_cost: 1}
    offers.act(edit_quote, quote_id, {"price_list_id": lists["usual"]})
    offers.line(quote_id, offers.product("LAMP", None))
    assert [each["unpriced"] for each in offers.view(quote_id)["lines"]] == [None, "price"]
