"""Directed, dated ties between two customers, each type with a named inverse."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import Public, ThroughCustomer


class RelationshipType(Keyed):
    """A kind of tie: ``contact_of`` reads "contact of" one way and "has contact" the other."""

    __tablename__ = "core_relationship_type"
    __entity__ = "relationship_type"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    inverse_name: Mapped[str]
    from_kind: Mapped[str | None]
    to_kind: Mapped[str | None]
    is_hierarchy: Mapped[bool] = mapped_column(default=False)
    """A hierarchy allows no circle: nobody is a subsidiary of their own subsidiary."""


class Relationship(Keyed):
    """``from_customer`` is *type* of ``to_customer``: Anna is contact of Acme."""

    __tablename__ = "core_relationship"
    __entity__ = "relationship"
    __scope__ = ThroughCustomer(("from_customer_id", "to_customer_id"))
    __personal__ = ("note",)
    __table_args__ = (
        CheckConstraint("from_customer_id <> to_customer_id", name="not_itself"),
        Index(None, "from_customer_id", "type_id"),
        Index(None, "to_customer_id", "type_id"),
    )

    type_id: Mapped[UUID] = mapped_column(ForeignKey("core_relationship_type.id"))
    from_customer_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE")
    )
    to_customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    started_on: Mapped[date | None]
    ended_on: Mapped[date | None]
    note: Mapped[str | None]
