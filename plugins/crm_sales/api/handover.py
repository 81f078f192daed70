"""Handing a leaver's work over, and taking it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.checks import LINE
from crm_sales.models import ItemState
from crm_sales.permissions import HANDOVER
from crm_sales.services.handover.handing import hand_over, plan_handover
from crm_sales.services.handover.packs import customer_pack
from crm_sales.services.handover.reading import handed_items, list_handovers, show_handover
from crm_sales.services.handover.undoing import undo_handover
from crm_web.sdk import Api, Call, Moment, PageQuery, Result, Said, Strict, Whole

api = Api("sales_handover", title="Handovers", prefix="/sales/handovers")
ONE = "/<uuid:handover_id>"
_TEXTS = fields.String(validate=validate.Length(1, LINE))


class HandoverSchema(Strict):
    """Whose work goes to whom."""

    leaver = fields.String(required=True, validate=validate.Length(1, LINE))
    to = fields.List(
        _TEXTS,
        validate=validate.Length(max=200),
        metadata={"description": "Logins of those who take turns with the customers."},
    )
    team = fields.String(metadata={"description": "Its members take turns."})
    rules = fields.List(
        _TEXTS,
        validate=validate.Length(max=200),
        metadata={"description": "Tried first, such as country=GR:eleni."},
    )


class NewHandoverSchema(HandoverSchema):
    """Whose work goes to whom, and why."""

    note = fields.String()


class CountResult(Result):
    """How many records of a kind go to whom."""

    kind = fields.String(required=True)
    title = Said(required=True)
    count = Whole(required=True)
    people = fields.Dict(
        fields.String(), Whole(), required=True, metadata={"description": "By name."}
    )


class HandoverResult(Result):
    """Work that was handed over."""

    id = fields.UUID(required=True)
    leaver_id = fields.UUID(required=True)
    leaver_name = fields.String(required=True)
    made_by = fields.String(required=True)
    note = fields.String()
    rules = fields.List(fields.String(), required=True)
    counts = fields.Dict(fields.String(), Whole(), required=True)
    created_at = Moment(required=True)
    undone_at = Moment()
    undone_by = fields.String()


class ItemQuery(PageQuery):
    """Which records of a handover."""

    kind = fields.String(validate=validate.Length(1, LINE))
    state = fields.String(validate=validate.OneOf([each.value for each in ItemState]))


class ItemResult(Result):
    """One record that went to somebody."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    record_id = fields.UUID(required=True)
    title = fields.String(metadata={"description": "Null where you may not see its customer."})
    customer_id = fields.UUID()
    to_user_id = fields.UUID(required=True)
    to_name = fields.String(required=True)
    state = fields.String(required=True)


class UndoneResult(Result):
    """What went back, and what did not."""

    handover_id = fields.UUID(required=True)
    back = fields.Dict(fields.String(), Whole(), required=True)
    left = fields.List(fields.Nested(ItemResult), required=True)


def _part(name: str, /, **told: fields.Field[Any]) -> Any:
    return fields.List(fields.Nested(Result.from_dict(told, name=name)), required=True)


class PackResult(Result):
    """What to know of a customer whom one takes over."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    stage = fields.String(required=True)
    reference = fields.String()
    language = fields.String()
    owner_name = fields.String()
    points = _part("PackPoint", kind=fields.String(), label=fields.String(), value=fields.String())
    addresses = _part(
        "PackAddress",
        use=fields.String(),
        street=fields.String(),
        postal_code=fields.String(),
        city=fields.String(),
        country_code=fields.String(),
    )
    deals = _part(
        "PackDeal",
        id=fields.UUID(),
        name=fields.String(),
        stage=fields.String(),
        expected_amount=fields.Decimal(as_string=True),
        currency_code=fields.String(),
        expected_close_on=fields.Date(),
        note=fields.String(),
    )
    documents = _part(
        "PackDocument",
        kind=fields.String(),
        number=fields.String(),
        issued_on=fields.Date(),
        due_on=fields.Date(),
        open_amount=fields.Decimal(as_string=True),
        currency_code=fields.String(),
    )
    contacts = _part(
        "PackContact",
        at=Moment(),
        channel=fields.String(),
        direction=fields.String(),
        subject=fields.String(),
        who=fields.String(),
    )
    todo = _part(
        "PackTodo",
        due_at=Moment(),
        type=fields.String(),
        summary=fields.String(),
        deal=fields.String(),
        who=fields.String(),
    )
    offers = _part(
        "PackOffer",
        number=fields.String(),
        total_amount=fields.Decimal(as_string=True),
        currency_code=fields.String(),
        valid_until_on=fields.Date(),
        sent_at=Moment(),
    )


@api.get("/", query=PageQuery, page=HandoverResult, right=HANDOVER)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List handovers, the latest first."""
    return list_handovers(call.uow, **call.query)


@api.post("/plan", body=HandoverSchema, page=CountResult, right=HANDOVER)
def plan(call: Call) -> list[dict[str, Any]]:
    """Say what would go to whom; nothing is changed."""
    return plan_handover(call.uow, **call.body).counts()


@api.post("/", body=NewHandoverSchema, result=HandoverResult, status=201, right=HANDOVER)
def make(call: Call) -> dict[str, Any]:
    """Hand over all that is somebody's, in one act."""
    return show_handover(call.uow, hand_over(call.uow, **call.body).id)


@api.get(ONE, result=HandoverResult, right=HANDOVER)
def show(call: Call, handover_id: UUID) -> dict[str, Any]:
    """Show a handover."""
    return show_handover(call.uow, handover_id)


@api.get(f"{ONE}/items", query=ItemQuery, page=ItemResult, right=HANDOVER)
def items(call: Call, handover_id: UUID) -> Page[dict[str, Any]]:
    """List what went to whom."""
    show_handover(call.uow, handover_id)
    return handed_items(call.uow, handover_id, **call.query)


@api.post(f"{ONE}/undo", result=UndoneResult, right=HANDOVER)
def undo(call: Call, handover_id: UUID) -> Any:
    """Give back what a handover took, but for what went on since; within 30 days."""
    return undo_handover(call.uow, handover_id)


@api.get("/packs/<uuid:customer_id>", result=PackResult, right=CUSTOMER_VIEW)
def pack(call: Call, customer_id: UUID) -> dict[str, Any]:
    """Tell what to know of a customer whom one takes over."""
    return customer_pack(call.uow, customer_id)
