"""Which day it is: the company's for what happens now, the reader's for what is looked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import time_machine

from crm_core.entities.relationship import Relationship
from crm_core.services.relationships import relate_customers
from crm_core.services.settings import set_setting
from crm_core.testing.factories import make_customer, make_invoice


def test_a_tie_of_today_ends_today_just_past_the_companys_midnight(office, web):
    office.write(lambda uow: set_setting(uow, "time_zone", "Europe/Athens"))
    id_ = UUID(office.customer("employee"))
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    in_athens = tomorrow + timedelta(days=1)

    def tied(uow):
        other = make_customer(uow, "Maria")
        return relate_customers(uow, id_, "has contact", other.id, started_on=in_athens).id

    with time_machine.travel(datetime.combine(tomorrow, time(22, 30), UTC)):
        tie_id = office.write(tied)
        browser = web()
        browser.sign_in("employee")
        page = browser.follow(browser.post(f"/customers/{id_}/relations/{tie_id}/end"))
        assert page.notices == ["The relation has ended."]
    assert office.read(lambda uow: uow.get(Relationship, tie_id).ended_on) == in_athens


@pytest.mark.parametrize(
    ("zone", "offset"), [("America/New_York", "-04:00"), ("Asia/Tokyo", "%2B09:00")]
)
def test_a_day_of_the_timeline_is_the_readers(office, web, zone, offset):
    id_ = UUID(office.customer("employee"))

    def billed(uow):
        for day in (9, 10, 11):
            make_invoice(uow, id_, number=f"INV/{day}", issued_on=date(2026, 3, day))

    office.write(billed)
    browser = web("employee")
    browser.post("/account/preferences", {"time_zone": zone, "theme": "auto"})
    page = browser.get(f"/customers/{id_}/timeline?since=2026-03-10&until=2026-03-10")
    assert page.texts("ol[@class='timeline']/li/div/span[@class='strong']") == ["INV/10"]
    day = f"since=2026-03-10T00:00:00{offset}&until=2026-03-10T23:59:59{offset}"
    told = browser.call("GET", f"/api/v1/customers/{id_}/timeline?{day}").response.json
    assert [each["title"] for each in told["items"]] == ["INV/10"]


@pytest.mark.parametrize("zone", ["Asia/Tehran", "Asia/Kathmandu", "America/New_York"])
def test_what_is_planned_is_offered_at_a_full_hour_tomorrow_where_the_reader_is(office, web, zone):
    id_ = office.customer("employee")
    browser = web("employee")
    browser.post("/account/preferences", {"time_zone": zone, "theme": "auto"})
    now = datetime.now(UTC).replace(minute=40)
    with time_machine.travel(now, tick=False):
        [due] = browser.get(f"/customers/{id_}/activities/new").all("input[@name='due_at']")
    there = (now.astimezone(ZoneInfo(zone)) + timedelta(days=1)).replace(minute=0)
    assert due.get("value") == there.strftime("%Y-%m-%dT%H:%M")
