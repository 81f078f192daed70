"""A user's open activities as a calendar, at an address whose secret part lets nobody else in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Activity, Customer, User
from crm_core.errors import ConfigurationError, PermissionDeniedError
from crm_core.messages import say, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.places import place_of
from crm_core.services.settings import load_settings
from crm_core.services.users import actor_of
from crm_sales.models import CalendarFeed, NextStep, Opportunity
from crm_sales.permissions import CALENDAR
from crm_sales.settings import site_address

if TYPE_CHECKING:
    from icalendar import Event

BYTES = 32
PATH = "/sales/calendar/feed/{token}.ics"
"""Of a feed's page; the rest of its address is what the web plugin's setting says."""
MOST_EVENTS = 2_000
BACK, AHEAD = timedelta(days=90), timedelta(days=3_660)
LASTS = timedelta(minutes=30)
REFRESHED = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class FeedHolder:
    """Whom a feed belongs to.

    Attributes:
        actor: The user, as whom the calendar is read.
        language: Their own, or None.
    """

    actor: Actor
    language: str | None


def add_feed(uow: UnitOfWork, title: str) -> tuple[str, CalendarFeed]:
    """Make a feed of one's own; return the secret part of its address, shown this once.

    Raises:
        PermissionDeniedError: The right is missing, or nobody in particular acts.
        InputError: There is no title, or it is too long.
    """
    uow.actor.require(CALENDAR)
    if uow.actor.user_id is None:
        raise PermissionDeniedError(
            t("A calendar is somebody's: name a user (--as USER)."), code="sales.calendar.nobody"
        )
    token = secrets.token_urlsafe(BYTES)
    feed = uow.add(
        CalendarFeed(
            user_id=uow.actor.user_id,
            title=filled(title, "title"),
            token_hash=_hashed(token),
            created_at=uow.now,
        )
    )
    uow.flush()
    return token, feed


def feed_address(uow: UnitOfWork, token: str) -> str:
    """Return the address of a feed; without its host where nobody told this site's."""
    uow.actor.require(CALENDAR)
    return (site_address(uow) or "") + PATH.format(token=token)


def list_feeds(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return one's own feeds that are good, the latest first: ``id, title, created_at``."""
    uow.actor.require(CALENDAR)
    statement = (
        select(CalendarFeed.id, CalendarFeed.title, CalendarFeed.created_at)
        .where(CalendarFeed.user_id == uow.actor.user_id, CalendarFeed.revoked_at.is_(None))
        .order_by(CalendarFeed.id.desc())
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def revoke_feed(uow: UnitOfWork, feed_id: UUID) -> CalendarFeed:
    """Have a feed's address lead nowhere from now on.

    Raises:
        NotFoundError: There is none that the actor may revoke.
    """
    uow.actor.require(CALENDAR)
    feed = uow.get(CalendarFeed, feed_id)
    feed.revoked_at = feed.revoked_at or uow.now
    return feed


def feed_holder(uow: UnitOfWork, token: str) -> FeedHolder | None:
    """Return whose feed a secret opens; None where it is none, revoked, or theirs no more.

    Args:
        uow: A unit of work of the system.
        token: As it stood in the address.
    """
    uow.actor.require(CALENDAR)
    row = uow.execute(
        select(User.id, User.login, User.language)
        .join(CalendarFeed, CalendarFeed.user_id == User.id)
        .where(
            CalendarFeed.token_hash == _hashed(token),
            CalendarFeed.revoked_at.is_(None),
            User.is_enabled,
        )
    ).one_or_none()
    if row is None:
        return None
    actor = actor_of(uow, row.id, row.login, origin="calendar", language=row.language)
    return FeedHolder(actor, row.language) if actor.may(CALENDAR) else None


def calendar_of(uow: UnitOfWork) -> bytes:
    """Return the actor's open activities as an iCalendar document, what is long overdue left out.

    Moments are told in UTC, which every program turns into its own time.
    """
    uow.actor.require(CALENDAR)
    try:
        from icalendar import Calendar
    except ModuleNotFoundError:
        raise ConfigurationError(
            t("A library is missing: pip install 'crm-front-office[sales]'."),
            code="sales.calendar.library",
        ) from None
    calendar = Calendar()
    settings = load_settings(uow)
    calendar.add("prodid", "-//crm-front-office//sales//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", say(t("To do at {company}", company=settings.company or "CRM")))
    calendar.add("x-wr-timezone", place_of(uow, settings).zone.key)
    calendar.add("refresh-interval", REFRESHED, parameters={"value": "DURATION"})
    for row in uow.execute(_activities(uow)):
        calendar.add_component(_event(row))
    return bytes(calendar.to_ical())


def _activities(uow: UnitOfWork) -> Any:
    return (
        select(
            Activity.id,
            Activity.type,
            Activity.summary,
            Activity.note,
            Activity.due_at,
            Activity.created_at,
            Activity.updated_at,
            Activity.version,
            Customer.name.label("customer"),
            Opportunity.name.label("deal"),
        )
        .join(Customer, Customer.id == Activity.customer_id)
        .outerjoin(NextStep, NextStep.activity_id == Activity.id)
        .outerjoin(Opportunity, Opportunity.id == NextStep.opportunity_id)
        .where(
            Activity.owner_id == uow.actor.user_id,
            Activity.is_open,
            Activity.due_at.between(uow.now - BACK, uow.now + AHEAD),
        )
        .order_by(Activity.due_at, Activity.id)
        .limit(MOST_EVENTS)
    )


def _event(row: Any) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", f"{row.id}@crm-front-office")
    event.add("dtstamp", row.updated_at)
    event.add("created", row.created_at)
    event.add("last-modified", row.updated_at)
    event.add("sequence", row.version)
    event.add("dtstart", row.due_at)
    event.add("dtend", row.due_at + LASTS)
    event.add("summary", say(t("{what}: {customer}", what=row.summary, customer=row.customer)))
    lines = [row.deal, row.note]
    told = "\n".join(line for line in lines if line)
    if told:
        event.add("description", told)
    event.add("categories", [row.type])
    event.add("transp", "TRANSPARENT")
    return event


def _hashed(token: str) -> bytes:
    """What is random needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
