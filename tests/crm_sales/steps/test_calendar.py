"""What a calendar program reads, and that nobody else does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import vobject
from icalendar import Calendar
from sqlalchemy import func, select

from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.persistence.paging import MAXIMUM_LIMIT
from crm_core.services.activities import add_activity, complete_activity
from crm_core.services.ownership import assign_owner
from crm_core.services.users import disable_user, user_named
from crm_sales.models import CalendarFeed
from crm_sales.services.calendar_feed import add_feed, list_feeds, revoke_feed
from crm_sales.services.next_steps import list_steps


@pytest.fixture
def address(office):
    """The address of a feed of somebody's."""

    def made(login="employee"):
        token, _ = office.write(lambda uow: add_feed(uow, "Τηλέφωνο"), login)
        return f"/sales/calendar/feed/{token}.ics"

    return made


def read(page):
    assert page.status == 200, page.words
    assert page.response.content_type.startswith("text/calendar")
    calendar = Calendar.from_ical(page.response.data)
    assert vobject.readOne(page.response.data.decode())  # another parser takes it too
    return {str(event["uid"]): event for event in calendar.walk("VEVENT")}


def test_a_calendar_tells_what_one_has_to_do_and_when(office, web, address, deal, plan):
    step = plan(deal(name="Κήπος, «A; B»\nC"), 30, summary="Call O'Neill, قرارداد")
    due_at = next(each["due_at"] for each in office.read(list_steps).items if each["id"] == step)
    events = read(web().get(address()))
    event = events[f"{step}@crm-front-office"]
    assert event["dtstart"].dt == due_at.replace(microsecond=0)
    assert event["dtstart"].dt.utcoffset() == timedelta(0)
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(minutes=30)
    assert str(event["summary"]) == "Call O'Neill, قرارداد: Northquux Παπαδόπουλος & Sons"
    assert "Κήπος, «A; B»" in str(event["description"])
    assert len(events) == 2  # with what was planned for the customer without a deal


def _next_summer() -> datetime:
    """When clocks in Europe go forward next: on the last Sunday of March, at one o'clock UTC."""
    now = datetime.now(UTC)
    ends = (datetime(year, 3, 31, 1, tzinfo=UTC) for year in (now.year, now.year + 1))
    return next(at for end in ends if (at := end - timedelta(days=(end.weekday() + 1) % 7)) > now)


def test_moments_are_right_on_both_sides_of_the_change_of_the_clocks(office, web, address):
    minute, change = timedelta(minutes=1), _next_summer()
    summer = change - minute, change + minute
    customer_id = office.known.customers["employee"]
    ids = [
        office.write(
            lambda uow, at=at: add_activity(uow, customer_id, type="call", due_at=at).id, "employee"
        )
        for at in summer
    ]
    events = read(web().get(address()))
    assert tuple(events[f"{id_}@crm-front-office"]["dtstart"].dt for id_ in ids) == summer


def test_nothing_is_told_that_the_user_may_not_see_or_that_is_done(
    office, web, address, deal, plan
):
    here = address("outsider")
    step = plan(deal("outsider"), login="outsider")
    assert len(read(web().get(here))) == 2
    office.write(lambda uow: complete_activity(uow, step), "outsider")
    assert len(read(web().get(here))) == 1
    customer_id, other = office.known.customers["outsider"], office.known.users["employee"]
    office.write(lambda uow: assign_owner(uow, customer_id, other), "admin")
    assert read(web().get(here)) == {}


def test_an_address_leads_nowhere_once_it_is_revoked_or_its_user_is_gone(office, web, address):
    here, other = address(), address()
    assert read(web().get(here))
    feed = office.read(list_feeds, "employee")[1]["id"]
    for login in ("outsider", "manager"):
        with pytest.raises(NotFoundError):
            office.write(lambda uow: revoke_feed(uow, feed), login)
    assert web("employee").post(f"/sales/calendar/{feed}/revoke").status == 303
    assert web().get(here).status == 404
    assert read(web().get(other))
    office.write(lambda uow: disable_user(uow, "employee"))
    assert web().get(other).status == 404
    assert web().get("/sales/calendar/feed/guessed.ics").status == 404


def test_the_secret_is_shown_once_and_not_kept(office, web):
    page = web("employee").post("/sales/calendar/", {"title": "My phone"})
    [here] = re.findall(r"/sales/calendar/feed/([\w-]{43})\.ics", page.response.text)
    assert read(web().get(f"/sales/calendar/feed/{here}.ics"))
    assert here not in web("employee").get("/sales/calendar/").response.text
    assert "My phone" in web("employee").get("/sales/calendar/").words
    assert "My phone" not in web("manager").get("/sales/calendar/").words
    rows = str(office.rows())
    assert here not in rows
    assert office.read(lambda uow: uow.scalar(select(func.count(CalendarFeed.id)))) == 1
    assert web("employee").post("/sales/calendar/", {"title": " "}).status == 422


def test_a_feed_is_somebodys_own(office):
    with pytest.raises(PermissionDeniedError, match="--as USER"):
        office.write(lambda uow: add_feed(uow, "x"))
    with pytest.raises(InputError):
        office.write(lambda uow: add_feed(uow, "x" * 251), "employee")


def test_a_calendar_speaks_its_users_language_and_is_bounded(office, web, address):
    def act(uow):
        user_named(uow, "employee").language = "fa"
        customer_id = office.known.customers["employee"]
        for number in range(30):
            at = uow.now + timedelta(days=number)
            add_activity(uow, customer_id, type="call", due_at=at, owner_id=user(uow))
        add_activity(
            uow, customer_id, type="old", due_at=uow.now - timedelta(days=91), owner_id=user(uow)
        )

    def user(uow):
        return user_named(uow, "employee").id

    office.write(act)
    page = web().get(address())
    assert len(read(page)) == 31 < MAXIMUM_LIMIT
    assert len(page.queries) <= 15
