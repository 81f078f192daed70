"""How much somebody may take off without asking."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities import Role, UserRole
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import DiscountLimit
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.formulas import HUNDRED, ZERO


def limits_of(uow: UnitOfWork, user_ids: Collection[UUID]) -> Mapping[UUID, Decimal]:
    """Return the limit of each user in percent: the highest of their roles; none means zero."""
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(UserRole.user_id, func.max(DiscountLimit.percent).label("percent"))
        .join(Role, Role.id == UserRole.role_id)
        .join(DiscountLimit, DiscountLimit.role == Role.code)
        .where(UserRole.user_id.in_(sorted(user_ids)))
        .group_by(UserRole.user_id)
    )
    found = {row.user_id: row.percent for row in uow.execute(statement)}
    return {user_id: found.get(user_id, ZERO) for user_id in user_ids}


def own_limit(uow: UnitOfWork) -> Decimal:
    """Return how many percent the actor may take off; the system has no limit."""
    uow.actor.require(QUOTE_VIEW)
    user_id = uow.actor.user_id
    return HUNDRED if user_id is None else limits_of(uow, (user_id,))[user_id]
