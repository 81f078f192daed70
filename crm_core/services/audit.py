"""The record of who changed what: list it, seal and verify it, erase a person from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, select

from crm_core.entities.system import AUDIT_VIEW, AuditEntry
from crm_core.errors import InputError, StaleVersionError
from crm_core.messages import joined, t
from crm_core.persistence.audit_chain import (
    AuditBreak,
    AuditReport,
    blank_values,
    seal,
    verify,
)
from crm_core.persistence.base import Versioned
from crm_core.persistence.bulk import table_of
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork

__all__ = [
    "AuditBreak",
    "AuditFilter",
    "AuditReport",
    "erase_values",
    "latest_updates",
    "list_audit",
    "seal",
    "verify",
]

ERASE_RIGHT = "core.database.manage"
_FIELD = re.compile(r"[A-Za-z0-9_.:]{1,80}")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries of the audit are asked for; None asks for all.

    Attributes:
        login: Only by who bears this login.
        action: Only of this kind: ``create``, ``update``, ``delete`` or a verb of a service.
        origin: Only from where: ``cli``, ``web``, ``import``, ``sync:NAME``.
        field: Only those that changed this field.
        text: Only those in whose values this text stands, as it is written there.
        since: Only from this moment on.
        until: Only until this moment, it left out.
        is_sealed: Only sealed ones, or only those that are not yet.
    """

    login: str | None = None
    action: str | None = None
    origin: str | None = None
    field: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_sealed: bool | None = None

    def conditions(self, *, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
        """Yield the SQL of what is asked; raises InputError for a field's name that is none."""
        entry = AuditEntry
        if self.login is not None:
            yield entry.actor_login == self.login
        if self.action is not None:
            yield entry.action == self.action
        if self.origin is not None:
            yield entry.origin == self.origin
        if self.since is not None:
            yield entry.at >= self.since
        if self.until is not None:
            yield entry.at < self.until
        if self.is_sealed is not None:
            is_open = entry.position.is_(None)
            yield ~is_open if self.is_sealed else is_open
        if self.field is not None:
            if not _FIELD.fullmatch(self.field):
                raise InputError(
                    t("{field!r} is no field's name.", field=self.field[:80]),
                    code="core.audit.field",
                )
            kept = func.json_type(entry.changes, f'$."{self.field}"').is_not(None)
            yield kept if is_sqlite else func.jsonb_exists(entry.changes, self.field)
        if self.text is not None:
            yield cast(entry.changes, Text).contains(self.text, autoescape=True)


def list_audit(
    uow: UnitOfWork,
    *,
    entity_type: str | None = None,
    entity_id: str | None = None,
    customer_id: UUID | None = None,
    wanted: AuditFilter | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return audit entries, newest first.

    Args:
        uow: The unit of work.
        entity_type: Only on records of this kind, such as ``customer``.
        entity_id: Only on the record with this key.
        customer_id: Only on this customer and what hangs on it.
        wanted: Further filters.
        limit: Entries a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id, at, actor_login, origin, action, entity_type, entity_id, customer_id,
        changes, position``. ``position`` is the entry's place in the chain, None until it is
        sealed; ``changes`` is None once a person's values were erased.

    Raises:
        PermissionDeniedError: The actor lacks ``core.audit.view``.
        InputError: A field's name is none.
    """
    uow.actor.require(AUDIT_VIEW)
    shown = ("id", "at", "actor_login", "origin", "action", "entity_type", "entity_id")
    statement = select(
        *(getattr(AuditEntry, name) for name in shown),
        AuditEntry.customer_id,
        AuditEntry.changes,
        AuditEntry.position,
    )
    for column, value in (
        (AuditEntry.entity_type, entity_type),
        (AuditEntry.entity_id, entity_id),
        (AuditEntry.customer_id, customer_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    asked = wanted or AuditFilter()
    statement = statement.where(*asked.conditions(is_sqlite=uow.database.is_sqlite))
    return page_of(
        uow, statement, keys=[AuditEntry.id], limit=limit, cursor=cursor, descending=True
    )


def latest_updates(
    uow: UnitOfWork, entity_type: str, entity_id: str, count: int
) -> list[dict[str, Any]]:
    """Return the last changes of a record, newest first: ``at, actor_login, fields``.

    It tells names of fields, no values, to whoever read the record but not the audit: a caller
    whose change came too late is told by it who was faster. The caller has checked that the actor
    may see the record.
    """
    entry = table_of(AuditEntry)
    statement = (
        select(entry.c.at, entry.c.actor_login, entry.c.changes)
        .where(
            entry.c.entity_type == entity_type,
            entry.c.entity_id == entity_id,
            entry.c.action == "update",
        )
        .order_by(entry.c.id.desc())
        .limit(count)
    )
    return [
        {"at": row.at, "actor_login": row.actor_login, "fields": list(row.changes or ())}
        for row in uow.connection().execute(statement)
    ]


def expect_unchanged(
    uow: UnitOfWork,
    record: Versioned,
    expected_version: int | None,
    changed: str,
    *,
    hidden: Collection[str] = (),
) -> None:
    """Raise StaleVersionError, which says who changed what, unless a record is as it was read.

    Args:
        uow: The unit of work.
        record: What the actor may see and is about to change.
        expected_version: The version that they read; None for whatever is there.
        changed: The sentence that says so: "The deal Boats was changed since you read it."
        hidden: Fields that are not worth telling, for they follow from others.
    """
    if expected_version is None or record.version == expected_version:
        return
    behind = max(1, record.version - expected_version)
    updates = latest_updates(uow, record.__entity__, str(record.id), behind)
    told = [
        t("{login} changed {fields}.", login=update["actor_login"], fields=", ".join(fields))
        for update in updates
        if (fields := [name for name in update["fields"] if name not in hidden])
    ]
    again = t("Look at it again and repeat your change.")
    raise StaleVersionError(
        joined([changed, *dict.fromkeys(told), again]),
        details={
            "id": str(record.id),
            "version": record.version,
            "changes": [
                {"login": each["actor_login"], "fields": each["fields"]} for each in updates
            ],
        },
    )


def erase_values(uow: UnitOfWork, customer_id: UUID) -> int:
    """Erase what the audit says of a person: old and new values of all entries on one customer.

    Who did what to which record, and when, stays; so does the chain. The erasure leaves an entry of
    its own. Return how many entries were erased.

    Raises:
        PermissionDeniedError: The actor lacks ``core.database.manage``.
    """
    uow.actor.require(ERASE_RIGHT)
    uow.flush()
    erased = blank_values(uow.connection(), customer_id)
    entry = audit_row(uow.actor, "erase", "audit", customer_id, customer_id, {})
    uow.add(AuditEntry(**entry))
    return erased
