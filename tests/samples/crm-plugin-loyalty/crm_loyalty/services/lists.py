"""What loyalty cards add to lists, to the timeline of a customer, and to the first page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from crm_core.entities import Customer
from crm_core.persistence.bulk import among
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import HomeCard, HomeItem, TimelineEntry, TimelineRequest
from sqlalchemy import ColumnElement, select

from crm_loyalty.models import LoyaltyCard, LoyaltyEntry
from crm_loyalty.permissions import VIEW

SOON = timedelta(days=14)
FIRST_FEW = 5
COUNTED = 100


def tiers(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Return the tier of each of these customers that has a card which is good."""
    uow.actor.require(VIEW)
    return _of_cards(uow, LoyaltyCard.tier, customer_ids)


def points(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Return the points of each of these customers that has a card which is good."""
    uow.actor.require(VIEW)
    return _of_cards(uow, LoyaltyCard.points, customer_ids)


def tier_of_customer(uow: UnitOfWork) -> ColumnElement[Any]:
    """Return the SQL of a customer's tier."""
    uow.actor.require(VIEW)
    return _of_customer(LoyaltyCard.tier)


def points_of_customer(uow: UnitOfWork) -> ColumnElement[Any]:
    """Return the SQL of a customer's points."""
    uow.actor.require(VIEW)
    return _of_customer(LoyaltyCard.points)


def entries_on_timeline(
    uow: UnitOfWork, customer_id: UUID, wanted: TimelineRequest
) -> Sequence[TimelineEntry]:
    """Return when points came onto a customer's cards and left them, the latest first."""
    uow.actor.require(VIEW)
    if wanted.channels or wanted.direction or (wanted.modules and "loyalty" not in wanted.modules):
        return []
    entry, card = LoyaltyEntry, LoyaltyCard
    statement = (
        select(entry.id, entry.created_at, entry.points, entry.reason, card.number, card.id)
        .join(card, card.id == entry.card_id)
        .where(card.customer_id == customer_id)
    )
    if wanted.since is not None:
        statement = statement.where(entry.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(entry.created_at <= wanted.until)
    if wanted.text is not None:
        statement = statement.where(entry.reason.icontains(wanted.text, autoescape=True))
    statement = statement.order_by(entry.created_at.desc(), entry.id.desc()).limit(wanted.limit)
    return [
        TimelineEntry(
            "loyalty",
            key,
            at,
            reason,
            detail=f"{points:+d}",
            body=number,
            entity_type="loyalty_card",
            entity_id=card_id,
        )
        for key, at, points, reason, number, card_id in uow.execute(statement)
    ]


def expiring_soon(uow: UnitOfWork) -> Sequence[HomeCard]:
    """Return the cards with points of the actor's own customers that expire within two weeks."""
    uow.actor.require(VIEW)
    card, today = LoyaltyCard, uow.now.date()
    statement = (
        select(card.number, card.points, card.expires_on, card.customer_id, Customer.name)
        .join(Customer, Customer.id == card.customer_id)
        .where(
            Customer.owner_id == uow.actor.user_id,
            card.ended_at.is_(None),
            card.points > 0,
            card.expires_on.between(today, today + SOON),
        )
        .order_by(card.expires_on, card.number)
        .limit(COUNTED + 1)
    )
    found = uow.execute(statement).all()
    if not found:
        return []
    items = tuple(
        HomeItem(
            row.name,
            "customer",
            row.customer_id,
            detail=f"{row.number}: {row.points}",
            at=datetime.combine(row.expires_on, time.max, UTC),
        )
        for row in found[:FIRST_FEW]
    )
    count, more = min(len(found), COUNTED), len(found) > COUNTED
    return [HomeCard("loyalty.expiring", "Cards that expire soon", count, items, more, "warning")]


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
