"""How a customer is reached: contact points and addresses, as links that are safe to click."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.customer import Address, AddressUse, ContactPoint, ContactPointKind, Customer
from crm_core.messages import Message, t
from crm_core.services import contact_details
from crm_web.pages.customers.area import chosen_from, own_record, pages
from crm_web.pages.customers.forms import asks
from crm_web.sdk.request import Request

LINE, TEXT = validate.Length(max=250), validate.Length(max=100_000)
CALLED, MAILED = frozenset({"phone", "mobile"}), "email"
_WEB = re.compile(r"https?://[^\s<>\"'\\:@/]+(?::\d+)?(?:[/?#][^\s<>\"\\]*)?", re.IGNORECASE)
_BARE = re.compile(r"[\w-]+(?:\.[\w-]+)+(?:/[^\s<>\"\\]*)?")
_NO_DIGITS = re.compile(r"[^\d+]")
ICONS = {"email": "mail", "website": "web", "messenger": "chat", "fax": "file"}


def link_of(kind: str, value: str, normalized: str | None = None) -> str | None:
    """Return where a contact point leads: a call, a mail, a web page; None where nowhere safe."""
    text = value.strip()
    if kind == MAILED:
        address = normalized or text
        return f"mailto:{quote(address, safe='@+')}" if address.count("@") == 1 else None
    if kind in CALLED:
        number = _NO_DIGITS.sub("", normalized or text)
        return f"tel:{number}" if number.strip("+") else None
    if kind == ContactPointKind.WEBSITE.value:
        if _WEB.fullmatch(text):
            return text
        return f"https://{text}" if _BARE.fullmatch(text) else None
    return None


def reached(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return contact points with ``href`` and ``icon``."""
    return [
        {
            **point,
            "href": link_of(point["kind"], point["value"], point["normalized"]),
            "icon": ICONS.get(point["kind"], "phone"),
        }
        for point in points
    ]


class PointSchema(Schema):
    """A way to reach somebody."""

    kind = fields.String(
        required=True,
        validate=chosen_from("contact", ContactPointKind),
        metadata={"title": t("Kind")},
    )
    value = fields.String(required=True, validate=LINE, metadata={"title": t("Address or number")})
    label = fields.String(
        allow_none=True, validate=LINE, metadata={"title": t("Label"), "help": t("Such as: work.")}
    )


def _kind(request: Request, _customer: Customer) -> Mapping[str, Any]:
    return {"kind": "mobile", **request.args.to_dict()}


@asks(
    "/contact-points/new",
    right=contact_details.EDIT,
    title=t("Add a way to reach them"),
    schema=PointSchema(),
    starts=_kind,
)
def add_point(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Add a contact point."""
    contact_details.add_contact_point(
        request.uow, customer.id, given["kind"], given["value"], label=given.get("label")
    )
    return t("Added: {value}", value=given["value"])


def _point(request: Request, customer: Customer, point_id: UUID) -> Mapping[str, Any]:
    point = own_record(request, ContactPoint, customer.id, point_id)
    return {"value": point.value, "label": point.label}


@asks(
    "/contact-points/<uuid:point_id>",
    right=contact_details.EDIT,
    title=t("Change how they are reached"),
    schema=PointSchema(exclude=("kind",)),
    starts=_point,
    is_edit=True,
)
def change_point(
    request: Request, customer: Customer, given: dict[str, Any], point_id: UUID
) -> Message:
    """Change a contact point."""
    point = own_record(request, ContactPoint, customer.id, point_id)
    contact_details.change_contact_point(
        request.uow, point.id, given["value"], label=given.get("label", point.label) or ""
    )
    return t("Changed: {value}", value=given["value"])


@pages.post("/<uuid:customer_id>/contact-points/<uuid:point_id>/remove", right=contact_details.EDIT)
def remove_point(request: Request, customer_id: UUID, point_id: UUID) -> Response:
    """Remove a contact point."""
    point = own_record(request, ContactPoint, customer_id, point_id)
    message = t("Removed: {value}", value=point.value)
    contact_details.remove_contact_point(request.uow, point.id)
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


class PlaceSchema(Schema):
    """A postal address."""

    use = fields.String(
        required=True, validate=chosen_from("use", AddressUse), metadata={"title": t("Use")}
    )
    recipient = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Recipient")})
    street = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Street")})
    street2 = fields.String(
        allow_none=True, validate=LINE, metadata={"title": t("Second line of the street")}
    )
    postal_code = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("Postal code")}
    )
    city = fields.String(allow_none=True, validate=LINE, metadata={"title": t("City")})
    region = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Region")})
    country_code = fields.String(
        allow_none=True,
        validate=LINE,
        metadata={"title": t("Country"), "help": t("Its name or its code of two letters.")},
    )
    phone = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Phone")})
    note = fields.String(allow_none=True, validate=TEXT, metadata={"title": t("Note"), "rows": 3})


def _unused(request: Request, customer: Customer) -> Mapping[str, Any]:
    has_main = contact_details.main_address(request.uow, customer.id) is not None
    return {"use": "delivery" if has_main else "main"}


@asks(
    "/addresses/new",
    right=contact_details.EDIT,
    title=t("Add an address"),
    schema=PlaceSchema(),
    starts=_unused,
)
def add_place(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Add a postal address."""
    contact_details.add_address(request.uow, customer.id, given)
    return t("The address is added.")


def _place(request: Request, customer: Customer, address_id: UUID) -> Mapping[str, Any]:
    address = own_record(request, Address, customer.id, address_id)
    return {name: getattr(address, name) for name in PlaceSchema().fields}


@asks(
    "/addresses/<uuid:address_id>",
    right=contact_details.EDIT,
    title=t("Change the address"),
    schema=PlaceSchema(),
    starts=_place,
    is_edit=True,
)
def change_place(
    request: Request, customer: Customer, given: dict[str, Any], address_id: UUID
) -> Message:
    """Change a postal address."""
    address = own_record(request, Address, customer.id, address_id)
    contact_details.change_address(request.uow, address.id, given)
    return t("The address is changed.")


@pages.post("/<uuid:customer_id>/addresses/<uuid:address_id>/remove", right=contact_details.EDIT)
def remove_place(request: Request, customer_id: UUID, address_id: UUID) -> Response:
    """Take an address out of use."""
    address = own_record(request, Address, customer_id, address_id)
    contact_details.remove_address(request.uow, address.id)
    message = t("The address is removed.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)
