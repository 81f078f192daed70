"""Postal addresses of customers that are records of their own on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_core.entities.customer import Address, AddressUse
from crm_core.entities.sync import BindingState
from crm_core.entities.system import AuditEntry
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows, select_in, update_rows
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.bindings import customer_targets, read_again_later
from crm_core.sync.context import Applied, Change, SyncContext

MAIN = AddressUse.MAIN.value
FIELDS = (
    "use",
    "recipient",
    "street",
    "street2",
    "postal_code",
    "city",
    "region",
    "country_code",
    "email",
    "phone",
    "mobile",
    "note",
)


class AddressApplier:
    """Writes addresses; a field the remote left alone keeps what people typed here.

    One that became its customer's main address here goes to the customer's own record, and does
    not follow its former one. The two stay bound, so that record is not taken for a new address.
    """

    keeps_snapshot = True

    def prepare(self, context: SyncContext, change: Change) -> None:
        """Nothing to prepare."""

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Insert or update the batch; an address whose customer is not here is set aside."""
        applied = Applied()
        connection = uow.connection()
        targets = customer_targets(
            uow, context.backend_id, (change.record.values["parent_ref"] for change in changes)
        )
        local = [change.bound.local_id for change in changes if change.bound]
        existing = {row.id: row._mapping for row in select_in(connection, Address, "id", local)}
        new: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        audits: list[dict[str, Any]] = []
        left: dict[UUID, str] = {}
        for change in changes:
            old = existing.get(change.bound.local_id) if change.bound else None
            if old is not None and old["use"] == MAIN:
                _rest(change, applied)
                continue
            target = targets.get(change.record.values["parent_ref"])
            if target is None:
                applied.refuse_without_customer(change, "parent_ref")
                continue
            row = _row(change, target.customer_id, old, uow)
            (new if old is None else known).append(row)
            audits.append(_audit(context, row, old))
            if old is not None and old["customer_id"] != target.customer_id:
                left[old["customer_id"]] = change.remote_id
                context.moved[old["customer_id"]].append(("address", change.remote_id))
            applied.local_ids[change.remote_id] = row["id"]
        insert_rows(connection, Address, new)
        update_rows(connection, Address, known)
        audits = [row for row in audits if row["changes"]]
        insert_rows(connection, AuditEntry, audits)
        uow.mark_changed([*(row["customer_id"] for row in audits), *left])
        # Documents on this address are its customer's.
        read_again_later(uow, context.backend_id, left)
        return applied

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Archive addresses that were deleted on the other side, but for main ones."""
        if fate != BindingState.DELETED:
            return
        now = uow.now
        columns = ("id", "customer_id", "use", "archived_at")
        open_rows = [
            row
            for row in select_in(uow.connection(), Address, "id", local_ids, *columns)
            if row.archived_at is None and row.use != MAIN
        ]
        changes = {"archived_at": [None, plain_value(now)]}
        uow.mark_changed(row.customer_id for row in open_rows)
        update_rows(
            uow.connection(), Address, [{"id": row.id, "archived_at": now} for row in open_rows]
        )
        insert_rows(
            uow.connection(),
            AuditEntry,
            [
                audit_row(context.actor, "update", "address", row.id, row.customer_id, changes)
                for row in open_rows
            ],
        )


def _rest(change: Change, applied: Applied) -> None:
    """Agree on nothing new, so that both sides are merged should it be a further address again."""
    if change.bound is None or not change.has_arrived:
        return
    for name in change.record.values:
        change.leave(name)
    change.digest = b""
    applied.local_ids[change.remote_id] = change.bound.local_id


def _row(change: Change, customer_id: UUID, old: Any, uow: UnitOfWork) -> dict[str, Any]:
    values = change.record.values
    row: dict[str, Any] = {
        "id": change.bound.local_id if change.bound else new_id(),
        "customer_id": customer_id,
    }
    for name in FIELDS:
        changed = old is None or change.differs(name)
        row[name] = values.get(name) if changed else old[name]
    archived = bool(values.get("archived"))
    row["archived_at"] = old["archived_at"] if old is not None else None
    if change.tells_archived and archived != (row["archived_at"] is not None):
        row["archived_at"] = uow.now if archived else None
    return row


def _audit(context: SyncContext, row: dict[str, Any], old: Any) -> dict[str, Any]:
    changes = {
        name: [plain_value(old[name]) if old is not None else None, plain_value(value)]
        for name, value in row.items()
        if value != (old[name] if old is not None else None) and name != "id"
    }
    action = "create" if old is None else "update"
    return audit_row(context.actor, action, "address", row["id"], row["customer_id"], changes)
