"""Profile values of many customers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.consent import ProfileValue
from crm_core.entities.system import AuditEntry
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, update_rows
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork


def save_profile_values(uow: UnitOfWork, values: Sequence[tuple[UUID, UUID, str]]) -> set[UUID]:
    """Set (customer, attribute, canonical value) and return the customers that this changed.

    Rights and values were checked before. What is there already stays untouched.
    """
    existing: dict[tuple[UUID, UUID], Any] = {}
    columns = (ProfileValue.id, ProfileValue.customer_id, ProfileValue.attribute_id)
    for some in chunked(sorted({customer_id for customer_id, _, _ in values}), PARAMETERS):
        statement = select(*columns, ProfileValue.value)
        for found in uow.execute(statement.where(ProfileValue.customer_id.in_(some))):
            existing[found.customer_id, found.attribute_id] = found
    new, changed, audits, now = [], [], [], uow.now
    for customer_id, attribute_id, value in values:
        kept = existing.get((customer_id, attribute_id))
        if kept is not None and kept.value == value:
            continue
        row: dict[str, Any] = {"value": value, "updated_at": now}
        if kept is None:
            row |= {"id": new_id(), "customer_id": customer_id, "attribute_id": attribute_id}
            new.append(row)
            changes = {name: [None, plain_value(row[name])] for name in row if name != "updated_at"}
        else:
            row["id"] = kept.id
            changed.append(row)
            changes = {"value": [kept.value, value]}
        action = "create" if kept is None else "update"
        entity = ProfileValue.__entity__
        audits.append(audit_row(uow.actor, action, entity, row["id"], customer_id, changes))
    connection = uow.connection()
    insert_rows(connection, ProfileValue, new)
    update_rows(connection, ProfileValue, changed)
    insert_rows(connection, AuditEntry, audits)
    touched = {audit["customer_id"] for audit in audits}
    uow.mark_changed(touched)
    return touched
