"""Leads as they are looked up: one, a list of them, and how they are counted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from crm_core.access import Reach
from crm_core.entities.commerce import Product
from crm_core.entities.customer import Customer
from crm_core.entities.user import User
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.audit import expect_unchanged
from crm_core.services.lookup import key_condition
from crm_sales.models import Lead, LeadDecision, LeadState
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW

COUNTED = 1_000
"""As far as leads are counted."""

_COLUMNS = (
    Lead.id,
    Lead.name,
    Lead.company,
    Lead.state,
    Lead.source,
    Lead.campaign,
    Lead.country_code,
    Lead.city,
    Lead.expected_amount,
    Lead.currency_code,
    Lead.owner_id,
    User.name.label("owner_name"),
    Lead.customer_id,
    Customer.name.label("customer_name"),
    Lead.created_at,
    Lead.closed_at,
    Lead.closing_reason,
    Lead.version,
)
_MORE = (
    Lead.job_title,
    Lead.email,
    Lead.phone,
    Lead.website,
    Lead.street,
    Lead.postal_code,
    Lead.language,
    Lead.request,
    Lead.product_id,
    Product.name.label("product_name"),
    Product.reference.label("product"),
    Lead.channel,
    Lead.team_id,
    Lead.assigned_at,
    Lead.merged_into_id,
    Lead.arrival_key,
    Lead.updated_at,
)


def permitted_lead(uow: UnitOfWork, lead_id: UUID, right: str) -> Lead:
    """Return a lead on which the actor holds ``right``; whoever assigns holds it on those waiting.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing or does not reach this lead.
    """
    uow.actor.require(right)
    lead = uow.get(Lead, lead_id)
    waits = lead.owner_id is None and uow.actor.reach(LEAD_ASSIGN) is Reach.ALL
    if not waits:
        uow.actor.require_for_owner(right, lead.owner_id, t("lead {lead}", lead=lead.name))
    return lead


def show_lead(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any]:
    """Return all of a lead: names are blank where the actor may not see whose they are.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(LEAD_VIEW)
    statement = _joined(select(*_COLUMNS, *_MORE))
    statement = statement.outerjoin(Product, Product.id == Lead.product_id)
    row = uow.execute(statement.where(Lead.id == lead_id)).one_or_none()
    if row is None:
        raise _missing(uow, str(lead_id))
    return dict(row._mapping)


def list_leads(
    uow: UnitOfWork,
    *,
    state: str | None = LeadState.NEW,
    owner_id: UUID | None = None,
    waiting: bool = False,
    customer_id: UUID | None = None,
    source: str | None = None,
    text: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return leads, the latest first.

    Args:
        uow: The unit of work.
        state: ``new``, ``qualified``, ``disqualified`` or ``merged``; None for all.
        owner_id: Only of this user.
        waiting: Only those that nobody answers for.
        customer_id: Only those from this customer.
        source: Only those that came from there.
        text: Only those whose name, company or address holds this.
        limit: Leads a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of a lead; with ``decision_outcome``, ``decision_steps`` and ``decision_rule`` of the
        latest decision on it.
    """
    uow.actor.require(LEAD_VIEW)
    statement = _joined(
        select(
            *_COLUMNS,
            LeadDecision.outcome.label("decision_outcome"),
            LeadDecision.steps.label("decision_steps"),
            LeadDecision.rule_name.label("decision_rule"),
        )
    ).outerjoin(
        LeadDecision, and_(LeadDecision.lead_id == Lead.id, LeadDecision.is_latest.is_(True))
    )
    if state is not None:
        statement = statement.where(Lead.state == _state(state))
    if owner_id is not None:
        statement = statement.where(Lead.owner_id == owner_id)
    if waiting:
        statement = statement.where(Lead.owner_id.is_(None))
    if customer_id is not None:
        statement = statement.where(Lead.customer_id == customer_id)
    if source:
        statement = statement.where(Lead.source == source)
    if text:
        fitting = (
            column.icontains(text.strip(), autoescape=True)
            for column in (Lead.name, Lead.company, Lead.email)
        )
        statement = statement.where(or_(*fitting))
    return page_of(uow, statement, keys=(Lead.id,), limit=limit, cursor=cursor, descending=True)


def count_leads(uow: UnitOfWork) -> dict[str, int]:
    """Return how many new leads the actor has, ``mine``, and how many are ``waiting``."""
    uow.actor.require(LEAD_VIEW)
    new = select(Lead.id).where(Lead.state == LeadState.NEW)
    counted = {
        "mine": new.where(Lead.owner_id == uow.actor.user_id),
        "waiting": new.where(Lead.owner_id.is_(None)),
    }
    return {
        name: uow.scalar(select(func.count()).select_from(some.limit(COUNTED).subquery()))
        for name, some in counted.items()
    }


def resolve_lead_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the lead that an id, its first digits (eight at least) or its name gives.

    A name is compared whole; of several leads called so, the only new one is meant.

    Raises:
        NotFoundError: No such lead, or none that the actor may see.
        InputError: More than one fits.
    """
    uow.actor.require(LEAD_VIEW)
    text = text.strip()
    by_key = key_condition(Lead.id, text)
    fits = Lead.name == text if by_key is None else by_key
    found: list[UUID] = list(uow.scalars(select(Lead.id).where(fits).limit(2)))
    if len(found) > 1:
        is_new = Lead.state == LeadState.NEW
        found = list(uow.scalars(select(Lead.id).where(fits, is_new).limit(2))) or found
    if len(found) > 1:
        raise InputError(
            t("{text!r} fits several leads; give more of the id.", text=text),
            code="sales.lead.ambiguous",
        )
    if not found:
        raise _missing(uow, text)
    return found[0]


def expect_lead_as_read(uow: UnitOfWork, lead: Lead, expected_version: int | None) -> None:
    """Raise StaleVersionError, which says who changed what, unless a lead is as it was read."""
    uow.actor.require(LEAD_VIEW)
    changed = t("The lead {lead} was changed since you read it.", lead=lead.name)
    hidden = ("email_key", "phone_key", "name_key", "updated_at", "assigned_at")
    expect_unchanged(uow, lead, expected_version, changed, hidden=hidden)


def may_edit(uow: UnitOfWork, owner_id: UUID | None) -> bool:
    """Return whether the actor may change a lead of this user, or one that waits.

    Raises:
        PermissionDeniedError: The actor may see no leads.
    """
    uow.actor.require(LEAD_VIEW)
    waits = owner_id is None and uow.actor.reach(LEAD_ASSIGN) is Reach.ALL
    return uow.actor.may(LEAD_EDIT) and (waits or uow.actor.may_for_owner(LEAD_EDIT, owner_id))


def _joined(statement: Any) -> Any:
    return statement.outerjoin(User, User.id == Lead.owner_id).outerjoin(
        Customer, Customer.id == Lead.customer_id
    )


def _state(text: str) -> str:
    try:
        return LeadState(text).value
    except ValueError:
        raise InputError(
            t(
                "{text!r} is no state of a lead; choose one of {states}.",
                text=text,
                states=", ".join(each.value for each in LeadState),
            ),
            code="sales.lead.state",
        ) from None


def _missing(uow: UnitOfWork, text: str) -> NotFoundError:
    return NotFoundError(
        t(
            "There is no lead {text!r} that {login} may see. See crm sales lead list.",
            text=text,
            login=uow.actor.login,
        ),
        code="sales.lead.not_found",
        details={"id": text},
    )
