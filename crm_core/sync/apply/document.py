"""Orders, invoices, refunds and payments: a read-only mirror with lines and links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import aliased

from crm_core.entities.commerce import (
    Transaction,
    TransactionKind,
    TransactionLine,
    TransactionLink,
    TransactionState,
)
from crm_core.entities.customer import Customer, CustomerStage
from crm_core.entities.sync import Binding, BindingState
from crm_core.entities.system import AuditEntry
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.bulk import (
    PARAMETERS,
    chunked,
    delete_rows,
    insert_rows,
    select_in,
    update_rows,
)
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.sync.apply.currencies import ensure_currencies
from crm_core.sync.bindings import CustomerTarget, customer_targets, local_ids, wait
from crm_core.sync.context import Applied, Change, Pending, SyncContext
from crm_core.sync.records import DOCUMENT_ENTITIES

PLAIN_FIELDS = (
    "kind",
    "number",
    "reference",
    "state",
    "payment_state",
    "invoice_state",
    "delivery_state",
)
AMOUNTS = ("untaxed_amount", "tax_amount", "total_amount", "open_amount")
LINE_NUMBERS = (
    "quantity",
    "delivered_quantity",
    "unit_price",
    "discount_percent",
    "untaxed_amount",
    "total_amount",
)
SALES_STATES = {TransactionState.CONFIRMED, TransactionState.DONE}
SALES_KINDS = {TransactionKind.ORDER, TransactionKind.INVOICE}
PAYABLE_KINDS = {TransactionKind.INVOICE, TransactionKind.REFUND}


class DocumentApplier:
    """Writes documents as the ERP tells them; lines and links are replaced with their document."""

    keeps_snapshot = False

    def __init__(self, entity: str) -> None:
        self.entity = entity

    def prepare(self, context: SyncContext, change: Change) -> dict[str, Any]:
        """Return the column values, but for references to other records."""
        values = change.record.values
        if not values.get("currency"):
            raise InputError(t("{label} names no currency.", label=change.record.label))
        row = {name: values.get(name) for name in PLAIN_FIELDS}
        row.update({name: Decimal(values.get(name) or 0) for name in AMOUNTS})
        row["issued_on"] = _day(values.get("issued_on"))
        row["due_on"] = _day(values.get("due_on"))
        row["currency_code"] = values["currency"]
        row["is_outgoing"] = bool(values.get("is_outgoing"))
        row["is_open"] = (
            row["kind"] in PAYABLE_KINDS
            and row["state"] in SALES_STATES
            and row["open_amount"] != 0
        )
        return row

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Insert or update the batch's documents, then replace their lines and links."""
        applied = Applied()
        values = [change.record.values for change in changes]
        ensure_currencies(uow, (item["currency"] for item in values))
        partners = customer_targets(
            uow,
            context.backend_id,
            (
                item.get(name)
                for item in values
                for name in ("customer_ref", "delivery_address_ref", "invoice_address_ref")
            ),
        )
        owners = local_ids(uow, context.backend_id, "user", (v.get("owner_ref") for v in values))
        new: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        taken: list[Change] = []
        for change in changes:
            row = self._row(uow, change, partners, owners, applied)
            if row is None:
                continue
            (known if change.bound else new).append(row)
            taken.append(change)
            applied.local_ids[change.remote_id] = row["id"]
        self._note_moves(context, uow, known, taken)
        insert_rows(uow.connection(), Transaction, new)
        update_rows(uow.connection(), Transaction, known)
        _replace_lines(context, uow, taken, applied)
        self._replace_links(context, uow, taken, applied)
        _activate_customers(uow, [*new, *known])
        return applied

    def _note_moves(
        self,
        context: SyncContext,
        uow: UnitOfWork,
        known: Sequence[dict[str, Any]],
        taken: Sequence[Change],
    ) -> None:
        """Note documents that become another customer's: they tell of customers merged there."""
        keys = {change.bound.local_id: change.remote_id for change in taken if change.bound}
        owners = {row["id"]: row["customer_id"] for row in known}
        for row in select_in(uow.connection(), Transaction, "id", owners, "id", "customer_id"):
            if row.customer_id != owners[row.id]:
                context.moved[row.customer_id].append((self.entity, keys[row.id]))

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Drop documents that were deleted over there; the audit keeps what they were."""
        if fate != BindingState.DELETED:
            return
        connection = uow.connection()
        rows = list(select_in(connection, Transaction, "id", local_ids))
        insert_rows(
            connection,
            AuditEntry,
            [
                audit_row(
                    context.actor,
                    "delete",
                    row.kind,
                    row.id,
                    row.customer_id,
                    {
                        name: [plain_value(value), None]
                        for name, value in row._mapping.items()
                        if value is not None
                    },
                )
                for row in rows
            ],
        )
        _tellers_wait(context, uow, local_ids)
        delete_rows(connection, Transaction, [row.id for row in rows])
        for chunk in chunked(local_ids, PARAMETERS):
            uow.execute(
                delete(Binding)
                .where(Binding.backend_id == context.backend_id, Binding.local_id.in_(chunk))
                .execution_options(synchronize_session=False)
            )

    def _row(
        self,
        uow: UnitOfWork,
        change: Change,
        partners: Mapping[str, CustomerTarget],
        owners: Mapping[str, UUID],
        applied: Applied,
    ) -> dict[str, Any] | None:
        values = change.record.values
        customer = partners.get(values["customer_ref"])
        if customer is None:
            applied.refuse_without_customer(change, "customer_ref")
            return None
        for name, entity, here in (
            ("owner_ref", "user", owners),
            ("delivery_address_ref", "customer", partners),
            ("invoice_address_ref", "customer", partners),
        ):
            ref = values.get(name)
            if ref and ref not in here:
                applied.pending.append(Pending(change.remote_id, name, entity, ref))
        delivery = partners.get(values.get("delivery_address_ref") or "")
        invoice = partners.get(values.get("invoice_address_ref") or "")
        return {
            "id": change.bound.local_id if change.bound else new_id(),
            **change.prepared,
            "customer_id": customer.customer_id,
            "delivery_address_id": delivery.address_id if delivery else None,
            "invoice_address_id": invoice.address_id if invoice else None,
            "owner_id": owners.get(values.get("owner_ref") or ""),
            "refreshed_at": uow.now,
        }

    def _replace_links(
        self,
        context: SyncContext,
        uow: UnitOfWork,
        changes: Sequence[Change],
        applied: Applied,
    ) -> None:
        """Replace the ties these documents tell of; one to a document not here is waited for."""
        links = [
            (change, link) for change in changes for link in change.record.values.get("links") or ()
        ]
        known = {
            entity: local_ids(
                uow,
                context.backend_id,
                entity,
                (li["ref"] for _, li in links if li["entity"] == entity),
            )
            for entity in DOCUMENT_ENTITIES
        }
        # The documents of this very batch are not bound yet.
        known[self.entity] |= applied.local_ids
        for chunk in chunked(_known_ids(changes), PARAMETERS):
            uow.execute(
                delete(TransactionLink)
                .where(TransactionLink.told_by_id.in_(chunk))
                .execution_options(synchronize_session=False)
            )
        rows = {}
        for change, link in links:
            mine = applied.local_ids[change.remote_id]
            other = known[link["entity"]].get(link["ref"])
            if other is None:
                applied.pending.append(
                    Pending(change.remote_id, "links", link["entity"], link["ref"])
                )
                continue
            one, two = (mine, other) if link["towards"] else (other, mine)
            rows[one, two, link["kind"]] = {
                "from_transaction_id": one,
                "to_transaction_id": two,
                "kind": link["kind"],
                "amount": _number(link.get("amount")),
                "told_by_id": mine,
            }
        # Both ends may tell of one tie; what was told last counts.
        key = tuple_(
            TransactionLink.from_transaction_id,
            TransactionLink.to_transaction_id,
            TransactionLink.kind,
        )
        for some in chunked(rows, PARAMETERS // 3):
            uow.execute(
                delete(TransactionLink)
                .where(key.in_(some))
                .execution_options(synchronize_session=False)
            )
        insert_rows(uow.connection(), TransactionLink, list(rows.values()))


def _tellers_wait(context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID]) -> None:
    """Have the documents that tell of ties to these tell them again, should these come back."""
    gone, teller = aliased(Binding), aliased(Binding)
    ends = (TransactionLink.from_transaction_id, TransactionLink.to_transaction_id)
    waiting = []
    for chunk in chunked(local_ids, PARAMETERS):
        for end in ends:
            rows = uow.execute(
                select(
                    teller.entity.label("teller"),
                    teller.remote_id.label("told_by"),
                    gone.entity,
                    gone.remote_id,
                )
                .select_from(TransactionLink)
                .join(gone, gone.local_id == end)
                .join(teller, teller.local_id == TransactionLink.told_by_id)
                .where(
                    end.in_(chunk),
                    TransactionLink.told_by_id != end,
                    gone.backend_id == context.backend_id,
                    teller.backend_id == context.backend_id,
                )
            )
            waiting += [
                (row.teller, Pending(row.told_by, "links", row.entity, row.remote_id))
                for row in rows
            ]
    wait(uow, context.backend_id, waiting)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _replace_lines(
    context: SyncContext, uow: UnitOfWork, changes: Sequence[Change], applied: Applied
) -> None:
    connection = uow.connection()
    lines = [
        (change.remote_id, position, line)
        for change in changes
        for position, line in enumerate(change.record.values.get("lines") or ())
    ]
    products = local_ids(
        uow, context.backend_id, "product", (line.get("product_ref") for _, _, line in lines)
    )
    for remote_id, _, line in lines:
        ref = line.get("product_ref")
        if ref and ref not in products:
            applied.pending.append(Pending(remote_id, "lines", "product", ref))
    for chunk in chunked(_known_ids(changes), PARAMETERS):
        uow.execute(
            delete(TransactionLine)
            .where(TransactionLine.transaction_id.in_(chunk))
            .execution_options(synchronize_session=False)
        )
    insert_rows(
        connection,
        TransactionLine,
        [
            {
                "id": new_id(),
                "transaction_id": applied.local_ids[remote_id],
                "position": position,
                "kind": line["kind"],
                "product_id": products.get(line.get("product_ref") or ""),
                "description": line.get("description"),
                "unit": line.get("unit"),
                **{name: _number(line.get(name)) for name in LINE_NUMBERS},
            }
            for remote_id, position, line in lines
        ],
    )


def _known_ids(changes: Sequence[Change]) -> list[UUID]:
    return [change.bound.local_id for change in changes if change.bound]


def _activate_customers(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> None:
    """A prospect who ordered or was invoiced is a customer."""
    buyers = sorted(
        {
            row["customer_id"]
            for row in rows
            if row["kind"] in SALES_KINDS and row["state"] in SALES_STATES
        }
    )
    prospects: list[UUID] = []
    for chunk in chunked(buyers, PARAMETERS):
        prospects += uow.scalars(
            select(Customer.id).where(
                Customer.id.in_(chunk), Customer.stage == CustomerStage.PROSPECT.value
            )
        )
    save_customers(
        uow,
        [
            CustomerDraft(
                {"stage": CustomerStage.ACTIVE.value}, None, None, None, customer_id=customer_id
            )
            for customer_id in prospects
        ],
    )
