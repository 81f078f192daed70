"""Offers: made, changed, sent round for approval, revised; and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select

from crm_core.entities import Product
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_sales.models import Bundle, PriceList, Quote
from crm_sales.services.opportunities import assign_opportunity, lose_opportunity
from crm_sales.services.quotes.approval import approve_quote, refuse_approval, submit_quote
from crm_sales.services.quotes.editing import add_quote, edit_quote, refresh_prices
from crm_sales.services.quotes.lines import (
    add_bundle,
    add_line,
    edit_lines,
    move_line,
    remove_line,
)
from crm_sales.services.quotes.reading import list_quotes, quotes_to_approve
from crm_sales.services.quotes.versions import revise_quote, withdraw_quote


@pytest.mark.usefixtures("noon")
def test_an_offer_is_made_priced_and_added_up(offers):
    table, chair = offers.product("TABLE", "99.99"), offers.product("CHAIR", "10.05")
    quote_id = offers.quote()
    offers.line(quote_id, table, quantity="3", tax_percent="24")
    offers.line(quote_id, chair, quantity="1.5", discount_percent="5", tax_percent="13")
    view = offers.view(quote_id)
    today = datetime.now(UTC).date()
    assert view["number"] == f"Q{today.year}-00001"
    assert view["valid_until_on"] == today + timedelta(days=30)
    assert view["state"] == "draft"
    assert view["tax_source"] == "estimate"
    assert view["customer_name"].startswith("Northquux")
    assert [(line["description"], line["untaxed_amount"]) for line in view["lines"]] == [
        ("Table", Decimal("299.97")),
        ("Chair", Decimal("14.32")),
    ]
    assert view["untaxed_amount"] == Decimal("314.29")
    assert view["tax_amount"] == Decimal("71.99") + Decimal("1.86")
    assert view["total_amount"] == Decimal("388.14")
    assert [part["percent"] for part in view["taxes"]] == [13, 24]
    assert view["lines"][1]["person_discount"] == 5


@pytest.mark.usefixtures("noon")
def test_numbers_count_up_and_each_version_has_its_own(offers):
    table = offers.product()
    first, second = offers.quote(), offers.quote()
    offers.line(first, table)
    offers.act(submit_quote, first)
    revised = offers.act(revise_quote, first)
    year = datetime.now(UTC).year
    assert offers.view(second)["number"] == f"Q{year}-00002"
    assert revised.number == f"Q{year}-00001-2"
    assert offers.view(first)["state"] == "withdrawn"
    assert offers.view(revised.id)["state"] == "draft"
    assert [line["description"] for line in offers.view(revised.id)["lines"]] == ["Table"]
    with pytest.raises(RuleViolationError) as refused:
        offers.act(revise_quote, first)
    assert refused.value.code == "sales.quote.older_version"
    assert offers.act(revise_quote, revised.id).number == f"Q{year}-00001-3"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quantity": "-1"}, "sales.quote.quantity"),
        ({"quantity": "0"}, "sales.quote.quantity"),
        ({"quantity": "1.2345"}, "sales.quote.quantity"),
        ({"quantity": "NaN"}, "sales.quote.quantity"),
        ({"unit_price": "-5"}, "sales.quote.price"),
        ({"unit_price": "1.005"}, "sales.quote.price"),
        ({"discount_percent": "101"}, "sales.quote.discount"),
        ({"discount_percent": "x"}, "sales.quote.discount"),
        ({"tax_percent": "-1"}, "sales.quote.tax"),
        ({"role": "bundle"}, "sales.quote.role"),
        ({"role": "alternative"}, "sales.quote.group"),
        ({"untaxed_amount": "1"}, "sales.quote.field"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_bad_numbers_are_refused_by_a_code(offers, values, code):
    quote_id, table = offers.quote(), offers.product()
    with pytest.raises(InputError) as refused:
        offers.line(quote_id, table, **values)
    assert refused.value.code == code
    assert offers.view(quote_id)["lines"] == []


def test_what_is_not_sold_is_not_offered(offers, office):
    quote_id = offers.quote()
    gone = offers.product("GONE", archived_at=datetime.now(UTC))
    kept = offers.product("KEPT")
    for product, code in ((gone, "sales.quote.product_gone"), (uuid4(), "sales.quote.product")):
        with pytest.raises((RuleViolationError, NotFoundError)) as refused:
            offers.line(quote_id, product)
        assert refused.value.code == code
    offers.line(quote_id, kept)
    office.write(lambda uow: setattr(uow.get(Product, kept), "archived_at", uow.now))
    with pytest.raises(RuleViolationError) as refused:
        offers.act(submit_quote, quote_id)
    assert refused.value.code == "sales.quote.product_gone"
    assert offers.view(quote_id)["lines"][0]["is_gone"]


def test_currencies_do_not_mix(offers, office):
    offers.rules(price_lists=[{"name": "Dollars", "currency": "USD"}])
    dollars = office.read(lambda uow: uow.scalar(select(PriceList.id)))
    deal_id = offers.deal()
    for values in (
        {"currency_code": "EUR", "price_list_id": dollars},
        {"currency_code": "JPY"},
        {"currency_code": "XXX1"},
    ):
        with pytest.raises(InputError):
            offers.act(add_quote, deal_id, **values)
    quote = offers.act(add_quote, deal_id, price_list_id=dollars)
    assert quote.currency_code == "USD"
    table = offers.product()  # in euros, and no rate leads to dollars
    offers.line(quote.id, table)
    assert offers.view(quote.id)["lines"][0]["unit_price"] is None
    with pytest.raises(RuleViolationError, match="Table has no price"):
        offers.act(submit_quote, quote.id)
    euros = offers.quote()
    with pytest.raises(InputError) as refused:
        offers.act(edit_quote, euros, {"price_list_id": dollars})
    assert refused.value.code == "sales.quote.currency"


def test_what_is_within_the_limit_passes_and_what_is_above_waits(offers, office):
    table = offers.product()
    quote_id = offers.quote()
    line_id = offers.line(quote_id, table, discount_percent="10")
    assert offers.act(submit_quote, quote_id).state == "approved"
    offers.act(edit_lines, quote_id, {line_id: {"discount_percent": "20"}})
    assert offers.view(quote_id)["state"] == "draft"
    assert offers.act(submit_quote, quote_id).state == "waiting"
    waiting = office.read(quotes_to_approve, "manager").items
    assert [(each["id"], each["percent"], each["asked_by"]) for each in waiting] == [
        (quote_id, 20, "Eleni Employee")
    ]
    assert office.read(quotes_to_approve, "admin").items
    for who, error in (
        ("employee", PermissionDeniedError),
        ("readonly", PermissionDeniedError),
        ("outsider", NotFoundError),
    ):
        with pytest.raises(error):
            offers.act(approve_quote, quote_id, by=who)
    assert offers.act(approve_quote, quote_id, by="manager").state == "approved"
    with pytest.raises(RuleViolationError, match="Mara Manager has approved it already"):
        offers.act(refuse_approval, quote_id, "Too much", by="admin")
    (approval,) = offers.view(quote_id)["approvals"]
    assert approval["decided_by"] == "Mara Manager"
    assert approval["decision"] == "approved"


def test_a_limit_that_does_not_reach_lets_nothing_pass(offers, office):
    table = offers.product()
    quote_id = offers.quote()
    offers.line(quote_id, table, unit_price="60")
    assert offers.act(submit_quote, quote_id).state == "waiting"
    assert office.read(quotes_to_approve, "manager").items == []
    with pytest.raises(PermissionDeniedError) as refused:
        offers.act(approve_quote, quote_id, by="manager")
    assert refused.value.code == "sales.quote.limit"
    with pytest.raises(InputError):
        offers.act(refuse_approval, quote_id, " ", by="manager")
    assert offers.act(refuse_approval, quote_id, "Ask for more", by="manager").state == "draft"
    offers.act(submit_quote, quote_id)
    assert offers.act(approve_quote, quote_id, by="admin").state == "approved"
    own = offers.quote("manager")
    offers.line(own, table, by="manager", discount_percent="40")
    assert offers.act(submit_quote, own, by="manager").state == "waiting"
    offers.rules(limits={"manager": "45"})
    with pytest.raises(PermissionDeniedError) as refused:
        offers.act(approve_quote, own, by="manager")
    assert refused.value.code == "sales.quote.own_approval"


def test_nothing_sells_below_the_floor(offers):
    table = offers.product()
    quote_id = offers.quote()
    for values in ({"unit_price": "49.99"}, {"discount_percent": "50.01"}):
        with pytest.raises(RuleViolationError) as refused:
            offers.line(quote_id, table, **values)
        assert refused.value.code == "sales.quote.below_floor"
    offers.rules(floors=[{"product": "TABLE", "price": "120", "currency": "EUR"}])
    offers.line(quote_id, table)
    assert offers.view(quote_id)["lines"][0]["unit_price"] == 120


def test_what_was_sent_is_never_changed(offers, office):
    table = offers.product()
    quote_id = offers.quote()
    line_id = offers.line(quote_id, table)
    for state in ("sent", "accepted", "refused", "expired", "withdrawn", "ordered"):
        office.write(lambda uow, state=state: setattr(uow.get(Quote, quote_id), "state", state))
        for act in (
            lambda: offers.line(quote_id, table),
            lambda: offers.act(edit_lines, quote_id, {line_id: {"quantity": 2}}),
            lambda: offers.act(remove_line, quote_id, line_id),
            lambda: offers.act(edit_quote, quote_id, {"note": "x"}),
            lambda: offers.act(submit_quote, quote_id),
            lambda: offers.act(refresh_prices, quote_id),
        ):
            with pytest.raises(RuleViolationError) as refused:
                act()
            assert refused.value.code == "sales.quote.closed"
    with pytest.raises(RuleViolationError):
        offers.act(withdraw_quote, quote_id)
    with pytest.raises(RuleViolationError):
        offers.act(revise_quote, quote_id)


def test_others_see_and_change_what_they_may_and_no_more(offers, office):
    table = offers.product()
    quote_id = offers.quote()
    line_id = offers.line(quote_id, table)
    for who in ("manager", "readonly", "admin"):
        assert offers.view(quote_id, by=who)["number"]
    assert office.read(list_quotes, "outsider").items == []
    with pytest.raises(NotFoundError):
        offers.view(quote_id, by="outsider")
    for act in (
        lambda who: offers.line(quote_id, table, by=who),
        lambda who: offers.act(edit_lines, quote_id, {line_id: {"quantity": 2}}, by=who),
        lambda who: offers.act(submit_quote, quote_id, by=who),
        lambda who: offers.act(revise_quote, quote_id, by=who),
        lambda who: offers.act(withdraw_quote, quote_id, by=who),
    ):
        with pytest.raises(NotFoundError):
            act("outsider")
        with pytest.raises(PermissionDeniedError):
            act("readonly")
    assert offers.act(edit_lines, quote_id, {line_id: {"quantity": 2}}, by="manager")
    with pytest.raises((NotFoundError, PermissionDeniedError)):
        offers.act(add_quote, offers.deal("manager"), by="employee")


def test_two_at_once_see_each_other(offers, office):
    table = offers.product()
    quote_id = offers.quote()
    line_id = offers.line(quote_id, table)
    version = offers.view(quote_id)["version"]
    offers.act(
        edit_lines, quote_id, {line_id: {"quantity": 2}}, expected_version=version, by="manager"
    )
    with pytest.raises(StaleVersionError, match="was changed since you read it. manager changed "):
        offers.act(edit_lines, quote_id, {line_id: {"quantity": 3}}, expected_version=version)
    assert offers.view(quote_id)["lines"][0]["quantity"] == 2


def test_options_and_alternatives_count_when_they_are_chosen(offers):
    table, lamp = offers.product(), offers.product("LAMP", "30")
    oak, pine = offers.product("OAK", "50"), offers.product("PINE", "20")
    quote_id = offers.quote()
    offers.line(quote_id, table)
    option = offers.line(quote_id, lamp, role="option")
    first = offers.line(quote_id, oak, role="alternative", group="Top")
    second = offers.line(quote_id, pine, role="alternative", group="Top")
    assert offers.view(quote_id)["untaxed_amount"] == 150
    offers.act(edit_lines, quote_id, {second: {"is_chosen": True}, option: {"is_chosen": True}})
    view = offers.view(quote_id)
    assert view["untaxed_amount"] == 100 + 20 + 30
    assert [line["is_chosen"] for line in view["lines"]] == [True, True, False, True]
    offers.act(edit_lines, quote_id, {second: {"is_chosen": False}})
    with pytest.raises(RuleViolationError, match="Choose one of the alternatives Top"):
        offers.act(submit_quote, quote_id)
    offers.act(edit_lines, quote_id, {first: {"is_chosen": True}})
    assert offers.act(submit_quote, quote_id).state == "approved"


def test_what_excludes_is_refused_and_what_is_required_is_asked_for(offers):
    gas, oven, hose = (offers.product(name) for name in ("GAS", "OVEN", "HOSE"))
    offers.rules(
        rules=[
            {"kind": "excludes", "product": "GAS", "other_product": "OVEN", "reason": "no burner"},
            {"kind": "requires", "product": "GAS", "other_product": "HOSE", "reason": "by law"},
        ]
    )
    quote_id = offers.quote()
    offers.line(quote_id, gas)
    with pytest.raises(RuleViolationError, match="Gas and Oven cannot be sold together: no burner"):
        offers.line(quote_id, oven)
    offers.line(quote_id, oven, role="option")  # not taken yet
    with pytest.raises(RuleViolationError, match="Gas requires Hose: by law"):
        offers.act(submit_quote, quote_id)
    offers.line(quote_id, hose)
    assert offers.act(submit_quote, quote_id).state == "approved"


def test_a_bundle_is_priced_together_and_changed_as_a_whole(offers, office):
    table, _chair = offers.product("TABLE", "100"), offers.product("CHAIR", "50")
    offers.rules(
        bundles=[
            {
                "name": "Set",
                "price": "249.99",
                "currency": "EUR",
                "parts": [["TABLE", "1"], ["CHAIR", "4"]],
            }
        ]
    )
    bundle_id = office.read(lambda uow: uow.scalar(select(Bundle.id)))
    quote_id = offers.quote()
    head = offers.act(add_bundle, quote_id, bundle_id, quantity=2)
    offers.line(quote_id, table)
    view = offers.view(quote_id)
    assert view["lines"][0]["untaxed_amount"] == Decimal("499.98")
    assert view["untaxed_amount"] == Decimal("599.98")
    assert view["discount_percent"] == 0
    offers.act(edit_lines, quote_id, {head.id: {"quantity": 1, "discount_percent": 5}})
    view = offers.view(quote_id)
    assert [line["quantity"] for line in view["lines"]] == [1, 1, 4, 1]
    assert view["discount_percent"] == 5
    part = view["lines"][2]["id"]
    for act in (
        lambda: offers.act(edit_lines, quote_id, {part: {"quantity": 1}}),
        lambda: offers.act(remove_line, quote_id, part),
    ):
        with pytest.raises(RuleViolationError) as refused:
            act()
        assert refused.value.code == "sales.quote.bundle_part"
    offers.act(move_line, quote_id, head.id, steps=1)
    assert [line["description"] for line in offers.view(quote_id)["lines"]] == [
        "Table",
        "Set",
        "Table",
        "Chair",
    ]
    revised = offers.act(revise_quote, quote_id)
    assert offers.view(revised.id)["untaxed_amount"] == offers.view(quote_id)["untaxed_amount"]
    offers.act(remove_line, revised.id, offers.view(revised.id)["lines"][1]["id"])
    assert len(offers.view(revised.id)["lines"]) == 1


def test_sections_and_notes_say_something_and_cost_nothing(offers):
    quote_id = offers.quote()
    with pytest.raises(InputError):
        offers.act(add_line, quote_id, kind="section", description=" ")
    offers.act(add_line, quote_id, kind="section", description="Έπιπλα, <b>میز</b>")
    assert offers.view(quote_id)["total_amount"] == 0
    with pytest.raises(RuleViolationError, match="no products"):
        offers.act(submit_quote, quote_id)


def test_validity_and_closed_deals(offers, office):
    quote_id = offers.quote()
    table = offers.product()
    offers.line(quote_id, table)
    with pytest.raises(InputError) as refused:
        offers.act(edit_quote, quote_id, {"valid_until_on": date(2020, 1, 1)})
    assert refused.value.code == "sales.quote.validity"
    office.write(lambda uow: setattr(uow.get(Quote, quote_id), "valid_until_on", date(2020, 1, 1)))
    with pytest.raises(RuleViolationError, match="valid until a day that has passed"):
        offers.act(submit_quote, quote_id)
    deal_id = offers.view(quote_id)["opportunity_id"]
    offers.act(lose_opportunity, deal_id, reason_code="price")
    with pytest.raises(RuleViolationError) as refused:
        offers.act(add_quote, deal_id)
    assert refused.value.code == "sales.quote.deal_closed"


@pytest.mark.parametrize("kind", ["postgresql"])
def test_of_two_who_decide_at_once_one_hears_of_the_other(offers, office):
    quote_id = offers.quote()
    offers.line(quote_id, offers.product(), discount_percent="20")
    offers.act(submit_quote, quote_id)

    def decide(who: str) -> str:
        service, extra = (approve_quote, ()) if who == "manager" else (refuse_approval, ("No",))
        try:
            return offers.act(service, quote_id, *extra, by=who).state
        except RuleViolationError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(decide, ("manager", "admin")))
    (approval,) = offers.view(quote_id)["approvals"]
    state = {"approved": "approved", "refused": "draft"}[approval["decision"]]
    assert told == sorted([state, "sales.quote.not_waiting"])


@pytest.mark.parametrize("kind", ["postgresql"])
def test_offers_made_at_once_have_numbers_of_their_own(offers):
    deals = [offers.deal() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda deal_id: offers.act(add_quote, deal_id).number, deals)
    assert sorted(number[-2:] for number in made) == ["01", "02", "03", "04"]


def test_offers_go_with_their_deal(offers, office):
    quote_id = offers.quote()
    deal_id = offers.view(quote_id)["opportunity_id"]
    manager = office.known.users["manager"]
    offers.act(assign_opportunity, deal_id, manager, by="manager")
    office.application.close()  # what is recorded is delivered before
    assert office.read(lambda uow: uow.get(Quote, quote_id).owner_id) == manager
