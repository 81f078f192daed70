"""Leads through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.messages import t
from crm_core.persistence.paging import Page
from crm_sales.models import Lead, LeadState
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW
from crm_sales.schemas.leads import LeadSchema
from crm_sales.services.assignment.assigning import ask_assignment, assign_lead, release_lead
from crm_sales.services.assignment.explaining import list_decisions, told_briefly
from crm_sales.services.leads.arriving import add_lead, edit_lead
from crm_sales.services.leads.closing import (
    disqualify_lead,
    merge_leads,
    qualify_lead,
    reopen_lead,
)
from crm_sales.services.leads.matching import lead_duplicates
from crm_sales.services.leads.reading import list_leads, show_lead
from crm_web.sdk import Api, Call, Flag, PageQuery, Result, Said, Strict, Whole

if TYPE_CHECKING:
    from crm_sales.services.leads.closing import Qualified
    from crm_sales.services.leads.matching import Match

api = Api("sales_leads", title=t("Leads"), prefix="/sales/leads")


class LeadQuery(PageQuery):
    """Which leads."""

    state = fields.String(validate=validate.OneOf([each.value for each in LeadState]))
    owner_id = fields.UUID()
    customer_id = fields.UUID()
    waiting = Flag(in_query=True)
    source = fields.String(validate=validate.Length(max=250))
    text = fields.String(validate=validate.Length(min=1, max=100))


class NewLeadSchema(LeadSchema):
    """A lead, with whose it is and where it came from."""

    owner_id = fields.UUID(allow_none=True)
    arrival_key = fields.String(allow_none=True, validate=validate.Length(min=1, max=250))


class LeadBase(Result):
    """What all answers about a lead say."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    company = fields.String()
    state = fields.String(required=True)
    source = fields.String()
    campaign = fields.String()
    country_code = fields.String()
    city = fields.String()
    expected_amount = fields.Decimal(as_string=True)
    currency_code = fields.String(required=True)
    owner_id = fields.UUID()
    owner_name = fields.String()
    customer_id = fields.UUID()
    customer_name = fields.String()
    created_at = fields.DateTime(required=True)
    closed_at = fields.DateTime()
    closing_reason = fields.String()
    version = fields.Integer(required=True)


class LeadBrief(LeadBase):
    """A lead in a list, with why it is with whom it is."""

    why = Said()


class LeadResult(LeadBase):
    """All of a lead."""

    job_title = fields.String()
    email = fields.String()
    phone = fields.String()
    website = fields.String()
    street = fields.String()
    postal_code = fields.String()
    language = fields.String()
    request = fields.String()
    product_id = fields.UUID()
    product = fields.String()
    product_name = fields.String()
    channel = fields.String()
    team_id = fields.UUID()
    assigned_at = fields.DateTime()
    merged_into_id = fields.UUID()
    arrival_key = fields.String()
    updated_at = fields.DateTime()


class MatchResult(Result):
    """A customer or lead that a lead may mean."""

    kind = fields.String(required=True)
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    score = fields.Integer(required=True)
    verdict = fields.String(required=True)
    reasons = fields.List(Said(), required=True)
    state = fields.String()


class DecisionResult(Result):
    """Who got a lead or why nobody did."""

    at = fields.DateTime(required=True)
    tried_at = fields.DateTime(required=True)
    tries = fields.Integer(required=True)
    outcome = fields.String(required=True)
    rule_name = fields.String()
    user_name = fields.String()
    by_name = fields.String()
    summary = Said(required=True)
    lines = fields.List(Said(), required=True)


class ContactSchema(Strict):
    """One more person of a lead's company."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=250))
    job_title = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)


class DealSchema(Strict):
    """The deal that a lead becomes; what is left out is taken from the lead."""

    name = fields.String(allow_none=True)
    pipeline_code = fields.String(allow_none=True)


class QualifySchema(Strict):
    """Whom a lead is from; without ``deal`` none is made."""

    customer_id = fields.UUID(allow_none=True)
    is_new = Flag()
    contacts = fields.List(fields.Nested(ContactSchema), validate=validate.Length(max=50))
    deal = fields.Nested(DealSchema, allow_none=True)


class QualifiedResult(Result):
    """What a lead became."""

    customer_id = fields.UUID(required=True)
    contact_id = fields.UUID()
    opportunity_id = fields.UUID()


class ReasonSchema(Strict):
    """Why nothing will come of a lead."""

    reason = fields.String(required=True, validate=validate.Length(min=1, max=250))


class AssignSchema(Strict):
    """Who gets a lead; None to have the rules tried."""

    user_id = fields.UUID(required=True, allow_none=True)


class MergeSchema(Strict):
    """The lead that goes into this one."""

    drop_id = fields.UUID(required=True)


class TriedResult(Result):
    """On how many leads the rules are tried."""

    tried = Whole(required=True)


@api.get("/", query=LeadQuery, page=LeadBrief, right=LEAD_VIEW)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List leads, the latest first; without ``state`` all."""
    query: dict[str, Any] = {"state": None, **call.query}
    page = list_leads(call.uow, **query)
    return Page(told_briefly(call.uow, page.items), page.next_cursor)


@api.post("/", body=NewLeadSchema, result=LeadResult, status=201, right=LEAD_EDIT)
def add(call: Call) -> dict[str, Any] | Lead:
    """Take a lead in, once for each arrival key; without an owner the rules say who gets it."""
    values = dict(call.body)
    told = {name: values.pop(name, None) for name in ("owner_id", "arrival_key")}
    return add_lead(call.uow, values, **told)


@api.get("/<uuid:lead_id>", result=LeadResult, right=LEAD_VIEW)
def show(call: Call, lead_id: UUID) -> dict[str, Any]:
    """Show a lead."""
    return show_lead(call.uow, lead_id)


@api.patch("/<uuid:lead_id>", body=LeadSchema, result=LeadResult, versioned=True, right=LEAD_EDIT)
def edit(call: Call, lead_id: UUID) -> Lead:
    """Change some fields of a lead."""
    return edit_lead(call.uow, lead_id, call.body, expected_version=call.expected_version)


@api.get("/<uuid:lead_id>/duplicates", page=MatchResult, right=LEAD_VIEW)
def duplicates(call: Call, lead_id: UUID) -> list[Match]:
    """List the customers and leads that a lead may mean, with reasons."""
    return lead_duplicates(call.uow, lead_id)


@api.get("/<uuid:lead_id>/decisions", page=DecisionResult, right=LEAD_VIEW)
def decisions(call: Call, lead_id: UUID) -> list[dict[str, Any]]:
    """List who got a lead and why, or why nobody did, the latest first."""
    show_lead(call.uow, lead_id)
    return list_decisions(call.uow, lead_id)


@api.post(
    "/<uuid:lead_id>/qualify",
    body=QualifySchema,
    result=QualifiedResult,
    versioned=True,
    right=LEAD_EDIT,
)
def qualify(call: Call, lead_id: UUID) -> Qualified:
    """Make a customer, its people and a deal of a lead, or take the customer it is from."""
    return qualify_lead(call.uow, lead_id, expected_version=call.expected_version, **call.body)


@api.post(
    "/<uuid:lead_id>/disqualify",
    body=ReasonSchema,
    result=LeadResult,
    versioned=True,
    right=LEAD_EDIT,
)
def disqualify(call: Call, lead_id: UUID) -> Lead:
    """Say that nothing will come of a lead, and why."""
    return disqualify_lead(call.uow, lead_id, expected_version=call.expected_version, **call.body)


@api.post("/<uuid:lead_id>/reopen", result=LeadResult, versioned=True, right=LEAD_EDIT)
def reopen(call: Call, lead_id: UUID) -> Lead:
    """Take back that a lead was disqualified."""
    return reopen_lead(call.uow, lead_id, expected_version=call.expected_version)


@api.post(
    "/<uuid:lead_id>/assign",
    body=AssignSchema,
    result=LeadResult,
    versioned=True,
    right=LEAD_ASSIGN,
)
def assign(call: Call, lead_id: UUID) -> dict[str, Any] | Lead:
    """Give a lead to somebody, or have the rules tried on it as soon as events are handed out."""
    user_id = call.body["user_id"]
    if user_id is not None:
        return assign_lead(call.uow, lead_id, user_id, expected_version=call.expected_version)
    ask_assignment(call.uow, [lead_id])
    return show_lead(call.uow, lead_id)


@api.post("/<uuid:lead_id>/release", result=LeadResult, versioned=True, right=LEAD_EDIT)
def release(call: Call, lead_id: UUID) -> Lead:
    """Put a lead back into the queue; the rules pass over who had it."""
    return release_lead(call.uow, lead_id, expected_version=call.expected_version)


@api.post("/<uuid:lead_id>/merge", body=MergeSchema, result=LeadResult, right=LEAD_EDIT)
def merge(call: Call, lead_id: UUID) -> Lead:
    """Put another lead into this one."""
    return merge_leads(call.uow, lead_id, call.body["drop_id"])


@api.post("/try", result=TriedResult, right=LEAD_ASSIGN)
def try_rules(call: Call) -> dict[str, Any]:
    """Have the rules tried on all leads that wait."""
    return {"tried": ask_assignment(call.uow)}
