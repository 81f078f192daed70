"""Small forms about one customer: each a page of its own, which a script opens over the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
TEMPLATE, MEANWHILE_PAGE = "web/customers/form.html", "web/customers/meanwhile.html"
WAS = "was."
"""Begins the names of hidden fields that hold what stood there when the form was opened."""
TELLABLE = (InputError, ConflictError, RuleViolationError)
"""Errors that stand above the form that they came from."""


class Moment(fields.DateTime):
    """A moment as its reader types it, or as the browser's own field sends it."""

    def _deserialize(self, value: Any, *_about: Any, **_more: Any) -> datetime:
        try:
            return place().typed_moment(str(value), datetime.now(UTC))
        except InputError as error:
            raise ValidationError(say(error.message)) from None


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that two people changed, each in their own way.

    Attributes:
        was: What stood there when the form was opened.
        theirs: What stands there now.
        ours: What was typed.
    """

    name: str
    was: str
    theirs: str
    ours: str


def merged_fields(
    was: Mapping[str, Any], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Difference]]:
    """Lay what was typed over what others saved: field by field, whoever changed it counts.

    Returns:
        All fields, and those that both changed, each in their own way.
    """
    merged, differing = {}, []
    for name in theirs:
        base, now, typed = (_text(each.get(name)) for each in (was, theirs, ours))
        merged[name] = theirs[name] if typed == base else ours.get(name)
        if typed not in (base, now) and now != base:
            differing.append(Difference(name, base, now, typed))
    return merged, differing


def _text(value: Any) -> str:
    return str(value or "").replace("\r\n", "\n").strip()


def as_was(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hidden fields that tell what stood there when the form was opened."""
    return {WAS + name: value or "" for name, value in values.items()}


def meanwhile(
    request: Request,
    customer: Customer,
    form: Form,
    merged: Mapping[str, Any],
    differing: Sequence[Difference],
    **hidden: Any,
) -> Response:
    """Let people choose where they and somebody else changed one field; nothing is saved yet.

    Args:
        request: What was asked.
        customer: Whose form it is.
        form: With what stands there now.
        merged: All fields; see :func:`merged_fields`.
        differing: Those to choose.
        **hidden: What is sent along besides.
    """
    names = {each.name for each in differing}
    settled = {name: value or "" for name, value in merged.items() if name not in names}
    return request.refuse(
        MEANWHILE_PAGE,
        412,
        customer=customer,
        form=form,
        differing=differing,
        hidden={**hidden, **settled, **as_was(form.values)},
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A form about one customer; see :func:`asks`."""

    title: Message
    schema: Schema | Callable[[Request], Schema]
    starts: Callable[..., Mapping[str, Any]] | None
    choices: Callable[[Request], Mapping[str, Choices]] | None
    is_edit: bool

    def form(self, request: Request, values: Any, error: CrmError | None = None) -> Form:
        return Form(
            self.schema if isinstance(self.schema, Schema) else self.schema(request),
            values,
            choices=self.choices(request) if self.choices else None,
            error=error,
            time_zone=request.viewer.time_zone if request.viewer else "UTC",
        )

    def shown(
        self, request: Request, customer: Customer, form: Form, was: Mapping[str, Any]
    ) -> str:
        back = request.form.get("back") or url_for("customers.card", customer_id=customer.id)
        title = self.title
        return request.render(
            TEMPLATE, customer=customer, form=form, title=title, hidden={"back": back, **was}
        )

    def show(self, request: Request, customer: Customer, **about: Any) -> str:
        values = self.starts(request, customer, **about) if self.starts else {}
        form = self.form(request, values)
        was = {name: values.get(name) for name in form.schema.fields} if self.is_edit else {}
        return self.shown(request, customer, form, as_was(was))

    def send(
        self, act: Act, request: Request, customer: Customer, **about: Any
    ) -> Message | Response:
        form = self.form(request, request.form)
        try:
            given = tidy(request.read(form.schema))
            if self.is_edit and self.starts:
                values = self.starts(request, customer, **about)
                theirs = {name: values.get(name) for name in given}
                # A form that does not tell what stood there means what it says.
                was = {name: request.form.get(WAS + name, theirs[name]) for name in given}
                given, differing = merged_fields(was, theirs, given)
                if differing:
                    now, back = self.form(request, theirs), request.form.get("back", "")
                    return meanwhile(request, customer, now, given, differing, back=back)
            said = act(request, customer, given, **about)
            request.uow.flush()
        except TELLABLE as error:
            beside_fields(error)
            form.error = error
            sent = {name: text for name, text in request.form.items() if name.startswith(WAS)}
            page = self.shown(request, customer, form, sent)
            return Response(page, error.http_status, mimetype="text/html")
        return said


def asks(
    rule: str,
    *,
    right: str,
    title: Message,
    schema: Schema | Callable[[Request], Schema],
    starts: Callable[..., Mapping[str, Any]] | None = None,
    choices: Callable[[Request], Mapping[str, Choices]] | None = None,
    is_edit: bool = False,
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
        is_edit: Whether ``starts`` tells what is kept, all of it text. What somebody else saved
            meanwhile then stays in each field that was left as it was, and both are shown where
            both changed one.
    """
    asked = _Asked(title, schema, starts, choices, is_edit)

    def declared(act: Act) -> Act:
        def show(request: Request, customer_id: UUID, **about: Any) -> str:
            customer = permitted_customer(request.uow, customer_id, right)
            return asked.show(request, customer, **about)

        def send(request: Request, customer_id: UUID, **about: Any) -> Response:
            customer = permitted_customer(request.uow, customer_id, right)
            said = asked.send(act, request, customer, **about)
            if isinstance(said, Response):
                return said
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
