"""Interactions, activities and consents of many customers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_core.entities.consent import Consent
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.system import AuditEntry
from crm_core.ids import new_id
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import insert_rows, table_of
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork

Rows = Sequence[Mapping[str, Any]]


def save_engagement(
    uow: UnitOfWork, *, interactions: Rows = (), activities: Rows = (), consents: Rows = ()
) -> None:
    """Add interactions, activities and consents; rights and values were checked before.

    A row names columns of its class, ``customer_id`` among them; those it leaves out are empty,
    and ids and the moments of writing are given here. An activity with ``done_at`` is done.
    """
    now = uow.now
    versions = {"version": 1, "created_at": now, "updated_at": now}
    _insert(uow, Interaction, [{"recorded_at": now, **row} for row in interactions])
    _insert(
        uow,
        Activity,
        [{**versions, "is_open": row.get("done_at") is None, **row} for row in activities],
    )
    _insert(uow, Consent, list(consents))


def _insert(uow: UnitOfWork, model: type[Base], rows: Rows) -> None:
    empty = dict.fromkeys(column.name for column in table_of(model).columns)
    full: list[dict[str, Any]] = [{**empty, "id": new_id(), **row} for row in rows]
    audits = [
        audit_row(
            uow.actor,
            "create",
            model.__entity__,
            row["id"],
            row["customer_id"],
            {
                name: [None, plain_value(value)]
                for name, value in row.items()
                if value is not None and name not in ("id", "version", "created_at", "updated_at")
            },
        )
        for row in full
    ]
    insert_rows(uow.connection(), model, full)
    insert_rows(uow.connection(), AuditEntry, audits)
