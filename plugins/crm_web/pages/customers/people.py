"""Who answers for a customer, what it is labelled with, and whom it is tied to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.entities.user import User
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import Message, joined, t
from crm_core.services import ownership, relationships, tags
from crm_core.services.lookup import resolve_unmerged_id
from crm_core.services.search import search_customers
from crm_core.services.settings import company_day
from crm_core.services.users import user_named
from crm_web.labels import label
from crm_web.pages.customers.area import pages, users_to_choose
from crm_web.pages.customers.forms import asks
from crm_web.sdk.forms import Choices
from crm_web.sdk.request import Request

SUGGESTED = 5


class OwnerSchema(Schema):
    """Who is to answer for a customer."""

    owner = fields.String(
        allow_none=True, metadata={"title": t("Owner"), "help": t("Nobody, when not chosen.")}
    )


def _owner(request: Request, customer: Customer) -> Mapping[str, Any]:
    owner = request.uow.find(User, customer.owner_id) if customer.owner_id else None
    return {"owner": owner.login if owner else None}


@asks(
    "/owner",
    right=ownership.ASSIGN,
    title=t("Who answers for this customer"),
    schema=OwnerSchema(),
    starts=_owner,
    choices=users_to_choose,
    is_edit=True,
)
def assign(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Have somebody else answer for a customer."""
    login = given.get("owner")
    user = user_named(request.uow, login) if login else None
    ownership.assign_owner(request.uow, customer.id, user.id if user else None)
    if user is None:
        return t("Nobody answers for {customer} now.", customer=customer.name)
    return t("{user} answers for {customer} now.", user=user.name, customer=customer.name)


class TagsSchema(Schema):
    """Labels to put on."""

    names = fields.String(
        required=True,
        validate=validate.Length(max=2_000),
        metadata={"title": t("Tags"), "help": t("Several are separated by commas.")},
    )


@asks("/tags/new", right=tags.EDIT, title=t("Add tags"), schema=TagsSchema())
def tag(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Put tags on a customer."""
    names = [name.strip() for name in given["names"].replace("،", ",").split(",") if name.strip()]
    tags.tag_customer(request.uow, customer.id, names)
    return t("Tagged: {names}", names=joined(names, ", "))


@pages.post("/<uuid:customer_id>/tags/remove", right=tags.EDIT)
def untag(request: Request, customer_id: UUID) -> Response:
    """Take a tag off a customer."""
    name = request.form.get("name", "")
    tags.untag_customer(request.uow, customer_id, [name])
    message = t("The tag {name} is taken off.", name=name)
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


class TieSchema(Schema):
    """A tie to another customer."""

    type = fields.String(required=True, metadata={"title": t("This customer is")})
    other = fields.String(
        required=True,
        validate=validate.Length(max=250),
        metadata={
            "title": t("of whom"),
            "help": t("Name, reference or id."),
        },
    )
    started_on = fields.Date(allow_none=True, metadata={"title": t("Since")})
    note = fields.String(
        allow_none=True, validate=validate.Length(max=100_000), metadata={"title": t("Note")}
    )


def _types(request: Request) -> Mapping[str, Choices]:
    names: list[str] = []
    for kind in relationships.list_relationship_types(request.uow):
        names += [kind["name"], kind["inverse_name"]]
    return {"type": [(name, label(name, "relation")) for name in dict.fromkeys(names)]}


@asks(
    "/relations/new",
    right=relationships.EDIT,
    title=t("Tie to a customer"),
    schema=TieSchema(),
    choices=_types,
)
def relate(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Tie a customer to another."""
    other_id = _meant(request, given.pop("other"))
    kind = given.pop("type")
    relationships.relate_customers(request.uow, customer.id, kind, other_id, **given)
    return t("The relation is kept.")


def _meant(request: Request, text: str) -> UUID:
    """Return the customer that a reference, an id or a name means, when there is but one."""
    try:
        return resolve_unmerged_id(request.uow, text)
    except NotFoundError:
        found = search_customers(request.uow, text, limit=SUGGESTED).items
    if len(found) == 1:
        return found[0].id
    message = t("Nobody is called {text}: look whether it is spelt so.", text=text)
    if found:
        names = ", ".join(
            f"{each.name} ({each.reference})" if each.reference else each.name for each in found
        )
        message = t("Several customers fit: {names}. Give the reference.", names=names)
    raise InputError(message, code="web.other_customer", details={"fields": {"other": message}})


@pages.post("/<uuid:customer_id>/relations/<uuid:tie_id>/end", right=relationships.EDIT)
def end_tie(request: Request, customer_id: UUID, tie_id: UUID) -> Response:
    """Say that a tie is over since today."""
    relationships.end_relationship(request.uow, tie_id, company_day(request.uow))
    message = t("The relation has ended.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


@pages.post("/<uuid:customer_id>/relations/<uuid:tie_id>/remove", right=relationships.EDIT)
def remove_tie(request: Request, customer_id: UUID, tie_id: UUID) -> Response:
    """Remove a tie that was never true."""
    relationships.unrelate_customers(request.uow, tie_id)
    message = t("The relation is removed.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)
