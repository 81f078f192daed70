"""The first page and the list of what is to be done."""

from __future__ import annotations

from datetime import timedelta

from crm_core.services.activities import add_activity
from crm_core.testing.factories import make_customer

MOST_QUERIES = 15
HOSTILE = "<script>alert(1)</script>"


def test_my_day_shows_what_is_mine_and_lets_it_be_done(office, web):
    browser = web("employee")
    page = browser.get("/")
    assert page.status == 200
    assert "Call Northquux back" in page.words
    assert "Call Midquux back" not in page.words
    assert len(page.queries) <= MOST_QUERIES
    action = next(
        f.get("action") for f in page.all("form") if f.get("action", "").endswith("/done")
    )
    done = browser.post(action, {"back": "/"})
    assert done.location == "/"
    after = browser.follow(done)
    assert after.notices == ["Done: Call Northquux back"]
    assert "Call Northquux back" not in after.words.split("Done: Call Northquux back", 1)[1]


def test_a_form_leads_nowhere_but_here(office, web):
    browser = web("employee")
    action = f"/customers/{office.customer('employee')}/activities"
    activity = office.known.records["employee"]["activity_id"]
    done = browser.post(f"{action}/{activity}/done", {"back": "//evil.example/"})
    assert done.location == f"/customers/{office.customer('employee')}"


def test_a_day_without_anything_is_calm(office, web):
    assert "Nothing waits for you" in web("readonly").get("/").words


def test_likely_duplicates_lead_to_where_they_are_settled(office, web):
    points = [{"kind": "email", "value": "same@example.com"}]

    def make(uow):
        return [
            make_customer(uow, name, owner="manager", contact_points=points).id
            for name in ("Anna One", "Anna Two")
        ]

    one, _ = office.write(make)
    page = web("manager").get("/")
    assert "Customers that may be the same" in page.words
    assert f"/customers/{one}/duplicates" in page.links


def test_what_is_to_be_done_is_listed_by_when(office, web):
    def plan(uow):
        for days, summary in ((3, "Soon"), (40, "Far away"), (-3, HOSTILE)):
            add_activity(
                uow,
                office.known.customers["employee"],
                type="task",
                due_at=uow.now + timedelta(days=days),
                summary=summary,
                owner_id=office.known.users["employee"],
            )

    office.write(plan)
    page = web("employee").get("/activities")
    assert len(page.queries) <= MOST_QUERIES
    assert page.texts("section/h2") == ["Overdue", "Within a week", "Later"]
    assert HOSTILE not in page.html
    assert HOSTILE in page.words
    everybody = web("employee").get("/activities?whose=all")
    assert "Call Midquux back" in everybody.words
    assert "Call Northquux back" not in web("outsider").get("/activities?whose=all").words
