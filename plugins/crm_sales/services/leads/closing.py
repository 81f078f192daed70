"""What becomes of a lead: a customer with a deal, nothing with a reason, or a part of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_core.entities.customer import Customer
from crm_core.entities.user import User
from crm_core.errors import InputError, RuleViolationError
from crm_core.matching import SURE
from crm_core.messages import joined, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, filled
from crm_core.services.customers import create_customer
from crm_core.services.lookup import permitted_customer
from crm_core.services.relationships import CONTACT_OF, relate_customers
from crm_sales.errors import KnownCustomerError
from crm_sales.events import LeadDisqualified, LeadQualified, LeadsQueued
from crm_sales.models import Lead, LeadState, Opportunity
from crm_sales.permissions import LEAD_EDIT
from crm_sales.schemas.leads import TEXT
from crm_sales.services.leads.arriving import open_lead
from crm_sales.services.leads.matching import customer_of, lead_duplicates
from crm_sales.services.leads.reading import expect_lead_as_read, permitted_lead
from crm_sales.services.opportunities import add_opportunity

FILLED_BY_MERGE = (
    "company",
    "job_title",
    "email",
    "email_key",
    "phone",
    "phone_key",
    "website",
    "street",
    "postal_code",
    "city",
    "country_code",
    "language",
    "product_id",
    "expected_amount",
    "source",
    "campaign",
    "channel",
    "customer_id",
    "owner_id",
    "assigned_at",
    "team_id",
)


@dataclass(frozen=True, slots=True)
class Qualified:
    """What a lead became.

    Attributes:
        customer_id: The customer, new or known.
        contact_id: The person at the company; None where there is none, or it is the customer.
        opportunity_id: The deal; None where none was asked for.
    """

    customer_id: UUID
    contact_id: UUID | None
    opportunity_id: UUID | None


def qualify_lead(
    uow: UnitOfWork,
    lead_id: UUID,
    *,
    customer_id: UUID | None = None,
    is_new: bool = False,
    contacts: Sequence[Mapping[str, Any]] = (),
    deal: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
) -> Qualified:
    """Make a customer, its people and a deal of a lead, or take the customer it is from.

    Args:
        uow: A writing unit of work.
        lead_id: Which.
        customer_id: Whom it is from; None to add a customer.
        is_new: Whether a customer is added although one that is surely the same is known.
        contacts: More people of the company: ``name``, ``job_title``, ``email``, ``phone``.
        deal: What ``add_opportunity`` takes beside what the lead says, such as ``name`` and
            ``pipeline_code``; None for no deal.
        expected_version: The version of the lead that was read.

    Raises:
        KnownCustomerError: A customer that is surely the same is known: name it, or say is_new.
        RuleViolationError: The lead is closed.
        PermissionDeniedError: A right is missing, or does not reach the lead or the customer.
    """
    lead = open_lead(uow, lead_id, expected_version)
    customer_id = customer_id or (None if is_new else lead.customer_id)
    if customer_id is not None:
        customer = permitted_customer(uow, customer_id, CUSTOMER_VIEW)
    else:
        if not is_new:
            _refuse_known(uow, lead)
        customer = _add_customer(uow, lead)
    contact_id = None
    if customer.kind == "company" and lead.company and lead.name != lead.company:
        known = None if is_new else customer_of(uow, lead, kinds=("person",))
        contact_id = known or _add_contact(uow, lead, customer, _person(lead))
    for contact in contacts:
        _add_contact(uow, lead, customer, contact)
    opportunity = None if deal is None else _add_deal(uow, lead, customer, contact_id, deal)
    lead.customer_id = customer.id
    _close(uow, lead, LeadState.QUALIFIED, None)
    opportunity_id = opportunity.id if opportunity else None
    uow.record(LeadQualified(lead.id, customer.id, opportunity_id))
    return Qualified(customer.id, contact_id, opportunity_id)


def disqualify_lead(
    uow: UnitOfWork, lead_id: UUID, *, reason: str, expected_version: int | None = None
) -> Lead:
    """Say that nothing will come of a lead, and why.

    Raises:
        InputError: There is no reason.
        RuleViolationError: The lead is closed.
    """
    lead = open_lead(uow, lead_id, expected_version)
    _close(uow, lead, LeadState.DISQUALIFIED, filled(reason, "reason", most=LINE))
    uow.record(LeadDisqualified(lead.id))
    return lead


def reopen_lead(uow: UnitOfWork, lead_id: UUID, *, expected_version: int | None = None) -> Lead:
    """Take back that a lead was disqualified.

    Raises:
        RuleViolationError: It was not, or it became a customer or a part of another lead.
    """
    lead = permitted_lead(uow, lead_id, LEAD_EDIT)
    expect_lead_as_read(uow, lead, expected_version)
    if lead.state != LeadState.DISQUALIFIED:
        raise RuleViolationError(
            t(
                "The lead {lead} is {state}: only one that was disqualified is opened again.",
                lead=lead.name,
                state=lead.state,
            ),
            code="sales.lead.not_disqualified",
        )
    lead.state, lead.closed_at, lead.closing_reason = LeadState.NEW.value, None, None
    lead.updated_at = uow.now
    uow.flush()
    if lead.owner_id is None:
        uow.record(LeadsQueued((lead.id,)))
    return lead


def merge_leads(uow: UnitOfWork, keep_id: UUID, drop_id: UUID) -> Lead:
    """Put a lead into another: what that one lacks is taken over, and what was asked is added.

    Raises:
        InputError: Both are the same.
        RuleViolationError: One of them is closed.
    """
    uow.actor.require(LEAD_EDIT)
    if keep_id == drop_id:
        raise InputError(t("Name two leads."), code="sales.lead.merge_same")
    keep, drop = open_lead(uow, keep_id, None), open_lead(uow, drop_id, None)
    if keep.expected_amount is None:
        keep.currency_code = drop.currency_code
    for name in FILLED_BY_MERGE:
        if getattr(keep, name) is None:
            setattr(keep, name, getattr(drop, name))
    asked = [text for text in (keep.request, drop.request) if text]
    keep.request = "\n\n".join(dict.fromkeys(asked))[:TEXT] or None
    keep.updated_at = uow.now
    drop.merged_into_id = keep.id
    _close(uow, drop, LeadState.MERGED, None)
    return keep


def _close(uow: UnitOfWork, lead: Lead, state: LeadState, reason: str | None) -> None:
    lead.state, lead.closing_reason = state.value, reason
    lead.closed_at = lead.updated_at = uow.now
    uow.flush()


def _refuse_known(uow: UnitOfWork, lead: Lead) -> None:
    sure = [
        each for each in lead_duplicates(uow, lead.id, min_score=SURE) if each.kind == "customer"
    ]
    if sure:
        raise KnownCustomerError(
            t(
                "{lead} is known already: {customers}. Say which customer it is, or that it is "
                "another one.",
                lead=lead.company or lead.name,
                customers=joined((f"{each.name} ({each.id})" for each in sure), ", "),
            ),
            details={"customers": [str(each.id) for each in sure]},
        )


def _add_customer(uow: UnitOfWork, lead: Lead) -> Customer:
    """Add whom the lead is from: the company where it names one, else the person."""
    place = {
        name: getattr(lead, name)
        for name in ("street", "postal_code", "city", "country_code")
        if getattr(lead, name)
    }
    values = _person(lead) if not lead.company else {"name": lead.company}
    if lead.company == lead.name:  # nobody is named: all that is known is the company's
        values |= {"email": lead.email, "phone": lead.phone}
    kind = "company" if lead.company else "person"
    customer = create_customer(
        uow,
        _customer_values(uow, lead, kind, {**values, "website": lead.website})
        | ({"addresses": [place]} if place else {}),
    )
    uow.flush()
    return customer


def _add_contact(
    uow: UnitOfWork, lead: Lead, customer: Customer, person: Mapping[str, Any]
) -> UUID:
    contact = create_customer(uow, _customer_values(uow, lead, "person", person))
    uow.flush()
    if customer.kind == "company":
        relate_customers(uow, contact.id, CONTACT_OF, customer.id)
    return contact.id


def _person(lead: Lead) -> dict[str, Any]:
    return {
        "name": lead.name,
        "job_title": lead.job_title,
        "email": lead.email,
        "phone": lead.phone,
    }


def _customer_values(
    uow: UnitOfWork, lead: Lead, kind: str, told: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a person or company as ``create_customer`` takes it, owned as the lead is."""
    points = [
        {"kind": each, "value": told[each]}
        for each in ("email", "phone", "website")
        if told.get(each)
    ]
    values: dict[str, Any] = {
        "kind": kind,
        "name": told.get("name"),
        "job_title": told.get("job_title"),
        "language": lead.language,
        "contact_points": points,
    }
    if lead.owner_id is not None:
        values["owner"] = uow.get(User, lead.owner_id).login
    return values


def _add_deal(
    uow: UnitOfWork,
    lead: Lead,
    customer: Customer,
    contact_id: UUID | None,
    deal: Mapping[str, Any],
) -> Opportunity:
    told = {
        "name": customer.name,
        "owner_id": lead.owner_id,
        "expected_amount": lead.expected_amount,
        "currency_code": lead.currency_code,
        "contact_id": contact_id,
        "source": lead.source,
        "campaign": lead.campaign,
        "product_id": lead.product_id,
        "note": lead.request,
        **{name: value for name, value in deal.items() if value is not None},
    }
    return add_opportunity(uow, customer.id, told.pop("name"), lead_id=lead.id, **told)
