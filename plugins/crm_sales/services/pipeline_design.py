"""Designing pipelines: one document says how one shall be, whether a file or a page made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Team
from crm_core.errors import NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version
from crm_sales.events import PipelineDesigned
from crm_sales.models import Competitor, LossReason, Pipeline, Stage, StageMove
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW
from crm_sales.schemas.pipelines import load_design
from crm_sales.services.pipelines import list_competitors, list_loss_reasons, live_stages
from crm_sales.services.stage_checks import CHECKS, REQUIRED_FIELDS

OF_STAGE = (
    "name",
    "position",
    "is_won",
    "probability",
    "rotting_days",
    "required_fields",
    "checks",
)


def export_pipeline(uow: UnitOfWork, code: str) -> dict[str, Any]:
    """Return the design of a pipeline, as :func:`design_pipeline` takes it.

    Raises:
        NotFoundError: There is no such pipeline.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    pipeline = _named(uow, code)
    if pipeline is None:
        raise NotFoundError(
            t("There is no pipeline {code!r}. See crm sales pipeline list.", code=code),
            code="sales.pipeline.not_found",
        )
    stages = live_stages(uow, pipeline.id)
    codes = {stage.id: stage.code for stage in stages}
    moves: dict[UUID, list[str]] = {}
    for row in uow.execute(
        select(StageMove.from_stage_id, StageMove.to_stage_id).where(
            StageMove.from_stage_id.in_(list(codes))
        )
    ):
        moves.setdefault(row.from_stage_id, []).append(codes[row.to_stage_id])
    team = uow.scalar(select(Team.name).where(Team.id == pipeline.team_id))
    order = list(codes.values())
    return {
        "code": pipeline.code,
        "name": pipeline.name,
        "team": team,
        "is_default": pipeline.is_default,
        "position": pipeline.position,
        "stages": [
            {
                "code": stage.code,
                "name": stage.name,
                "probability": stage.probability,
                "rotting_days": stage.rotting_days,
                "is_won": stage.is_won,
                "required_fields": list(stage.required_fields),
                "checks": list(stage.checks),
                "moves_to": sorted(moves.get(stage.id, []), key=order.index),
            }
            for stage in stages
        ],
    }


def export_endings(uow: UnitOfWork) -> dict[str, Any]:
    """Return how deals of all pipelines end: ``loss_reasons`` and ``competitors`` of a design."""
    uow.actor.require(OPPORTUNITY_VIEW)
    reasons = list_loss_reasons(uow)
    return {
        "competitors": [each["name"] for each in list_competitors(uow)],
        "loss_reasons": [{k: v for k, v in each.items() if k != "id"} for each in reasons],
    }


def design_pipeline(
    uow: UnitOfWork, document: Mapping[str, Any], *, expected_version: int | None = None
) -> list[str]:
    """Make a pipeline as a document says, new or changed; nothing is lost.

    Stages that the document leaves out are archived: their open deals stay there, still shown,
    until they are moved, or go where ``resettled`` says. Reasons and competitors that it names
    become those of all pipelines; without the words, they stay as they are.

    Returns:
        What was changed, a line each, for people; empty where it was so before.

    Raises:
        InputError: The document will not do; the message lists all that is wrong.
        StaleVersionError: Somebody changed the pipeline since.
    """
    uow.actor.require(CONFIGURE)
    design = load_design(document, known_fields=REQUIRED_FIELDS, known_checks=CHECKS)
    pipeline = _named(uow, design["code"])
    told: list[str] = []
    if pipeline is None:
        pipeline = uow.add(
            Pipeline(
                code=design["code"], name=design["name"], created_at=uow.now, updated_at=uow.now
            )
        )
        uow.flush()
        told.append(t("The pipeline {code} is new.", code=pipeline.code))
    else:
        expect_version(pipeline, expected_version)
    told += _frame(uow, pipeline, design)
    told += _stages(uow, pipeline, design)
    told += _endings(uow, design)
    if told:
        pipeline.updated_at = uow.now
    uow.flush()
    return told


def archive_pipeline(
    uow: UnitOfWork, code: str, *, expected_version: int | None = None
) -> Pipeline:
    """Take a pipeline out of use; its open deals stay, and can be moved and closed.

    Raises:
        RuleViolationError: It is the default one.
    """
    uow.actor.require(CONFIGURE)
    pipeline = _named(uow, code)
    if pipeline is None or pipeline.archived_at is not None:
        raise NotFoundError(
            t("There is no pipeline {code!r}. See crm sales pipeline list.", code=code),
            code="sales.pipeline.not_found",
        )
    expect_version(pipeline, expected_version)
    if pipeline.is_default:
        raise RuleViolationError(
            t(
                "{pipeline} is the default pipeline: make another the default first.",
                pipeline=pipeline.name,
            ),
            code="sales.pipeline.default",
        )
    pipeline.archived_at = pipeline.updated_at = uow.now
    return pipeline


def _named(uow: UnitOfWork, code: str) -> Pipeline | None:
    found: Pipeline | None = uow.scalar(select(Pipeline).where(Pipeline.code == code.strip()))
    return found


def _frame(uow: UnitOfWork, pipeline: Pipeline, design: Mapping[str, Any]) -> list[str]:
    """Set what a pipeline has besides its stages."""
    told: list[str] = []
    wanted = {name: design[name] for name in ("name", "position") if name in design}
    wanted["team_id"] = _team_id(uow, design["team"])
    wanted["archived_at"] = None
    for name, value in wanted.items():
        if getattr(pipeline, name) != value:
            setattr(pipeline, name, value)
            told.append(t("{pipeline}: {field} is set.", pipeline=pipeline.code, field=name))
    defaults = uow.scalars(select(Pipeline).where(Pipeline.is_default.is_(True))).all()
    if (design.get("is_default") and not pipeline.is_default) or not defaults:
        for other in defaults:
            other.is_default, other.updated_at = False, uow.now
        pipeline.is_default = True
        told.append(t("{pipeline} is the default pipeline now.", pipeline=pipeline.code))
    elif design.get("is_default") is False and pipeline.is_default:
        raise RuleViolationError(
            t(
                "{pipeline} is the default pipeline: make another the default first.",
                pipeline=pipeline.name,
            ),
            code="sales.pipeline.default",
        )
    return told


def _team_id(uow: UnitOfWork, name: str | None) -> UUID | None:
    if not name:
        return None
    found: UUID | None = uow.scalar(select(Team.id).where(Team.name == name))
    if found is None:
        raise NotFoundError(
            t("There is no team {team}. See crm user team list.", team=name),
            code="core.team.not_found",
        )
    return found


def _stages(uow: UnitOfWork, pipeline: Pipeline, design: Mapping[str, Any]) -> list[str]:
    known = {
        stage.code: stage
        for stage in uow.scalars(select(Stage).where(Stage.pipeline_id == pipeline.id))
    }
    told: list[str] = []
    for position, wanted in enumerate(design["stages"]):
        values = {**wanted, "position": position}
        if wanted["is_won"]:
            values |= {"probability": 100, "rotting_days": None}
        stage = known.get(wanted["code"])
        if stage is None:
            kept = {name: values[name] for name in OF_STAGE}
            stage = known[wanted["code"]] = uow.add(
                Stage(
                    pipeline_id=pipeline.id,
                    code=wanted["code"],
                    created_at=uow.now,
                    updated_at=uow.now,
                    **kept,
                )
            )
            told.append(t("The stage {stage} is new.", stage=stage.code))
        else:
            told += _set(uow, stage, values)
    uow.flush()
    told += _ways(uow, known, design["stages"])
    return told + _retire(uow, pipeline, known, design)


def _set(uow: UnitOfWork, stage: Stage, values: Mapping[str, Any]) -> list[str]:
    wanted = {name: values[name] for name in OF_STAGE} | {"archived_at": None}
    changed = [name for name, value in wanted.items() if getattr(stage, name) != value]
    for name in changed:
        setattr(stage, name, wanted[name])
    if not changed:
        return []
    stage.updated_at = uow.now
    return [t("The stage {stage} changes: {fields}.", stage=stage.code, fields=", ".join(changed))]


def _ways(
    uow: UnitOfWork, known: Mapping[str, Stage], wanted: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Allow the moves that the document names and no others."""
    asked = {
        (known[stage["code"]].id, known[code].id)
        for stage in wanted
        for code in stage["moves_to"]
        if code != stage["code"]
    }
    ids = [stage.id for stage in known.values()]
    here = uow.execute(
        select(StageMove.from_stage_id, StageMove.to_stage_id).where(
            StageMove.from_stage_id.in_(ids)
        )
    )
    allowed = {(row.from_stage_id, row.to_stage_id) for row in here}
    if asked == allowed:
        return []
    for left, entered in allowed - asked:
        move = uow.get(StageMove, (left, entered))
        uow.delete(move)
    for left, entered in sorted(asked - allowed):
        uow.add(StageMove(from_stage_id=left, to_stage_id=entered))
    return [t("The moves that are allowed change.")]


def _retire(
    uow: UnitOfWork, pipeline: Pipeline, known: Mapping[str, Stage], design: Mapping[str, Any]
) -> list[str]:
    """Archive stages that are no longer named, and have their deals go where they shall."""
    named = {stage["code"] for stage in design["stages"]}
    gone = [s for s in known.values() if s.code not in named and s.archived_at is None]
    for stage in gone:
        stage.archived_at = stage.updated_at = uow.now
        stage.is_won = False
    targets: dict[str, str] = design["resettled"]
    unknown = sorted(targets.keys() - {stage.code for stage in known.values()})
    if unknown:
        raise NotFoundError(
            t("There is no stage {code!r} to resettle deals from.", code=unknown[0]),
            code="sales.stage.not_found",
        )
    resettled = {str(known[left].id): str(known[to].id) for left, to in targets.items()}
    if resettled:
        uow.record(PipelineDesigned(pipeline.id, resettled))
    return [
        t(
            "The stage {stage} is archived; its open deals go to {target}.",
            stage=stage.code,
            target=targets[stage.code],
        )
        if stage.code in targets
        else t(
            "The stage {stage} is archived; open deals stay there until they are moved.",
            stage=stage.code,
        )
        for stage in gone
    ]


def _endings(uow: UnitOfWork, design: Mapping[str, Any]) -> list[str]:
    told: list[str] = []
    if "loss_reasons" in design:
        reasons = {reason.code: reason for reason in uow.scalars(select(LossReason))}
        told += _matched(
            uow, reasons, {each["code"]: each for each in design["loss_reasons"]}, LossReason
        )
    if "competitors" in design:
        rivals = {rival.name: rival for rival in uow.scalars(select(Competitor))}
        told += _matched(
            uow, rivals, {name: {"name": name} for name in design["competitors"]}, Competitor
        )
    return told


def _matched(
    uow: UnitOfWork,
    there: Mapping[str, Any],
    wanted: Mapping[str, Mapping[str, Any]],
    model: type[LossReason | Competitor],
) -> list[str]:
    """Make a list what it shall be; what it no longer names is archived."""
    told: list[str] = []
    for key, values in wanted.items():
        record = there.get(key)
        if record is None:
            uow.add(model(**values))
            told.append(t("{name} is new.", name=key))
            continue
        for name, value in {**values, "archived_at": None}.items():
            if getattr(record, name) != value:
                setattr(record, name, value)
                told.append(t("{name} changes.", name=key))
    for key, record in there.items():
        if key not in wanted and record.archived_at is None:
            record.archived_at = uow.now
            told.append(t("{name} is archived.", name=key))
    return told
