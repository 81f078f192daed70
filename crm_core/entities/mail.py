"""Mail on its way."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, column
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.entities.outbox import DELIVERY_VIEW
from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import ByRight, Through
from crm_core.persistence.types import Told

_WAITS = column("next_at").is_not(None)


class QueuedMail(Keyed):
    """A mail to one person, written in the transaction in which it became due and sent afterwards.

    Only one that waits has ``next_at``. What it says is forgotten once it was sent or given up, for
    it may hold a link to sign in with.
    """

    __tablename__ = "core_mail"
    __entity__ = "mail"
    __scope__ = ByRight(DELIVERY_VIEW)
    __personal__ = ("to_address", "subject", "text")
    __audited__ = False
    __table_args__ = (
        Index(None, "next_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index(None, "made_at"),
    )

    to_address: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str | None]
    kind: Mapped[str]
    """What it is about, such as ``web.reset``."""
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """From when on it is of no use any more."""
    next_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Told())
    sent_at: Mapped[datetime | None]


class QueuedMailFile(Keyed):
    """A file that goes with a mail; forgotten with what the mail says."""

    __tablename__ = "core_mail_file"
    __entity__ = "mail_file"
    __scope__ = Through("QueuedMail", "mail_id")
    __personal__ = ("file_name", "content")
    __audited__ = False

    mail_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_mail.id", ondelete="CASCADE"), index=True
    )
    file_name: Mapped[str]
    content_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
