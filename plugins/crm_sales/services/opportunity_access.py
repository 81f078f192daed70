"""The one deal that somebody means, with the right to do something with it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from crm_core.entities import TeamMember
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services import audit
from crm_core.services.lookup import key_condition, only_one
from crm_sales.models import DealState, Opportunity
from crm_sales.permissions import OPPORTUNITY_VIEW


def permitted_opportunity(uow: UnitOfWork, opportunity_id: UUID, right: str) -> Opportunity:
    """Return a deal on which the actor holds ``right``.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing or does not reach this deal.
    """
    uow.actor.require(right)
    deal = uow.get(Opportunity, opportunity_id)
    uow.actor.require_for_owner(right, deal.owner_id, t("the deal {deal}", deal=deal.name))
    return deal


def resolve_opportunity_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the deal that an id, its first digits (eight at least) or its name gives.

    A name is compared whole; of several deals called so, the only open one is meant.

    Raises:
        NotFoundError: No such deal, or none that the actor may see.
        InputError: More than one fits.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    text = text.strip()
    by_key = key_condition(Opportunity.id, text)
    fits = Opportunity.name == text if by_key is None else by_key
    found = list(uow.scalars(select(Opportunity.id).where(fits).limit(2)))
    if len(found) > 1:
        is_open = Opportunity.state == DealState.OPEN
        found = list(uow.scalars(select(Opportunity.id).where(fits, is_open).limit(2))) or found
    return only_one(
        found,
        text,
        code="sales.opportunity",
        several=t("{text!r} fits several deals; give more of the id.", text=text),
        missing=t(
            "There is no deal {text!r} that {login} may see. See crm sales deal list.",
            text=text,
            login=uow.actor.login,
        ),
    )


def expect_unchanged(uow: UnitOfWork, deal: Opportunity, expected_version: int | None) -> None:
    """Raise StaleVersionError, which says who changed what, unless a deal is as it was read."""
    changed = t("The deal {deal} was changed since you read it.", deal=deal.name)
    audit.expect_unchanged(uow, deal, expected_version, changed, hidden=("probability",))


def team_of(uow: UnitOfWork, user_id: UUID | None, preferred: UUID | None = None) -> UUID | None:
    """Return the team that a user's records count for: the preferred one, else their first."""
    uow.actor.require(OPPORTUNITY_VIEW)
    if user_id is None:
        return preferred
    teams = list(
        uow.scalars(
            select(TeamMember.team_id)
            .where(TeamMember.user_id == user_id)
            .order_by(TeamMember.team_id)
        )
    )
    return preferred if preferred in teams else next(iter(teams), None)
