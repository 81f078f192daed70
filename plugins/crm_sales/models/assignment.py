"""Who gets a lead: rules, whom they lead to, who is away, and every decision with its reasons."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public, Through
from crm_core.persistence.types import JsonValue, Money


class Way(StrEnum):
    """How one of several people is chosen."""

    ROUND_ROBIN = "round_robin"
    WEIGHTED = "weighted"
    LEAST_LOADED = "least_loaded"


class AssignmentRule(Versioned):
    """Which leads go to whom. Rules are tried in the order of ``position``, the first that fits.

    A condition that is empty fits every lead; of several words in one, any has to fit.
    """

    __tablename__ = "sales_assignment_rule"
    __entity__ = "sales_assignment_rule"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (Index(None, "position"),)

    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
    countries: Mapped[Any] = mapped_column(JsonValue, default=list)
    postal_prefixes: Mapped[Any] = mapped_column(JsonValue, default=list)
    products: Mapped[Any] = mapped_column(JsonValue, default=list)
    """References of products."""
    categories: Mapped[Any] = mapped_column(JsonValue, default=list)
    """Categories of products, with all below them: ``All / Saleable``."""
    languages: Mapped[Any] = mapped_column(JsonValue, default=list)
    sources: Mapped[Any] = mapped_column(JsonValue, default=list)
    least_amount: Mapped[Decimal | None] = mapped_column(Money())
    most_amount: Mapped[Decimal | None] = mapped_column(Money())
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("core_currency.code"))
    """Of the two amounts."""
    way: Mapped[str] = mapped_column(default=Way.ROUND_ROBIN)


class AssignmentTarget(Keyed):
    """A user or a team that a rule leads to; a rule without any leads to all who sell."""

    __tablename__ = "sales_assignment_target"
    __entity__ = "sales_assignment_target"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (Index(None, "rule_id"),)

    rule_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_assignment_rule.id", ondelete="CASCADE")
    )
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_team.id", ondelete="CASCADE"))
    weight: Mapped[int] = mapped_column(default=1)
    """Of each of them; heeded where the rule's way is ``weighted``."""


class AssignmentTurn(Base):
    """Whose turn it is by a rule: who has waited longest, by weight, has the greatest credit."""

    __tablename__ = "sales_assignment_turn"
    __entity__ = "sales_assignment_turn"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False

    rule_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_assignment_rule.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True
    )
    credit: Mapped[int] = mapped_column(default=0)


class Seller(Base):
    """What a person takes on; who has no row takes what the setting says."""

    __tablename__ = "sales_seller"
    __entity__ = "sales_seller"
    __scope__ = Public()
    __personal__ = ()

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True
    )
    takes_leads: Mapped[bool] = mapped_column(default=True)
    daily_leads: Mapped[int | None]
    """How many a day at most; None for what the setting says."""


class Absence(Versioned):
    """Days on which a person is away, both included, and who stands in."""

    __tablename__ = "sales_absence"
    __entity__ = "sales_absence"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (
        UniqueConstraint("user_id", "from_on"),
        Index(None, "until_on"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    from_on: Mapped[date]
    until_on: Mapped[date]
    stand_in_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_user.id", ondelete="SET NULL")
    )


class Outcome(StrEnum):
    """What came of looking for somebody."""

    BY_RULE = "by_rule"
    BY_OWNER = "by_owner"
    BY_HAND = "by_hand"
    RELEASED = "released"
    WAITING = "waiting"


class LeadDecision(Keyed):
    """Who got a lead or why nobody did; the same answer given again is counted, not repeated."""

    __tablename__ = "sales_lead_decision"
    __entity__ = "sales_lead_decision"
    __scope__ = Through("Lead", "lead_id")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (
        Index(None, "lead_id", "id"),
        Index(None, "is_latest", "tried_at"),
    )

    lead_id: Mapped[UUID] = mapped_column(ForeignKey("sales_lead.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    tried_at: Mapped[datetime]
    """When it was last looked for with this answer."""
    tries: Mapped[int] = mapped_column(default=1)
    is_latest: Mapped[bool] = mapped_column(default=True)
    outcome: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    """Who got it."""
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    """Who decided; None for the rules."""
    rule_name: Mapped[str | None]
    """As it was called then."""
    steps: Mapped[Any] = mapped_column(JsonValue, default=list)
    """What was tried, in order; ``services.assignment.explaining`` puts it into words."""
