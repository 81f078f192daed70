"""What people take on, and when they are away: said by themselves, or by who assigns."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from crm_core.entities.user import User
from crm_core.errors import DuplicateError, InputError
from crm_core.messages import t
from crm_core.persistence.scope import owner_criterion
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import company_day
from crm_sales.models import Absence, Seller
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW
from crm_sales.services.assignment.desk import SELLING

MOST_A_DAY = 10_000
MOST_SHOWN = 500


def set_seller(
    uow: UnitOfWork, user_id: UUID, *, takes_leads: bool = True, daily_leads: int | None = None
) -> Seller:
    """Say whether somebody takes leads, and how many a day at most.

    Raises:
        InputError: The number is out of range.
        PermissionDeniedError: It is somebody else, and the right to assign does not reach them.
    """
    _require(uow, user_id)
    if daily_leads is not None and not 0 <= daily_leads <= MOST_A_DAY:
        raise InputError(
            t("Give 0 to {most} leads a day, not {count}.", most=MOST_A_DAY, count=daily_leads),
            code="sales.seller.daily",
        )
    seller = uow.find(Seller, user_id)
    if seller is None:
        seller = uow.add(Seller(user_id=user_id))
    seller.takes_leads, seller.daily_leads = takes_leads, daily_leads
    uow.flush()
    return seller


def list_sellers(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return who may take leads: ``user_id, login, name, takes_leads, daily_leads``, by name.

    ``daily_leads`` is None for what the setting says.
    """
    uow.actor.require(LEAD_VIEW)
    statement = (
        select(User.id.label("user_id"), User.login, User.name, Seller.daily_leads)
        .add_columns(or_(Seller.takes_leads.is_(None), Seller.takes_leads).label("takes_leads"))
        .outerjoin(Seller, Seller.user_id == User.id)
        .where(User.is_enabled.is_(True), User.id.in_(SELLING))
        .order_by(User.name, User.id)
        .limit(MOST_SHOWN)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def add_absence(
    uow: UnitOfWork,
    user_id: UUID,
    from_on: date,
    until_on: date,
    *,
    stand_in_id: UUID | None = None,
) -> Absence:
    """Say that somebody is away, from a day until a day, both included.

    Raises:
        InputError: The days are the wrong way round, or somebody stands in for themselves.
        DuplicateError: They are away on some of these days already.
        PermissionDeniedError: It is somebody else, and the right to assign does not reach them.
    """
    _require(uow, user_id)
    if until_on < from_on:
        raise InputError(
            t("The last day {until} is before the first, {since}.", until=until_on, since=from_on),
            code="sales.absence.days",
        )
    if stand_in_id == user_id:
        raise InputError(t("Nobody stands in for themselves."), code="sales.absence.stand_in")
    if stand_in_id is not None:
        uow.get(User, stand_in_id)
    overlapping = and_(
        Absence.user_id == user_id, Absence.from_on <= until_on, Absence.until_on >= from_on
    )
    known = uow.scalars(select(Absence).where(overlapping)).first()
    if known is not None:
        raise DuplicateError(
            t(
                "There is an absence from {since} until {until} already: remove it first.",
                since=known.from_on,
                until=known.until_on,
            ),
            code="sales.absence.overlaps",
            details={"id": str(known.id)},
        )
    absence = uow.add(
        Absence(
            user_id=user_id,
            from_on=from_on,
            until_on=until_on,
            stand_in_id=stand_in_id,
            created_at=uow.now,
            updated_at=uow.now,
        )
    )
    uow.flush()
    return absence


def remove_absence(uow: UnitOfWork, absence_id: UUID) -> None:
    """Take an absence back.

    Raises:
        PermissionDeniedError: It is somebody else's, and the right to assign does not reach them.
    """
    uow.actor.require(LEAD_EDIT)
    absence = uow.get(Absence, absence_id)
    _require(uow, absence.user_id)
    uow.delete(absence)
    uow.flush()


def list_absences(uow: UnitOfWork, *, on: date | None = None) -> list[dict[str, Any]]:
    """Return absences that are not over, of whom the actor sees the leads, the soonest first.

    With ``on`` a day, those of that day.
    """
    uow.actor.require(LEAD_VIEW)
    other = aliased(User)
    today = on or company_day(uow)
    statement = (
        select(
            Absence.id,
            Absence.user_id,
            User.login,
            User.name,
            Absence.from_on,
            Absence.until_on,
            Absence.stand_in_id,
            other.name.label("stand_in_name"),
        )
        .join(User, User.id == Absence.user_id)
        .outerjoin(other, other.id == Absence.stand_in_id)
        .where(Absence.until_on >= today)
        .order_by(Absence.from_on, Absence.id)
        .limit(MOST_SHOWN)
    )
    if on is not None:
        statement = statement.where(Absence.from_on <= on)
    mine = owner_criterion(Absence.user_id, uow.actor, uow.actor.reach(LEAD_VIEW))
    if mine is not None:
        statement = statement.where(mine)
    return [dict(row._mapping) for row in uow.execute(statement)]


def _require(uow: UnitOfWork, user_id: UUID) -> None:
    uow.actor.require(LEAD_EDIT)
    user = uow.get(User, user_id)
    if user.id != uow.actor.user_id:
        what = t("what {login} takes on", login=user.login)
        uow.actor.require_for_owner(LEAD_ASSIGN, user.id, what)
