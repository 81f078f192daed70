"""What needs a user today: activities, conflicts, likely duplicates, and what plugins add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.customer import ContactPoint, ContactPointKind, Customer
from crm_core.entities.interaction import Activity
from crm_core.entities.merge import DistinctCustomers
from crm_core.entities.sync import SYNC_VIEW, DeadLetter, PushItem
from crm_core.entities.user import User
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.record_words import field_words
from crm_core.services.activities import list_activities
from crm_core.services.settings import load_settings
from crm_hooks.contributions import HomeCard, HomeItem

MERGE = "core.customer.merge"
SHOWN_ACTIVITIES = 50
FIRST_FEW = 5
COUNTED = 100
"""As far as anything here is counted."""


@dataclass(frozen=True, slots=True)
class MyDay:
    """What needs a user today.

    Attributes:
        today: The user's day.
        activities: Open ones of theirs that are overdue or due today, soonest first, as
            ``list_activities`` gives them, with ``is_overdue``; at most 50.
        overdue: How many are overdue, counted to 100.
        due: How many more are due today, counted to 100.
        cards: What else there is, the core's first; only those that have something to say.
    """

    today: date
    activities: Sequence[dict[str, Any]]
    overdue: int
    due: int
    cards: Sequence[HomeCard]


def my_day(uow: UnitOfWork) -> MyDay:
    """Return what needs the actor today, in a fixed number of statements."""
    uow.actor.require(CUSTOMER_VIEW)
    zone = _zone(uow)
    now = uow.now
    today = now.astimezone(zone).date()
    tomorrow = datetime.combine(today + timedelta(days=1), time.min, zone)
    activities: list[dict[str, Any]] = []
    overdue = due = 0
    if uow.actor.user_id is not None:
        page = list_activities(
            uow, owner_id=uow.actor.user_id, due_before=tomorrow, limit=SHOWN_ACTIVITIES
        )
        activities = [{**each, "is_overdue": each["due_at"] < now} for each in page.items]
        overdue = _count(uow, _mine(uow).where(Activity.due_at < now))
        due = _count(uow, _mine(uow).where(Activity.due_at >= now, Activity.due_at < tomorrow))
    cards = [*_conflicts(uow), *_set_aside(uow), *_duplicates(uow)]
    cards += uow.hooks.collect("crm_collect_home_cards", uow=uow)
    return MyDay(today, activities, overdue, due, cards)


def _zone(uow: UnitOfWork) -> ZoneInfo:
    own: str | None = uow.scalar(select(User.time_zone).where(User.id == uow.actor.user_id))
    return ZoneInfo(own or load_settings(uow).time_zone)


def _mine(uow: UnitOfWork) -> Any:
    return select(Activity.id).where(Activity.owner_id == uow.actor.user_id, Activity.is_open)


def _count(uow: UnitOfWork, statement: Any) -> int:
    some = statement.limit(COUNTED).subquery()
    return int(uow.scalar(select(func.count()).select_from(some)))


def _card(
    name: str, title: str, rows: Sequence[Any], items: Sequence[HomeItem], tone: str
) -> list[HomeCard]:
    if not rows:
        return []
    count, more = min(len(rows), COUNTED), len(rows) > COUNTED
    return [HomeCard(name, title, count, tuple(items), more, tone)]


def _conflicts(uow: UnitOfWork) -> list[HomeCard]:
    """Fields that both sides changed and nobody has decided on, the oldest first."""
    if not uow.actor.may(SYNC_VIEW):
        return []
    rows = uow.execute(
        select(Conflict.id, Conflict.label, Conflict.entity, Conflict.field)
        .where(Conflict.state == ConflictState.OPEN.value)
        .order_by(Conflict.id)
        .limit(COUNTED + 1)
    ).all()
    items = [
        HomeItem(
            row.label,
            Conflict.__entity__,
            row.id,
            field_words(row.field, row.entity, uow.hooks.entities),
        )
        for row in rows[:FIRST_FEW]
    ]
    return _card("core.conflicts", t("Conflicts to settle"), rows, items, "warning")


def _set_aside(uow: UnitOfWork) -> list[HomeCard]:
    """Records that could not be read from a back office, or not be written to it."""
    if not uow.actor.may(SYNC_VIEW):
        return []
    unread = uow.execute(
        select(DeadLetter.id, DeadLetter.label, DeadLetter.reason, DeadLetter.last_at)
        .order_by(DeadLetter.last_at.desc())
        .limit(COUNTED + 1)
    ).all()
    unwritten = uow.execute(
        select(PushItem.id).where(PushItem.is_set_aside).limit(COUNTED + 1)
    ).all()
    items = [
        HomeItem(row.label, DeadLetter.__entity__, row.id, row.reason, row.last_at)
        for row in unread[:FIRST_FEW]
    ]
    rows = [*unread, *unwritten]
    return _card("core.set_aside", t("Records set aside by syncs"), rows, items, "danger")


def _duplicates(uow: UnitOfWork) -> list[HomeCard]:
    """Customers of the actor's own that share an e-mail address with another customer."""
    if not uow.actor.may(MERGE) or uow.actor.user_id is None:
        return []
    mine, other = aliased(ContactPoint), aliased(ContactPoint)
    own, twin = aliased(Customer), aliased(Customer)
    said = select(DistinctCustomers.customer_id).where(
        or_(
            (DistinctCustomers.customer_id == own.id) & (DistinctCustomers.other_id == twin.id),
            (DistinctCustomers.customer_id == twin.id) & (DistinctCustomers.other_id == own.id),
        )
    )
    rows = uow.execute(
        select(own.id, own.name, twin.name.label("twin_name"), mine.normalized)
        .join(mine, mine.customer_id == own.id)
        .join(other, (other.normalized == mine.normalized) & (other.customer_id != own.id))
        .join(twin, twin.id == other.customer_id)
        .where(
            own.owner_id == uow.actor.user_id,
            own.archived_at.is_(None),
            twin.archived_at.is_(None),
            mine.kind == ContactPointKind.EMAIL.value,
            other.kind == ContactPointKind.EMAIL.value,
            own.kind == twin.kind,
            # Of two customers of one's own each pair is told once.
            or_(twin.owner_id.is_distinct_from(own.owner_id), own.id < twin.id),
            ~said.exists(),
        )
        .limit(COUNTED + 1)
    ).all()
    items = [
        HomeItem(
            t("{one} and {other}", one=row.name, other=row.twin_name),
            Customer.__entity__,
            row.id,
            row.normalized,
        )
        for row in rows[:FIRST_FEW]
    ]
    return _card("core.duplicates", t("Customers that may be the same"), rows, items, "info")
