"""What happened with a customer, what is to be done, and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import send_file
from marshmallow import fields, validate
from webargs.fields import DelimitedList
from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Activity, Channel, Direction, Interaction
from crm_core.persistence.paging import Page
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.schemas.customer import LINE, TEXT
from crm_core.services import activities as todo
from crm_core.services import attachments as files
from crm_core.services import interactions as past
from crm_core.services.home import MyDay, my_day
from crm_core.services.lookup import permitted_customer
from crm_core.services.timeline import customer_timeline
from crm_hooks.contributions import TimelineEntry, TimelineRequest
from crm_web.api.v1.shapes import ActivityResult, AttachmentResult, InteractionResult
from crm_web.sdk.api import (
    Api,
    Call,
    File,
    Moment,
    MomentThere,
    PageQuery,
    Result,
    Said,
    Strict,
)

api = Api("history", title="What happened, and what is to be done", prefix="/")
CUSTOMER = "/customers/<uuid:customer_id>"


OPEN = {"true": True, "false": False, "all": None}
"""What a query says of activities, to what the service takes."""


class InteractionSchema(Strict):
    """What happened."""

    channel = fields.String(
        required=True, validate=validate.OneOf([each.value for each in Channel])
    )
    direction = fields.String(
        required=True, validate=validate.OneOf([each.value for each in Direction])
    )
    subject = fields.String(required=True, validate=validate.Length(1, LINE))
    body = fields.String(allow_none=True, validate=validate.Length(max=TEXT))
    at = Moment(allow_none=True, metadata={"description": "When; now unless said."})


class ActivityQuery(PageQuery):
    """Which activities."""

    customer_id = fields.UUID()
    owner_id = fields.UUID()
    is_open = fields.String(
        validate=validate.OneOf(list(OPEN)),
        metadata={"description": "Open unless said; all for those that are done too."},
    )
    due_before = Moment()


class ActivitySchema(Strict):
    """Something to do."""

    type = fields.String(required=True, validate=validate.Length(1, LINE))
    due_at = Moment(required=True)
    summary = fields.String(allow_none=True, validate=validate.Length(max=LINE))
    note = fields.String(allow_none=True, validate=validate.Length(max=TEXT))
    owner_id = fields.UUID(allow_none=True)


class TimelineQuery(PageQuery):
    """Which entries; all unless said."""

    # The day of a document counts in the zone of who asks.
    since = MomentThere()
    until = MomentThere()
    text = fields.String(validate=validate.Length(1, LINE))
    modules = DelimitedList(fields.String(validate=validate.Length(1, LINE)))
    channels = DelimitedList(
        fields.String(validate=validate.OneOf([each.value for each in Channel]))
    )
    direction = fields.String(validate=validate.OneOf([each.value for each in Direction]))


class TimelineResult(Result):
    """Something that happened, whichever module it belongs to."""

    module = fields.String(required=True)
    id = fields.UUID(required=True)
    at = fields.DateTime()
    title = fields.String()
    detail = fields.String()
    body = fields.String()
    channel = fields.String()
    direction = fields.String()
    who = fields.String()
    entity_type = fields.String()
    entity_id = fields.UUID()


class HomeCardResult(Result):
    """Something that needs one's attention today."""

    name = fields.String(required=True)
    title = Said()
    count = fields.Integer()


class MyDayResult(Result):
    """One's own day."""

    today = fields.Date()
    overdue = fields.Integer()
    due = fields.Integer()
    activities = fields.List(fields.Nested(ActivityResult))
    cards = fields.List(fields.Nested(HomeCardResult))


class AttachmentSchema(Strict):
    """A file, as a form sends it."""

    file = File(required=True)


@api.get("/my-day", result=MyDayResult, right="")
def day(call: Call) -> MyDay:
    """Tell what needs one first: activities that are due, and what plugins add."""
    return my_day(call.uow)


@api.get(f"{CUSTOMER}/timeline", query=TimelineQuery, page=TimelineResult, right=CUSTOMER_VIEW)
def timeline(call: Call, customer_id: UUID) -> Page[TimelineEntry]:
    """List what happened with a customer over every channel and module, the latest first."""
    wanted = dict(call.query)
    page = {name: wanted.pop(name) for name in ("limit", "cursor") if name in wanted}
    for name in wanted.keys() & {"modules", "channels"}:
        wanted[name] = frozenset(wanted[name])
    return customer_timeline(call.uow, customer_id, TimelineRequest(**wanted), **page)


@api.get(f"{CUSTOMER}/interactions", query=PageQuery, page=InteractionResult, right=CUSTOMER_VIEW)
def interactions(call: Call, customer_id: UUID) -> Page[dict[str, Any]]:
    """List what happened with a customer, newest first."""
    call.uow.get(Customer, customer_id)
    return past.list_interactions(call.uow, customer_id, **call.query)


@api.post(
    f"{CUSTOMER}/interactions",
    body=InteractionSchema,
    result=InteractionResult,
    status=201,
    right=past.LOG,
)
def log_interaction(call: Call, customer_id: UUID) -> Interaction:
    """Log what happened with a customer."""
    return past.log_interaction(call.uow, customer_id, **call.body)


@api.get("/activities", query=ActivityQuery, page=ActivityResult, right=CUSTOMER_VIEW)
def activities(call: Call) -> Page[dict[str, Any]]:
    """List activities, soonest due first."""
    wanted = {**call.query, "is_open": OPEN[call.query.get("is_open", "true")]}
    return todo.list_activities(call.uow, **wanted)


@api.post(
    f"{CUSTOMER}/activities",
    body=ActivitySchema,
    result=ActivityResult,
    status=201,
    right=todo.EDIT,
)
def plan_activity(call: Call, customer_id: UUID) -> Activity:
    """Plan something to do."""
    return todo.add_activity(call.uow, customer_id, **call.body)


@api.get("/activities/<uuid:activity_id>", result=ActivityResult, right=CUSTOMER_VIEW)
def activity(call: Call, activity_id: UUID) -> Activity:
    """Return an activity."""
    return call.uow.get(Activity, activity_id)


@api.post(
    "/activities/<uuid:activity_id>/complete",
    result=ActivityResult,
    versioned=True,
    right=todo.EDIT,
)
def complete_activity(call: Call, activity_id: UUID) -> Activity:
    """Say that something is done."""
    version = call.expected_version
    return todo.complete_activity(call.uow, activity_id, expected_version=version)


@api.get(f"{CUSTOMER}/attachments", page=AttachmentResult, right=CUSTOMER_VIEW)
def attachments(call: Call, customer_id: UUID) -> Sequence[Mapping[str, Any]]:
    """List a customer's files, newest first."""
    call.uow.get(Customer, customer_id)
    return files.list_attachments(call.uow, customer_id)


@api.post(
    f"{CUSTOMER}/attachments",
    upload=AttachmentSchema,
    result=AttachmentResult,
    status=201,
    right=files.EDIT,
)
def attach(call: Call, customer_id: UUID) -> Any:
    """Keep a file with a customer."""
    file = call.body["file"]
    # Before the first statement: no transaction is open yet that would wait for the bytes.
    kept = files.keep_bytes(call.request.application.config.files_folder, file.stream)
    permitted_customer(call.uow, customer_id, files.EDIT)
    return files.attach_file(
        call.uow, customer_id, kept, file_name=file.filename, content_type=file.mimetype
    )


@api.get(
    "/attachments/<uuid:attachment_id>/content",
    media="application/octet-stream",
    right=CUSTOMER_VIEW,
)
def attachment_content(call: Call, attachment_id: UUID) -> Response:
    """Return the bytes of a file."""
    folder = call.request.application.config.files_folder
    path = files.read_attachment(call.uow, folder, attachment_id)
    return send_file(path, mimetype="application/octet-stream", as_attachment=True)


@api.delete("/attachments/<uuid:attachment_id>", right=files.EDIT)
def remove_attachment(call: Call, attachment_id: UUID) -> None:
    """Remove a file."""
    files.remove_attachment(call.uow, attachment_id)
