"""The forecast: what will be won, how deals go through the stages, and what was thought before."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.errors import CrmError, InputError
from crm_core.messages import n, t
from crm_core.services.settings import company_day
from crm_sales.pages.forecast_drawing import bars, days, funnel, outcome_bars
from crm_sales.permissions import CONFIGURE, FORECAST_VIEW
from crm_sales.services.forecast.asking import forecast_question
from crm_sales.services.forecast.figures import FIGURES, STAGE_FIGURES, figure_of
from crm_sales.services.forecast.periods import Period, period_from, period_of
from crm_sales.services.forecast.rates import base_rates
from crm_sales.services.forecast.rows import added_up
from crm_sales.services.forecast.show import show_forecast, stage_flow
from crm_sales.services.forecast.snapshots import forecast_outcomes, forecast_told
from crm_sales.services.forecast.targets import (
    import_targets,
    list_targets,
    remove_target,
    set_target,
    target_holders,
)
from crm_web.sdk import Form, Menu, Pages, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_sales.services.forecast.statements import Question

pages = Pages("sales_forecast", "crm_sales", title=t("Forecast"), prefix="/sales/forecast")
WAYS = {"person": t("By person"), "team": t("By team"), "none": t("All together")}
TILES = ("won_amount", "committed_amount", "weighted_amount", "best_amount", "target_amount")
BEFORE, AHEAD = 6, 6
"""Periods around today's that are offered to choose from."""
LARGEST_FILE = 2_000_000


class TargetSchema(Schema):
    """A target as it is typed."""

    period = fields.String(
        required=True,
        validate=validate.Length(max=20),
        metadata={"title": t("Period"), "help": t("2026-11, or 2026-Q4 for a quarter.")},
    )
    holder = fields.String(
        required=True, validate=validate.Length(max=300), metadata={"title": t("Whose")}
    )
    amount = fields.Decimal(required=True, metadata={"title": t("Amount")})
    currency_code = fields.String(
        load_default=None,
        validate=validate.Length(max=3),
        metadata={"title": t("Currency"), "help": t("The base currency unless said.")},
    )


@pages.get(
    "/",
    right=FORECAST_VIEW,
    menu=Menu(t("Forecast"), icon="chart", section="sales", position=60),
)
def figures(request: Request) -> str:
    """Show all figures of a period, told apart by persons or teams."""
    asked = _asked(request)
    told = show_forecast(request.uow, asked)
    total = added_up(row.figures for row in told.base_totals)
    rows = told.in_base
    return request.render(
        "sales/forecast/figures.html",
        told=told,
        rows=list(zip(rows, bars([row.figures for row in rows]), strict=True)),
        total=total,
        tiles=[figure_of(code) for code in TILES],
        rate_on=min((row.rate_on for row in rows if row.rate_on), default=told.today),
        others=[row for row in told.totals if row.currency_code != told.base_currency],
        definitions=FIGURES,
        **_frame(request, asked),
    )


@pages.get("/stages", right=FORECAST_VIEW)
def stages(request: Request) -> str:
    """Show what stands in the stages, and how deals go on from each."""
    asked = _asked(request)
    return request.render(
        "sales/forecast/stages.html",
        flow=funnel(stage_flow(request.uow, asked)),
        definitions=STAGE_FIGURES,
        base_currency=request.settings.base_currency,
        **_frame(request, asked),
    )


@pages.get("/outcome", right=FORECAST_VIEW)
def outcome(request: Request) -> str:
    """Hold what was forecast against what came."""
    asked = replace(_asked(request), by="none", pipeline_id=None)
    told = forecast_told(request.uow, asked)
    aim = show_forecast(request.uow, asked).base_totals
    target = aim[0].figures.target_amount if aim else None
    return request.render(
        "sales/forecast/outcome.html",
        told=told,
        chart=days(told, asked.first.last_on, target),
        target=target,
        outcomes=outcome_bars(forecast_outcomes(request.uow, asked)),
        figures=[figure_of(code) for code in TILES[:4]],
        base_currency=request.settings.base_currency,
        **_frame(request, asked),
    )


@pages.get("/targets", right=FORECAST_VIEW)
def targets(request: Request) -> str:
    """Show what people, teams and the company are to win."""
    return request.render("sales/forecast/targets.html", **_targets(request))


@pages.post("/targets", right=CONFIGURE)
def set_one(request: Request) -> Any:
    """Set a target."""
    try:
        given = request.read(TargetSchema())
        kind, _, name = given.pop("holder").partition(":")
        held = {kind: name} if kind in ("user", "team") else {}
        set_target(request.uow, **given, **held)
    except CrmError as error:
        if error.http_status == 403:
            raise
        shown = _targets(request, error)
        return request.refuse("sales/forecast/targets.html", error.http_status, **shown)
    return request.done(t("The target is set."), to="sales_forecast.targets")


@pages.post("/targets/<uuid:target_id>/remove", right=CONFIGURE)
def remove(request: Request, target_id: UUID) -> Any:
    """Take a target back."""
    version = request.form.get("version", "")
    known = int(version[:9]) if version.isascii() and version.isdigit() else None
    remove_target(request.uow, target_id, expected_version=known)
    return request.done(t("The target was taken back."), to="sales_forecast.targets")


@pages.post("/targets/import", right=CONFIGURE)
def import_file(request: Request) -> Any:
    """Set the targets that a file names."""
    try:
        with _uploaded(request) as path:
            count = import_targets(request.uow, path)
    except InputError as error:
        shown = {**_targets(request), "file_error": error.message}
        return request.refuse("sales/forecast/targets.html", error.http_status, **shown)
    said = n("Set {count} target.", "Set {count} targets.", count)
    return request.done(said, to="sales_forecast.targets")


@contextmanager
def _uploaded(request: Request) -> Iterator[Path]:
    """Give the file that was sent, for as long as it is read."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise InputError(t("Choose a file first."), code="sales.target.file")
    with TemporaryDirectory(prefix="crm-targets-") as folder:
        path = Path(folder) / f"targets{Path(sent.filename).suffix[:6].lower()}"
        with path.open("wb") as kept:
            shutil.copyfileobj(sent.stream, kept)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                t("The file is larger than 2 MB: give one with targets alone."),
                code="sales.target.file",
            )
        yield path


def _asked(request: Request) -> Question:
    """Return the question in the address."""
    args = request.args
    asked = forecast_question(
        request.uow,
        period=args.get("period", ""),
        by=args.get("by") or "person",
        pipeline=args.get("pipeline") or None,
    )
    return replace(asked, user_id=_key(args, "person"), team_id=_key(args, "team"))


def _key(args: Mapping[str, str], name: str) -> UUID | None:
    try:
        return UUID(args[name]) if args.get(name) else None
    except ValueError:
        raise InputError(
            t("This link names nobody: begin again at the forecast."), code="sales.forecast.link"
        ) from None


def _frame(request: Request, asked: Question) -> dict[str, Any]:
    """Return what the head of each page of the forecast is drawn with."""
    kept = {
        "by": asked.by,
        "person": asked.user_id,
        "team": asked.team_id,
        "pipeline": request.args.get("pipeline"),
    }
    return {
        "asked": asked,
        "period": asked.first,
        "offered": _offered(base_rates(request.uow, ()).today, asked.first),
        "ways": WAYS,
        "kept": {name: value for name, value in kept.items() if value},
    }


def _offered(today: Any, chosen: Period) -> list[Period]:
    months = [period_of(today).shifted(n) for n in range(-BEFORE, AHEAD + 1)]
    quarters = [period_of(today, "quarter").shifted(n) for n in range(-4, 4)]
    found = [*quarters, *months]
    return found if chosen in found else [chosen, *found]


def _targets(request: Request, error: CrmError | None = None) -> dict[str, Any]:
    may_set = request.may(CONFIGURE)
    form = None
    if may_set:
        holders = target_holders(request.uow)
        values = request.form if error else {"period": request.args.get("period", "")}
        choices = {"holder": [(each["key"], each["name"]) for each in holders]}
        form = Form(TargetSchema(), values, choices=choices, error=error)
    page = list_targets(request.uow, cursor=request.args.get("cursor") or None)
    today = company_day(request.uow)
    return {
        "page": page,
        "periods": {each["period"]: period_from(each["period"], today) for each in page.items},
        "form": form,
        "file_error": "",
    }
