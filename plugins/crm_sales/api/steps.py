"""What comes next with deals: steps, sequences, and addresses for calendar programs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_core.services.checks import LINE
from crm_sales.permissions import CALENDAR, CONFIGURE, OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.schemas.follow_up import SequenceSchema
from crm_sales.services.calendar_feed import add_feed, feed_address, list_feeds, revoke_feed
from crm_sales.services.next_steps import (
    When,
    complete_step,
    list_steps,
    plan_step,
    postpone_step,
    without_next_step,
)
from crm_sales.services.sequences import archive_sequence, list_sequences, save_sequences
from crm_web.sdk import Api, Call, Moment, PageQuery, Result, Said, Strict, Whole

api = Api("sales_steps", title="Next steps of deals", prefix="/sales/steps")
STEP = "/<uuid:activity_id>"


class StepQuery(PageQuery):
    """Which steps."""

    when = fields.String(
        validate=validate.OneOf([each.value for each in When]),
        metadata={"description": "By when they are due, by the caller's own day; all unless said."},
    )
    owner_id = fields.UUID(metadata={"description": "Only what this user has to do."})


class BareQuery(PageQuery):
    """Which deals without a next step."""

    owner_id = fields.UUID(metadata={"description": "Only deals that this user works on."})


class NewStepSchema(Strict):
    """What is to be done next."""

    opportunity_id = fields.UUID(required=True)
    type = fields.String(required=True, validate=validate.Length(1, LINE))
    due_at = Moment(required=True)
    summary = fields.String(validate=validate.Length(max=LINE))
    note = fields.String()
    owner_id = fields.UUID()


class PostponedSchema(Strict):
    """Another moment for a step."""

    due_at = Moment(required=True)


class StepResult(Result):
    """A step that is open."""

    id = fields.UUID(required=True)
    opportunity_id = fields.UUID(required=True)
    opportunity_name = fields.String()
    customer_id = fields.UUID(required=True)
    customer_name = fields.String()
    type = fields.String(required=True)
    summary = fields.String(required=True)
    note = fields.String()
    due_at = Moment(required=True)
    owner_id = fields.UUID()
    owner_name = fields.String()
    is_planned = fields.Boolean(required=True)
    version = Whole(required=True)


class PlannedResult(Result):
    """A step that was planned just now."""

    id = fields.UUID(required=True)
    customer_id = fields.UUID(required=True)
    type = fields.String(required=True)
    summary = fields.String(required=True)
    due_at = Moment(required=True)
    owner_id = fields.UUID()
    version = Whole(required=True)


class OfDealResult(Result):
    """The deal of a step."""

    opportunity_id = fields.UUID(required=True)


class BareResult(Result):
    """An open deal for which nothing is planned."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    customer_id = fields.UUID(required=True)
    customer_name = fields.String()
    stage_name = Said(required=True)
    owner_name = fields.String()
    expected_amount = fields.Decimal(as_string=True)
    currency_code = fields.String(required=True)
    stage_entered_at = Moment(required=True)


class SequenceStepResult(Result):
    """One step of a sequence."""

    days_after = Whole(required=True)
    type = fields.String(required=True)
    summary = fields.String(required=True)
    note = fields.String()


class SequenceResult(Result):
    """What is planned when a deal enters a stage."""

    id = fields.UUID(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    pipeline = fields.String(required=True)
    stage = fields.String(required=True)
    steps = fields.List(fields.Nested(SequenceStepResult), required=True)


class SequencesSchema(Strict):
    """Sequences as they shall be."""

    sequences = fields.List(
        fields.Nested(SequenceSchema), required=True, validate=validate.Length(1, 200)
    )


class CodesResult(Result):
    """Sequences that are as they were sent."""

    codes = fields.List(fields.String(), required=True)


class FeedSchema(Strict):
    """Which calendar program."""

    title = fields.String(required=True, validate=validate.Length(1, LINE))


class FeedResult(Result):
    """An address for a calendar program."""

    id = fields.UUID(required=True)
    title = fields.String(required=True)
    created_at = Moment(required=True)
    address = fields.String(metadata={"description": "Told this once."})


@api.get("/", query=StepQuery, page=StepResult, right=OPPORTUNITY_VIEW)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List open steps of deals, soonest due first."""
    return list_steps(call.uow, **call.query)


@api.get("/missing", query=BareQuery, page=BareResult, right=OPPORTUNITY_VIEW)
def missing(call: Call) -> Page[dict[str, Any]]:
    """List open deals for which nothing is planned."""
    return without_next_step(call.uow, **call.query)


@api.post("/", body=NewStepSchema, result=PlannedResult, status=201, right=OPPORTUNITY_EDIT)
def plan(call: Call) -> Any:
    """Plan what comes next for a deal."""
    body = dict(call.body)
    return plan_step(call.uow, body.pop("opportunity_id"), **body)


@api.post(f"{STEP}/done", result=OfDealResult, right=OPPORTUNITY_VIEW, versioned=True)
def done(call: Call, activity_id: UUID) -> dict[str, Any]:
    """Say that a step is done."""
    deal_id = complete_step(call.uow, activity_id, expected_version=call.expected_version)
    return {"opportunity_id": deal_id}


@api.post(
    f"{STEP}/postpone",
    body=PostponedSchema,
    result=OfDealResult,
    right=OPPORTUNITY_VIEW,
    versioned=True,
)
def postpone(call: Call, activity_id: UUID) -> dict[str, Any]:
    """Have a step be due at another moment."""
    version = call.expected_version
    deal_id = postpone_step(call.uow, activity_id, **call.body, expected_version=version)
    return {"opportunity_id": deal_id}


@api.get("/sequences", page=SequenceResult, right=OPPORTUNITY_VIEW)
def sequences(call: Call) -> list[dict[str, Any]]:
    """List sequences."""
    return list_sequences(call.uow)


@api.put("/sequences", body=SequencesSchema, result=CodesResult, right=CONFIGURE)
def set_sequences(call: Call) -> dict[str, Any]:
    """Make sequences be as they are sent; those of other codes stay."""
    return {"codes": save_sequences(call.uow, call.body)}


@api.delete("/sequences/<code>", right=CONFIGURE)
def archive(call: Call, code: str) -> None:
    """Have a sequence plan nothing more."""
    archive_sequence(call.uow, code)


@api.get("/calendars", page=FeedResult, right=CALENDAR)
def calendars(call: Call) -> list[dict[str, Any]]:
    """List one's own addresses for calendar programs."""
    return list_feeds(call.uow)


@api.post("/calendars", body=FeedSchema, result=FeedResult, status=201, right=CALENDAR, secret=True)
def add_calendar(call: Call) -> dict[str, Any]:
    """Make an address for a calendar program; it is told this once."""
    token, feed = add_feed(call.uow, call.body["title"])
    return {
        "id": feed.id,
        "title": feed.title,
        "created_at": feed.created_at,
        "address": feed_address(call.uow, token),
    }


@api.delete("/calendars/<uuid:feed_id>", right=CALENDAR)
def revoke_calendar(call: Call, feed_id: UUID) -> None:
    """Have an address lead nowhere from now on."""
    revoke_feed(call.uow, feed_id)
