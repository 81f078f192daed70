"""What deals add to customers: columns of their list, and entries of their timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from crm_core.entities import Customer, User
from crm_core.messages import Message, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import TimelineEntry, TimelineRequest
from crm_sales.models import DealState, Opportunity, OpportunityMove, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.opportunity_list import in_base_currency, sums_of_customers

MODULE = "sales.deals"


def open_deals(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return how many open deals these customers have, those without any left out."""
    uow.actor.require(OPPORTUNITY_VIEW)
    found = sums_of_customers(uow, customer_ids)
    return {customer_id: count for customer_id, (count, _) in found.items()}


def number_of_open_deals(uow: UnitOfWork) -> ColumnElement[Any]:
    """Return the SQL of how many open deals a customer has; NULL for none."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return (
        select(func.nullif(func.count(Opportunity.id), 0))
        .where(Opportunity.customer_id == Customer.id, Opportunity.state == DealState.OPEN)
        .correlate(Customer)
        .scalar_subquery()
    )


def open_amounts(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> Mapping[UUID, Decimal]:
    """Return what the open deals of these customers may bring, in the company's currency.

    A customer is left out where there is nothing, or no rate for a part of it.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    found = {key: sums for key, (_, sums) in sums_of_customers(uow, customer_ids).items() if sums}
    amounts = in_base_currency(uow, list(found.values()))
    return {key: amount for key, amount in zip(found, amounts, strict=True) if amount is not None}


def moves_on_timeline(
    uow: UnitOfWork, customer_id: UUID, wanted: TimelineRequest
) -> Sequence[TimelineEntry]:
    """Return the moves of a customer's deals, the latest first."""
    uow.actor.require(OPPORTUNITY_VIEW)
    if wanted.channels or wanted.direction or (wanted.modules and MODULE not in wanted.modules):
        return []
    move, left, entered = OpportunityMove, aliased(Stage), aliased(Stage)
    statement = (
        select(
            move.id,
            move.at,
            move.from_state,
            move.to_state,
            left.name.label("left"),
            entered.name.label("entered"),
            Opportunity.id.label("deal_id"),
            Opportunity.name.label("deal"),
            User.name.label("who"),
        )
        .join(Opportunity, Opportunity.id == move.opportunity_id)
        .outerjoin(left, left.id == move.from_stage_id)
        .join(entered, entered.id == move.to_stage_id)
        .outerjoin(User, User.id == move.user_id)
        .where(Opportunity.customer_id == customer_id)
    )
    if wanted.since is not None:
        statement = statement.where(move.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(move.at <= wanted.until)
    if wanted.text is not None:
        named = (Opportunity.name, entered.name)
        holds = (column.icontains(wanted.text, autoescape=True) for column in named)
        statement = statement.where(or_(*holds))
    statement = statement.order_by(move.at.desc(), move.id.desc()).limit(wanted.limit)
    return [
        TimelineEntry(
            MODULE,
            row.id,
            row.at,
            _told(row),
            who=row.who,
            entity_type=Opportunity.__entity__,
            entity_id=row.deal_id,
        )
        for row in uow.execute(statement)
    ]


def _told(row: Any) -> Message:
    if row.to_state == DealState.WON:
        return t("Deal won: {deal}", deal=row.deal)
    if row.to_state == DealState.LOST:
        return t("Deal lost: {deal}", deal=row.deal)
    if row.from_state is None:
        return t("Deal added: {deal}", deal=row.deal)
    if row.from_state != DealState.OPEN:
        return t("Deal open again: {deal}", deal=row.deal)
    return t(
        "Deal moved from {left} to {stage}: {deal}",
        left=row.left,
        stage=row.entered,
        deal=row.deal,
    )
