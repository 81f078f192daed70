"""What a plugin leaves in a database when it is off, and removing it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import MetaData, Table, delete, inspect, or_

from crm_core.entities.conflict import Conflict
from crm_core.entities.plugin import JobRun
from crm_core.entities.sync import (
    Binding,
    DeadLetter,
    PendingReference,
    PushItem,
    SyncCursor,
)
from crm_core.entities.user import RoleRight
from crm_core.persistence import migrate
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork


def drop_tables(database: Database, name: str, prefix: str) -> list[str]:
    """Drop a plugin's tables, also when its package is gone, and return their names."""
    with migrate.changing_tables(database, name, prefix) as connection:
        names = inspect(connection).get_table_names()
        line = f"alembic_version_{name}"
        doomed = [each for each in names if each == line or (prefix and each.startswith(prefix))]
        metadata = MetaData()
        metadata.reflect(connection, only=doomed)
        tables: list[Table] = [metadata.tables[each] for each in doomed]
        metadata.drop_all(connection, tables)
    return sorted(set(doomed) - {line})


def forget_rows(uow: UnitOfWork, name: str, known: Collection[str]) -> None:
    """Delete the core's rows about what a plugin named: rights, jobs, what was synced.

    Args:
        uow: A writing unit of work.
        name: The plugin's.
        known: All plugins' names; what one of a longer name named, such as ``good_more``, stays.
    """
    longer = [f"{other}{mark}" for other in known if other.startswith(f"{name}_") for mark in "._"]
    synced = (Binding, DeadLetter, PendingReference, SyncCursor, PushItem, Conflict)
    for column in (RoleRight.right, JobRun.name, *(model.entity for model in synced)):
        own = [column.startswith(f"{name}{mark}", autoescape=True) for mark in "._"]
        others = [column.startswith(each, autoescape=True) for each in longer]
        uow.execute(
            delete(column.class_)
            .where(or_(*own), *(~each for each in others))
            .execution_options(synchronize_session=False)
        )
