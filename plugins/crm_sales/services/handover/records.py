"""What of the sales module belongs to somebody: open deals, leads and offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import User
from crm_core.events import RecordsChanged
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import EDIT as ACTIVITY_EDIT
from crm_core.services.ownership import ASSIGN
from crm_core.services.users import require_enabled
from crm_hooks.belongings import Belonging, Belongings
from crm_sales.events import LeadAssigned, OpportunityChanged
from crm_sales.models import (
    DealState,
    Lead,
    LeadState,
    Opportunity,
    Pipeline,
    Quote,
    QuoteState,
    Stage,
)
from crm_sales.permissions import HANDOVER, LEAD_EDIT, LEAD_VIEW, OPPORTUNITY_EDIT, QUOTE_EDIT
from crm_sales.services.opportunity_access import team_of
from crm_sales.services.probability import refresh_probability

LIVE_QUOTES = (
    QuoteState.DRAFT.value,
    QuoteState.WAITING.value,
    QuoteState.APPROVED.value,
    QuoteState.SENT.value,
)
"""States of offers that somebody has to look after."""
_NEEDED = (HANDOVER, ASSIGN, ACTIVITY_EDIT, OPPORTUNITY_EDIT, LEAD_EDIT, QUOTE_EDIT)
_HERE = "crm_sales.services.handover.records"


def require_reach(uow: UnitOfWork, user: User) -> None:
    """Refuse to touch somebody's work unless all of it is within reach: a part would be lost.

    Raises:
        PermissionDeniedError: A right is missing, or does not reach the user's records.
    """
    uow.actor.require(HANDOVER)
    for right in _NEEDED:
        uow.actor.require_for_owner(right, user.id, t("the work of {name}", name=user.name))


def sales_belongings(uow: UnitOfWork, user_id: UUID) -> list[Belongings]:
    """Return the open deals, leads and offers of a user that the actor may see."""
    uow.actor.require(LEAD_VIEW)
    return [
        _kind(Opportunity, t("Deals"), "assign_opportunities", _deals(uow, user_id)),
        _kind(Lead, t("Leads"), "assign_leads", _leads(uow, user_id)),
        _kind(Quote, t("Offers"), "assign_quotes", _quotes(uow, user_id)),
    ]


def assign_opportunities(uow: UnitOfWork, owners: Mapping[UUID, UUID]) -> None:
    """Give deals to users.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach one of them.
        RuleViolationError: One of the users is disabled.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    teams = _Teams(uow, owners.values())
    deals = list(uow.scalars(select(Opportunity).where(Opportunity.id.in_(list(owners)))))
    for deal in deals:
        uow.actor.require_for_owner(
            OPPORTUNITY_EDIT, deal.owner_id, t("the deal {deal}", deal=deal.name)
        )
        deal.owner_id, deal.updated_at = owners[deal.id], uow.now
        deal.team_id = teams.of(owners[deal.id], deal.pipeline_id)
        uow.record(OpportunityChanged(deal.id, deal.customer_id, ("owner_id",)))
    refresh_probability(uow, deals)
    uow.record(RecordsChanged(Opportunity.__entity__, tuple(deal.id for deal in deals)))


def assign_leads(uow: UnitOfWork, owners: Mapping[UUID, UUID]) -> None:
    """Give leads to users.

    Raises:
        As :func:`assign_opportunities`.
    """
    uow.actor.require(LEAD_EDIT)
    teams = _Teams(uow, owners.values())
    for lead in uow.scalars(select(Lead).where(Lead.id.in_(list(owners)))):
        uow.actor.require_for_owner(LEAD_EDIT, lead.owner_id, t("the lead {lead}", lead=lead.name))
        lead.owner_id = owners[lead.id]
        lead.assigned_at = lead.updated_at = uow.now
        lead.team_id = teams.of(owners[lead.id])
        uow.record(LeadAssigned(lead.id, owners[lead.id]))
    uow.flush()


def assign_quotes(uow: UnitOfWork, owners: Mapping[UUID, UUID]) -> None:
    """Give offers to users.

    Raises:
        As :func:`assign_opportunities`.
    """
    uow.actor.require(QUOTE_EDIT)
    _check_enabled(uow, owners.values())
    for quote in uow.scalars(select(Quote).where(Quote.id.in_(list(owners)))):
        uow.actor.require_for_owner(
            QUOTE_EDIT, quote.owner_id, t("the offer {number}", number=quote.number)
        )
        quote.owner_id, quote.updated_at = owners[quote.id], uow.now
    uow.flush()


class _Teams:
    """Which team records of each user count for, asked for once a user and pipeline."""

    def __init__(self, uow: UnitOfWork, user_ids: Iterable[UUID]) -> None:
        _check_enabled(uow, user_ids)
        self._uow = uow
        self._found: dict[tuple[UUID, UUID | None], UUID | None] = {}

    def of(self, user_id: UUID, pipeline_id: UUID | None = None) -> UUID | None:
        """Return the pipeline's team if the user is in it, else the user's first."""
        key = (user_id, pipeline_id)
        if key not in self._found:
            pipeline = self._uow.find(Pipeline, pipeline_id) if pipeline_id else None
            preferred = pipeline.team_id if pipeline else None
            self._found[key] = team_of(self._uow, user_id, preferred)
        return self._found[key]


def _check_enabled(uow: UnitOfWork, user_ids: Iterable[UUID]) -> None:
    for user in uow.scalars(select(User).where(User.id.in_(set(user_ids)))):
        require_enabled(user)


def _deals(uow: UnitOfWork, user_id: UUID) -> list[Belonging]:
    statement = (
        select(
            Opportunity.id,
            Opportunity.name,
            Opportunity.customer_id,
            Stage.code.label("stage"),
            Pipeline.code.label("pipeline"),
        )
        .join(Stage, Stage.id == Opportunity.stage_id)
        .join(Pipeline, Pipeline.id == Opportunity.pipeline_id)
        .where(Opportunity.owner_id == user_id, Opportunity.state == DealState.OPEN)
        .order_by(Opportunity.id)
    )
    return [
        Belonging(
            row.id,
            row.name,
            row.customer_id,
            (("stage", row.stage), ("pipeline", row.pipeline)),
        )
        for row in uow.execute(statement)
    ]


def _leads(uow: UnitOfWork, user_id: UUID) -> list[Belonging]:
    statement = (
        select(Lead.id, Lead.name, Lead.customer_id, Lead.country_code, Lead.language)
        .where(Lead.owner_id == user_id, Lead.state == LeadState.NEW)
        .order_by(Lead.id)
    )
    return [
        Belonging(row.id, row.name, row.customer_id, _told(row)) for row in uow.execute(statement)
    ]


def _told(lead: object) -> tuple[tuple[str, str], ...]:
    facts = (("country", "country_code"), ("language", "language"))
    return tuple((name, getattr(lead, column)) for name, column in facts if getattr(lead, column))


def _quotes(uow: UnitOfWork, user_id: UUID) -> list[Belonging]:
    statement = (
        select(Quote.id, Quote.number, Quote.customer_id)
        .where(Quote.owner_id == user_id, Quote.state.in_(LIVE_QUOTES))
        .order_by(Quote.id)
    )
    return [Belonging(row.id, row.number, row.customer_id) for row in uow.execute(statement)]


def _kind(model: type, title: str, assign: str, records: Sequence[Belonging]) -> Belongings:
    kind: str = getattr(model, "__entity__")  # noqa: B009  every mapped class has one
    return Belongings(kind, title, f"{_HERE}:{assign}", tuple(records))
