"""Who a customer is: adding one, changing one in place, archiving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer, CustomerKind, CustomerStage
from crm_core.entities.interaction import Channel
from crm_core.errors import CrmError
from crm_core.messages import t
from crm_core.services import customers
from crm_core.services.customers import PLAIN_FIELDS
from crm_core.services.lookup import permitted_customer
from crm_web.pages.customers.area import chosen_from, pages, tidy
from crm_web.pages.customers.forms import (
    TELLABLE,
    WAS,
    as_was,
    beside_fields,
    meanwhile,
    merged_fields,
)
from crm_web.sdk.forms import Form
from crm_web.sdk.request import Request

EDIT_PAGE = "web/customers/edit.html"


class IdentitySchema(Schema):
    """The plain fields of a customer."""

    name = fields.String(
        required=True, validate=validate.Length(max=250), metadata={"title": t("Name")}
    )
    kind = fields.String(
        required=True, validate=chosen_from("kind", CustomerKind), metadata={"title": t("Kind")}
    )
    stage = fields.String(
        required=True, validate=chosen_from("stage", CustomerStage), metadata={"title": t("Stage")}
    )
    reference = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("Reference")}
    )
    vat = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("VAT number")}
    )
    job_title = fields.String(
        allow_none=True, validate=validate.Length(max=250), metadata={"title": t("Job title")}
    )
    language = fields.String(
        allow_none=True,
        validate=validate.Length(max=64),
        metadata={"title": t("Language"), "help": t("Its code, such as el or pl.")},
    )
    preferred_channel = fields.String(
        allow_none=True,
        validate=chosen_from("channel", Channel),
        metadata={"title": t("Preferred channel")},
    )
    note = fields.String(
        allow_none=True,
        validate=validate.Length(max=100_000),
        metadata={"title": t("Note"), "rows": 4},
    )


def plain(customer: Customer) -> dict[str, Any]:
    """Return the plain fields of a customer."""
    return {name: getattr(customer, name) for name in PLAIN_FIELDS}


@pages.get("/<uuid:customer_id>/edit", right=customers.EDIT)
def edit(request: Request, customer_id: UUID) -> str:
    """Show the form to change who a customer is."""
    customer = permitted_customer(request.uow, customer_id, customers.EDIT)
    values = plain(customer)
    return _form(request, customer, values, was=values, version=customer.version)


@pages.post("/<uuid:customer_id>/edit", right=customers.EDIT)
def send_edit(request: Request, customer_id: UUID) -> Response:
    """Change who a customer is; what somebody else changed meanwhile is kept or shown."""
    customer = permitted_customer(request.uow, customer_id, customers.EDIT)
    before, version = plain(customer), customer.version
    was = {name: request.form.get(WAS + name, "") for name in PLAIN_FIELDS}
    try:
        given = tidy(request.read(IdentitySchema()))
        is_stale = request.form.get("version", "") != str(version)
        if is_stale:
            given, differing = merged_fields(was, before, given)
            if differing:
                now = Form(IdentitySchema(), before)
                return meanwhile(request, customer, now, given, differing, version=version)
        customers.edit_customer(request.uow, customer_id, given, expected_version=version)
        request.uow.flush()
    except TELLABLE as error:
        beside_fields(error)
        page = _form(request, customer, request.form, was, request.form.get("version"), error)
        return Response(page, error.http_status, mimetype="text/html")
    message = t("Saved, together with what was changed meanwhile.") if is_stale else t("Saved.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


def _form(
    request: Request,
    customer: Customer,
    values: Mapping[str, Any],
    was: Mapping[str, Any],
    version: int | str | None,
    error: CrmError | None = None,
) -> str:
    return request.render(
        EDIT_PAGE,
        customer=customer,
        form=Form(IdentitySchema(), values, error=error),
        was=as_was(was),
        version=version,
    )


@pages.post("/<uuid:customer_id>/archive", right=customers.ARCHIVE)
def archive(request: Request, customer_id: UUID) -> Response:
    """Take a customer out of daily lists."""
    customer = customers.archive_customer(request.uow, customer_id)
    message = t("{customer} is archived; nothing was deleted.", customer=customer.name)
    return request.done(message, to="customers.card", customer_id=customer_id)


@pages.post("/<uuid:customer_id>/restore", right=customers.ARCHIVE)
def restore(request: Request, customer_id: UUID) -> Response:
    """Bring an archived customer back."""
    customer = customers.restore_customer(request.uow, customer_id)
    message = t("{customer} is back in daily lists.", customer=customer.name)
    return request.done(message, to="customers.card", customer_id=customer_id)
