"""Customers that stood here twice: merges, all that each changed, and pairs that are two."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import Through, ThroughCustomer
from crm_core.persistence.types import JsonTold, JsonValue, Told


class CustomerMerge(Keyed):
    """One customer that went into another, and whether that was undone.

    ``choices`` says of which fields the dropped one's value was taken, ``summary`` how many records
    of each kind went along, and ``left`` what the undoing could not put back.
    """

    __tablename__ = "core_customer_merge"
    __entity__ = "customer_merge"
    __scope__ = ThroughCustomer(("keep_id",))
    __personal__ = ("reason", "left")
    __table_args__ = (Index(None, "keep_id", "id"), Index(None, "drop_id", "id"))

    keep_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    drop_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    reason: Mapped[str | None]
    choices: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    summary: Mapped[dict[str, int]] = mapped_column(JsonValue, default=dict)
    merged_at: Mapped[datetime]
    merged_by: Mapped[str]
    """Login of who did it."""
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    left: Mapped[list[str] | None] = mapped_column(JsonTold())


class MergeChange(Base):
    """One row that a merge changed, so that it can be put back; in the order it was done.

    ``key`` finds the row as the merge left it. ``before`` is None for a row that the merge made,
    ``after`` for one that it removed; of one that it changed they hold the columns that changed.
    Values are those of ``crm_core.persistence.ledger``.
    """

    __tablename__ = "core_merge_change"
    __entity__ = "merge_change"
    __scope__ = Through("CustomerMerge", "merge_id")
    __personal__ = ("before", "after")
    __audited__ = False
    __table_args__ = (Index(None, "merge_id", "id"),)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    merge_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer_merge.id", ondelete="CASCADE"))
    table_name: Mapped[str]
    key: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    before: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    after: Mapped[Any] = mapped_column(JsonValue, nullable=True)


class MergeThereState(StrEnum):
    """What became of asking a back office to merge two records as well."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    TAKEN_BACK = "taken_back"


class MergeThere(Keyed):
    """Two records that a back office is asked to merge, since their customers were merged here."""

    __tablename__ = "core_merge_there"
    __entity__ = "merge_there"
    __scope__ = Through("CustomerMerge", "merge_id")
    __personal__ = ()
    __table_args__ = (Index(None, "merge_id"), Index(None, "backend_id", "state"))

    merge_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer_merge.id", ondelete="CASCADE"))
    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    keep_remote_id: Mapped[str]
    drop_remote_id: Mapped[str]
    state: Mapped[str] = mapped_column(default=MergeThereState.WAITING.value)
    reason: Mapped[str | None] = mapped_column(Told())
    """Why it was refused."""


class DistinctCustomers(Base):
    """Two customers of whom somebody said that they are not the same; the smaller id stands first.

    They are not suggested as duplicates of each other again.
    """

    __tablename__ = "core_distinct_customers"
    __entity__ = "distinct_customers"
    __scope__ = ThroughCustomer(("customer_id", "other_id"))
    __personal__ = ()
    __table_args__ = (Index(None, "other_id"),)

    customer_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE"), primary_key=True
    )
    other_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE"), primary_key=True
    )
    said_at: Mapped[datetime]
    said_by: Mapped[str]
