"""The columns that loyalty cards add to the list of customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_core.entities import Customer
from crm_core.persistence.bulk import among
from crm_core.persistence.unit_of_work import UnitOfWork
from sqlalchemy import ColumnElement, select

from crm_loyalty.models import LoyaltyCard


def tiers(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Return the tier of each of these customers that has a card which is good."""
    return _of_cards(uow, LoyaltyCard.tier, customer_ids)


def points(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Return the points of each of these customers that has a card which is good."""
    return _of_cards(uow, LoyaltyCard.points, customer_ids)


def tier_of_customer(_uow: UnitOfWork) -> ColumnElement[Any]:
    """Return the SQL of a customer's tier."""
    return _of_customer(LoyaltyCard.tier)


def points_of_customer(_uow: UnitOfWork) -> ColumnElement[Any]:
    """Return the SQL of a customer's points."""
    return _of_customer(LoyaltyCard.points)


def _of_cards(uow: UnitOfWork, column: Any, customer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    rows = uow.execute(
        select(LoyaltyCard.customer_id, column).where(
            among(LoyaltyCard.customer_id, customer_ids), LoyaltyCard.ended_at.is_(None)
        )
    )
    return {row[0]: row[1] for row in rows}


def _of_customer(column: Any) -> ColumnElement[Any]:
    # Nobody has two cards that are good at a time.
    card = select(column).where(
        LoyaltyCard.customer_id == Customer.id, LoyaltyCard.ended_at.is_(None)
    )
    return card.correlate(Customer).scalar_subquery()
