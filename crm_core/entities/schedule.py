"""How often the worker runs a backend, and whom it tells when that goes wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.entities.sync import SYNC_VIEW
from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import ByRight
from crm_core.persistence.types import JsonValue, Told


class SyncSchedule(Base):
    """When the worker runs one backend; one that has no row is run by the settings' interval.

    ``entities`` maps an entity to its own seconds. Without ``sweep_seconds`` every run looks for
    records that are gone; without ``full_seconds`` none reads again what did not change.
    ``heavy_hours`` is ``22:00-06:00`` in the company's time zone.
    """

    __tablename__ = "core_sync_schedule"
    __entity__ = "sync_schedule"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    every_seconds: Mapped[int | None]
    entities: Mapped[dict[str, int]] = mapped_column(JsonValue, default=dict)
    sweep_seconds: Mapped[int | None]
    full_seconds: Mapped[int | None]
    heavy_hours: Mapped[str | None]
    is_paused: Mapped[bool] = mapped_column(default=False)


class SyncAlert(Base):
    """Whom to tell of a backend's troubles, and which of them were told and still stand.

    ``conflicts`` and ``set_aside`` are the numbers from which on it is trouble; None for never.
    ``standing`` maps a trouble to what was told of it.
    """

    __tablename__ = "core_sync_alert"
    __entity__ = "sync_alert"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ("mail_to",)
    __withheld__ = ("webhook_url",)

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    mail_to: Mapped[str | None]
    webhook_url: Mapped[str | None]
    webhook_secret_ref: Mapped[str | None]
    conflicts: Mapped[int | None]
    set_aside: Mapped[int | None]
    standing: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)


class LoginRefusal(Base):
    """That a backend refused its password, so that no worker tries the same one again.

    ``digest`` is that of the backend's version and the password (``crm_core.sync.logins``).
    """

    __tablename__ = "core_login_refusal"
    __entity__ = "login_refusal"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ()
    __audited__ = False

    backend_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_backend.id", ondelete="CASCADE"), primary_key=True
    )
    refused_at: Mapped[datetime]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AlertNotice(Keyed):
    """One message that is still to be sent over one channel, ``mail`` or ``webhook``.

    ``missed`` are those whom a mail did not reach although it reached others.
    """

    __tablename__ = "core_alert_notice"
    __entity__ = "alert_notice"
    __scope__ = ByRight(SYNC_VIEW)
    __personal__ = ("missed",)
    __audited__ = False
    __table_args__ = (Index(None, "next_at"),)

    backend_id: Mapped[UUID] = mapped_column(ForeignKey("core_backend.id", ondelete="CASCADE"))
    channel: Mapped[str]
    content: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    made_at: Mapped[datetime]
    next_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Told())
    missed: Mapped[str | None]
