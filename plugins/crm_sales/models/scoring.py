"""What scores are made of: how often deals with this or that were won, and what people said."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base
from crm_core.persistence.scope import Public, Through
from crm_core.persistence.types import JsonValue, Quantity


class ScoreFrequency(Base):
    """How many closed deals of a group with one value of one variable were won, and lost.

    Numbers of deals, not deals: they tell everybody who may see a score what it is made of.
    """

    __tablename__ = "sales_score_frequency"
    __entity__ = "sales_score_frequency"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False

    group: Mapped[str] = mapped_column(primary_key=True)
    """A team's id, or ``*`` for all deals together."""
    variable: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    won: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)


class ScoreCount(Base):
    """What a closed deal was counted as, so that it can be taken out again exactly."""

    __tablename__ = "sales_score_count"
    __entity__ = "sales_score_count"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ()
    __audited__ = False

    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE"), primary_key=True
    )
    team_id: Mapped[UUID | None]
    is_won: Mapped[bool]
    facts: Mapped[Any] = mapped_column(JsonValue)
    """Variable to its values."""


class ScoreOverride(Base):
    """A person's word on how likely a deal is, which stands against its score."""

    __tablename__ = "sales_score_override"
    __entity__ = "sales_score_override"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ("reason",)

    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE"), primary_key=True
    )
    probability: Mapped[Decimal] = mapped_column(Quantity())
    reason: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    at: Mapped[datetime]
