"""A person's word against the score of a deal: kept until a person drops it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities import User
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.events import RecordsChanged
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, filled
from crm_sales.errors import DealClosedError
from crm_sales.events import OpportunityChanged
from crm_sales.models import DealState, Opportunity, ScoreOverride
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_SCORE
from crm_sales.services.opportunity_access import expect_unchanged, permitted_opportunity
from crm_sales.services.probability import refresh_probability
from crm_sales.services.scoring.bayes import LEAST_LIKELY, MOST_LIKELY

PLACES = Decimal("0.01")


def override_probability(
    uow: UnitOfWork,
    opportunity_id: UUID,
    percent: Decimal,
    reason: str,
    *,
    expected_version: int | None = None,
) -> ScoreOverride:
    """Say how likely an open deal is to be won, whatever its score; it stays so until dropped.

    Args:
        uow: A writing unit of work.
        opportunity_id: Which.
        percent: From 0.01 to 99.99, up to two decimal places.
        reason: Why; whoever sees the deal reads it.
        expected_version: The deal's version that was read; None to set it whatever is there.

    Raises:
        PermissionDeniedError: The right is missing or does not reach the deal, or somebody else
            said so and the actor's right reaches only what is their own.
        InputError: The percentage or the reason will not do.
        DealClosedError: The deal is won or lost.
        StaleVersionError: Somebody changed the deal since.
    """
    opportunity = _open(uow, opportunity_id, expected_version)
    probability = _checked(percent)
    text = filled(reason, "reason", most=LINE)
    found = uow.find(ScoreOverride, opportunity.id)
    if found is None:
        found = uow.add(ScoreOverride(opportunity_id=opportunity.id))
    else:
        _require_say(uow, found, opportunity)
    found.probability, found.reason = probability, text
    found.user_id, found.at = uow.actor.user_id, uow.now
    _changed(uow, opportunity, is_overridden=True)
    return found


def drop_override(
    uow: UnitOfWork, opportunity_id: UUID, *, expected_version: int | None = None
) -> Opportunity:
    """Let the score of an open deal count again.

    Raises:
        NotFoundError: Nobody set the probability.
        PermissionDeniedError: As for :func:`override_probability`.
    """
    opportunity = _open(uow, opportunity_id, expected_version)
    found = uow.find(ScoreOverride, opportunity.id)
    if found is None:
        raise NotFoundError(
            t("Nobody set the probability of {deal}: its score counts.", deal=opportunity.name),
            code="sales.score.no_override",
        )
    _require_say(uow, found, opportunity)
    uow.delete(found)
    _changed(uow, opportunity, is_overridden=False)
    return opportunity


def _open(uow: UnitOfWork, opportunity_id: UUID, expected_version: int | None) -> Opportunity:
    opportunity = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_SCORE)
    uow.actor.require_for_owner(
        OPPORTUNITY_EDIT, opportunity.owner_id, t("the deal {deal}", deal=opportunity.name)
    )
    expect_unchanged(uow, opportunity, expected_version)
    if opportunity.state != DealState.OPEN:
        raise DealClosedError(
            t("The deal {deal} is closed: what is certain needs no guess.", deal=opportunity.name),
            details={"id": str(opportunity.id), "state": opportunity.state},
        )
    return opportunity


def _checked(percent: Decimal) -> Decimal:
    fits = percent.is_finite() and LEAST_LIKELY * 100 <= percent <= MOST_LIKELY * 100
    if not fits or percent != percent.quantize(PLACES):
        raise InputError(
            t(
                "Give a probability from 0.01 to 99.99 percent with up to two decimal places; what "
                "is certain is to be won or lost."
            ),
            code="sales.score.percent",
            details={"fields": {"percent": t("From 0.01 to 99.99.")}},
        )
    return percent / 100


def _require_say(uow: UnitOfWork, found: ScoreOverride, opportunity: Opportunity) -> None:
    """Let nobody undo another's word but those who answer for a team."""
    is_mine = found.user_id == uow.actor.user_id
    if is_mine or uow.actor.reach(OPPORTUNITY_SCORE) > Reach.OWN:
        return
    who = uow.scalar(select(User.name).where(User.id == found.user_id))
    raise PermissionDeniedError(
        t(
            "{who} set the probability of {deal}: ask them, or whoever leads the team.",
            who=who or t("The system"),
            deal=opportunity.name,
        ),
        details={"right": OPPORTUNITY_SCORE, "login": uow.actor.login},
    )


def _changed(uow: UnitOfWork, opportunity: Opportunity, *, is_overridden: bool) -> None:
    opportunity.is_overridden = is_overridden
    opportunity.updated_at = uow.now
    refresh_probability(uow, [opportunity])
    fields = ("probability",)
    uow.record(OpportunityChanged(opportunity.id, opportunity.customer_id, fields))
    uow.record(RecordsChanged(Opportunity.__entity__, (opportunity.id,)))
