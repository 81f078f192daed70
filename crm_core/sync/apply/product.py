"""Products: a read-only mirror of what the ERP sells."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import update

from crm_core.entities.commerce import Product
from crm_core.entities.sync import BindingState
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.apply.currencies import ensure_currencies
from crm_core.sync.context import Applied, Change, SyncContext

PLAIN_FIELDS = (
    "name",
    "reference",
    "barcode",
    "category",
    "kind",
    "description",
    "unit",
    "is_sold",
)


class ProductApplier:
    """Writes products as the ERP tells them; nothing here is edited by people."""

    keeps_snapshot = False

    def prepare(self, context: SyncContext, change: Change) -> dict[str, Any]:
        """Return the column values."""
        values = change.record.values
        price = values.get("list_price")
        return {
            **{name: values.get(name) for name in PLAIN_FIELDS},
            "list_price": None if price is None else Decimal(price),
            "currency_code": values.get("currency"),
        }

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Insert or update the batch."""
        applied = Applied()
        now = uow.now
        ensure_currencies(uow, (change.prepared["currency_code"] for change in changes))
        new: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        for change in changes:
            row = {
                "id": change.bound.local_id if change.bound else new_id(),
                **change.prepared,
                "archived_at": now if change.record.values.get("archived") else None,
                "refreshed_at": now,
            }
            (known if change.bound else new).append(row)
            applied.local_ids[change.remote_id] = row["id"]
        insert_rows(uow.connection(), Product, new)
        update_rows(uow.connection(), Product, known)
        return applied

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Archive products that were deleted: past documents still name them."""
        if fate != BindingState.DELETED:
            return
        for chunk in chunked(local_ids, PARAMETERS):
            uow.execute(
                update(Product)
                .where(Product.id.in_(chunk), Product.archived_at.is_(None))
                .values(archived_at=uow.now)
                .execution_options(synchronize_session=False)
            )
