"""What hangs on a customer: contact points, addresses, tags, ties, owners, profile, consents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.entities.consent import Consent, ConsentStatus
from crm_core.entities.customer import Address, ContactPoint, Customer
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.schemas.customer import LINE, NAME, TEXT, AddressSchema, ContactPointSchema
from crm_core.services import contact_details as details
from crm_core.services import relationships as ties
from crm_core.services.consents import RECORD, consent_history, record_consent
from crm_core.services.ownership import ASSIGN, assign_owner, ownership_history
from crm_core.services.profile import EDIT as EDIT_PROFILE
from crm_core.services.profile import clear_profile_value, list_profile, set_profile_value
from crm_core.services.tags import tag_customer, untag_customer
from crm_web.api.v1.customers import whole
from crm_web.api.v1.shapes import (
    AddressResult,
    ConsentResult,
    ContactPointResult,
    CustomerResult,
    OwnerResult,
    ProfileValueResult,
    RelationshipResult,
)
from crm_web.sdk.api import Api, Call, Moment, Result, Strict

api = Api("customer_parts", title="What hangs on a customer", prefix="/")
CUSTOMER = "/customers/<uuid:customer_id>"


class ContactPointChangeSchema(Strict):
    """Another value; the label stays unless one is given, and is cleared by an empty one."""

    value = fields.String(required=True, validate=validate.Length(1, LINE))
    label = fields.String(validate=validate.Length(max=LINE))


class TagsSchema(Strict):
    """Names of tags; those that do not exist are made."""

    tags = fields.List(
        fields.String(validate=validate.Length(1, NAME)),
        required=True,
        validate=validate.Length(1, 200),
    )


class RelationshipSchema(Strict):
    """A tie: the customer of the path is *type* of the other."""

    type = fields.String(
        required=True,
        validate=validate.Length(1, NAME),
        metadata={"description": "A type's code or name, or the name of its inverse."},
    )
    other_id = fields.UUID(required=True)
    started_on = fields.Date(allow_none=True)
    note = fields.String(allow_none=True, validate=validate.Length(max=TEXT))


class EndSchema(Strict):
    """When a tie was over."""

    ended_on = fields.Date(required=True)


class RelationshipTypeResult(Result):
    """A kind of tie."""

    code = fields.String(required=True)
    name = fields.String()
    inverse_name = fields.String()
    from_kind = fields.String()
    to_kind = fields.String()
    is_hierarchy = fields.Boolean()


class TieResult(Result):
    """A tie as it is kept."""

    id = fields.UUID(required=True)
    from_customer_id = fields.UUID()
    to_customer_id = fields.UUID()
    started_on = fields.Date()
    ended_on = fields.Date()
    note = fields.String()


class OwnerSchema(Strict):
    """Who shall answer for the customer; null for nobody."""

    user_id = fields.UUID(required=True, allow_none=True)


class ProfileValueSchema(Strict):
    """A value as a person writes it."""

    value = fields.String(required=True, validate=validate.Length(1, LINE))


class ConsentSchema(Strict):
    """What a customer said, and how we know."""

    purpose = fields.String(required=True, validate=validate.Length(1, LINE))
    channel = fields.String(required=True, validate=validate.Length(1, LINE))
    status = fields.String(
        required=True, validate=validate.OneOf([each.value for each in ConsentStatus])
    )
    evidence = fields.String(required=True, validate=validate.Length(1, TEXT))
    at = Moment(allow_none=True)


@api.post(
    f"{CUSTOMER}/contact-points",
    body=ContactPointSchema,
    result=ContactPointResult,
    status=201,
    right=details.EDIT,
)
def add_contact_point(call: Call, customer_id: UUID) -> ContactPoint:
    """Add an e-mail address, number, messenger or web address."""
    body = call.body
    return details.add_contact_point(
        call.uow, customer_id, body["kind"], body["value"], label=body.get("label")
    )


@api.patch(
    "/contact-points/<uuid:contact_point_id>",
    body=ContactPointChangeSchema,
    result=ContactPointResult,
    right=details.EDIT,
)
def change_contact_point(call: Call, contact_point_id: UUID) -> ContactPoint:
    """Change the value of a contact point."""
    return details.change_contact_point(call.uow, contact_point_id, **call.body)


@api.delete("/contact-points/<uuid:contact_point_id>", right=details.EDIT)
def remove_contact_point(call: Call, contact_point_id: UUID) -> None:
    """Remove a contact point."""
    details.remove_contact_point(call.uow, contact_point_id)


@api.post(
    f"{CUSTOMER}/addresses",
    body=AddressSchema,
    result=AddressResult,
    status=201,
    right=details.EDIT,
)
def add_address(call: Call, customer_id: UUID) -> Address:
    """Add a postal address; ``use`` is main unless said."""
    return details.add_address(call.uow, customer_id, call.body)


@api.patch(
    "/addresses/<uuid:address_id>", body=AddressSchema, result=AddressResult, right=details.EDIT
)
def change_address(call: Call, address_id: UUID) -> Address:
    """Change the fields of an address that are sent; null clears one."""
    return details.change_address(call.uow, address_id, call.body)


@api.delete("/addresses/<uuid:address_id>", right=details.EDIT)
def remove_address(call: Call, address_id: UUID) -> None:
    """Archive an address: it is used no more."""
    details.remove_address(call.uow, address_id)


@api.post(f"{CUSTOMER}/tags", body=TagsSchema, result=CustomerResult, right=details.EDIT)
def tag(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Put tags on a customer; those it carries stay."""
    tag_customer(call.uow, customer_id, call.body["tags"])
    return whole(call.uow, call.uow.get(Customer, customer_id))


@api.post(f"{CUSTOMER}/tags/remove", body=TagsSchema, result=CustomerResult, right=details.EDIT)
def untag(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Take tags off a customer; those it does not carry are passed over."""
    untag_customer(call.uow, customer_id, call.body["tags"])
    return whole(call.uow, call.uow.get(Customer, customer_id))


@api.get("/relationship-types", page=RelationshipTypeResult, right=CUSTOMER_VIEW)
def relationship_types(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the kinds of ties between customers."""
    return ties.list_relationship_types(call.uow)


@api.get(f"{CUSTOMER}/relationships", page=RelationshipResult, right=CUSTOMER_VIEW)
def relationships(call: Call, customer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """List a customer's ties in both directions, each as seen from that customer."""
    call.uow.get(Customer, customer_id)
    return ties.list_relationships(call.uow, customer_id)


@api.post(
    f"{CUSTOMER}/relationships",
    body=RelationshipSchema,
    result=TieResult,
    status=201,
    right=ties.EDIT,
)
def relate(call: Call, customer_id: UUID) -> Any:
    """Tie two customers."""
    body = dict(call.body)
    return ties.relate_customers(
        call.uow, customer_id, body.pop("type"), body.pop("other_id"), **body
    )


@api.post(
    "/relationships/<uuid:relationship_id>/end", body=EndSchema, result=TieResult, right=ties.EDIT
)
def end_relationship(call: Call, relationship_id: UUID) -> Any:
    """Say that a tie is over; it stays in the history."""
    return ties.end_relationship(call.uow, relationship_id, call.body["ended_on"])


@api.delete("/relationships/<uuid:relationship_id>", right=ties.EDIT)
def unrelate(call: Call, relationship_id: UUID) -> None:
    """Remove a tie that was never true."""
    ties.unrelate_customers(call.uow, relationship_id)


@api.get(f"{CUSTOMER}/owners", page=OwnerResult, right=CUSTOMER_VIEW)
def owners(call: Call, customer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """List who answered for a customer when, latest first."""
    call.uow.get(Customer, customer_id)
    return ownership_history(call.uow, customer_id)


@api.put(f"{CUSTOMER}/owner", body=OwnerSchema, result=CustomerResult, versioned=True, right=ASSIGN)
def assign(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Say who answers for a customer."""
    user_id, version = call.body["user_id"], call.expected_version
    return whole(call.uow, assign_owner(call.uow, customer_id, user_id, expected_version=version))


@api.get(f"{CUSTOMER}/profile", page=ProfileValueResult, right=CUSTOMER_VIEW)
def profile(call: Call, customer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """List the values of a customer's profile."""
    call.uow.get(Customer, customer_id)
    return list_profile(call.uow, customer_id)


@api.put(
    f"{CUSTOMER}/profile/<code>",
    body=ProfileValueSchema,
    result=ProfileValueResult,
    right=EDIT_PROFILE,
)
def set_profile(call: Call, customer_id: UUID, code: str) -> Mapping[str, Any]:
    """Set one value of a customer's profile."""
    return {
        "code": code,
        "value": set_profile_value(call.uow, customer_id, code, call.body["value"]),
    }


@api.delete(f"{CUSTOMER}/profile/<code>", right=EDIT_PROFILE)
def clear_profile(call: Call, customer_id: UUID, code: str) -> None:
    """Clear one value of a customer's profile."""
    clear_profile_value(call.uow, customer_id, code)


@api.get(f"{CUSTOMER}/consents", page=ConsentResult, right=CUSTOMER_VIEW)
def consents(call: Call, customer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """List all that a customer said to being reached, newest first."""
    call.uow.get(Customer, customer_id)
    return consent_history(call.uow, customer_id)


@api.post(
    f"{CUSTOMER}/consents", body=ConsentSchema, result=ConsentResult, status=201, right=RECORD
)
def add_consent(call: Call, customer_id: UUID) -> Consent:
    """Record what a customer said."""
    return record_consent(call.uow, customer_id, **call.body)
