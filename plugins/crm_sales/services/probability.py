"""How likely deals are to be won: a person's word, else the score, else what the stage says."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.orm.attributes import set_committed_value

from crm_core.persistence.bulk import among
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import DealState, Opportunity
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_EDIT
from crm_sales.services.scoring.deals import DealReader, deal
from crm_sales.services.scoring.frequencies import recount
from crm_sales.services.scoring.scorer import keep_probabilities, scorer_of

A_BATCH = 5_000
"""Deals that are scored again at a time."""


def refresh_probability(uow: UnitOfWork, opportunities: Sequence[Opportunity]) -> None:
    """Count and score deals that were added, changed, moved or closed just now.

    To be called after each change of what a score is made of; it takes six statements, however
    many deals there are. What is pending is written first.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    uow.flush()
    reader = DealReader(uow)
    deals = reader.of_ids(each.id for each in opportunities)
    recount(uow.connection(), deals)
    kept = keep_probabilities(uow.connection(), scorer_of(reader, deals), deals)
    for each in opportunities:
        set_committed_value(each, "probability", kept[each.id])


def rescore_deals(
    uow: UnitOfWork, *, after: UUID | None = None, limit: int = A_BATCH
) -> tuple[int, UUID | None]:
    """Score some open deals again, since others were closed: those behind ``after``, by id.

    Returns:
        How many were looked at, and where the next begin; None at the end.
    """
    uow.actor.require(CONFIGURE)
    reader = DealReader(uow)
    behind = [] if after is None else [deal.id > after]
    deals = reader.where(deal.state == DealState.OPEN.value, *behind, limit=limit)
    keep_probabilities(uow.connection(), scorer_of(reader), deals)
    return len(deals), deals[-1].id if len(deals) == limit else None


def rescore_deals_of(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> None:
    """Score the open deals with these customers again, who may be reached otherwise now."""
    uow.actor.require(CONFIGURE)
    concerned = or_(among(deal.customer_id, customer_ids), among(deal.contact_id, customer_ids))
    reader = DealReader(uow)
    deals = reader.where(deal.state == DealState.OPEN.value, concerned)
    if deals:
        keep_probabilities(uow.connection(), scorer_of(reader, deals), deals)
