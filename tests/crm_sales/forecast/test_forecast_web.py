"""The forecast in the browser, in the API and on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest

from crm_sales.jobs.forecast import keep_forecast
from crm_sales.models import ForecastFigure, ForecastSnapshot
from crm_sales.services.forecast.figures import FIGURES
from crm_sales.services.forecast.periods import period_of
from crm_sales.services.forecast.targets import set_target

from .conftest import TODAY

MONTH = period_of(TODAY)
PATHS = ("", "stages", "outcome", "targets")
MOST_QUERIES = 15

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


@pytest.fixture
def busy(office, deal, rate):
    """Deals of everybody in two currencies, a target, and two days that were kept."""
    rate("PLN", "4")
    for owner, amount in (("employee", 1111), ("manager", 2222), ("outsider", 3333)):
        deal(owner, amount, close=MONTH.last_on, is_committed=owner == "manager")
        deal(owner, amount, state="won", closed=MONTH.first_on)
        deal(owner, 4 * amount, close=MONTH.last_on, currency_code="PLN")
    office.write(lambda uow: set_target(uow, period="month", amount=Decimal(9000), user="employee"))
    office.write(keep_forecast)

    def yesterday(uow):
        day = TODAY - timedelta(days=1)
        uow.add(ForecastSnapshot(taken_on=day, taken_at=uow.now))
        uow.flush()
        amounts = dict.fromkeys(("won_amount", "committed_amount", "weighted_amount"), Decimal(7))
        for login in ("employee", "outsider"):
            uow.add(
                ForecastFigure(
                    taken_on=day,
                    month_on=MONTH.first_on,
                    user_id=office.known.users[login],
                    currency_code="EUR",
                    best_amount=Decimal(4242),
                    open_count=1,
                    **amounts,
                )
            )

    office.write(yesterday)


def test_pages_show_the_figures_of_whoever_looks(web, busy):
    page = web("employee").get("/sales/forecast/")
    assert page.status == 200
    assert "Eleni Employee" in page.words
    assert "€3,333.00" in page.words  # best case: won, open, and open in PLN
    assert "€9,000.00" in page.words
    for foreign in ("Oskar", "Mara", "€6,666.00", "€9,999.00"):
        assert foreign not in page.words
    team = web("manager").get("/sales/forecast/")
    assert "Mara Manager" in team.words
    assert "Oskar" not in team.words
    for figure in FIGURES:
        assert str(figure.definition)[:40] in page.words
    assert "€4,242.00" in web("employee").get("/sales/forecast/outcome").words


@pytest.mark.parametrize("path", PATHS)
def test_every_page_opens_with_and_without_deals(web, office, deal, path):
    browser = web("employee")
    empty = browser.get(f"/sales/forecast/{path}")
    assert empty.status == 200
    deal("employee", 10, close=MONTH.last_on)
    full = browser.get(f"/sales/forecast/{path}?period={MONTH.code}&by=team")
    assert full.status == 200
    assert len(full.queries) <= MOST_QUERIES, "\n".join(full.queries)


def test_pages_in_full_make_few_queries(web, busy):
    for path in PATHS:
        page = web("manager").get(f"/sales/forecast/{path}")
        assert page.status == 200
        assert len(page.queries) <= MOST_QUERIES, (path, len(page.queries), page.queries)


def test_links_that_were_bent_are_refused(web):
    browser = web("employee")
    for wrong in ("period=soon", "by=colour", "person=me", "pipeline=nothing"):
        page = browser.get(f"/sales/forecast/?{wrong}")
        assert page.status in (404, 422), (wrong, page.status)


def test_targets_are_set_taken_back_and_read_from_a_file(web, office, busy):
    browser = web("manager")
    held = {"period": "2026-Q4", "holder": "user:employee", "amount": "5000"}
    assert browser.follow(browser.post("/sales/forecast/targets", held)).status == 200
    wrong = browser.post("/sales/forecast/targets", {**held, "amount": "-5"})
    assert wrong.status == 422
    assert 'value="-5"' in wrong.html
    assert browser.post("/sales/forecast/targets", {**held, "holder": "company"}).status == 403
    assert web("employee").post("/sales/forecast/targets", held).status == 403
    file = (BytesIO(b"period,amount,user\n2027-01,77,employee\n"), "targets.csv")
    done = browser.post("/sales/forecast/targets/import", {"file": file})
    assert "Set 1 target." in browser.follow(done).words
    bad = (BytesIO(b"period,amount,user\n2027-01,lots,employee\n"), "targets.csv")
    refused = browser.post("/sales/forecast/targets/import", {"file": bad})
    assert refused.status == 422
    assert "line 2" in refused.words
    assert browser.post("/sales/forecast/targets/import", {}).status == 422
    page = browser.call("GET", "/api/v1/sales/forecast/targets?period=2027-01").response.json
    (kept,) = page["items"]
    gone = browser.post(
        f"/sales/forecast/targets/{kept['id']}/remove", {"version": kept["version"] + 1}
    )
    assert gone.status == 412
    gone = browser.post(f"/sales/forecast/targets/{kept['id']}/remove", {"version": "1"})
    assert gone.status == 303


def test_the_api_says_the_same(web, busy):
    api = "/api/v1/sales/forecast"
    told = web("employee").call("GET", api).response.json
    (total,) = told["base_totals"]
    assert (total["won_amount"], total["best_amount"]) == ("1111.0000", "3333.0000")
    assert {row["currency_code"] for row in told["rows"]} == {"EUR", "PLN"}
    other = web("outsider").call("GET", f"{api}?user=employee").response.json
    assert other["rows"] == []
    assert web("employee").call("GET", f"{api}?count=99").status in (400, 422)
    assert web("employee").call("GET", f"{api}/stages").response.json["items"][0]["open_count"] == 2
    assert len(web("employee").call("GET", f"{api}/days").response.json["items"]) == 2
    assert len(web("employee").call("GET", f"{api}/outcomes?count=3").response.json["items"]) == 3
    body = {"period": "2026-12", "amount": "12.5", "team": "North"}
    made = web("manager").call("POST", f"{api}/targets", body)
    assert (made.status, made.response.json["amount"]) == (201, "12.50")
    assert web("employee").call("POST", f"{api}/targets", body).status == 403
    gone = web("manager").call("DELETE", f"{api}/targets/{made.response.json['id']}")
    assert gone.status == 204


def test_commands_say_the_same(office, busy, cli):
    told = json.loads(cli("forecast", "show", "--json").output)["data"]
    assert told["base_totals"][0]["won_amount"] == "6666.0000"
    assert "Eleni Employee" in cli("forecast", "show", "--in-base").output
    assert "kept before" in cli("forecast", "snapshot").output
    cli("forecast", "targets", "set", "2026-Q4", "500", "--team", "North")
    assert "North" in cli("forecast", "targets", "list").output
    assert f"{datetime.now(UTC):%Y-%m}" in cli("forecast", "outcome").output
    assert "New" in cli("forecast", "stages").output
