"""Which plugins are in use on this database."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base
from crm_core.persistence.scope import ByRight, Public
from crm_core.persistence.types import Told


class PluginState(StrEnum):
    """Whether a plugin is in use; ``quarantined`` means it was, and hung."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    QUARANTINED = "quarantined"


class Plugin(Base):
    """A plugin that was enabled or disabled here; one that has no row is as its manifest says.

    ``error`` is why it could not be enabled, or was quarantined. ``version`` is empty until it was
    in use. ``table_prefix`` is kept so that its tables can be dropped when the package is gone.
    """

    __tablename__ = "core_plugin"
    __entity__ = "plugin"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    state: Mapped[str]
    table_prefix: Mapped[str] = mapped_column(default="")
    error: Mapped[str | None] = mapped_column(Told())
    changed_at: Mapped[datetime]


class JobRun(Base):
    """When a plugin's job was last begun and ended, by whichever worker; ``error`` if it failed."""

    __tablename__ = "core_job_run"
    __entity__ = "job_run"
    __scope__ = ByRight("core.plugin.manage")
    __audited__ = False
    __personal__ = ()

    name: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Told())
