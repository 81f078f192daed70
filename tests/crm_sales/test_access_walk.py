"""Every page and operation of the sales module, walked as every role, another team and nobody."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

import sales_walk
import web_walk
from access_walk import *  # noqa: F403
from access_walk import changed, foreign_in, still
from crm_sales.models import Quote
from crm_sales.services.calendar_feed import revoke_feed
from web_desk import offices
from web_office import MARKS
from web_walk import steps

pytestmark = pytest.mark.slow
sales_walk.told()
sqlite_office, postgres_office = offices("web", "sales", more=sales_walk.sold)


@pytest.fixture
def area() -> str:
    """The module's routes."""
    return sales_walk.AREA


@pytest.fixture
def happens(office):
    """Others get leads, deals, steps, offers, targets and handovers."""

    def happens(uow):
        for owner in ("employee", "manager", ""):
            sales_walk.sold_to(uow, office.known, owner, f"{MARKS[owner]}more", days=4)

    return happens


def test_no_other_route_opens_without_signing_in(office):
    public = {step.endpoint for step in steps(office.app, sales_walk.AREA) if step.is_public}
    assert public == sales_walk.PUBLIC


@pytest.mark.parametrize("what", ["wrong", "revoked", "too old", "over", "long", "odd"])
def test_a_link_that_is_good_no_more_tells_nothing(office, web, what):
    """It answers as one that never was, or says that the offer is over, and changes nothing."""
    records, never = office.known.records["employee"], "A" * 43
    token = {
        "revoked": records["revoked_token"],
        "too old": records["offer_token"],
        "over": records["offer_token"],
        "long": "x" * 5_000,
        "odd": "%00%2e%2e%ff",
    }.get(what, never[::-1].replace("A", "B"))
    if what in ("too old", "over"):
        day = date(2020, 1, 1) if what == "too old" else datetime.now(UTC).date() - timedelta(2)
        office.write(
            lambda uow: setattr(uow.get(Quote, records["quote_id"]), "valid_until_on", day)
        )
    before = office.rows()
    for step in steps(office.app, "sales_offer."):
        if (what, step.endpoint) == ("over", "sales_offer.ask"):
            continue  # who comes too late may ask for a new one
        browser = web()
        forms = {"name": "Nobody", "agreed": "yes", "reason": "no", "text": "?"}

        def sent(token: str, browser=browser, step=step, forms=forms):
            path = step.rule.replace("<token>", token)
            return browser.get(path) if step.method == "GET" else browser.post(path, forms)

        page = sent(token)
        assert not [mark for mark in MARKS.values() if mark in page.html], step
        assert page.status in ((404,) if what != "over" else (200, 204, 404, 409)), (
            step,
            page.status,
        )
        if what in ("wrong", "revoked", "too old"):
            assert told(page, token) == told(sent(never), never), step
    after = office.rows()
    assert [name for name in changed(office, before) if name != "sales_quote_link"] == []
    if what != "over":
        assert after["sales_quote_link"] == before["sales_quote_link"]


def told(page, token):
    return still(page.html).replace(token, "TOKEN")


def test_a_calendar_tells_its_user_alone_and_a_wrong_or_revoked_one_nothing(office, web):
    """What each may see, and not a word more; another's stays as it is when one is revoked."""
    own = office.known.own
    path = "/sales/calendar/feed/{}.ics".format
    theirs = web().get(path(own["outsider"]["feed_token"]))
    assert theirs.status == 200
    assert "Southquux" in theirs.html
    assert not foreign_in(theirs.html)
    office.write(lambda uow: revoke_feed(uow, own["employee"]["feed_id"]), "employee")
    gone = web().get(path(own["employee"]["feed_token"]))
    never = web().get(path("A" * 43))
    assert (gone.status, never.status) == (404, 404)
    assert told(gone, own["employee"]["feed_token"]) == told(never, "A" * 43)
    assert not [mark for mark in MARKS.values() if mark in gone.html]
    assert web().get(path(own["outsider"]["feed_token"])).status == 200


@pytest.mark.parametrize("login", ["employee", "outsider"])
def test_what_is_ones_own_is_never_tied_to_what_is_foreign(office, web, login):
    """Ids of others' records in a body or a form: the answer is as for none, nothing changes."""
    browser, mine, theirs = web(login), office.known.records[login], office.known.records["manager"]
    deal, quote, lead = mine["opportunity_id"], mine["quote_id"], mine["lead_id"]
    before = office.rows()

    def answers(theirs):
        api, customer = "/api/v1/sales", theirs["customer_id"]
        yield browser.call("POST", f"{api}/leads/{lead}/merge", {"drop_id": str(theirs["lead_id"])})
        yield browser.post(f"/sales/leads/{lead}/merge", {"other": theirs["lead_id"]})
        yield browser.call("DELETE", f"{api}/quotes/{quote}/lines/{theirs['line_id']}")
        if login == "outsider":
            body = {"customer_id": str(customer), "is_new": False}
            yield browser.call("POST", f"{api}/leads/{lead}/qualify", body)
            yield browser.post(f"/sales/leads/{lead}/qualify", {"customer": customer})
            body = {"contact_id": str(customer)}
            yield browser.call("PATCH", f"{api}/deals/{deal}", body)
            yield browser.post(
                f"/sales/deals/{deal}/edit", {"name": "Changed", "contact_id": customer}
            )
            yield browser.call("PATCH", f"{api}/quotes/{quote}", body)
            yield browser.get(f"/sales/deals/new?customer={customer}")
        for name in ("customer", "owner"):
            yield browser.get(f"/sales/deals/?{name}={customer}")
        yield browser.get(f"/sales/board/?owner={office.known.users['manager']}")

    nowhere = dict.fromkeys(("lead_id", "line_id"), web_walk.NOBODYS_ID)
    there = {**theirs, "customer_id": office.known.customers["manager"]}
    for page, other in zip(
        answers(there), answers({**nowhere, "customer_id": web_walk.NOBODYS_ID}), strict=True
    ):
        assert "Midquux" not in page.html, page.response.request.path
        assert page.status == other.status, (page.response.request.path, page.words[:300])
        if page.response.request.method != "GET":
            assert page.status in (403, 404, 409, 422), page.response.request.path
    assert changed(office, before) == []
