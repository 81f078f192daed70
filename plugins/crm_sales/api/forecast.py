"""The forecast in the REST API: ``/api/v1/sales/forecast``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_sales.models import SalesTarget
from crm_sales.permissions import CONFIGURE, FORECAST_VIEW
from crm_sales.services.forecast.asking import MOST_PERIODS, WAYS, forecast_question
from crm_sales.services.forecast.show import StageFlow, show_forecast, stage_flow
from crm_sales.services.forecast.snapshots import Told, forecast_outcomes, forecast_told
from crm_sales.services.forecast.targets import list_targets, remove_target, set_target
from crm_web.sdk import Api, Call, PageQuery, Result, Said, Strict, Whole

api = Api("sales_forecast", title="Forecast", prefix="/sales/forecast")
PERIOD = {
    "description": "``2026-11``, ``2026-Q4``, ``month`` or ``quarter``; this month unless said."
}


class OfDealsQuery(Strict):
    """Of which period, of whose deals."""

    period = fields.String(validate=validate.Length(max=20), metadata=PERIOD)
    user = fields.String(metadata={"description": "Login of whose deals."})
    team = fields.String(metadata={"description": "Name of the team whose deals."})


class FlowQuery(OfDealsQuery):
    """The same, in one pipeline."""

    pipeline = fields.String(metadata={"description": "Code of the pipeline whose deals."})


class ForecastQuery(FlowQuery):
    """What is asked of the forecast."""

    by = fields.String(
        validate=validate.OneOf(WAYS), metadata={"description": "``person`` unless said."}
    )
    count = Whole(
        in_query=True,
        validate=validate.Range(1, MOST_PERIODS),
        metadata={"description": "How many periods in a row; 1 unless said."},
    )


def _money(*, required: bool = True) -> fields.Decimal:
    return fields.Decimal(required=required, as_string=True)


class ForecastRowResult(Result):
    """The figures of one holder in one period and currency, as docs/sales-figures.md says."""

    period = fields.String(required=True)
    user_id = fields.UUID()
    team_id = fields.UUID()
    name = Said(required=True)
    currency_code = fields.String(required=True)
    won_amount = _money()
    committed_amount = _money()
    weighted_amount = _money()
    best_amount = _money()
    open_amount = _money()
    open_count = Whole(required=True)
    won_count = Whole(required=True)
    closed_count = Whole(required=True)
    target_amount = _money(required=False)
    missing_amount = _money(required=False)
    coverage = _money(required=False)
    win_rate = _money(required=False)
    cycle_days = _money(required=False)
    slipped_count = Whole(required=True)
    slipped_amount = _money()
    rate_on = fields.Date(metadata={"description": "From when the oldest rate used is."})


class ForecastResult(Result):
    """A forecast; in totals is only what the caller may see."""

    today = fields.Date(required=True)
    base_currency = fields.String(required=True)
    rows = fields.List(fields.Nested(ForecastRowResult), required=True)
    in_base = fields.List(fields.Nested(ForecastRowResult), required=True)
    totals = fields.List(fields.Nested(ForecastRowResult), required=True)
    base_totals = fields.List(fields.Nested(ForecastRowResult), required=True)
    without_rate = fields.List(fields.String(), required=True)


class StageResult(Result):
    """A stage: what stands in it, and what becomes of that."""

    stage_id = fields.UUID(required=True)
    name = fields.String(required=True)
    open_count = Whole(required=True)
    open_amount = _money(required=False)
    left_count = Whole(required=True)
    further = _money(required=False)
    days = _money(required=False)


class ToldResult(Result):
    """What was forecast on a day, in the base currency at today's rates."""

    taken_on = fields.Date(required=True)
    won_amount = _money()
    committed_amount = _money()
    weighted_amount = _money()
    best_amount = _money()


class OutcomeResult(Result):
    """What was forecast of a period when it began, and what came."""

    period = fields.String(required=True)
    told = fields.Nested(ToldResult)
    won_amount = _money()
    is_over = fields.Boolean(required=True)
    off_by = _money(required=False)


class OutcomeQuery(OfDealsQuery):
    """Until which period, and how many."""

    count = Whole(in_query=True, validate=validate.Range(1, MOST_PERIODS))


class TargetQuery(PageQuery):
    """Which targets."""

    period = fields.String(validate=validate.Length(max=20))


class NewTargetSchema(Strict):
    """A target; of nobody's named it is the company's."""

    period = fields.String(required=True, validate=validate.Length(max=20), metadata=PERIOD)
    amount = fields.Decimal(required=True)
    user = fields.String(metadata={"description": "Login of whose."})
    team = fields.String(metadata={"description": "Name of the team whose."})
    currency_code = fields.String()


class TargetResult(Result):
    """A target."""

    id = fields.UUID(required=True)
    version = Whole(required=True)
    period = fields.String(required=True)
    user = fields.String()
    team = fields.String()
    amount = _money()
    currency_code = fields.String(required=True)


@api.get("", query=ForecastQuery, result=ForecastResult, right=FORECAST_VIEW)
def show(call: Call) -> dict[str, Any]:
    """Return the forecast of a period."""
    told = show_forecast(call.uow, forecast_question(call.uow, **call.query))
    kinds = ("rows", "in_base", "totals", "base_totals")
    return {
        "today": told.today,
        "base_currency": told.base_currency,
        "without_rate": told.without_rate,
        **{kind: [row.plain() for row in getattr(told, kind)] for kind in kinds},
    }


@api.get("/stages", query=FlowQuery, page=StageResult, right=FORECAST_VIEW)
def stages(call: Call) -> Sequence[StageFlow]:
    """Return what stands in each stage, and how deals went on from it."""
    return stage_flow(call.uow, forecast_question(call.uow, by="none", **call.query))


@api.get("/days", query=OfDealsQuery, page=ToldResult, right=FORECAST_VIEW)
def days(call: Call) -> Sequence[Told]:
    """Return what was forecast of a period, day by day."""
    return forecast_told(call.uow, forecast_question(call.uow, by="none", **call.query))


@api.get("/outcomes", query=OutcomeQuery, page=OutcomeResult, right=FORECAST_VIEW)
def outcomes(call: Call) -> Sequence[dict[str, Any]]:
    """Return what periods were forecast to be when they began, and what came."""
    query = dict(call.query)
    count = query.pop("count", 6)
    asked = forecast_question(call.uow, by="none", **query)
    return [
        {
            "period": each.period.code,
            "told": each.told,
            "won_amount": each.won_amount,
            "is_over": each.is_over,
            "off_by": each.off_by,
        }
        for each in forecast_outcomes(call.uow, asked, count=count)
    ]


@api.get("/targets", query=TargetQuery, page=TargetResult, right=FORECAST_VIEW)
def targets(call: Call) -> Page[dict[str, Any]]:
    """List targets, those of the latest periods first."""
    return list_targets(call.uow, **call.query)


@api.post("/targets", body=NewTargetSchema, result=TargetResult, status=201, right=CONFIGURE)
def set_(call: Call) -> dict[str, Any]:
    """Set a target; one that is there for the same holder and period is replaced."""
    target: SalesTarget = set_target(call.uow, **call.body)
    return {
        "id": target.id,
        "version": target.version,
        "period": target.period,
        "user": call.body.get("user"),
        "team": call.body.get("team"),
        "amount": target.amount,
        "currency_code": target.currency_code,
    }


@api.delete("/targets/<uuid:target_id>", right=CONFIGURE, versioned=True)
def remove(call: Call, target_id: UUID) -> None:
    """Take a target back."""
    remove_target(call.uow, target_id, expected_version=call.expected_version)
