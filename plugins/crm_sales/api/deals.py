"""Deals in the REST API: ``/api/v1/sales/deals``, and the board of a pipeline."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_core.services.checks import LINE
from crm_sales.models import DealState
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.schemas.opportunities import OpportunitySchema
from crm_sales.services.board import Board, show_board
from crm_sales.services.moves import list_moves
from crm_sales.services.opportunities import (
    add_opportunity,
    assign_opportunity,
    edit_opportunity,
    lose_opportunity,
    move_opportunity,
    reopen_opportunity,
    win_opportunity,
)
from crm_sales.services.opportunity_list import (
    SORTS,
    DealFilter,
    list_opportunities,
    show_opportunity,
)
from crm_web.sdk import Api, Call, Flag, PageQuery, Result, Strict, Whole

api = Api("sales_deals", title="Deals", prefix="/sales")
ONE = "/deals/<uuid:opportunity_id>"


class DealQuery(PageQuery):
    """Which deals."""

    customer_id = fields.UUID()
    owner_id = fields.UUID()
    team_id = fields.UUID()
    pipeline_id = fields.UUID()
    stage_id = fields.UUID()
    state = fields.String(validate=validate.OneOf([state.value for state in DealState]))
    text = fields.String(validate=validate.Length(1, LINE))
    sort = fields.String(validate=validate.OneOf(SORTS))


class BoardQuery(Strict):
    """Which board, and whose deals on it."""

    pipeline = fields.String(metadata={"description": "Its code; the default one unless said."})
    owner_id = fields.UUID()
    team_id = fields.UUID()


class ChangeSchema(Strict, OpportunitySchema):
    """Fields of a deal to change; null clears one."""

    name = fields.String(validate=validate.Length(1, LINE))


class NewDealSchema(Strict, OpportunitySchema):
    """A deal to add."""

    customer_id = fields.UUID(required=True)
    pipeline_code = fields.String()
    stage_code = fields.String()
    owner_id = fields.UUID()
    lead_id = fields.UUID()


class MoveSchema(Strict):
    """Where to bring a deal."""

    stage_id = fields.UUID(required=True)


class WinSchema(Strict):
    """What to say of a deal that is won."""

    note = fields.String()


class LoseSchema(Strict):
    """Why a deal is lost."""

    reason_code = fields.String(required=True)
    competitor = fields.String(validate=validate.Length(1, LINE))
    note = fields.String()


class OwnerSchema(Strict):
    """Who is to work on a deal."""

    owner_id = fields.UUID(required=True, allow_none=True)


class RowResult(Result):
    """A deal in a list."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    customer_id = fields.UUID(required=True)
    customer_name = fields.String(
        metadata={"description": "Null for a customer whom the caller may not see."}
    )
    owner_id = fields.UUID()
    owner_name = fields.String()
    stage_id = fields.UUID(required=True)
    stage_name = fields.String(required=True)
    pipeline_code = fields.String(required=True)
    state = fields.String(required=True)
    expected_amount = fields.Decimal(places=4, as_string=True)
    currency_code = fields.String(required=True)
    expected_close_on = fields.Date()
    is_committed = Flag(required=True)
    probability = fields.Decimal(places=6, as_string=True)
    stage_entered_at = fields.AwareDateTime(required=True)
    closed_at = fields.AwareDateTime()
    next_due_at = fields.AwareDateTime()
    is_rotting = Flag(required=True)
    version = Whole(required=True)


class DealResult(RowResult):
    """A deal with all that is known of it."""

    class Meta:
        """Options as marshmallow reads them."""

        exclude = ("next_due_at",)

    contact_id = fields.UUID()
    contact_name = fields.String()
    team_id = fields.UUID()
    product_id = fields.UUID()
    product_name = fields.String()
    lead_id = fields.UUID()
    source = fields.String()
    campaign = fields.String()
    country_code = fields.String()
    language = fields.String()
    note = fields.String()
    tags = fields.List(fields.String(), required=True)
    is_overridden = Flag(required=True)
    loss_reason = fields.String()
    competitor = fields.String()
    closing_note = fields.String()
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class MoveResult(Result):
    """A move of a deal."""

    id = fields.UUID(required=True)
    at = fields.AwareDateTime(required=True)
    from_stage = fields.String()
    to_stage = fields.String(required=True)
    from_state = fields.String()
    to_state = fields.String(required=True)
    seconds_in_stage = Whole()
    who = fields.String()


class ColumnResult(Result):
    """A stage with its open deals."""

    id = fields.UUID(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    is_won = Flag(required=True)
    is_archived = Flag(required=True)
    probability = Whole(required=True)
    count = Whole(required=True)
    sums = fields.Dict(
        keys=fields.String(), values=fields.Decimal(places=4, as_string=True), required=True
    )
    base_amount = fields.Decimal(places=4, as_string=True)
    cards = fields.List(fields.Nested(RowResult), required=True)


class BoardResult(Result):
    """A pipeline with its columns."""

    pipeline_id = fields.UUID(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    base_currency = fields.String(required=True)
    columns = fields.List(fields.Nested(ColumnResult), required=True)


@api.get("/deals", query=DealQuery, page=RowResult, right=OPPORTUNITY_VIEW)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List deals, those that close soonest first."""
    query = dict(call.query)
    paging = {name: query.pop(name) for name in ("limit", "cursor", "sort") if name in query}
    return list_opportunities(call.uow, DealFilter(**query), **paging)


@api.post("/deals", body=NewDealSchema, result=DealResult, status=201, right=OPPORTUNITY_EDIT)
def add(call: Call) -> dict[str, Any]:
    """Add a deal."""
    return _told(call, add_opportunity(call.uow, **call.body).id)


@api.get(ONE, result=DealResult, right=OPPORTUNITY_VIEW)
def deal(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Return a deal."""
    return show_opportunity(call.uow, opportunity_id)


@api.patch(ONE, body=ChangeSchema, result=DealResult, versioned=True, right=OPPORTUNITY_EDIT)
def change(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Change fields of a deal."""
    edit_opportunity(call.uow, opportunity_id, call.body, expected_version=call.expected_version)
    return _told(call, opportunity_id)


@api.get(f"{ONE}/moves", page=MoveResult, right=OPPORTUNITY_VIEW)
def moves(call: Call, opportunity_id: UUID) -> list[dict[str, Any]]:
    """List the moves of a deal, the first first."""
    show_opportunity(call.uow, opportunity_id)
    return list_moves(call.uow, opportunity_id)


@api.post(f"{ONE}/move", body=MoveSchema, result=DealResult, versioned=True, right=OPPORTUNITY_EDIT)
def move(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Bring a deal to another stage; a refusal says what is missing and where it may go."""
    move_opportunity(
        call.uow,
        opportunity_id,
        call.body["stage_id"],
        expected_version=call.expected_version,
    )
    return _told(call, opportunity_id)


@api.post(f"{ONE}/win", body=WinSchema, result=DealResult, versioned=True, right=OPPORTUNITY_EDIT)
def win(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Close a deal as won."""
    win_opportunity(call.uow, opportunity_id, expected_version=call.expected_version, **call.body)
    return _told(call, opportunity_id)


@api.post(f"{ONE}/lose", body=LoseSchema, result=DealResult, versioned=True, right=OPPORTUNITY_EDIT)
def lose(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Close a deal as lost."""
    lose_opportunity(call.uow, opportunity_id, expected_version=call.expected_version, **call.body)
    return _told(call, opportunity_id)


@api.post(f"{ONE}/reopen", result=DealResult, versioned=True, right=OPPORTUNITY_EDIT)
def reopen(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Open a closed deal again."""
    reopen_opportunity(call.uow, opportunity_id, expected_version=call.expected_version)
    return _told(call, opportunity_id)


@api.put(f"{ONE}/owner", body=OwnerSchema, versioned=True, right=OPPORTUNITY_EDIT)
def assign(call: Call, opportunity_id: UUID) -> None:
    """Have somebody work on a deal; who gives it away may not see it any more."""
    assign_opportunity(
        call.uow,
        opportunity_id,
        call.body["owner_id"],
        expected_version=call.expected_version,
    )


@api.get("/board", query=BoardQuery, result=BoardResult, right=OPPORTUNITY_VIEW)
def board(call: Call) -> Board:
    """Return a pipeline's open deals: counts and sums of each stage, and its first fifty."""
    query = dict(call.query)
    return show_board(call.uow, query.pop("pipeline", None), **query)


def _told(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    call.uow.flush()
    return show_opportunity(call.uow, opportunity_id)
