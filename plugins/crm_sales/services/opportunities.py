"""Deals: adding, changing and assigning them; their moves stand in ``moves`` and are told here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Address, Customer, Product, Tag, User
from crm_core.errors import InputError, RuleViolationError
from crm_core.events import RecordsChanged
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import ensure_currency, rounded
from crm_core.services.settings import load_settings
from crm_core.services.tags import ensure_tags
from crm_core.services.users import require_enabled
from crm_sales.errors import MoveRefusedError
from crm_sales.events import OpportunityAdded, OpportunityChanged
from crm_sales.models import (
    DealState,
    Lead,
    Opportunity,
    OpportunityMove,
    OpportunityTag,
    Pipeline,
    Stage,
)
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.schemas.opportunities import load_opportunity
from crm_sales.services.moves import (
    list_moves,
    lose_opportunity,
    move_opportunity,
    next_stages,
    place_opportunity,
    reopen_opportunity,
    win_opportunity,
)
from crm_sales.services.opportunity_access import (
    expect_unchanged,
    permitted_opportunity,
    resolve_opportunity_id,
    team_of,
)
from crm_sales.services.pipelines import live_stages, pipeline_named, stage_named
from crm_sales.services.probability import refresh_probability
from crm_sales.services.stage_checks import missing_for, titles_of

__all__ = [
    "add_opportunity",
    "assign_opportunity",
    "edit_opportunity",
    "list_moves",
    "lose_opportunity",
    "move_opportunity",
    "next_stages",
    "permitted_opportunity",
    "place_opportunity",
    "reopen_opportunity",
    "resolve_opportunity_id",
    "win_opportunity",
]

FIELDS = (
    "name",
    "expected_amount",
    "currency_code",
    "expected_close_on",
    "is_committed",
    "contact_id",
    "product_id",
    "source",
    "campaign",
    "country_code",
    "language",
    "note",
)
"""What can be changed of a deal, beside its ``tags``."""


class DealFields(TypedDict, total=False):
    """What a deal may be given from the start; see :class:`crm_sales.models.Opportunity`."""

    expected_amount: Decimal | None
    currency_code: str | None
    expected_close_on: date | None
    is_committed: bool
    contact_id: UUID | None
    product_id: UUID | None
    source: str | None
    campaign: str | None
    country_code: str | None
    language: str | None
    note: str | None


def add_opportunity(
    uow: UnitOfWork,
    customer_id: UUID,
    name: str,
    *,
    pipeline_code: str | None = None,
    stage_code: str | None = None,
    owner_id: UUID | None = None,
    lead_id: UUID | None = None,
    tags: Iterable[str] = (),
    **fields: Unpack[DealFields],
) -> Opportunity:
    """Add a deal with a customer whom the actor may see.

    Args:
        uow: A writing unit of work.
        customer_id: With whom.
        name: What it is about.
        pipeline_code: The default one when None.
        stage_code: The first one when None.
        owner_id: Who works on it; the actor when None, and for the system the customer's owner.
        lead_id: The lead it was.
        tags: Names; those that do not exist are made.
        **fields: The rest. Without a currency it is the company's own, without country and language
            they are the customer's.

    Raises:
        PermissionDeniedError: The right is missing.
        NotFoundError: There is no such customer, contact, product, pipeline or stage.
        InputError: A field is wrong; ``details["fields"]`` says which.
        RuleViolationError: The customer is archived or was merged, or the owner is disabled.
        MoveRefusedError: The stage asks for something that is not given.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    customer = _customer(uow, customer_id)
    values = load_opportunity({**fields, "name": name, "tags": list(tags)})
    values["currency_code"] = values.get("currency_code") or load_settings(uow).base_currency
    values["country_code"] = values.get("country_code") or _country(uow, customer.id)
    values["language"] = values.get("language") or customer.language
    _check_links(uow, customer.id, values)
    if lead_id is not None:
        uow.get(Lead, lead_id)
    pipeline = pipeline_named(uow, pipeline_code)
    stage = _first_stage(uow, pipeline, stage_code)
    owner_id = owner_id or uow.actor.user_id or customer.owner_id
    if owner_id is not None:
        require_enabled(uow.get(User, owner_id))
    named = values.pop("tags")
    deal = Opportunity(
        **_settled(uow, values),
        customer_id=customer.id,
        pipeline_id=pipeline.id,
        stage_id=stage.id,
        state=DealState.OPEN.value,
        owner_id=owner_id,
        team_id=team_of(uow, owner_id, pipeline.team_id),
        lead_id=lead_id,
        stage_entered_at=uow.now,
    )
    _require_ready(uow, deal, stage)
    _begin(uow, deal)
    set_tags(uow, deal, named)
    refresh_probability(uow, [deal])
    return deal


def edit_opportunity(
    uow: UnitOfWork,
    opportunity_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
) -> Opportunity:
    """Change fields of a deal; None or blank text clears one.

    Args:
        uow: A writing unit of work.
        opportunity_id: Which.
        changes: Any of ``FIELDS``, and ``tags`` with all that it shall carry.
        expected_version: The version that was read; None to change whatever is there.

    Raises:
        InputError: A field is wrong, or cannot be changed here.
        StaleVersionError: Somebody changed the deal since; it says who, and what.
    """
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    expect_unchanged(uow, deal, expected_version)
    values = load_opportunity(changes, partial=True)
    if "name" in values and not values["name"]:
        raise InputError(t("name: is empty; fill it in."), code="sales.opportunity.invalid")
    _check_links(uow, deal.customer_id, values)
    named = values.pop("tags", None)
    currency = values.get("currency_code") or deal.currency_code
    amount = values.get("expected_amount", deal.expected_amount)
    settled = _settled(uow, {**values, "currency_code": currency, "expected_amount": amount})
    changed = [name for name, value in settled.items() if getattr(deal, name) != value]
    for name in changed:
        setattr(deal, name, settled[name])
    if named is not None and set_tags(uow, deal, named):
        changed.append("tags")
    if changed:
        _changed(uow, deal, changed)
    return deal


def assign_opportunity(
    uow: UnitOfWork,
    opportunity_id: UUID,
    user_id: UUID | None,
    *,
    expected_version: int | None = None,
) -> Opportunity:
    """Have a user (or, with None, nobody) work on a deal.

    Raises:
        RuleViolationError: The user is disabled.
        StaleVersionError: Somebody changed the deal since.
    """
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    expect_unchanged(uow, deal, expected_version)
    if user_id is not None:
        require_enabled(uow.get(User, user_id))
    if deal.owner_id != user_id:
        preferred = uow.scalar(select(Pipeline.team_id).where(Pipeline.id == deal.pipeline_id))
        deal.owner_id, deal.team_id = user_id, team_of(uow, user_id, preferred)
        _changed(uow, deal, ["owner_id"])
    return deal


def set_tags(uow: UnitOfWork, opportunity: Opportunity, names: Iterable[str]) -> bool:
    """Have a deal carry these tags and no others; tell whether that changed anything."""
    uow.actor.require(OPPORTUNITY_EDIT)
    wanted = set(ensure_tags(uow, names))
    carried = {
        each.tag_id: each
        for each in uow.scalars(
            select(OpportunityTag).where(OpportunityTag.opportunity_id == opportunity.id)
        )
    }
    for tag_id in wanted - carried.keys():
        uow.add(OpportunityTag(opportunity_id=opportunity.id, tag_id=tag_id))
    for tag_id in carried.keys() - wanted:
        uow.delete(carried[tag_id])
    uow.flush()
    return wanted != carried.keys()


def tags_of(uow: UnitOfWork, opportunity_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Return the names of the tags of deals, by deal; those without any are left out."""
    uow.actor.require(OPPORTUNITY_VIEW)
    statement = (
        select(OpportunityTag.opportunity_id, Tag.name)
        .join(Tag, Tag.id == OpportunityTag.tag_id)
        .where(OpportunityTag.opportunity_id.in_(list(opportunity_ids)))
        .order_by(Tag.name)
    )
    found: dict[UUID, list[str]] = {}
    for row in uow.execute(statement):
        found.setdefault(row.opportunity_id, []).append(row.name)
    return found


def _customer(uow: UnitOfWork, customer_id: UUID) -> Customer:
    customer = uow.get(Customer, customer_id)
    if customer.merged_into_id is not None:
        raise RuleViolationError(
            t("{customer} was merged into another: use that one.", customer=customer.name),
            code="core.customer.merged",
            details={"merged_into": str(customer.merged_into_id)},
        )
    if customer.archived_at is not None:
        raise RuleViolationError(
            t("{customer} is archived: restore it first.", customer=customer.name),
            code="sales.opportunity.customer_archived",
        )
    return customer


def _check_links(uow: UnitOfWork, customer_id: UUID, values: Mapping[str, Any]) -> None:
    """Refuse ids of a contact or a product that the actor may not see."""
    if values.get("contact_id"):
        contact = uow.get(Customer, values["contact_id"])
        if contact.id == customer_id or contact.kind != "person":
            raise InputError(
                t("{contact} cannot be the contact: name a person.", contact=contact.name),
                code="sales.opportunity.contact",
            )
    if values.get("product_id"):
        uow.get(Product, values["product_id"])


def _first_stage(uow: UnitOfWork, pipeline: Pipeline, code: str | None) -> Stage:
    if code is None:
        return live_stages(uow, pipeline.id)[0]
    stage = stage_named(uow, pipeline.id, code)
    if stage.is_won:
        raise InputError(
            t(
                "A deal is added first and won then: name an earlier stage than {stage}.",
                stage=code,
            ),
            code="sales.opportunity.stage",
        )
    return stage


def _begin(uow: UnitOfWork, deal: Opportunity) -> None:
    """Write a new deal down, its opening as its first move."""
    deal.created_at = deal.updated_at = deal.stage_entered_at
    uow.add(deal)
    uow.flush()
    uow.add(
        OpportunityMove(
            opportunity_id=deal.id,
            at=deal.created_at,
            to_stage_id=deal.stage_id,
            to_state=deal.state,
            user_id=uow.actor.user_id,
        )
    )
    uow.record(OpportunityAdded(deal.id, deal.customer_id))
    uow.record(RecordsChanged(Opportunity.__entity__, (deal.id,)))


def _require_ready(uow: UnitOfWork, deal: Opportunity, stage: Stage) -> None:
    missing = missing_for(uow, deal, stage)
    if missing:
        raise MoveRefusedError(
            t(
                "A deal in {stage} needs: {missing}.",
                stage=stage.name,
                missing=joined(titles_of(missing), ", "),
            ),
            details={"missing": list(missing)},
        )


def _settled(uow: UnitOfWork, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they are kept: a known currency, an amount with as many places as it has."""
    settled = dict(values)
    code = ensure_currency(uow, settled["currency_code"]).code
    settled["currency_code"] = code
    if settled.get("expected_amount") is not None:
        settled["expected_amount"] = rounded(settled["expected_amount"], code)
    if settled.get("country_code"):
        settled["country_code"] = settled["country_code"].upper()
    return settled


def _country(uow: UnitOfWork, customer_id: UUID) -> str | None:
    code: str | None = uow.scalar(
        select(Address.country_code)
        .where(
            Address.customer_id == customer_id,
            Address.country_code.is_not(None),
            Address.archived_at.is_(None),
        )
        .order_by(Address.id)
        .limit(1)
    )
    return code


def _changed(uow: UnitOfWork, deal: Opportunity, fields: Iterable[str]) -> None:
    deal.updated_at = uow.now
    refresh_probability(uow, [deal])
    uow.record(OpportunityChanged(deal.id, deal.customer_id, tuple(fields)))
    uow.record(RecordsChanged(Opportunity.__entity__, (deal.id,)))
