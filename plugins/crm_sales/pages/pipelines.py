"""Designing pipelines by hand; what a page changes is written as the same document a file holds."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import select

from crm_core.entities import Team
from crm_core.errors import ConflictError, CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW
from crm_sales.schemas.pipelines import CODE, MOST_DAYS, design_text, read_design
from crm_sales.services.pipeline_design import (
    archive_pipeline,
    design_pipeline,
    export_endings,
    export_pipeline,
)
from crm_sales.services.pipelines import list_competitors, list_loss_reasons, list_pipelines
from crm_sales.services.stage_checks import CHECKS, REQUIRED_FIELDS
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_pipelines", "crm_sales", title=t("Pipelines"), prefix="/sales/pipelines")

TELLABLE = (InputError, ConflictError, RuleViolationError, NotFoundError)
SEVERAL = ("required_fields", "checks", "moves_to")
HERE = "sales_pipelines.pipeline"
NEW_STAGES = (
    {"code": "new", "name": "New", "probability": 10},
    {"code": "offered", "name": "Offered", "probability": 50},
    {"code": "won", "name": "Won", "is_won": True},
)
"""What a pipeline begins with that is added by hand."""


def _a_code() -> fields.String:
    return fields.String(
        required=True,
        validate=validate.Regexp(
            rf"{CODE}\Z", error=t("small letters, digits and _, a letter first")
        ),
        metadata={"title": t("Code"), "help": t("Files and commands name it by this.")},
    )


class StageForm(Schema):
    """A stage as a page sends it."""

    code = _a_code()
    name = fields.String(
        required=True, validate=validate.Length(1, 250), metadata={"title": t("Name")}
    )
    probability = fields.Integer(
        allow_none=True,
        validate=validate.Range(0, 100),
        metadata={"title": t("Probability, in percent")},
    )
    rotting_days = fields.Integer(
        allow_none=True,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"title": t("Rots after so many days")},
    )
    required_fields = fields.List(fields.String())
    checks = fields.List(fields.String())
    moves_to = fields.List(fields.String())


class FrameForm(Schema):
    """What a pipeline has besides its stages."""

    code = _a_code()
    name = fields.String(
        required=True, validate=validate.Length(1, 250), metadata={"title": t("Name")}
    )
    team = fields.String(
        allow_none=True,
        metadata={"title": t("Team"), "help": t("Whose deals go through it; empty for all.")},
    )
    is_default = fields.Boolean(
        metadata={"title": t("Default"), "help": t("Deals that name no pipeline go into it.")}
    )


@pages.get("/", right=CONFIGURE, menu=Menu(t("Pipelines"), "columns", "admin", 52))
def pipelines(request: Request) -> str:
    """List pipelines, and how deals end."""
    return _list(request)


@pages.post("/import", right=CONFIGURE)
def take_file(request: Request) -> Any:
    """Make a pipeline as a file says."""
    file = request.files.get("file")
    try:
        if file is None or not file.filename:
            raise InputError(t("Choose a file first."), code="sales.pipeline.file")
        design = read_design(file.stream.read())
        changes = design_pipeline(request.uow, design)
    except TELLABLE as error:
        return _list(request, error), error.http_status
    told = t("{count} things were changed.", count=len(changes))
    return request.done(told, to=HERE, code=design["code"])


@pages.get("/new", right=CONFIGURE)
def new(request: Request) -> str:
    """Ask for a new pipeline."""
    return _frame(request, {}, None)


@pages.post("/new", right=CONFIGURE)
def add(request: Request) -> Any:
    """Add a pipeline with a few stages to begin with."""
    try:
        sent = request.read(FrameForm())
        known = {each["code"] for each in list_pipelines(request.uow, archived=True)}
        if sent["code"] in known:
            raise InputError(
                t("There is a pipeline {code} already.", code=sent["code"]),
                code="sales.pipeline.exists",
            )
        design_pipeline(request.uow, {**_given(sent), "stages": list(NEW_STAGES)})
    except TELLABLE as error:
        page = _frame(request, request.form, None, error)
        return page, error.http_status
    return request.done(t("Saved."), to=HERE, code=sent["code"])


@pages.get("/<code>", right=OPPORTUNITY_VIEW)
def pipeline(request: Request, code: str) -> str:
    """Show the stages of a pipeline."""
    return _shown(request, code)


@pages.get("/<code>/file", right=OPPORTUNITY_VIEW)
def file(request: Request, code: str) -> Any:
    """Give a pipeline as the file that import takes."""
    design = {**export_pipeline(request.uow, code), **export_endings(request.uow)}
    return request.file(f"{design['code']}.toml", design_text(design).encode(), "application/toml")


@pages.get("/<code>/edit", right=CONFIGURE)
def edit(request: Request, code: str) -> str:
    """Show what a pipeline has besides its stages, to change it."""
    return _frame(request, export_pipeline(request.uow, code), code)


@pages.post("/<code>/edit", right=CONFIGURE)
def save(request: Request, code: str) -> Any:
    """Change what a pipeline has besides its stages."""
    design = export_pipeline(request.uow, code)
    try:
        sent = request.read(FrameForm(exclude=("code",)))
        given = _given(sent)
        if design["is_default"]:
            given["is_default"] = True
        design_pipeline(request.uow, {**design, **given})
    except TELLABLE as error:
        page = _frame(request, request.form, code, error)
        return page, error.http_status
    return request.done(t("Saved."), to=HERE, code=code)


@pages.post("/<code>/archive", right=CONFIGURE)
def archive(request: Request, code: str) -> Any:
    """Take a pipeline out of use."""
    try:
        archive_pipeline(request.uow, code)
    except RuleViolationError as error:
        return _shown(request, code, error), error.http_status
    return request.done(t("Archived."), to="sales_pipelines.pipelines")


@pages.get("/<code>/stages/new", right=CONFIGURE)
def new_stage(request: Request, code: str) -> str:
    """Ask for a new stage."""
    return _stage(request, code, None, {})


@pages.get("/<code>/stages/<stage>", right=CONFIGURE)
def stage(request: Request, code: str, stage: str) -> str:
    """Show a stage, to change it."""
    design = export_pipeline(request.uow, code)
    return _stage(request, code, stage, _found(design, stage))


@pages.post("/<code>/stages/new", right=CONFIGURE)
def add_stage(request: Request, code: str) -> Any:
    """Add a stage before the last one."""
    return _save_stage(request, code, None)


@pages.post("/<code>/stages/<stage>", right=CONFIGURE)
def save_stage(request: Request, code: str, stage: str) -> Any:
    """Change a stage."""
    return _save_stage(request, code, stage)


@pages.post("/<code>/stages/<stage>/place", right=CONFIGURE)
def place(request: Request, code: str, stage: str) -> Any:
    """Put a stage one place further up or down."""
    design = export_pipeline(request.uow, code)
    stages: list[dict[str, Any]] = design["stages"]
    here = stages.index(_found(design, stage))
    there = here + (-1 if request.form.get("way") == "up" else 1)
    if 0 <= there < len(stages):
        stages[here], stages[there] = stages[there], stages[here]
    return _designed(request, code, design)


@pages.post("/<code>/stages/<stage>/archive", right=CONFIGURE)
def archive_stage(request: Request, code: str, stage: str) -> Any:
    """Take a stage out of use; its deals go where they are sent, or wait to be moved."""
    design = export_pipeline(request.uow, code)
    gone = _found(design, stage)
    design["stages"].remove(gone)
    for each in design["stages"]:
        each["moves_to"] = [way for way in each["moves_to"] if way != stage]
    target = request.form.get("target")
    design["resettled"] = {stage: target} if target else {}
    return _designed(request, code, design)


@pages.post("/endings", right=CONFIGURE)
def endings(request: Request) -> Any:
    """Change the reasons for which deals are lost, and the competitors: a line each."""
    first = list_pipelines(request.uow)[0]["code"]
    reasons = [line.split("|") for line in _lines(request, "reasons")]
    words = [
        {
            "code": parts[0].strip(),
            "name": (parts[1] if len(parts) > 1 else parts[0]).strip(),
            "needs_competitor": len(parts) > 2 and bool(parts[2].strip()),
        }
        for parts in reasons
    ]
    design = export_pipeline(request.uow, first)
    try:
        rivals = _lines(request, "competitors")
        design_pipeline(request.uow, {**design, "loss_reasons": words, "competitors": rivals})
    except TELLABLE as error:
        return _list(request, error), error.http_status
    return request.done(t("Saved."), to="sales_pipelines.pipelines")


def _lines(request: Request, name: str) -> list[str]:
    return [line.strip() for line in request.form.get(name, "").splitlines() if line.strip()]


def _list(request: Request, error: CrmError | None = None) -> str:
    return request.render(
        "sales/pipelines/list.html",
        pipelines=list_pipelines(request.uow),
        reasons=list_loss_reasons(request.uow),
        rivals=list_competitors(request.uow),
        error=error,
    )


def _shown(request: Request, code: str, error: CrmError | None = None) -> str:
    return request.render(
        "sales/pipelines/show.html",
        design=export_pipeline(request.uow, code),
        titles={name: each.title for name, each in {**REQUIRED_FIELDS, **CHECKS}.items()},
        may_configure=request.may(CONFIGURE),
        error=error,
    )


def _frame(request: Request, values: Any, code: str | None, error: CrmError | None = None) -> str:
    teams = request.uow.scalars(select(Team.name).order_by(Team.name))
    return request.render(
        "sales/pipelines/frame.html",
        form=Form(
            FrameForm(exclude=("code",) if code else ()),
            values,
            choices={"team": [(name, name) for name in teams]},
            error=error,
        ),
        code=code,
    )


def _stage(
    request: Request, code: str, stage: str | None, values: Any, error: CrmError | None = None
) -> str:
    design = export_pipeline(request.uow, code)
    chosen = {
        name: set(values.getlist(name) if hasattr(values, "getlist") else values.get(name, ()))
        for name in SEVERAL
    }
    return request.render(
        "sales/pipelines/stage.html",
        form=Form(StageForm(exclude=("code",) if stage else ()), values, error=error),
        code=code,
        stage=stage,
        is_won=bool(stage) and _found(design, str(stage))["is_won"],
        chosen=chosen,
        fields=[(name, each.title) for name, each in REQUIRED_FIELDS.items()],
        checks=[(name, each.title) for name, each in CHECKS.items()],
        others=[each for each in design["stages"] if each["code"] != stage],
    )


def _save_stage(request: Request, code: str, stage: str | None) -> Any:
    design = export_pipeline(request.uow, code)
    stages: list[dict[str, Any]] = design["stages"]
    try:
        sent = request.read(StageForm(exclude=("code",) if stage else ()), lists=SEVERAL)
        values = {**{name: [] for name in SEVERAL}, **sent}
        values["probability"] = values.get("probability") or 0
        if stage is None:
            stages.insert(len(stages) - 1, values)
        else:
            _found(design, stage).update(values)
        design_pipeline(request.uow, design)
        request.uow.flush()
    except TELLABLE as error:
        page = _stage(request, code, stage, request.form, error)
        return page, error.http_status
    return request.done(t("Saved."), to=HERE, code=code)


def _designed(request: Request, code: str, design: dict[str, Any]) -> Any:
    try:
        design_pipeline(request.uow, design)
    except TELLABLE as error:
        return _shown(request, code, error), error.http_status
    return request.done(t("Saved."), to=HERE, code=code)


def _found(design: dict[str, Any], code: str) -> dict[str, Any]:
    for each in design["stages"]:
        if each["code"] == code:
            return each  # type: ignore[no-any-return]
    raise NotFoundError(
        t("There is no stage {code!r} in this pipeline.", code=code), code="sales.stage.not_found"
    )


def _given(sent: dict[str, Any]) -> dict[str, Any]:
    """Return what a form sent as the document has it; a box that is not ticked is not told."""
    if not sent.get("is_default"):
        sent = {name: value for name, value in sent.items() if name != "is_default"}
    return sent
