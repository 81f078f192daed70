"""Interest that is not yet a deal."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Versioned
from crm_core.persistence.scope import ByOwner
from crm_core.persistence.types import Money


class LeadState(StrEnum):
    """Where a lead stands."""

    NEW = "new"
    QUALIFIED = "qualified"
    DISQUALIFIED = "disqualified"


class Lead(Versioned):
    """Somebody's interest, maybe nobody's we know: as it came, until it is qualified or not.

    A lead without an owner stands in the queue, for those who may see the leads of all.
    """

    __tablename__ = "sales_lead"
    __entity__ = "sales_lead"
    __scope__ = ByOwner("sales.lead.view")
    __personal__ = ("name", "company", "email", "phone", "request", "city")
    __table_args__ = (
        Index(None, "state", "owner_id", "id"),
        Index(None, "owner_id", "state", "id"),
        Index(None, "email_key"),
        Index(None, "phone_key"),
    )

    name: Mapped[str]
    """Of the person, or what the interest is about where nobody is named."""
    company: Mapped[str | None]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    """The address as it is compared."""
    phone: Mapped[str | None]
    phone_key: Mapped[str | None]
    """The number as it is compared."""
    website: Mapped[str | None]
    street: Mapped[str | None]
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    country_code: Mapped[str | None]
    language: Mapped[str | None]
    request: Mapped[str | None]
    """What was asked for, in their words."""
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"))
    expected_amount: Mapped[Decimal | None] = mapped_column(Money())
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    source: Mapped[str | None]
    campaign: Mapped[str | None]
    channel: Mapped[str | None]
    """How it came: ``web``, ``email``, ``phone``, ... as interactions name it."""
    customer_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_customer.id", ondelete="SET NULL"), index=True
    )
    """Whom it turned out to be from; set at the latest when it is qualified."""
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_team.id"))
    assigned_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default=LeadState.NEW)
    closed_at: Mapped[datetime | None]
    closing_reason: Mapped[str | None]
    """Why it was disqualified."""
    arrival_key: Mapped[str | None] = mapped_column(unique=True)
    """Names where it came from, so that what is told twice makes one lead."""
