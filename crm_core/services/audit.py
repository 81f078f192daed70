"""The record of who changed what: list it, seal and verify it, erase a person from it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.system import AUDIT_VIEW, AuditEntry
from crm_core.persistence.audit_chain import (
    AuditBreak,
    AuditReport,
    blank_values,
    seal,
    verify,
)
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork

__all__ = ["AuditBreak", "AuditReport", "erase_values", "list_audit", "seal", "verify"]

ERASE_RIGHT = "core.database.manage"


def list_audit(
    uow: UnitOfWork,
    *,
    entity_type: str | None = None,
    entity_id: str | None = None,
    customer_id: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return audit entries, newest first.

    Args:
        uow: The unit of work.
        entity_type: Only on records of this kind, such as ``customer``.
        entity_id: Only on the record with this key.
        customer_id: Only on this customer and what hangs on it.
        limit: Entries a page.
        cursor: ``next_cursor`` of the page before.

    Raises:
        PermissionDeniedError: The actor lacks ``core.audit.view``.
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
    return page_of(
        uow, statement, keys=[AuditEntry.id], limit=limit, cursor=cursor, descending=True
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
