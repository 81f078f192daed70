"""Scores of deals: what each is made of, a person's word against it, and how right they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, sqrt
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from crm_core.errors import CrmError, InputError
from crm_core.messages import t
from crm_sales.permissions import (
    CONFIGURE,
    FORECAST_VIEW,
    OPPORTUNITY_SCORE,
    OPPORTUNITY_VIEW,
)
from crm_sales.schemas.scores import OverrideSchema, SinceSchema
from crm_sales.services.probability import rescore_deals
from crm_sales.services.scoring.calibration import calibrate_scores
from crm_sales.services.scoring.explaining import TITLES, explain_score
from crm_sales.services.scoring.overrides import drop_override, override_probability
from crm_sales.services.scoring.training import train_scores, training_of
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_scores", "crm_sales", title=t("Scores"), prefix="/sales/scores")

SIDE, MARGIN = 300, 34
"""Of the picture of reliability: its square, and the room for what stands beside."""
LEAST_RADIUS, MOST_RADIUS = 3.0, 11.0
BAR, FOURFOLD = 100, log(4)
"""Half the width of a bar's row; what fills it at least, so that small factors look small."""


@pages.get(
    "/",
    right=FORECAST_VIEW,
    menu=Menu(t("Scores"), icon="gauge", section="sales", position=80),
)
def calibration(request: Request) -> Any:
    """Show how right scores were, and what they are learnt from."""
    typed = {"since": request.args.get("since") or None}
    report: Mapping[str, Any] | None = None
    error: CrmError | None = None
    try:
        since = SinceSchema().load(typed)["since"]
        report = calibrate_scores(request.uow, since)
    except ValidationError:
        error = InputError(t("Give a day, such as 2026-03-31."), code="sales.score.since")
    except InputError as wrong:
        error = wrong
    shown = {"since": report["since"] if report else typed["since"] or ""}
    context = {
        "form": Form(SinceSchema(), shown, error=error),
        "report": report,
        "chart": _chart(report["bins"]) if report and report["tested"] else None,
        "training": training_of(request.uow) if request.may(CONFIGURE) else None,
        "titles": TITLES,
    }
    if error is None:
        return request.render("sales/scores/calibration.html", **context)
    return request.refuse("sales/scores/calibration.html", error.http_status, **context)


@pages.post("/train", right=CONFIGURE)
def train(request: Request) -> Any:
    """Count all closed deals anew and score the open ones by them."""
    told = train_scores(request.uow)
    after: UUID | None = None
    while True:
        _, after = rescore_deals(request.uow, after=after)
        if after is None:
            break
    message = told["refusal"] or t(
        "Counted {won} won and {lost} lost deals, and scored the open ones by them.",
        won=told["won"],
        lost=told["lost"],
    )
    return request.done(message, to="sales_scores.calibration")


@pages.get("/deals/<uuid:opportunity_id>", right=OPPORTUNITY_VIEW)
def of_deal(request: Request, opportunity_id: UUID) -> str:
    """Show what a deal's score is made of."""
    return request.render("sales/scores/deal.html", **_shown(request, opportunity_id))


@pages.post("/deals/<uuid:opportunity_id>/override", right=OPPORTUNITY_SCORE)
def override(request: Request, opportunity_id: UUID) -> Any:
    """Say how likely a deal is, whatever its score."""
    try:
        said = request.read(OverrideSchema())
        override_probability(
            request.uow, opportunity_id, **said, expected_version=_version(request)
        )
    except CrmError as error:
        if error.http_status not in (409, 412, 422):
            raise
        shown = _shown(request, opportunity_id)
        shown["form"] = Form(OverrideSchema(), request.form, error=error)
        return request.refuse("sales/scores/deal.html", error.http_status, **shown)
    message = t("The probability is what you say, until somebody drops it.")
    return request.done(message, to="sales_scores.of_deal", opportunity_id=opportunity_id)


@pages.post("/deals/<uuid:opportunity_id>/drop", right=OPPORTUNITY_SCORE)
def drop(request: Request, opportunity_id: UUID) -> Any:
    """Let the score count again."""
    drop_override(request.uow, opportunity_id, expected_version=_version(request))
    message = t("The score counts again.")
    return request.done(message, to="sales_scores.of_deal", opportunity_id=opportunity_id)


@pages.panel("sales_deal_side", t("Score"), right=OPPORTUNITY_VIEW, position=20)
def on_deal(request: Request, opportunity_id: UUID) -> str:
    """Lead from a deal to what its score is made of; nothing is read for it."""
    return request.render("sales/scores/panel.html", opportunity_id=opportunity_id)


def _shown(request: Request, opportunity_id: UUID) -> dict[str, Any]:
    score = explain_score(request.uow, opportunity_id)
    said = score["override"]
    values = {"percent": said["probability"] * 100, "reason": said["reason"]} if said else {}
    may_say = request.may(OPPORTUNITY_SCORE) and score["state"] == "open"
    return {
        "score": score,
        "parts": _bars(score["parts"]),
        "form": Form(OverrideSchema(), _plain(values)) if may_say else None,
    }


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else f"{value:f}".rstrip("0").rstrip(".")
        for name, value in values.items()
    }


def _version(request: Request) -> int | None:
    text = request.form.get("version", "")
    return int(text[:9]) if text.isascii() and text.isdigit() else None


def _bars(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return parts, each with its bar: to the end for the better, to the start for the worse."""
    strengths = [abs(log(part["factor"])) for part in parts if part["counts"]]
    most = max([FOURFOLD, *strengths])
    drawn = []
    for part in parts:
        length = log(part["factor"]) / most * BAR if part["counts"] else 0.0
        bar = {"x": round(BAR + min(length, 0), 1), "width": round(abs(length), 1)}
        drawn.append({**part, **bar, "is_good": length > 0})
    return drawn


def _chart(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return where everything stands in the picture of reliability."""
    most = max(each["count"] for each in bins)
    points = []
    for each in bins:
        if each["count"]:
            radius = max(LEAST_RADIUS, MOST_RADIUS * sqrt(each["count"] / most))
            points.append(
                {
                    **each,
                    "x": _across(each["predicted"]),
                    "y": _down(each["observed"]),
                    "radius": round(radius, 1),
                    "top": _down(each["most"]),
                    "bottom": _down(each["least"]),
                }
            )
    marks = [
        {"share": share / 4, "x": _across(share / 4), "y": _down(share / 4)} for share in range(5)
    ]
    return {"points": points, "marks": marks, "side": SIDE, "margin": MARGIN}


def _across(share: float) -> float:
    return round(MARGIN + share * SIDE, 1)


def _down(share: float) -> float:
    return round(MARGIN / 2 + (1 - share) * SIDE, 1)
