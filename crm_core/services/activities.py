"""Things to do for customers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Activity
from crm_core.entities.user import User
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, expect_version, filled, optional
from crm_core.services.lookup import ids_by_digits, only_one, permitted_customer
from crm_core.services.settings import said_for
from crm_core.services.users import require_enabled

EDIT = "core.activity.edit"


def add_activity(
    uow: UnitOfWork,
    customer_id: UUID,
    *,
    type: str,
    due_at: datetime,
    summary: str | None = None,
    note: str | None = None,
    owner_id: UUID | None = None,
) -> Activity:
    """Plan something to do.

    Args:
        uow: The unit of work.
        customer_id: For whom.
        type: A short word: call, email, meeting, visit, task …
        due_at: When it is due, aware.
        summary: One line; the type when None.
        note: The rest; both are said in the language of who does it, where they are messages.
        owner_id: Who does it; the actor when None.
    """
    customer = permitted_customer(uow, customer_id, EDIT)
    due_at = _aware(due_at)
    owner_id = owner_id or uow.actor.user_id
    language = None
    if owner_id is not None:
        owner = uow.get(User, owner_id)
        require_enabled(owner)
        language = owner.language
    kind = filled(type, "type").lower()
    return uow.add(
        Activity(
            customer_id=customer.id,
            type=kind,
            summary=optional(said_for(uow, summary, language), "summary", most=LINE) or kind,
            note=optional(said_for(uow, note, language), "note"),
            due_at=due_at,
            owner_id=owner_id,
            is_open=True,
            created_at=uow.now,
            updated_at=uow.now,
        )
    )


def complete_activity(
    uow: UnitOfWork, activity_id: UUID, *, expected_version: int | None = None
) -> Activity:
    """Say that something is done. Its owner may, and whoever may edit the customer's activities.

    Raises:
        RuleViolationError: It is done already.
    """
    activity = _permitted_open(uow, activity_id, expected_version)
    activity.is_open = False
    activity.done_at = activity.updated_at = uow.now
    activity.done_by_id = uow.actor.user_id
    return activity


def postpone_activity(
    uow: UnitOfWork, activity_id: UUID, due_at: datetime, *, expected_version: int | None = None
) -> Activity:
    """Have something be due at another moment; who may say that it is done may.

    Raises:
        InputError: The moment has no time zone.
        RuleViolationError: It is done already.
    """
    activity = _permitted_open(uow, activity_id, expected_version)
    activity.due_at, activity.updated_at = _aware(due_at), uow.now
    return activity


def assign_activities(uow: UnitOfWork, owners: Mapping[UUID, UUID]) -> None:
    """Give activities to users; those that are gone, or not to be seen, are passed over.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach one of them.
        RuleViolationError: One of the users is disabled.
    """
    for user in uow.scalars(select(User).where(User.id.in_(set(owners.values())))):
        require_enabled(user)
    for activity in _permitted_many(uow, owners):
        activity.owner_id, activity.updated_at = owners[activity.id], uow.now
    uow.flush()


def cancel_activities(uow: UnitOfWork, activity_ids: Collection[UUID]) -> None:
    """Take back what is no longer to be done; what was done stays, and the audit tells of both.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach one of them.
    """
    for activity in _permitted_many(uow, activity_ids):
        if activity.is_open:
            uow.delete(activity)
    uow.flush()


def _permitted_open(uow: UnitOfWork, activity_id: UUID, expected_version: int | None) -> Activity:
    uow.actor.require(EDIT)
    activity = uow.get(Activity, activity_id)
    expect_version(activity, expected_version)
    if activity.owner_id is None or activity.owner_id != uow.actor.user_id:
        permitted_customer(uow, activity.customer_id, EDIT)
    if not activity.is_open:
        raise RuleViolationError(
            t(
                "The activity {activity!r} ({activity_id}) is done already.",
                activity=activity.summary,
                activity_id=activity.id,
            ),
            code="core.activity.already_done",
        )
    return activity


def _permitted_many(uow: UnitOfWork, activity_ids: Collection[UUID]) -> list[Activity]:
    uow.actor.require(EDIT)
    found = []
    for some in chunked(activity_ids, PARAMETERS):
        statement: Select[*tuple[Any, ...]] = (
            select(Activity, Customer.name, Customer.owner_id)
            .join(Customer, Customer.id == Activity.customer_id)
            .where(Activity.id.in_(some))
        )
        for row in uow.execute(statement):
            activity: Activity = row.Activity
            if activity.owner_id is None or activity.owner_id != uow.actor.user_id:
                what = t("customer {customer}", customer=row.name)
                uow.actor.require_for_owner(EDIT, row.owner_id, what)
            found.append(activity)
    return found


def _aware(due_at: datetime) -> datetime:
    if due_at.tzinfo is None:
        raise InputError(
            t("due_at: the moment {due_at} has no time zone; give one.", due_at=due_at.isoformat()),
            code="core.naive_datetime",
        )
    return due_at


def resolve_activity_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the activity that an id, or its first eight or more digits, names.

    Raises:
        NotFoundError: No such activity, or none that the actor may see.
        InputError: More than one fits.
    """
    return only_one(
        ids_by_digits(uow, Activity.id, text),
        text,
        code="core.activity",
        several=t("{text!r} fits several activities; give more of the id.", text=text),
        missing=t(
            "There is no activity {text!r} that {login} may see. See crm activity list.",
            text=text,
            login=uow.actor.login,
        ),
    )


def list_activities(
    uow: UnitOfWork,
    *,
    customer_id: UUID | None = None,
    owner_id: UUID | None = None,
    is_open: bool | None = True,
    due_before: datetime | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return activities, soonest due first.

    Args:
        uow: The unit of work.
        customer_id: Only this customer's.
        owner_id: Only this user's.
        is_open: Open, done, or (None) both.
        due_before: Only what is due before this moment; with now, what is overdue.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id, customer_id, customer_name, type, summary, note, due_at, owner_name,
        is_open, done_at, version``.
    """
    statement = (
        select(
            Activity.id,
            Activity.customer_id,
            Customer.name.label("customer_name"),
            Activity.type,
            Activity.summary,
            Activity.note,
            Activity.due_at,
            User.name.label("owner_name"),
            Activity.is_open,
            Activity.done_at,
            Activity.version,
        )
        .join(Customer, Customer.id == Activity.customer_id)
        .outerjoin(User, User.id == Activity.owner_id)
    )
    if customer_id is not None:
        statement = statement.where(Activity.customer_id == customer_id)
    if owner_id is not None:
        statement = statement.where(Activity.owner_id == owner_id)
    if is_open is not None:
        statement = statement.where(Activity.is_open == is_open)
    if due_before is not None:
        statement = statement.where(Activity.due_at < due_before)
    return page_of(uow, statement, keys=(Activity.due_at, Activity.id), limit=limit, cursor=cursor)
