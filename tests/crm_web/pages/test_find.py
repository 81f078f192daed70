"""Finding customers: the page, and what is suggested while somebody types."""

from __future__ import annotations

import pytest

from crm_core.testing.factories import make_customer

MOST_QUERIES = 15
HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "text", ["northq", "ΠΑΠΑΔΟΠΟΥΛΟΣ", "παπαδόπουλος", "NORTHQUUX@example.com"]
)
def test_customers_are_found_in_any_script(office, web, text):
    page = web("employee").get(f"/find?q={text}")
    assert "Northquux Παπαδόπουλος & Sons" in page.words
    assert f"/customers/{office.customer('employee')}" in page.links
    assert len(page.queries) <= MOST_QUERIES


def test_nobody_of_another_team_is_found(office, web):
    for path in ("/find?q=παπαδοπ", "/find/suggest?q=παπαδοπ"):
        page = web("outsider").get(path)
        assert "Southquux" in page.words
        assert "Northquux" not in page.html


def test_suggestions_are_options_that_say_where_they_lead(office, web):
    page = web("employee").get("/find/suggest?q=north")
    options = page.all("li[@role='option']")
    assert f"/customers/{office.customer('employee')}" in [
        each.get("data-href") for each in options
    ]
    assert [each.get("id") for each in options] == [f"found-{n + 1}" for n in range(len(options))]
    assert len(page.queries) <= MOST_QUERIES


@pytest.mark.parametrize("text", ["", "%20", "-", "&nbsp;", "?" * 300])
def test_what_cannot_be_looked_for_suggests_nobody_and_says_why(web, text):
    assert web("employee").get(f"/find/suggest?q={text}").all("li[@data-href]") == []
    assert web("employee").get(f"/find?q={text}").status in (200, 422)


def test_more_are_found_a_page_at_a_time(office, web):
    office.write(lambda uow: [make_customer(uow, f"Anna {n:03}") for n in range(60)])
    browser = web("employee")
    assert "All that is found" in browser.get("/find/suggest?q=anna").words
    page = browser.get("/find?q=anna")
    [more] = [link for link in page.links if "cursor=" in link]
    names = page.texts("td/a") + browser.get(more).texts("td/a")
    assert sorted(names) == [f"Anna {n:03}" for n in range(60)]


def test_hostile_text_stays_text(office, web):
    office.write(lambda uow: make_customer(uow, f"Quatsch {HOSTILE}"))
    for path in ("/find?q=quatsch", "/find/suggest?q=quatsch", f"/find?q={HOSTILE}"):
        assert HOSTILE not in web("employee").get(path).html
