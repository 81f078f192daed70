"""Customers and what describes them: contact points, addresses, tags."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnClause, ForeignKey, Index, UniqueConstraint, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import CUSTOMER_VIEW, ByOwner, Public, ThroughCustomer

_MERGED_INTO: ColumnClause[UUID] = column("merged_into_id")


class CustomerKind(StrEnum):
    """What a customer is."""

    PERSON = "person"
    COMPANY = "company"


class CustomerStage(StrEnum):
    """Where a customer stands in its life cycle."""

    PROSPECT = "prospect"
    ACTIVE = "active"
    LOYAL = "loyal"
    LAPSED = "lapsed"


class Customer(Versioned):
    """Anyone the company deals with or wants to; contact persons are customers of kind person."""

    __tablename__ = "core_customer"
    __entity__ = "customer"
    __scope__ = ByOwner(CUSTOMER_VIEW)
    __personal__ = ("name", "vat", "job_title", "note")
    __table_args__ = (
        Index(None, "name", "id"),
        Index(None, "owner_id", "name", "id"),
        Index(None, "reference", "id"),
        Index(None, "vat", "id"),
        Index(None, "updated_at", "id"),
        Index(
            None,
            "merged_into_id",
            sqlite_where=_MERGED_INTO.is_not(None),
            postgresql_where=_MERGED_INTO.is_not(None),
        ),
    )

    kind: Mapped[str] = mapped_column(default=CustomerKind.COMPANY.value)
    stage: Mapped[str] = mapped_column(default=CustomerStage.PROSPECT.value)
    name: Mapped[str]
    reference: Mapped[str | None]
    vat: Mapped[str | None]
    language: Mapped[str | None]
    job_title: Mapped[str | None]
    preferred_channel: Mapped[str | None]
    note: Mapped[str | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    archived_at: Mapped[datetime | None]
    merged_into_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("core_customer.id", ondelete="SET NULL")
    )
    """The customer that this one turned out to be; it is archived, and its id leads there."""


class ContactPointKind(StrEnum):
    """A way to reach a customer."""

    EMAIL = "email"
    PHONE = "phone"
    MOBILE = "mobile"
    FAX = "fax"
    MESSENGER = "messenger"
    WEBSITE = "website"


class ContactPoint(Keyed):
    """One e-mail address, number, messenger or web address of a customer.

    ``value`` stays as typed; ``normalized`` is what equal means: lower-case e-mail, E.164 number.
    It is None where the value could not be understood.
    """

    __tablename__ = "core_contact_point"
    __entity__ = "contact_point"
    __scope__ = ThroughCustomer()
    __personal__ = ("value", "normalized", "label")
    # With the id, for it is the order in which they are read: nothing is left to be sorted.
    __table_args__ = (Index(None, "customer_id", "position", "id"), Index(None, "normalized"))

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    kind: Mapped[str]
    value: Mapped[str]
    normalized: Mapped[str | None]
    label: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)


class AddressUse(StrEnum):
    """What an address is for."""

    MAIN = "main"
    INVOICE = "invoice"
    DELIVERY = "delivery"
    VISIT = "visit"
    OTHER = "other"


class Address(Keyed):
    """A postal address of a customer, with who receives there where that differs."""

    __tablename__ = "core_address"
    __entity__ = "address"
    __scope__ = ThroughCustomer()
    __personal__ = (
        "recipient",
        "street",
        "street2",
        "postal_code",
        "city",
        "region",
        "country_code",
        "email",
        "phone",
        "mobile",
        "note",
    )
    # With the id, as with contact points.
    __table_args__ = (Index(None, "customer_id", "use", "id"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    use: Mapped[str] = mapped_column(default=AddressUse.MAIN.value)
    recipient: Mapped[str | None]
    street: Mapped[str | None]
    street2: Mapped[str | None]
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    country_code: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    mobile: Mapped[str | None]
    note: Mapped[str | None]
    archived_at: Mapped[datetime | None]


class Tag(Keyed):
    """A label that customers can carry; its name says all there is to know."""

    __tablename__ = "core_tag"
    __entity__ = "tag"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)


class CustomerTag(Base):
    """One tag on one customer."""

    __tablename__ = "core_customer_tag"
    __entity__ = "customer_tag"
    __scope__ = ThroughCustomer()
    __personal__ = ()
    __table_args__ = (UniqueConstraint("tag_id", "customer_id"),)

    customer_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_tag.id", ondelete="CASCADE"), primary_key=True
    )
