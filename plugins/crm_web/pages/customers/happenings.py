"""What happens with a customer: contacts logged, things to do, consents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.consent import ConsentStatus
from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Channel, Direction
from crm_core.messages import Message, t
from crm_core.services import activities, consents, interactions
from crm_core.services.users import user_named
from crm_web.labels import LABELS
from crm_web.pages.customers.area import chosen_from, pages, users_to_choose
from crm_web.pages.customers.forms import Moment, asks
from crm_web.sdk.request import Request
from crm_web.shown import place

LINE, PAGES = validate.Length(max=250), validate.Length(max=100_000)


class ContactSchema(Schema):
    """Something that happened."""

    subject = fields.String(required=True, validate=LINE, metadata={"title": t("What about")})
    channel = fields.String(
        required=True,
        validate=chosen_from("channel", Channel),
        metadata={"title": t("Channel")},
    )
    direction = fields.String(
        required=True,
        validate=chosen_from("direction", Direction),
        metadata={"title": t("Direction")},
    )
    at = Moment(allow_none=True, metadata={"title": t("When"), "help": t("Empty for now.")})
    body = fields.String(
        allow_none=True, validate=PAGES, metadata={"title": t("Details"), "rows": 4}
    )


def _preset(request: Request, _customer: Customer) -> Mapping[str, Any]:
    return {"channel": "phone", "direction": "outbound", **request.args.to_dict()}


@asks(
    "/log",
    right=interactions.LOG,
    title=t("Log a contact"),
    schema=ContactSchema(),
    starts=_preset,
)
def log(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Log what happened with a customer."""
    interactions.log_interaction(request.uow, customer.id, **given)
    return t("Logged: {subject}", subject=given["subject"])


class ActivitySchema(Schema):
    """Something to do."""

    summary = fields.String(required=True, validate=LINE, metadata={"title": t("What to do")})
    type = fields.String(
        required=True,
        validate=validate.OneOf(list(LABELS["activity"]), labels=list(LABELS["activity"].values())),
        metadata={"title": t("Type")},
    )
    due_at = Moment(required=True, metadata={"title": t("Due")})
    owner = fields.String(allow_none=True, metadata={"title": t("Who does it")})
    note = fields.String(
        allow_none=True, validate=PAGES, metadata={"title": t("Details"), "rows": 4}
    )


def _tomorrow(request: Request, _customer: Customer) -> Mapping[str, Any]:
    in_a_day = request.uow.now.astimezone(place().zone) + timedelta(days=1)
    due_at = in_a_day.replace(minute=0, second=0, microsecond=0)
    return {"type": "call", "due_at": due_at, "owner": request.uow.actor.login}


@asks(
    "/activities/new",
    right=activities.EDIT,
    title=t("Plan something"),
    schema=ActivitySchema(),
    starts=_tomorrow,
    choices=users_to_choose,
)
def plan(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Plan something to do."""
    owner = given.pop("owner", None)
    owner_id = user_named(request.uow, owner).id if owner else None
    activities.add_activity(request.uow, customer.id, owner_id=owner_id, **given)
    return t("Planned: {summary}", summary=given["summary"])


@pages.post("/<uuid:customer_id>/activities/<uuid:activity_id>/done", right=activities.EDIT)
def complete(request: Request, customer_id: UUID, activity_id: UUID) -> Response:
    """Say that something is done."""
    done = activities.complete_activity(request.uow, activity_id)
    message = t("Done: {summary}", summary=done.summary)
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


class ConsentSchema(Schema):
    """What a customer said."""

    purpose = fields.String(
        required=True,
        validate=LINE,
        metadata={"title": t("What for"), "help": t("marketing, newsletter, profiling …")},
    )
    channel = fields.String(
        required=True,
        validate=validate.OneOf(
            ["any", *(channel.value for channel in Channel)],
            labels=[t("any channel"), *(LABELS["channel"][each.value] for each in Channel)],
        ),
        metadata={"title": t("By which channel")},
    )
    status = fields.String(
        required=True,
        validate=chosen_from("consent", ConsentStatus),
        metadata={"title": t("What they said")},
    )
    evidence = fields.String(
        required=True,
        validate=PAGES,
        metadata={"title": t("How we know"), "help": t("Such as: signed form of 1 March.")},
    )
    at = Moment(allow_none=True, metadata={"title": t("When"), "help": t("Empty for now.")})


def _purpose(request: Request, _customer: Customer) -> Mapping[str, Any]:
    return {"purpose": "marketing", **request.args.to_dict()}


@asks(
    "/consents/new",
    right=consents.RECORD,
    title=t("Record a consent"),
    schema=ConsentSchema(),
    starts=_purpose,
)
def consent(request: Request, customer: Customer, given: dict[str, Any]) -> Message:
    """Record what a customer agreed to, or took back."""
    consents.record_consent(request.uow, customer.id, **given)
    return t("The consent is recorded.")
