"""What a customer agreed to, and typed attributes a company adds to customers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import Public, ThroughCustomer
from crm_core.persistence.types import JsonValue


class ConsentStatus(StrEnum):
    """What the customer said."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class Consent(Keyed):
    """One statement of a customer on one purpose and channel; append-only, the latest counts."""

    __tablename__ = "core_consent"
    __entity__ = "consent"
    __scope__ = ThroughCustomer()
    __personal__ = ("evidence",)
    __table_args__ = (Index(None, "customer_id", "purpose", "channel", "at"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    channel: Mapped[str]
    status: Mapped[str]
    evidence: Mapped[str]
    at: Mapped[datetime]
    recorded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))


class ProfileType(StrEnum):
    """What values a profile attribute takes."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    BOOLEAN = "boolean"
    CHOICE = "choice"


class ProfileAttribute(Keyed):
    """A typed custom field on customers: a preference, a temperament, a way of paying."""

    __tablename__ = "core_profile_attribute"
    __entity__ = "profile_attribute"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    type: Mapped[str]
    choices: Mapped[list[str] | None] = mapped_column(JsonValue)
    is_personal: Mapped[bool] = mapped_column(default=False)
    plugin: Mapped[str] = mapped_column(default="core")


class ProfileValue(Keyed):
    """One attribute's value for one customer; a row of its own, so that it can be scoped.

    ``value`` is canonical text: ISO date, plain decimal, ``true``/``false``, ``AMOUNT CURRENCY``.
    """

    __tablename__ = "core_profile_value"
    __entity__ = "profile_value"
    __scope__ = ThroughCustomer()
    __personal__ = ("value",)
    __table_args__ = (UniqueConstraint("customer_id", "attribute_id"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    attribute_id: Mapped[UUID] = mapped_column(ForeignKey("core_profile_attribute.id"))
    value: Mapped[str]
    updated_at: Mapped[datetime]
