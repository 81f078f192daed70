"""Small forms about one customer: each a page of its own, which a script opens over the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import url_for
from marshmallow import Schema, ValidationError, fields
from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.errors import ConflictError, CrmError, InputError, RuleViolationError
from crm_core.messages import Message, say
from crm_core.services.lookup import permitted_customer
from crm_web.pages.customers.area import pages, tidy
from crm_web.sdk.forms import Choices, Form
from crm_web.sdk.request import Request
from crm_web.shown import place

Act = Callable[..., Message]
TEMPLATE = "web/customers/form.html"
TELLABLE = (InputError, ConflictError, RuleViolationError)
"""Errors that stand above the form that they came from."""


class Moment(fields.DateTime):
    """A moment as its reader types it, or as the browser's own field sends it."""

    def _deserialize(self, value: Any, *_about: Any, **_more: Any) -> datetime:
        try:
            return place().typed_moment(str(value), datetime.now(UTC))
        except InputError as error:
            raise ValidationError(say(error.message)) from None


def asks(
    rule: str,
    *,
    right: str,
    title: Message,
    schema: Schema | Callable[[Request], Schema],
    starts: Callable[..., Mapping[str, Any]] | None = None,
    choices: Callable[[Request], Mapping[str, Choices]] | None = None,
) -> Callable[[Act], Act]:
    """Declare a form about one customer: its page, and what is done with what it sends.

    The function decorated is called as ``act(request, customer, given, **path arguments)`` and
    returns what to say afterwards.

    Args:
        rule: Its path below the customer's.
        right: What it takes to do it to that customer.
        title: Of the page.
        schema: Its fields, or what returns them.
        starts: ``starts(request, customer, **path arguments)``: what stands in the fields first.
        choices: What can be chosen; see ``Form``.
    """

    def shown(
        request: Request, customer: Customer, values: Any, error: CrmError | None = None
    ) -> str:
        form = Form(
            _of(schema, request),
            values,
            choices=choices(request) if choices else None,
            error=error,
            time_zone=request.viewer.time_zone if request.viewer else "UTC",
        )
        back = request.form.get("back") or url_for("customers.card", customer_id=customer.id)
        return request.render(TEMPLATE, customer=customer, form=form, title=title, back=back)

    def declared(act: Act) -> Act:
        def show(request: Request, customer_id: UUID, **about: Any) -> str:
            customer = permitted_customer(request.uow, customer_id, right)
            values = starts(request, customer, **about) if starts else {}
            return shown(request, customer, values)

        def send(request: Request, customer_id: UUID, **about: Any) -> Response:
            customer = permitted_customer(request.uow, customer_id, right)
            try:
                said = act(request, customer, tidy(request.read(_of(schema, request))), **about)
                request.uow.flush()
            except TELLABLE as error:
                beside_fields(error)
                return Response(
                    shown(request, customer, request.form, error),
                    error.http_status,
                    mimetype="text/html",
                )
            return request.back(said, otherwise="customers.card", customer_id=customer_id)

        show.__name__, send.__name__ = act.__name__, f"send_{act.__name__}"
        path = f"/<uuid:customer_id>{rule}"
        pages.get(path, right=right)(show)
        pages.post(path, right=right)(send)
        return act

    return declared


def beside_fields(error: CrmError) -> None:
    """Let what a service found wrong with a field stand beside the form's field of that name."""
    faults = error.details.get("faults")
    if isinstance(faults, list):
        found = {each["field"].rpartition(".")[2]: each["message"] for each in faults}
        error.details["fields"] = found
    elif not isinstance(error.details.get("fields"), dict):
        error.details.pop("fields", None)


def _of(schema: Schema | Callable[[Request], Schema], request: Request) -> Schema:
    return schema if isinstance(schema, Schema) else schema(request)
