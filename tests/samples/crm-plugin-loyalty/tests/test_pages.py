"""Cards in the browser, as people see them."""

from __future__ import annotations

import pytest
from crm_core.access import system_actor
from crm_core.testing.factories import make_customer, make_user
from crm_web.testing import Browser

from crm_loyalty.services import find_card, issue_card

NAME = "Φούρνος <b>Ήλιος</b>"


@pytest.fixture
def card(crm_application):
    """The card of a customer."""
    with crm_application.unit_of_work(system_actor("test"), write=True) as uow:
        made = issue_card(uow, make_customer(uow, NAME).id, tier="silver")
        for login in ("employee", "readonly"):
            make_user(uow, login, role=login)
        uow.commit()
    return made


def test_the_page_stands_in_the_menu_and_lists_cards(crm_application, card):
    browser = Browser(crm_application, "readonly")
    assert 'href="/loyalty"' in browser.get("/").text
    page = browser.get("/loyalty").text
    assert card.number in page
    assert "Φούρνος &lt;b&gt;Ήλιος&lt;/b&gt;" in page
    assert NAME not in page


def test_points_are_credited_from_the_customer_card(crm_application, card):
    browser = Browser(crm_application, "employee")
    customer, credit = f"/customers/{card.customer_id}", f"/loyalty/{card.id}/credit"
    assert credit in browser.get(customer).text
    assert 'name="points"' in browser.get(credit).text
    refused = browser.post(credit, {"points": "-1"})
    assert refused.status_code == 422
    done = browser.post(credit, {"points": "40", "reason": "Order 7"})
    assert (done.status_code, done.location) == (303, customer)
    assert f"40 points on card {card.number}" in browser.get(customer).text


def test_whoever_may_only_read_credits_nothing(crm_application, card):
    browser = Browser(crm_application, "readonly")
    credit = f"/loyalty/{card.id}/credit"
    assert credit not in browser.get(f"/customers/{card.customer_id}").text
    assert browser.get(credit).status_code == 403
    assert browser.post(credit, {"points": "40"}).status_code == 403
    with crm_application.unit_of_work(system_actor("test")) as uow:
        assert find_card(uow, card.number).points == 0
