"""Pipelines: which there are, their stages, and those that are there from the first minute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.errors import ConfigurationError, NotFoundError
from crm_core.messages import p, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import said_for
from crm_sales.models import (
    Competitor,
    DealState,
    LossReason,
    Opportunity,
    Pipeline,
    Stage,
)
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW

DEFAULT_CODE = "sales"
DEFAULT_STAGES = (
    ("new", "New", 10, 14),
    ("qualified", "Qualified", 25, 21),
    ("proposition", "Proposition", 50, 30),
    ("negotiation", "Negotiation", 75, 30),
    ("won", "Won", 100, None),
)
# Stages are English: deals and their stages are matched by name with a back office, which has its
# own English ones as well. Reasons that it does not know go without.
DEFAULT_REASONS = (
    ("price", t("Price"), False),
    ("competitor", t("Competitor"), True),
    ("timing", t("No time or budget now"), False),
    ("no_fit", t("Does not fit the need"), False),
    ("no_answer", t("No answer any more"), False),
    ("other", p("why a deal was lost", "Other"), False),
)
"""What a company may rename: written once, in its own language."""


def seed_defaults(uow: UnitOfWork) -> None:
    """See to it that there is a pipeline and that there are loss reasons; what is there stays."""
    uow.actor.require(CONFIGURE)
    if uow.scalar(select(func.count(Pipeline.id))) == 0:
        now = uow.now
        pipeline = uow.add(
            Pipeline(
                code=DEFAULT_CODE,
                name=said_for(uow, t("Sales")),
                is_default=True,
                created_at=now,
                updated_at=now,
            )
        )
        uow.flush()
        for position, (code, name, probability, rotting_days) in enumerate(DEFAULT_STAGES):
            uow.add(
                Stage(
                    pipeline_id=pipeline.id,
                    code=code,
                    name=name,
                    position=position,
                    is_won=code == "won",
                    probability=probability,
                    rotting_days=rotting_days,
                    created_at=now,
                    updated_at=now,
                )
            )
    if uow.scalar(select(func.count(LossReason.id))) == 0:
        for code, name, needs_competitor in DEFAULT_REASONS:
            uow.add(
                LossReason(code=code, name=said_for(uow, name), needs_competitor=needs_competitor)
            )
    uow.flush()


def default_pipeline(uow: UnitOfWork) -> Pipeline:
    """Return the pipeline of deals that name none."""
    uow.actor.require(OPPORTUNITY_VIEW)
    found = uow.scalars(
        select(Pipeline)
        .where(Pipeline.archived_at.is_(None))
        .order_by(Pipeline.is_default.desc(), Pipeline.position, Pipeline.id)
        .limit(1)
    ).first()
    if found is None:
        raise ConfigurationError(
            t("There is no pipeline: import one (crm sales pipeline import FILE)."),
            code="sales.pipeline.none",
        )
    return found  # type: ignore[no-any-return]


def pipeline_named(uow: UnitOfWork, code: str | None) -> Pipeline:
    """Return the pipeline with this code, the default one for None.

    Raises:
        NotFoundError: There is none, or it is archived.
    """
    if code is None:
        return default_pipeline(uow)
    uow.actor.require(OPPORTUNITY_VIEW)
    found = uow.scalar(select(Pipeline).where(Pipeline.code == code.strip()))
    if found is None or found.archived_at is not None:
        known = uow.scalars(
            select(Pipeline.code).where(Pipeline.archived_at.is_(None)).order_by(Pipeline.position)
        )
        raise NotFoundError(
            t(
                "There is no pipeline {code!r}; there are {known}.",
                code=code,
                known=", ".join(known),
            ),
            code="sales.pipeline.not_found",
        )
    return found  # type: ignore[no-any-return]


def live_stages(uow: UnitOfWork, pipeline_id: UUID) -> Sequence[Stage]:
    """Return the stages of a pipeline that are not archived, in their order."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return uow.scalars(
        select(Stage)
        .where(Stage.pipeline_id == pipeline_id, Stage.archived_at.is_(None))
        .order_by(Stage.position, Stage.id)
    ).all()


def won_stage(uow: UnitOfWork, pipeline_id: UUID) -> Stage:
    """Return the stage of a pipeline where deals are won."""
    stages = live_stages(uow, pipeline_id)
    return next(stage for stage in stages if stage.is_won)


def stage_named(uow: UnitOfWork, pipeline_id: UUID, code: str) -> Stage:
    """Return the stage of a pipeline with this code.

    Raises:
        NotFoundError: It has none; the message says which it has.
    """
    stages = live_stages(uow, pipeline_id)
    for stage in stages:
        if stage.code == code.strip():
            return stage
    raise NotFoundError(
        t(
            "There is no stage {code!r}; the pipeline has {known}.",
            code=code,
            known=", ".join(stage.code for stage in stages),
        ),
        code="sales.stage.not_found",
        details={"stages": [stage.code for stage in stages]},
    )


def list_pipelines(uow: UnitOfWork, *, archived: bool = False) -> list[dict[str, Any]]:
    """Return pipelines in their order.

    Dicts of ``id, code, name, team_id, is_default, archived_at, version, stages, open_deals``, the
    last two as counts, of what the actor may see.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    stages = (
        select(func.count(Stage.id))
        .where(Stage.pipeline_id == Pipeline.id, Stage.archived_at.is_(None))
        .scalar_subquery()
    )
    deals = (
        select(func.count(Opportunity.id))
        .where(Opportunity.pipeline_id == Pipeline.id, Opportunity.state == DealState.OPEN)
        .scalar_subquery()
    )
    statement = select(
        Pipeline.id,
        Pipeline.code,
        Pipeline.name,
        Pipeline.team_id,
        Pipeline.is_default,
        Pipeline.archived_at,
        Pipeline.version,
        stages.label("stages"),
        deals.label("open_deals"),
    ).order_by(Pipeline.position, Pipeline.id)
    if not archived:
        statement = statement.where(Pipeline.archived_at.is_(None))
    return [dict(row._mapping) for row in uow.execute(statement)]


def list_loss_reasons(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return the reasons for which deals are lost: ``id, code, name, needs_competitor``."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return _rows(
        uow,
        select(LossReason.id, LossReason.code, LossReason.name, LossReason.needs_competitor)
        .where(LossReason.archived_at.is_(None))
        .order_by(LossReason.id),
    )


def list_competitors(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return competitors by name: ``id, name``."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return _rows(
        uow,
        select(Competitor.id, Competitor.name)
        .where(Competitor.archived_at.is_(None))
        .order_by(Competitor.name),
    )


def _rows(uow: UnitOfWork, statement: Any) -> list[dict[str, Any]]:
    rows: Iterable[Any] = uow.execute(statement)
    return [dict(row._mapping) for row in rows]
