"""What was aimed at, what was expected when, and what was forecast on each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.access import Actor, Reach
from crm_core.entities.user import TeamMember
from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import ByOwner, ByRight, Through, owner_criterion
from crm_core.persistence.types import Money


@dataclass(frozen=True, slots=True)
class ByPersonOrTeam:
    """Rows of a person as far as the right reaches; of a team for its members who reach it.

    Rows of neither are the company's: for those whose right reaches all.
    """

    right: str

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to the actor's own rows, to the team's, or not at all."""
        person: Any = getattr(cls, "user_id")  # noqa: B009  the class is any with these columns
        team: Any = getattr(cls, "team_id")  # noqa: B009
        reach = actor.reach(self.right)
        mine = owner_criterion(person, actor, reach)
        if mine is None or reach is not Reach.TEAM:
            return mine
        teams = select(TeamMember.team_id).where(TeamMember.user_id == actor.user_id)
        return or_(mine, person.is_(None) & team.in_(teams))


class SalesTarget(Versioned):
    """What a person, a team or the company is to win in a period."""

    __tablename__ = "sales_target"
    __entity__ = "sales_target"
    __scope__ = ByPersonOrTeam("sales.forecast.view")
    __personal__ = ()
    __table_args__ = (
        UniqueConstraint("period", "holder", "currency_code"),
        Index(None, "first_on", "last_on"),
    )

    period: Mapped[str]
    """``2026-11`` for a month, ``2026-Q4`` for a quarter."""
    first_on: Mapped[date]
    last_on: Mapped[date]
    holder: Mapped[str]
    """``user:ID``, ``team:ID`` or ``company``: says whose in one word, so that each has one."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_team.id", ondelete="CASCADE"), index=True
    )
    amount: Mapped[Decimal] = mapped_column(Money())
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))


class DealExpectation(Keyed):
    """What was expected of a deal from a moment on; a row each time that changed, append-only."""

    __tablename__ = "sales_deal_expectation"
    __entity__ = "sales_deal_expectation"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("opportunity_id", "number"),
        Index(None, "previous_close_on", "opportunity_id"),
    )

    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    """1 for the first of a deal; two who note the same change at once cannot both."""
    noted_at: Mapped[datetime]
    close_on: Mapped[date | None]
    amount: Mapped[Decimal | None] = mapped_column(Money())
    currency_code: Mapped[str]
    previous_close_on: Mapped[date | None]
    """What the row before said; None in a deal's first."""


class ForecastSnapshot(Base):
    """A day on which the forecast was kept, so that it is kept once."""

    __tablename__ = "sales_forecast_snapshot"
    __entity__ = "sales_forecast_snapshot"
    __scope__ = ByRight("sales.forecast.view")
    __personal__ = ()
    __audited__ = False

    taken_on: Mapped[date] = mapped_column(primary_key=True)
    """In the company's time zone."""
    taken_at: Mapped[datetime]


class ForecastFigure(Keyed):
    """What the forecast of a month said on a day, of one person's deals in one team and currency.

    Whoever sees a person's deals now sees what was forecast of them then.
    """

    __tablename__ = "sales_forecast_figure"
    __entity__ = "sales_forecast_figure"
    __scope__ = ByOwner("sales.forecast.view", "user_id")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (
        Index(None, "month_on", "taken_on"),
        Index(None, "taken_on"),
    )

    taken_on: Mapped[date] = mapped_column(
        ForeignKey("sales_forecast_snapshot.taken_on", ondelete="CASCADE")
    )
    month_on: Mapped[date]
    """First day of the month that the forecast is of."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_team.id", ondelete="SET NULL"))
    currency_code: Mapped[str]
    won_amount: Mapped[Decimal] = mapped_column(Money())
    committed_amount: Mapped[Decimal] = mapped_column(Money())
    weighted_amount: Mapped[Decimal] = mapped_column(Money())
    best_amount: Mapped[Decimal] = mapped_column(Money())
    open_count: Mapped[int]
