"""Bringing a database's tables up to date."""

from __future__ import annotations

from crm_core.persistence.database import Database


def upgrade(database: Database) -> None:
    """Create or migrate the tables of the core."""
    import crm_core.entities  # noqa: F401  maps the classes
    from crm_core.persistence.base import Base

    Base.metadata.create_all(database.engine)
