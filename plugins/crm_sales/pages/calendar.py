"""What one has to do in a calendar program: addresses of one's own, and what they give."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.access import system_actor
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import LANGUAGES, in_language, t
from crm_sales.permissions import CALENDAR
from crm_sales.services.calendar_feed import (
    add_feed,
    calendar_of,
    feed_holder,
    list_feeds,
    revoke_feed,
)
from crm_web.sdk import Form, Pages, Request

pages = Pages("sales_calendar", "crm_sales", title=t("Calendar"), prefix="/sales/calendar")
MEDIA_TYPE = "text/calendar; charset=utf-8"


class FeedSchema(Schema):
    """Which program reads it."""

    title = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"title": t("What for"), "help": t("Such as: my phone.")},
    )


@pages.get("/", right=CALENDAR)
def feeds(request: Request) -> str:
    """Show one's own addresses."""
    return request.render(
        "sales/calendar/feeds.html", feeds=list_feeds(request.uow), form=Form(FeedSchema(), {})
    )


@pages.post("/", right=CALENDAR)
def add(request: Request) -> Any:
    """Make an address and show it this once."""
    try:
        token, feed = add_feed(request.uow, **request.read(FeedSchema()))
    except InputError as error:
        form = Form(FeedSchema(), request.form, error=error)
        found = list_feeds(request.uow)
        return request.refuse("sales/calendar/feeds.html", feeds=found, form=form)
    return request.render("sales/calendar/made.html", token=token, feed=feed)


@pages.post("/<uuid:feed_id>/revoke", right=CALENDAR)
def revoke(request: Request, feed_id: UUID) -> Any:
    """Have an address lead nowhere from now on."""
    feed = revoke_feed(request.uow, feed_id)
    message = t("The address {title} leads nowhere now.", title=feed.title)
    return request.done(message, to="sales_calendar.feeds")


@pages.get("/feed/<token>.ics", right=CALENDAR, is_public=True)
def feed(request: Request, token: str) -> Any:
    """Give the calendar of whoever made this address, as they may see it now."""
    open_work = request.application.unit_of_work
    with open_work(system_actor("calendar")) as uow:
        holder = feed_holder(uow, token)
    if holder is None:
        raise NotFoundError(
            t("This calendar is not there, or no longer."), code="sales.calendar.not_found"
        )
    language = (holder.language or request.settings.language).partition("-")[0]
    with (
        in_language(language if language in LANGUAGES else "en"),
        open_work(holder.actor) as uow,
    ):
        content = calendar_of(uow)
    return request.file("calendar.ics", content, MEDIA_TYPE)
