"""The plan of a first sync: its rows, and what was decided of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import fields, validate

from crm_core.entities.sync import SYNC_VIEW
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import Page
from crm_core.services.backends import MANAGE, backend_named
from crm_core.sync.planning.plan import Decision
from crm_core.sync.planning.store import (
    GROUPS,
    decide_group,
    decide_rows,
    group_counts,
    kept_plan,
    list_plan_rows,
)
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, SaidData, Strict, Whole

api = Api("plans", title="Plans of first syncs", prefix="/")
PLAN = "/backends/<name>/plan"
_DECISION = validate.OneOf([each.value for each in Decision])
_GROUP = validate.OneOf(list(GROUPS))


class GroupResult(Result):
    """How many rows a part of the plan has."""

    rows = fields.Integer(required=True)
    open = fields.Integer(required=True)
    refused = fields.Integer(required=True)


class PlanResult(Result):
    """A plan: when it was made, and how many rows each part has."""

    made_at = fields.DateTime(required=True)
    applied_at = fields.DateTime()
    summary = SaidData()
    groups = fields.Dict(keys=fields.String(), values=fields.Nested(GroupResult))


class RowsQuery(PageQuery):
    """Which rows; those to be decided unless said."""

    group = fields.String(validate=_GROUP)
    refused = Flag(in_query=True)


class RowResult(Result):
    """A row of the plan."""

    position = fields.Integer(required=True)
    entity = fields.String()
    side = fields.String()
    decision = fields.String()
    proposal = fields.String()
    local_id = fields.UUID()
    local_name = fields.String()
    remote_id = fields.String()
    remote_name = fields.String()
    score = fields.Float()
    reason = Said()
    refusal = Said()


class DecisionSchema(Strict):
    """What to do with some rows, or with all of a part that are open: one of the two."""

    decision = fields.String(required=True, validate=_DECISION)
    positions = fields.List(
        Whole(validate=validate.Range(0, 10**9)), validate=validate.Length(max=1_000)
    )
    group = fields.String(validate=_GROUP)


class DecidedResult(Result):
    """On how many rows was decided."""

    decided = fields.Integer(required=True)


@api.get(PLAN, result=PlanResult, right=SYNC_VIEW)
def plan(call: Call, name: str) -> Mapping[str, Any]:
    """Return the plan of a back office; ``POST /backends/NAME/requests`` makes and applies one."""
    backend_id = backend_named(call.uow, name).id
    found = kept_plan(call.uow, backend_id)
    if found is None:
        raise NotFoundError(
            t("{name} has no plan: ask the worker for one first.", name=name),
            code="core.sync.no_plan",
        )
    return {**found, "groups": group_counts(call.uow, backend_id)}


@api.get(f"{PLAN}/rows", query=RowsQuery, page=RowResult, right=SYNC_VIEW)
def rows(call: Call, name: str) -> Page[dict[str, Any]]:
    """List rows of the plan."""
    asked = {"group": "decide", **call.query}
    return list_plan_rows(call.uow, backend_named(call.uow, name).id, **asked)


@api.post(f"{PLAN}/decide", body=DecisionSchema, result=DecidedResult, right=MANAGE)
def decide(call: Call, name: str) -> Mapping[str, int]:
    """Decide on rows of the plan."""
    backend_id, decision = backend_named(call.uow, name).id, Decision(call.body["decision"])
    decided = decide_rows(call.uow, backend_id, call.body.get("positions", ()), decision)
    if "group" in call.body:
        decided += decide_group(call.uow, backend_id, call.body["group"], decision)
    return {"decided": decided}
