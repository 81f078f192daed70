"""A customer's timeline: everything that happened, over all channels and modules, latest first.

Interactions, done activities, the ERP's documents and what plugins add (``crm_collect_timeline``)
come from tables of their own. Each gives as many entries as a page holds, beginning where the page
before ended, and they are merged: a page costs the same wherever in the past it lies.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, func, literal, or_, select, tuple_

from crm_core.entities.commerce import Transaction
from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Activity, Channel, Direction, Interaction
from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, check_limit
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import one_of
from crm_core.services.customer_list_compare import TEXT, holds
from crm_core.services.customer_list_query import Operator
from crm_hooks.contributions import TimelineEntry, TimelineRequest

INTERACTION, ACTIVITY, DOCUMENT = "interaction", "activity", "document"
MODULES = (INTERACTION, ACTIVITY, DOCUMENT)
"""Those of the core; plugins' entries name theirs."""
MOST_TEXT = 200


class Place(NamedTuple):
    """Where an entry stands on the timeline; greater is later."""

    at: datetime
    module: str
    id: UUID


@dataclass(frozen=True, slots=True)
class TimelinePage(Page[TimelineEntry]):
    """Some entries, the latest first."""


def customer_timeline(
    uow: UnitOfWork,
    customer_id: UUID,
    wanted: TimelineRequest | None = None,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> TimelinePage:
    """Return a page of what happened with a customer, the latest first.

    A document counts from the beginning of its day, for ``since`` and ``until`` in their own zone:
    who asks for a day in New York means the documents of that day. Its ``detail`` is its kind, that
    of an activity its type; ``entity_type`` is what the entry is about, else what it is itself.

    Args:
        uow: The unit of work.
        customer_id: Whose.
        wanted: Which entries; its ``limit`` does not count here.
        limit: Entries a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before.

    Raises:
        NotFoundError: There is no such customer that the actor may see.
        InputError: There is no such channel or direction, or the cursor is of another list.
    """
    uow.actor.require(CUSTOMER_VIEW)
    check_limit(limit)
    uow.get(Customer, customer_id)
    asked = _checked(wanted or TimelineRequest())
    after = None if cursor is None else _decoded(cursor)
    found: list[TimelineEntry] = []
    for module, read in _READERS.items():
        if _asks_for(asked, module):
            found += read(uow, customer_id, asked, _bound(after, module), limit + 1)
    found += _of_plugins(uow, customer_id, asked, after, limit + 1)
    found.sort(key=_place, reverse=True)
    page = found[:limit]
    return TimelinePage(page, _encoded(page[-1]) if len(found) > limit else None)


def _checked(wanted: TimelineRequest) -> TimelineRequest:
    for moment in (wanted.since, wanted.until):
        if moment is not None and moment.tzinfo is None:
            raise InputError(
                t("{moment} has no time zone; give one, such as +00:00.", moment=moment),
                code="core.naive_datetime",
            )
    text = (wanted.text or "").strip() or None
    if text is not None and (len(text) > MOST_TEXT or "\x00" in text):
        raise InputError(
            t("The text to look for has at most {most} letters, and no NUL.", most=MOST_TEXT),
            code="core.timeline.text",
        )
    return replace(
        wanted,
        text=text,
        channels=frozenset(one_of(Channel, each, "channel") for each in wanted.channels),
        direction=wanted.direction and one_of(Direction, wanted.direction, "direction"),
    )


def _asks_for(wanted: TimelineRequest, module: str) -> bool:
    """Whether a module of the core can have what is asked for; only interactions have channels."""
    if wanted.modules and module not in wanted.modules:
        return False
    return module == INTERACTION or not (wanted.channels or wanted.direction)


class _Bound(NamedTuple):
    """Entries begin before ``at``, or at it if ``is_there``; of those at it, before ``id``."""

    at: datetime
    is_there: bool
    id: UUID | None


def _bound(after: Place | None, module: str) -> _Bound | None:
    if after is None:
        return None
    return _Bound(after.at, module < after.module, after.id if module == after.module else None)


Reader = Callable[[UnitOfWork, UUID, TimelineRequest, _Bound | None, int], Iterable[TimelineEntry]]


def _within(
    statement: Any, at: Any, key: Any, wanted: TimelineRequest, bound: _Bound | None
) -> Any:
    if wanted.since is not None:
        statement = statement.where(at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(at <= wanted.until)
    if bound is not None and bound.id is not None:
        last = tuple_(literal(bound.at, at.type), literal(bound.id, key.type))
        statement = statement.where(tuple_(at, key) < last)
    elif bound is not None:
        statement = statement.where(at <= bound.at if bound.is_there else at < bound.at)
    return statement.order_by(at.desc(), key.desc())


def _holding(text: str, *columns: Any) -> ColumnElement[bool]:
    return or_(*(holds(TEXT, column, Operator.CONTAINS, [text]) for column in columns))


def _interactions(
    uow: UnitOfWork,
    customer_id: UUID,
    wanted: TimelineRequest,
    bound: _Bound | None,
    limit: int,
) -> Iterable[TimelineEntry]:
    said = Interaction
    statement = (
        select(
            said.id,
            said.at,
            said.subject,
            said.body,
            said.channel,
            said.direction,
            User.name.label("who"),
            said.about_type,
            said.about_id,
        )
        .outerjoin(User, User.id == said.user_id)
        .where(said.customer_id == customer_id)
    )
    if wanted.channels:
        statement = statement.where(said.channel.in_(sorted(wanted.channels)))
    if wanted.direction:
        statement = statement.where(said.direction == wanted.direction)
    if wanted.text:
        statement = statement.where(_holding(wanted.text, said.subject, said.body))
    statement = _within(statement, said.at, said.id, wanted, bound)
    for row in uow.execute(statement.limit(limit)):
        yield TimelineEntry(
            INTERACTION,
            row.id,
            row.at,
            row.subject,
            body=row.body,
            channel=row.channel,
            direction=row.direction,
            who=row.who,
            entity_type=row.about_type or said.__entity__,
            entity_id=row.about_id or row.id,
        )


def _activities(
    uow: UnitOfWork,
    customer_id: UUID,
    wanted: TimelineRequest,
    bound: _Bound | None,
    limit: int,
) -> Iterable[TimelineEntry]:
    todo = Activity
    at = func.coalesce(todo.done_at, todo.due_at)
    statement = (
        select(todo.id, at.label("at"), todo.summary, todo.note, todo.type, User.name.label("who"))
        .outerjoin(User, User.id == func.coalesce(todo.done_by_id, todo.owner_id))
        .where(todo.customer_id == customer_id, todo.is_open.is_(False))
    )
    if wanted.text:
        statement = statement.where(_holding(wanted.text, todo.summary, todo.note))
    statement = _within(statement, at, todo.id, wanted, bound)
    for row in uow.execute(statement.limit(limit)):
        yield TimelineEntry(
            ACTIVITY,
            row.id,
            row.at,
            row.summary,
            detail=row.type,
            body=row.note,
            who=row.who,
            entity_type=todo.__entity__,
            entity_id=row.id,
        )


def _documents(
    uow: UnitOfWork,
    customer_id: UUID,
    wanted: TimelineRequest,
    bound: _Bound | None,
    limit: int,
) -> Iterable[TimelineEntry]:
    document = Transaction
    statement = select(
        document.id, document.issued_on, document.number, document.reference, document.kind
    ).where(document.customer_id == customer_id, document.issued_on.is_not(None))
    if wanted.since is not None:
        statement = statement.where(document.issued_on >= _day_from(wanted.since))
    if wanted.until is not None:
        statement = statement.where(document.issued_on <= wanted.until.date())
    if bound is not None:
        statement = statement.where(_before(bound))
    if wanted.text:
        statement = statement.where(_holding(wanted.text, document.number, document.reference))
    statement = statement.order_by(document.issued_on.desc(), document.id.desc())
    for row in uow.execute(statement.limit(limit)):
        yield TimelineEntry(
            DOCUMENT,
            row.id,
            _midnight(row.issued_on),
            row.number or "",
            detail=row.kind,
            body=row.reference,
            entity_type=document.__entity__,
            entity_id=row.id,
        )


def _before(bound: _Bound) -> ColumnElement[bool]:
    """Return the SQL that a document's day begins before a place on the timeline."""
    on, key = Transaction.issued_on, Transaction.id
    day = bound.at.astimezone(UTC).date()
    if bound.at != _midnight(day):
        return on <= day
    if bound.id is not None:
        return tuple_(on, key) < tuple_(literal(day, on.type), literal(bound.id, key.type))
    return on <= day if bound.is_there else on < day


def _day_from(moment: datetime) -> date:
    """Return the first day that begins at a moment or later, where the moment was told."""
    day = moment.date()
    begins_here = moment.time() == time.min or day == date.max  # after which there is none
    return day if begins_here else day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


_READERS: dict[str, Reader] = {
    INTERACTION: _interactions,
    ACTIVITY: _activities,
    DOCUMENT: _documents,
}


def _of_plugins(
    uow: UnitOfWork,
    customer_id: UUID,
    wanted: TimelineRequest,
    after: Place | None,
    limit: int,
) -> Sequence[TimelineEntry]:
    until = [each for each in (wanted.until, after and after.at) if each is not None]
    asked = replace(wanted, until=min(until, default=None), limit=limit)
    given = uow.hooks.collect(
        "crm_collect_timeline", uow=uow, customer_id=customer_id, wanted=asked
    )
    return [
        each for each in given if _fits(each, asked) and (after is None or _place(each) < after)
    ]


def _fits(entry: TimelineEntry, wanted: TimelineRequest) -> bool:
    text = " ".join((entry.title, entry.detail, entry.body or "")).casefold()
    return (
        entry.module not in MODULES
        and (not wanted.modules or entry.module in wanted.modules)
        and (not wanted.channels or entry.channel in wanted.channels)
        and (not wanted.direction or entry.direction == wanted.direction)
        and (wanted.since is None or entry.at >= wanted.since)
        and (wanted.until is None or entry.at <= wanted.until)
        and (wanted.text is None or wanted.text.casefold() in text)
    )


def _place(entry: TimelineEntry) -> Place:
    return Place(entry.at, entry.module, entry.id)


def _encoded(entry: TimelineEntry) -> str:
    text = orjson.dumps([entry.at, entry.module, entry.id])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(cursor: str) -> Place:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, module, key = orjson.loads(base64.urlsafe_b64decode(padded))
        place = Place(datetime.fromisoformat(at), str(module), UUID(key))
        if place.at.tzinfo is None:
            raise ValueError(cursor)
        place.at.astimezone(UTC)  # at the ends of time it has no such moment, nor has the database
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise InputError(
            t("This cursor does not belong to this list: leave it out to begin at the first page."),
            code="core.page.cursor",
        ) from None
    return place
