"""Scores of deals: what each is made of, a person's word against it, and how right they were."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.services.checks import LINE
from crm_sales.models import ScoreOverride
from crm_sales.permissions import (
    CONFIGURE,
    FORECAST_VIEW,
    OPPORTUNITY_SCORE,
    OPPORTUNITY_VIEW,
)
from crm_sales.services.scoring.calibration import calibrate_scores
from crm_sales.services.scoring.explaining import explain_score
from crm_sales.services.scoring.overrides import drop_override, override_probability
from crm_sales.services.scoring.training import train_scores, training_of
from crm_web.sdk import Api, Call, Moment, Result, Said, Strict, Whole

api = Api("sales_scores", title="Scores of deals", prefix="/sales/scores")
DEAL = "/deals/<uuid:opportunity_id>"


class SinceQuery(Strict):
    """From which day on deals are tested."""

    since = fields.Date(metadata={"description": "The day; 90 days ago unless said."})


class OverrideSchema(Strict):
    """A person's word on how likely a deal is to be won."""

    percent = fields.Decimal(
        required=True, metadata={"description": "From 0.01 to 99.99, two decimal places."}
    )
    reason = fields.String(required=True, validate=validate.Length(1, LINE))


class OverrideResult(Result):
    """A person's word on how likely a deal is to be won."""

    probability = fields.Decimal(places=4, required=True, as_string=True)
    reason = fields.String(required=True)
    user_id = fields.UUID()
    who = fields.String()
    at = Moment(required=True)


class PartResult(Result):
    """What one value of one variable does to a score."""

    variable = fields.String(required=True)
    title = Said(required=True)
    value = Said(required=True)
    won = Whole(required=True)
    lost = Whole(required=True)
    factor = fields.Float(metadata={"description": "Of the odds; null where it does not count."})
    words = Said(required=True)


class ScoreResult(Result):
    """What the probability of a deal is made of."""

    id = fields.UUID(required=True)
    version = Whole(required=True)
    state = fields.String(required=True)
    probability = fields.Decimal(places=4, as_string=True)
    score = fields.Decimal(places=4, as_string=True)
    refusal = Said()
    team = fields.String()
    won = Whole(required=True)
    lost = Whole(required=True)
    base = fields.Float()
    override = fields.Nested(OverrideResult)
    parts = fields.List(fields.Nested(PartResult), required=True)


class BinResult(Result):
    """Deals whose scores lie in one tenth, and how many of them were won."""

    low = fields.Float(required=True)
    high = fields.Float(required=True)
    count = Whole(required=True)
    won = Whole(required=True)
    predicted = fields.Float()
    observed = fields.Float()
    least = fields.Float()
    most = fields.Float()


class CalibrationResult(Result):
    """How right scores were."""

    since = fields.Date(required=True)
    trained_won = Whole(required=True)
    trained_lost = Whole(required=True)
    tested = Whole(required=True)
    won = Whole(required=True)
    left_out = Whole(required=True)
    is_cut = fields.Boolean(required=True)
    brier = fields.Float()
    base_brier = fields.Float()
    skill = fields.Float()
    skill_least = fields.Float(
        metadata={"description": "It lies from here to skill_most, 95 of 100 times."}
    )
    skill_most = fields.Float()
    refusal = Said()
    bins = fields.List(fields.Nested(BinResult), required=True)


class TrainingResult(Result):
    """What scores are learnt from."""

    won = Whole(required=True)
    lost = Whole(required=True)
    least = Whole(required=True)
    is_enough = fields.Boolean(required=True)
    refusal = Said()
    variables = fields.List(fields.String(), required=True)


@api.get(DEAL, result=ScoreResult, right=OPPORTUNITY_VIEW)
def show(call: Call, opportunity_id: UUID) -> dict[str, Any]:
    """Show what a deal's score is made of."""
    return explain_score(call.uow, opportunity_id)


@api.put(
    f"{DEAL}/override",
    body=OverrideSchema,
    result=OverrideResult,
    right=OPPORTUNITY_SCORE,
    versioned=True,
)
def override(call: Call, opportunity_id: UUID) -> ScoreOverride:
    """Say how likely a deal is, whatever its score."""
    return override_probability(
        call.uow, opportunity_id, **call.body, expected_version=call.expected_version
    )


@api.delete(f"{DEAL}/override", right=OPPORTUNITY_SCORE, versioned=True)
def drop(call: Call, opportunity_id: UUID) -> None:
    """Let the score count again."""
    drop_override(call.uow, opportunity_id, expected_version=call.expected_version)


@api.get("/calibration", query=SinceQuery, result=CalibrationResult, right=FORECAST_VIEW)
def calibration(call: Call) -> dict[str, Any]:
    """Hold scores against the deals that were closed since a day."""
    return calibrate_scores(call.uow, **call.query)


@api.get("/training", result=TrainingResult, right=CONFIGURE)
def training(call: Call) -> dict[str, Any]:
    """Tell what scores are learnt from."""
    return training_of(call.uow)


@api.post("/training", result=TrainingResult, right=CONFIGURE)
def train(call: Call) -> dict[str, Any]:
    """Count all closed deals anew; open ones are scored by them at the next occasion."""
    return train_scores(call.uow)
