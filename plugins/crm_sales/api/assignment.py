"""Rules by which leads are given to people, what people take on, and absences, through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from marshmallow import fields

from crm_core.messages import t
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW
from crm_sales.schemas.assignment import RuleFileSchema, RuleSchema
from crm_sales.services.assignment.people import (
    add_absence,
    list_absences,
    list_sellers,
    remove_absence,
    set_seller,
)
from crm_sales.services.assignment.rules import import_rules, list_rules, remove_rule, set_rule
from crm_web.sdk import Api, Call, Flag, Result, Strict, Whole

if TYPE_CHECKING:
    from crm_sales.models import Absence, Seller
    from crm_sales.services.assignment.rules import RulesSet

api = Api("sales_assignment", title=t("Assignment of leads"), prefix="/sales/assignment")


class TargetResult(Result):
    """Whom a rule leads to."""

    user = fields.String()
    team = fields.String()
    title = fields.String()
    weight = fields.Integer(required=True)


class RuleResult(Result):
    """A rule."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    position = fields.Integer(required=True)
    is_active = fields.Boolean(required=True)
    countries = fields.List(fields.String(), required=True)
    postal_prefixes = fields.List(fields.String(), required=True)
    products = fields.List(fields.String(), required=True)
    categories = fields.List(fields.String(), required=True)
    languages = fields.List(fields.String(), required=True)
    sources = fields.List(fields.String(), required=True)
    least_amount = fields.Decimal(as_string=True)
    most_amount = fields.Decimal(as_string=True)
    currency_code = fields.String()
    way = fields.String(required=True)
    targets = fields.List(fields.Nested(TargetResult), required=True)
    version = fields.Integer(required=True)


class RulesSetResult(Result):
    """What setting all rules changed, by name."""

    added = fields.List(fields.String(), required=True)
    changed = fields.List(fields.String(), required=True)
    removed = fields.List(fields.String(), required=True)
    people = fields.Integer(required=True)


class SellerSchema(Strict):
    """What somebody takes on."""

    takes_leads = Flag(load_default=True)
    daily_leads = Whole(allow_none=True, load_default=None)


class SellerResult(Result):
    """What somebody takes on."""

    user_id = fields.UUID(required=True)
    login = fields.String()
    name = fields.String()
    takes_leads = fields.Boolean(required=True)
    daily_leads = fields.Integer()


class AbsenceSchema(Strict):
    """When somebody is away, both days included."""

    user_id = fields.UUID(required=True)
    from_on = fields.Date(required=True)
    until_on = fields.Date(required=True)
    stand_in_id = fields.UUID(allow_none=True)


class AbsenceResult(Result):
    """When somebody is away, both days included."""

    id = fields.UUID(required=True)
    user_id = fields.UUID(required=True)
    from_on = fields.Date(required=True)
    until_on = fields.Date(required=True)
    stand_in_id = fields.UUID()


@api.get("/rules", page=RuleResult, right=LEAD_VIEW)
def rules(call: Call) -> list[dict[str, Any]]:
    """List the rules in the order in which they are tried."""
    return list_rules(call.uow)


@api.put("/rules", body=RuleFileSchema, result=RulesSetResult, right=LEAD_ASSIGN)
def set_rules(call: Call) -> RulesSet:
    """Make the rules what is sent: rules that it does not name are removed."""
    return import_rules(call.uow, call.body)


@api.post("/rules", body=RuleSchema, result=RuleResult, status=201, right=LEAD_ASSIGN)
def add_rule(call: Call) -> dict[str, Any]:
    """Add a rule, or change what is sent of the one with this name."""
    rule = set_rule(call.uow, call.body)
    return next(each for each in list_rules(call.uow) if each["id"] == rule.id)


@api.put(
    "/rules/<uuid:rule_id>", body=RuleSchema, result=RuleResult, versioned=True, right=LEAD_ASSIGN
)
def edit_rule(call: Call, rule_id: UUID) -> dict[str, Any]:
    """Change what is sent of a rule."""
    set_rule(call.uow, call.body, rule_id=rule_id, expected_version=call.expected_version)
    return next(each for each in list_rules(call.uow) if each["id"] == rule_id)


@api.delete("/rules/<uuid:rule_id>", right=LEAD_ASSIGN)
def drop_rule(call: Call, rule_id: UUID) -> None:
    """Remove a rule; what was decided by it stays."""
    remove_rule(call.uow, rule_id)


@api.get("/people", page=SellerResult, right=LEAD_VIEW)
def people(call: Call) -> list[dict[str, Any]]:
    """List who may take leads, and how many a day; null for what is set for all."""
    return list_sellers(call.uow)


@api.put("/people/<uuid:user_id>", body=SellerSchema, result=SellerResult, right=LEAD_EDIT)
def set_person(call: Call, user_id: UUID) -> Seller:
    """Say what somebody takes on."""
    return set_seller(call.uow, user_id, **call.body)


@api.get("/absences", page=AbsenceResult, right=LEAD_VIEW)
def absences(call: Call) -> list[dict[str, Any]]:
    """List absences that are not over, the soonest first."""
    return list_absences(call.uow)


@api.post("/absences", body=AbsenceSchema, result=AbsenceResult, status=201, right=LEAD_EDIT)
def be_away(call: Call) -> Absence:
    """Say that somebody is away."""
    return add_absence(call.uow, **call.body)


@api.delete("/absences/<uuid:absence_id>", right=LEAD_EDIT)
def drop_absence(call: Call, absence_id: UUID) -> None:
    """Take an absence back."""
    remove_absence(call.uow, absence_id)
