"""Pipelines in the REST API: ``/api/v1/sales/pipelines``."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW
from crm_sales.schemas.pipelines import DesignSchema, LossReasonSchema
from crm_sales.services.pipeline_design import archive_pipeline, design_pipeline, export_pipeline
from crm_sales.services.pipelines import list_loss_reasons, list_pipelines
from crm_web.sdk import Api, Call, Flag, Result, Said, Whole

api = Api("sales_pipelines", title="Pipelines", prefix="/sales/pipelines")


class PipelineResult(Result):
    """A pipeline in a list."""

    id = fields.UUID(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    team_id = fields.UUID()
    is_default = Flag(required=True)
    archived_at = fields.AwareDateTime()
    stages = Whole(required=True)
    open_deals = Whole(required=True)


class StageResult(Result):
    """A stage of a design."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    probability = Whole(required=True)
    rotting_days = Whole()
    is_won = Flag(required=True)
    required_fields = fields.List(fields.String(), required=True)
    checks = fields.List(fields.String(), required=True)
    moves_to = fields.List(fields.String(), required=True)


class DesignResult(Result):
    """A pipeline as it is designed."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    team = fields.String()
    is_default = Flag(required=True)
    position = Whole(required=True)
    stages = fields.List(fields.Nested(StageResult), required=True)


class ChangesResult(Result):
    """What designing a pipeline changed."""

    changes = fields.List(Said(), required=True)


class ReasonResult(Result):
    """Why deals are lost."""

    id = fields.UUID(required=True)
    code = LossReasonSchema().fields["code"]
    name = LossReasonSchema().fields["name"]
    needs_competitor = Flag(required=True)


@api.get("/", page=PipelineResult, right=OPPORTUNITY_VIEW)
def list_(call: Call) -> list[dict[str, Any]]:
    """List pipelines in their order."""
    return list_pipelines(call.uow)


@api.get("/reasons", page=ReasonResult, right=OPPORTUNITY_VIEW)
def reasons(call: Call) -> list[dict[str, Any]]:
    """List the reasons for which deals are lost."""
    return list_loss_reasons(call.uow)


@api.get("/<code>/design", result=DesignResult, right=OPPORTUNITY_VIEW)
def design(call: Call, code: str) -> dict[str, Any]:
    """Return a pipeline as it is designed."""
    return export_pipeline(call.uow, code)


@api.put("/design", body=DesignSchema, result=ChangesResult, right=CONFIGURE)
def change(call: Call) -> dict[str, Any]:
    """Make a pipeline as a document says, new or changed; nothing is lost."""
    return {"changes": design_pipeline(call.uow, call.body)}


@api.post("/<code>/archive", right=CONFIGURE)
def archive(call: Call, code: str) -> None:
    """Take a pipeline out of use."""
    archive_pipeline(call.uow, code)
