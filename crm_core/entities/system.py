"""Records about the system itself: settings, audit rows, attachments."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import ByRight, Public, ThroughCustomer
from crm_core.persistence.types import JsonValue

AUDIT_VIEW = "core.audit.view"
_POSITION = column("position", BigInteger())


class Setting(Base):
    """One setting of this database: company, base currency, time zone, language, its own id."""

    __tablename__ = "core_setting"
    __entity__ = "setting"
    __scope__ = Public()
    __personal__ = ()

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JsonValue)


class AuditEntry(Base):
    """Who changed which record when, and what: ``changes`` maps a field to ``[old, new]``.

    Writers leave the last four columns empty; sealing fills them (``crm_core.services.audit``).
    """

    __tablename__ = "core_audit"
    __entity__ = "audit"
    __scope__ = ByRight(AUDIT_VIEW)
    __personal__ = ("changes",)
    __audited__ = False
    __table_args__ = (
        Index(None, "entity_type", "entity_id", "id"),
        Index(None, "customer_id", "id"),
        # Both partial, so that a fresh row costs one entry and sealing finds what is left at once.
        Index(
            "ix_core_audit_unsealed",
            "id",
            sqlite_where=_POSITION.is_(None),
            postgresql_where=_POSITION.is_(None),
        ),
        Index(
            None,
            "position",
            unique=True,
            sqlite_where=_POSITION.is_not(None),
            postgresql_where=_POSITION.is_not(None),
        ),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_login: Mapped[str]
    origin: Mapped[str]
    action: Mapped[str]
    entity_type: Mapped[str]
    entity_id: Mapped[str]
    customer_id: Mapped[UUID | None]
    changes: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    """None once a person's values were erased."""
    position: Mapped[int | None] = mapped_column(BigInteger)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    values_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    chain_hash: Mapped[bytes | None] = mapped_column(LargeBinary)


class Attachment(Keyed):
    """A file on a record; its bytes lie beside the database under their SHA-256."""

    __tablename__ = "core_attachment"
    __entity__ = "attachment"
    __scope__ = ThroughCustomer()
    __personal__ = ("file_name",)
    __table_args__ = (Index(None, "customer_id"), Index(None, "entity_type", "entity_id"))

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    """The customer whose scope the file shares."""
    entity_type: Mapped[str]
    entity_id: Mapped[str]
    file_name: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
