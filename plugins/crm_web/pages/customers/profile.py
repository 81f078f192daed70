"""The attributes that a company keeps of its customers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields, validate

from crm_core.entities.consent import ProfileType
from crm_core.entities.customer import Customer
from crm_core.errors import InputError
from crm_core.messages import Message, p, say, t
from crm_core.services import profile as attributes
from crm_web.pages.customers.forms import asks
from crm_web.sdk.request import Request
from crm_web.shown import money, place

YES, NO = p("value of an attribute", "Yes"), p("value of an attribute", "No")
HELP: Mapping[str, Message] = {
    ProfileType.NUMBER: t("A number, such as 12.5."),
    ProfileType.MONEY: t("An amount with its currency, such as 1200.00 EUR."),
}
LINE = validate.Length(max=250)


def shown_value(kind: str, kept: str) -> str:
    """Return an attribute's value as people read it."""
    if kind == ProfileType.BOOLEAN:
        return say(YES if kept == "true" else NO)
    if kind == ProfileType.NUMBER:
        return place().number(Decimal(kept))
    if kind == ProfileType.DATE:
        return place().day(date.fromisoformat(kept)) or kept
    if kind == ProfileType.MONEY:
        amount, _, currency = kept.rpartition(" ")
        return money(Decimal(amount), currency)
    return kept


def _schema(request: Request) -> Schema:
    """Return a schema of the attributes that there are."""
    made: dict[str, Any] = {
        each["code"]: _field(each) for each in attributes.list_attributes(request.uow)
    }
    return Schema.from_dict(made)()


def _field(attribute: Mapping[str, Any]) -> fields.Field[Any]:
    kind = attribute["type"]
    told = {"title": attribute["title"], "help": HELP.get(kind, "")}
    checks: list[Any] = [LINE]
    if kind == ProfileType.CHOICE:
        checks.append(validate.OneOf(attribute["choices"] or []))
    if kind == ProfileType.BOOLEAN:
        checks.append(validate.OneOf(["true", "false"], labels=[YES, NO]))
    return fields.String(allow_none=True, validate=checks, metadata=told)


def _kept(request: Request, customer: Customer) -> Mapping[str, Any]:
    return {
        each["code"]: each["value"] for each in attributes.list_profile(request.uow, customer.id)
    }


@asks(
    "/profile",
    right=attributes.EDIT,
    title=t("Profile"),
    schema=_schema,
    starts=_kept,
    is_edit=True,
)
def profile(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Change a customer's profile."""
    kept = _kept(request, customer)
    faults = {}
    for code, text in given.items():
        try:
            if text:
                attributes.set_profile_value(request.uow, customer.id, code, text)
            elif code in kept:
                attributes.clear_profile_value(request.uow, customer.id, code)
        except InputError as error:
            faults[code] = error.message
    if faults:
        raise InputError(
            t("Some values cannot be taken: see what stands beside them."),
            code="core.profile_value.invalid",
            details={"fields": faults},
        )
    return t("The profile is saved.")
