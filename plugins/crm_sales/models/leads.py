"""Interest that is not yet a deal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, or_
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.access import Actor, Reach
from crm_core.persistence.base import Base, Versioned
from crm_core.persistence.scope import owner_criterion
from crm_core.persistence.types import Money


class LeadState(StrEnum):
    """Where a lead stands."""

    NEW = "new"
    QUALIFIED = "qualified"
    DISQUALIFIED = "disqualified"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class OwnedOrWaiting:
    """One's own, the team's or all leads, and the queue for whoever assigns leads of all."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to the leads of whom the right reaches, and those that wait for somebody."""
        owner = cls.owner_id  # type: ignore[attr-defined]
        condition = owner_criterion(owner, actor, actor.reach("sales.lead.view"))
        if condition is None or actor.reach("sales.lead.assign") is not Reach.ALL:
            return condition
        return or_(condition, owner.is_(None))


class Lead(Versioned):
    """Somebody's interest, maybe nobody's we know: as it came, until it is qualified or not.

    A lead without an owner stands in the queue, for those who may see or assign the leads of all.
    """

    __tablename__ = "sales_lead"
    __entity__ = "sales_lead"
    __scope__ = OwnedOrWaiting()
    __personal__ = (
        "name",
        "company",
        "email",
        "email_key",
        "phone",
        "phone_key",
        "name_key",
        "website",
        "street",
        "postal_code",
        "city",
        "job_title",
        "request",
    )
    __table_args__ = (
        Index(None, "state", "owner_id", "id"),
        Index(None, "owner_id", "state", "id"),
        Index(None, "email_key"),
        Index(None, "phone_key"),
        Index(None, "name_key"),
        Index(None, "owner_id", "assigned_at"),
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
    name_key: Mapped[str | None]
    """The words of the company's name, or the person's, as they are compared."""
    job_title: Mapped[str | None]
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
    merged_into_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sales_lead.id", ondelete="SET NULL"), index=True
    )
    """The lead that it went into."""
    arrival_key: Mapped[str | None] = mapped_column(unique=True)
    """Names where it came from, so that what is told twice makes one lead."""
