"""Pipelines that a company designs: stages, the moves between them, and how deals end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public
from crm_core.persistence.types import JsonValue


class Pipeline(Versioned):
    """A way of selling with stages of its own."""

    __tablename__ = "sales_pipeline"
    __entity__ = "sales_pipeline"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_team.id"))
    """Whose deals go through it; None for everybody's."""
    position: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=False)
    """Deals that name no pipeline go into it; one has this mark."""
    archived_at: Mapped[datetime | None]


class Stage(Versioned):
    """A stage of a pipeline, in the order of ``position``."""

    __tablename__ = "sales_stage"
    __entity__ = "sales_stage"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (
        UniqueConstraint("pipeline_id", "code"),
        Index(None, "pipeline_id", "position"),
    )

    pipeline_id: Mapped[UUID] = mapped_column(ForeignKey("sales_pipeline.id", ondelete="CASCADE"))
    code: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    is_won: Mapped[bool] = mapped_column(default=False)
    """Whether deals that come here are won; a pipeline has one such stage, its last."""
    probability: Mapped[int] = mapped_column(default=0)
    """Of a deal that stands here and has no score, in percent."""
    rotting_days: Mapped[int | None]
    """A deal that stands here for longer is shown as rotting."""
    required_fields: Mapped[Any] = mapped_column(JsonValue, default=list)
    """Names of what a deal must have before it comes here."""
    checks: Mapped[Any] = mapped_column(JsonValue, default=list)
    """Codes of conditions that must hold before it comes here: ``quote_sent``, ..."""
    archived_at: Mapped[datetime | None]


class StageMove(Base):
    """A move that is allowed. From a stage without any, all others of its pipeline are."""

    __tablename__ = "sales_stage_move"
    __entity__ = "sales_stage_move"
    __scope__ = Public()
    __personal__ = ()

    from_stage_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_stage.id", ondelete="CASCADE"), primary_key=True
    )
    to_stage_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_stage.id", ondelete="CASCADE"), primary_key=True
    )


class LossReason(Keyed):
    """Why a deal was lost."""

    __tablename__ = "sales_loss_reason"
    __entity__ = "sales_loss_reason"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    needs_competitor: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]


class Competitor(Keyed):
    """Who else sells what we sell."""

    __tablename__ = "sales_competitor"
    __entity__ = "sales_competitor"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)
    archived_at: Mapped[datetime | None]
