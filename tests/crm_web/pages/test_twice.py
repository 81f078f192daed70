"""Forms that are sent twice, by two clicks or after a lost answer: done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from crm_core.entities.interaction import Activity, Interaction

CONTACT = {
    "subject": "Ζήτησε τιμές",
    "channel": "phone",
    "direction": "inbound",
    "occurred_at": "2026-03-02T09:00",
}
TWICE = "sent twice and done once"


def counted(office, kind) -> int:
    return office.read(lambda uow: uow.scalar(select(func.count()).select_from(kind)))


def test_two_clicks_log_one_contact(office, web):
    path = f"/customers/{office.customer('employee')}/log"
    browser = web("employee")
    before = counted(office, Interaction)
    csrf = browser.get(path).csrf
    first, second = (browser.post(path, CONTACT, csrf=csrf) for _ in range(2))
    assert (first.status, second.status, second.location) == (303, 303, first.location)
    assert TWICE in browser.follow(second).words
    assert counted(office, Interaction) == before + 1
    assert browser.post(path, CONTACT, csrf=browser.get(path).csrf).status == 303
    assert counted(office, Interaction) == before + 2, "a page of its own: meant so"
    browser.post(path, {**CONTACT, "subject": "Other"}, csrf=csrf)
    assert counted(office, Interaction) == before + 3, "another text: meant so"


def test_two_at_once_plan_one_thing(office, web):
    path = f"/customers/{office.customer('employee')}/activities/new"
    browsers = [web("employee"), web()]
    browsers[1].be(browsers[0].cookie)  # the same one, twice at once
    form = {**browsers[0].get(path).form(path), "summary": "Ring"}
    csrf = browsers[0].get(path).csrf
    before = counted(office, Activity)
    with ThreadPoolExecutor(2) as clicks:
        sent = clicks.map(lambda browser: browser.post(path, form, csrf=csrf), browsers)
    assert [each.status for each in sent] == [303, 303]
    assert counted(office, Activity) == before + 1


def test_what_was_refused_can_be_mended_and_sent_again(office, web):
    path = f"/customers/{office.customer('employee')}/log"
    browser = web("employee")
    csrf = browser.get(path).csrf
    assert browser.post(path, {**CONTACT, "subject": ""}, csrf=csrf).status == 422
    assert browser.post(path, {**CONTACT, "subject": ""}, csrf=csrf).status == 422
    done = browser.follow(browser.post(path, CONTACT, csrf=csrf))
    assert TWICE not in done.words
