"""Deals, and every move they made."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import ByOwner, Through
from crm_core.persistence.types import Money, Quantity


class DealState(StrEnum):
    """Where a deal stands."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Opportunity(Versioned):
    """A deal with a customer, from first talk to won or lost."""

    __tablename__ = "sales_opportunity"
    __entity__ = "sales_opportunity"
    __scope__ = ByOwner("sales.opportunity.view")
    __personal__ = ("name", "note")
    __table_args__ = (
        Index(None, "customer_id", "state", "id"),
        # All that counts and sums of a board read, so that they read no row.
        Index(
            "ix_sales_opportunity_board",
            "pipeline_id",
            "state",
            "stage_id",
            "currency_code",
            "expected_amount",
            "owner_id",
        ),
        Index(None, "stage_id", "state", "expected_close_on", "id"),
        Index(None, "owner_id", "state", "expected_close_on", "id"),
        Index(None, "state", "closed_at", "id"),
    )

    name: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_customer.id", ondelete="SET NULL"), index=True
    )
    """The person one talks with, of a company."""
    pipeline_id: Mapped[UUID] = mapped_column(ForeignKey("sales_pipeline.id"))
    stage_id: Mapped[UUID] = mapped_column(ForeignKey("sales_stage.id"))
    state: Mapped[str] = mapped_column(default=DealState.OPEN)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_team.id"))
    expected_amount: Mapped[Decimal | None] = mapped_column(Money())
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    expected_close_on: Mapped[date | None]
    is_committed: Mapped[bool] = mapped_column(default=False)
    """Whether its owner stands for it: it counts whole in the forecast."""
    source: Mapped[str | None]
    campaign: Mapped[str | None]
    country_code: Mapped[str | None]
    language: Mapped[str | None]
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"))
    """What it is about before there is an offer."""
    note: Mapped[str | None]
    lead_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_lead.id", ondelete="SET NULL"), index=True
    )
    stage_entered_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    loss_reason_id: Mapped[UUID | None] = mapped_column(ForeignKey("sales_loss_reason.id"))
    competitor_id: Mapped[UUID | None] = mapped_column(ForeignKey("sales_competitor.id"))
    closing_note: Mapped[str | None]
    probability: Mapped[Decimal | None] = mapped_column(Quantity())
    """Stored, 0 to 1: a person's, else the score, else the stage's; 1 or 0 once closed."""
    is_overridden: Mapped[bool] = mapped_column(default=False)
    """Whether a person set the probability."""


class OpportunityMove(Keyed):
    """A move of a deal, opening, winning, losing and reopening included; append-only."""

    __tablename__ = "sales_opportunity_move"
    __entity__ = "sales_opportunity_move"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ()
    __table_args__ = (Index(None, "opportunity_id", "at"), Index(None, "at", "id"))

    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE")
    )
    at: Mapped[datetime]
    from_stage_id: Mapped[UUID | None] = mapped_column(ForeignKey("sales_stage.id"))
    to_stage_id: Mapped[UUID] = mapped_column(ForeignKey("sales_stage.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    seconds_in_stage: Mapped[int | None]
    """How long it had stood where it came from."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))


class OpportunityTag(Base):
    """A tag on a deal; tags are the core's, which customers bear too."""

    __tablename__ = "sales_opportunity_tag"
    __entity__ = "sales_opportunity_tag"
    __scope__ = Through("Opportunity", "opportunity_id")
    __personal__ = ()

    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("sales_opportunity.id", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_tag.id", ondelete="CASCADE"), primary_key=True, index=True
    )
