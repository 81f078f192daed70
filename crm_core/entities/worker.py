"""Signs of life of the worker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base
from crm_core.persistence.scope import Public
from crm_core.persistence.types import Told


class WorkerSign(Base):
    """When a worker was last seen, and what it is doing, if that takes long.

    ``holder`` is its process, as ``crm_core.sync.lock`` names it.
    """

    __tablename__ = "core_worker_sign"
    __entity__ = "worker_sign"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False

    holder: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
    doing: Mapped[str | None] = mapped_column(Told())
