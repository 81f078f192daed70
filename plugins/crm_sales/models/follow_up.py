"""What comes next with a deal: its steps, and sequences that plan them when it enters a stage."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public, Through


class FollowUpSequence(Versioned):
    """Steps that are planned for a deal when it enters a stage."""

    __tablename__ = "sales_sequence"
    __entity__ = "sales_sequence"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    stage_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_stage.id", ondelete="CASCADE"), index=True
    )
    archived_at: Mapped[datetime | None]


class SequenceStep(Keyed):
    """One step of a sequence, due so many days after the deal entered the stage."""

    __tablename__ = "sales_sequence_step"
    __entity__ = "sales_sequence_step"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (UniqueConstraint("sequence_id", "position"),)

    sequence_id: Mapped[UUID] = mapped_column(ForeignKey("sales_sequence.id", ondelete="CASCADE"))
    position: Mapped[int]
    days_after: Mapped[int]
    type: Mapped[str]
    summary: Mapped[str]
    note: Mapped[str | None]


class NextStep(Base):
    """An activity that belongs to a deal; one that a sequence planned names the step it is.

    A deal has one activity a step of a sequence, whatever is tried again.
    """

    __tablename__ = "sales_next_step"
    __entity__ = "sales_next_step"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ()
    __table_args__ = (UniqueConstraint("opportunity_id", "sequence_step_id"),)

    activity_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_activity.id", ondelete="CASCADE"), primary_key=True
    )
    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE"), index=True
    )
    sequence_step_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_sequence_step.id", ondelete="SET NULL"), index=True
    )
