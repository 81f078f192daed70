"""What else a customer might buy, why, and what speaks against offering it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from crm_core.access import Actor
from crm_core.entities.commerce import Transaction, TransactionLine
from crm_core.errors import NotFoundError, PermissionDeniedError
from crm_core.services.consents import record_consent
from crm_core.services.settings import set_setting
from crm_core.testing.factories import make_invoice
from crm_sales.models import Opportunity
from crm_sales.services.cross_sell.counting import (
    LEAST_LIFT,
    Thresholds,
    count_affinities,
    pairs_among,
)
from crm_sales.services.cross_sell.suggesting import (
    list_affinities,
    suggest_for_deal,
    suggest_products,
)


def suggested(office, login="employee", of="employee", **given):
    customer_id = office.known.customers[of]
    return office.read(lambda uow: suggest_products(uow, customer_id, **given), login)


def test_what_buyers_of_the_same_bought_is_suggested_with_its_reason(office, shop):
    told = suggested(office)
    (only,) = told.items
    assert (only.name, only.because, only.both, only.buyers) == ("lamp", "desk", 6, 9)
    assert only.reason == "6 of 9 customers who bought desk also bought lamp."
    assert only.confidence == round(6 / 9, 4)
    assert only.lift == round(6 * 29 / (9 * 6), 2)
    assert told.objections == []
    assert told.counted_at


def test_never_one_that_they_have(office, shop):
    key = office.known.customers["employee"]
    order = office.write(lambda uow: shop.buy(uow, key, shop["lamp"], state="sent").id)
    assert suggested(office).items == []
    office.write(
        lambda uow: uow.execute(
            update(Transaction).values(state="cancelled").where(Transaction.id == order)
        )
    )
    assert [each.name for each in suggested(office).items] == ["lamp"]
    assert suggested(office, also=[shop["lamp"]]).items == []


def test_a_deal_suggests_what_goes_with_it(office, shop, deal_of):
    key = deal_of("manager")
    told = office.read(lambda uow: suggest_for_deal(uow, key), "manager")
    assert [each.name for each in told.items] == ["lamp"]
    with pytest.raises(NotFoundError):
        office.read(lambda uow: suggest_for_deal(uow, key), "employee")
    office.write(lambda uow: setattr(uow.get(Opportunity, key), "state", "lost"))
    assert office.read(lambda uow: suggest_for_deal(uow, key), "manager").items == []


def test_support_and_confidence_are_what_the_settings_say(office, shop):
    office.write(lambda uow: set_setting(uow, "sales.cross_sell_support", "7"))
    assert office.write(count_affinities).pairs == 0
    assert suggested(office).items == []
    office.write(lambda uow: set_setting(uow, "sales.cross_sell_support", "6"))
    office.write(lambda uow: set_setting(uow, "sales.cross_sell_confidence", "70"))
    count = office.write(count_affinities)
    pairs = office.read(list_affinities).items
    assert (count.pairs, count.customers) == (3, 29)
    assert {(each["name"], each["other_name"]) for each in pairs} == {
        ("lamp", "desk"),
        ("relic", "desk"),
        ("relic", "lamp"),
    }


def test_who_may_look_and_count(office, shop):
    assert suggested(office, "manager").items
    with pytest.raises(NotFoundError):
        suggested(office, "outsider")
    for login in ("employee", "readonly", "outsider"):  # who sees a part would count a part
        with pytest.raises(PermissionDeniedError):
            office.write(count_affinities, login)
    nobody = Actor(None, "nobody")
    for service in (
        list_affinities,
        lambda uow: suggest_products(uow, office.known.customers["employee"]),
    ):
        with (
            office.application.unit_of_work(nobody) as uow,
            pytest.raises(PermissionDeniedError),
        ):
            service(uow)


@pytest.mark.usefixtures("noon")
def test_what_speaks_against_it_is_shown(office, shop):
    """Sales implements crm_check_offer itself: money that is owed for long."""
    key = office.known.customers["employee"]

    def owe(days):
        def write(uow):
            due_on = uow.now.date() - timedelta(days=days)
            make_invoice(uow, key, number=f"INV-{days}", is_open=True, due_on=due_on)

        office.write(write)

    owe(29)
    assert suggested(office).objections == []
    owe(30)
    owe(45)
    office.write(
        lambda uow: record_consent(
            uow, key, purpose="marketing", channel="any", status="withdrawn", evidence="letter"
        ),
        "employee",
    )
    told = suggested(office)
    assert [each.code for each in told.objections] == [
        "core.consent.withdrawn",
        "sales.offer.overdue",
    ]
    assert "INV-45 is overdue for 45 days" in told.objections[1].message
    assert told.items


def test_counting_again_replaces_what_was_counted(office, shop):
    office.write(lambda uow: uow.execute(delete(TransactionLine)))
    assert office.write(count_affinities).pairs == 0
    assert suggested(office).items == []


baskets = st.lists(st.sets(st.integers(0, 5), max_size=5), max_size=25)


@given(baskets)
def test_counts_are_those_of_a_plain_count(rows):
    """Held against the definitions themselves, without a database."""
    kept = pairs_among([sorted(row) for row in rows], Thresholds(2, 20))
    bought = Counter(each for row in rows for each in row)
    filled = sum(1 for row in rows if row)
    expected = {}
    for one, two in permutations(range(6), 2):
        both = sum(1 for row in rows if {one, two} <= row)
        if both < 2 or both * 5 < bought[one]:
            continue
        if both * filled / (bought[one] * bought[two]) >= LEAST_LIFT:
            expected[one, two] = (both, bought[one], bought[two])
    assert {(p.one, p.two): (p.both, p.buyers, p.other_buyers) for p in kept} == expected
