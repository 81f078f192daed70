"""The one writer of many customers at once, for the import and for the sync.

It neither checks rights nor validates: its callers have done both before the transaction began.
Per 1,000 drafts it runs a constant number of statements, and nothing for drafts that change
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update

from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag
from crm_core.entities.system import AuditEntry
from crm_core.entities.user import Ownership
from crm_core.ids import new_id
from crm_core.persistence.bulk import (
    PARAMETERS,
    chunked,
    delete_rows,
    insert_rows,
    select_in,
    table_of,
    update_rows,
)
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.search import index as search_index
from crm_core.search.entry import Entry
from crm_core.services.customer_bulk_rows import (
    NEW_CUSTOMER,
    Row,
    address_row,
    content,
    entry,
    point_key,
    point_row,
    told_address,
    told_point,
)

MAIN_ADDRESS = frozenset({"main"})
SEARCHED = frozenset({"name", "reference", "vat", "owner_id", "archived_at", "contact_points"})
"""Changes after which a customer's search entry is rebuilt."""

Changes = dict[str, list[Any]]


@dataclass(slots=True)
class CustomerDraft:
    """A customer as it should be.

    Attributes:
        values: Columns of Customer; for an existing customer only those to set.
        contact_points: ``{kind, value, normalized, label?}`` in order; None leaves them alone.
        addresses: ``{use, street, …}``, replacing all addresses of the uses that the call names,
            but for archived ones; None leaves them alone.
        tag_ids: None leaves them alone.
        customer_id: The customer to change; None creates one.
    """

    values: dict[str, Any]
    contact_points: list[dict[str, Any]] | None = None
    addresses: list[dict[str, Any]] | None = None
    tag_ids: list[UUID] | None = None
    customer_id: UUID | None = None


@dataclass(slots=True)
class SaveResult:
    """What :func:`save_customers` did.

    Attributes:
        ids: Customers in the order of the drafts.
        created: How many are new.
        updated: How many changed.
        unchanged: How many drafts changed nothing.
        changed: The ids of the new and the changed ones.
    """

    ids: list[UUID] = field(default_factory=list)
    changed: set[UUID] = field(default_factory=set)
    created: int = 0
    updated: int = 0
    unchanged: int = 0


def save_customers(
    uow: UnitOfWork,
    drafts: Sequence[CustomerDraft],
    *,
    address_uses: frozenset[str] = MAIN_ADDRESS,
) -> SaveResult:
    """Create and update customers with all that hangs on them, audited and indexed.

    Two drafts for one customer are laid over each other, the later one on top.

    Args:
        uow: A writing unit of work.
        drafts: What should be there afterwards.
        address_uses: The uses whose addresses a draft's ``addresses`` replace.

    Raises:
        KeyError: A draft names a customer that does not exist; nothing of its batch is written.
    """
    uow.flush()
    result = SaveResult()
    for chunk in chunked(drafts):
        _Batch(uow, result, address_uses).save(chunk)
    return result


def _laid_over(drafts: Sequence[CustomerDraft]) -> dict[UUID, CustomerDraft]:
    """Return one draft per existing customer."""
    merged: dict[UUID, CustomerDraft] = {}
    for draft in drafts:
        if draft.customer_id is None:
            continue
        below = merged.get(draft.customer_id)
        merged[draft.customer_id] = (
            draft
            if below is None
            else CustomerDraft(
                {**below.values, **draft.values},
                below.contact_points if draft.contact_points is None else draft.contact_points,
                below.addresses if draft.addresses is None else draft.addresses,
                below.tag_ids if draft.tag_ids is None else draft.tag_ids,
                draft.customer_id,
            )
        )
    return merged


class _Batch:
    """The rows that one chunk of drafts comes down to, collected and then written."""

    def __init__(self, uow: UnitOfWork, result: SaveResult, address_uses: frozenset[str]) -> None:
        self.uow = uow
        self.connection = uow.connection()
        self.actor = uow.actor
        self.now: datetime = uow.now
        self.result = result
        self.address_uses = address_uses
        self.new_customers: list[Row] = []
        self.entries: list[Entry] = []
        self.changed_customers: list[Row] = []
        self.changed_columns: set[str] = set()
        self.inserts: dict[type, list[Row]] = defaultdict(list)
        self.changed_points: list[Row] = []
        self.changed_addresses: list[Row] = []
        self.deletes: dict[type, list[UUID]] = defaultdict(list)
        self.removed_tags: list[Row] = []
        self.new_owners: list[UUID] = []
        self.reindexed: list[UUID] = []

    def save(self, drafts: Sequence[CustomerDraft]) -> None:
        """Write one chunk."""
        updates = _laid_over(drafts)
        if updates:
            self._compare(updates)
        for draft in drafts:
            self.result.ids.append(
                self._create(draft) if draft.customer_id is None else draft.customer_id
            )
        self._write()
        created = [row["id"] for row in self.new_customers]
        changed = [row["id"] for row in self.changed_customers]
        self.uow.mark_created(created)
        self.uow.mark_changed(changed)
        self.result.changed.update(created, changed)
        self.result.created += len(created)
        self.result.updated += len(changed)
        self.result.unchanged += len(drafts) - len(created) - len(changed)

    def _create(self, draft: CustomerDraft) -> UUID:
        customer_id, now = new_id(), self.now
        row = {**NEW_CUSTOMER, **draft.values}
        changes: Changes = {
            name: [None, value if type(value) is str else plain_value(value)]
            for name, value in row.items()
            if value is not None
        }
        self.entries.append(entry(customer_id, row, draft.contact_points or ()))
        row.update(id=customer_id, version=1, created_at=now, updated_at=now)
        self.new_customers.append(row)
        if draft.contact_points:
            self.inserts[ContactPoint].extend(
                point_row(customer_id, position, point)
                for position, point in enumerate(draft.contact_points)
            )
            changes["contact_points"] = [None, list(map(told_point, draft.contact_points))]
        if draft.addresses:
            rows = [address_row(customer_id, address) for address in draft.addresses]
            self.inserts[Address].extend(rows)
            changes["addresses"] = [None, list(map(told_address, rows))]
        if draft.tag_ids:
            tag_ids = sorted(set(draft.tag_ids))
            self._add_tags(customer_id, tag_ids)
            changes["tags"] = [None, list(map(str, tag_ids))]
        if row["owner_id"] is not None:
            self._begin_ownership(customer_id, row["owner_id"])
        self._audit("create", customer_id, changes)
        return customer_id

    def _compare(self, updates: dict[UUID, CustomerDraft]) -> None:
        ids = sorted(updates)
        customers = self._locked(ids)
        points = self._children(
            ContactPoint, [i for i in ids if updates[i].contact_points is not None]
        )
        addresses = self._children(Address, [i for i in ids if updates[i].addresses is not None])
        tags = self._children(CustomerTag, [i for i in ids if updates[i].tag_ids is not None])
        for customer_id in ids:
            old, draft = customers[customer_id], updates[customer_id]
            changes = {
                name: [plain_value(old[name]), plain_value(value)]
                for name, value in draft.values.items()
                if old[name] != value
            }
            if draft.contact_points is not None:
                self._compare_points(customer_id, points[customer_id], draft, changes)
            if draft.addresses is not None:
                self._compare_addresses(customer_id, addresses[customer_id], draft, changes)
            if draft.tag_ids is not None:
                self._compare_tags(customer_id, tags[customer_id], draft, changes)
            if changes:
                self._change(old, draft, changes)

    def _locked(self, ids: list[UUID]) -> dict[UUID, Row]:
        # What changes of any is written back of all, so nobody may change it in between.
        table = table_of(Customer)
        return {
            row.id: dict(row._mapping)
            for some in chunked(ids, PARAMETERS)
            for row in self.connection.execute(
                select(table).where(table.c.id.in_(some)).order_by(table.c.id).with_for_update()
            )
        }

    def _children(self, model: type, ids: list[UUID]) -> dict[UUID, list[Row]]:
        found: dict[UUID, list[Row]] = defaultdict(list)
        for row in select_in(self.connection, model, "customer_id", ids):
            found[row.customer_id].append(dict(row._mapping))
        return found

    def _change(self, old: Row, draft: CustomerDraft, changes: Changes) -> None:
        customer_id = old["id"]
        row = {**old, **draft.values, "version": old["version"] + 1, "updated_at": self.now}
        self.changed_customers.append(row)
        self.changed_columns |= changes.keys() & NEW_CUSTOMER.keys()
        if "owner_id" in changes:
            self.new_owners.append(customer_id)
            self._begin_ownership(customer_id, row["owner_id"])
        if not SEARCHED.isdisjoint(changes):
            self.reindexed.append(customer_id)
        self._audit("update", customer_id, changes)

    def _compare_points(
        self, customer_id: UUID, old: list[Row], draft: CustomerDraft, changes: Changes
    ) -> None:
        old.sort(key=lambda row: (row["position"], row["id"]))
        wanted = [
            point_row(customer_id, position, point)
            for position, point in enumerate(draft.contact_points or ())
        ]
        left: dict[Any, list[Row]] = defaultdict(list)
        for row in reversed(old):
            left[point_key(row)].append(row)
        changed = False
        for row, point in zip(wanted, draft.contact_points or (), strict=True):
            same = left[point_key(row)]
            if not same:
                self.inserts[ContactPoint].append(row)
                changed = True
                continue
            kept = same.pop()
            row["id"] = kept["id"]
            row["label"] = point.get("label", kept["label"])
            if row != kept:
                self.changed_points.append(row)
                changed = True
        gone = [row["id"] for rows in left.values() for row in rows]
        self.deletes[ContactPoint].extend(gone)
        if changed or gone:
            changes["contact_points"] = [
                [told_point(row) for row in old],
                [told_point(row) for row in wanted],
            ]

    def _compare_addresses(
        self, customer_id: UUID, old: list[Row], draft: CustomerDraft, changes: Changes
    ) -> None:
        # Archived ones stay as they are, for documents may still name them.
        in_use = (r for r in old if r["use"] in self.address_uses and r["archived_at"] is None)
        old = sorted(in_use, key=lambda r: r["id"])
        wanted = [address_row(customer_id, address) for address in draft.addresses or ()]
        left = list(old)
        missing = []
        for row in wanted:
            wanted_content = content(row)
            same = next((each for each in left if content(each) == wanted_content), None)
            if same is None:
                missing.append(row)
            else:
                left.remove(same)
        for row in missing:
            replaced = next((each for each in left if each["use"] == row["use"]), None)
            if replaced is None:
                self.inserts[Address].append(row)
            else:
                left.remove(replaced)
                self.changed_addresses.append({**row, "id": replaced["id"]})
        self.deletes[Address].extend(row["id"] for row in left)
        if missing or left:
            changes["addresses"] = [
                [told_address(row) for row in old],
                [told_address(row) for row in wanted],
            ]

    def _compare_tags(
        self, customer_id: UUID, old: list[Row], draft: CustomerDraft, changes: Changes
    ) -> None:
        before = {row["tag_id"] for row in old}
        after = set(draft.tag_ids or ())
        if before == after:
            return
        self._add_tags(customer_id, after - before)
        self.removed_tags.extend(
            {"b_customer_id": customer_id, "b_tag_id": tag_id} for tag_id in before - after
        )
        changes["tags"] = [[str(i) for i in sorted(before)], [str(i) for i in sorted(after)]]

    def _add_tags(self, customer_id: UUID, tag_ids: Iterable[UUID]) -> None:
        self.inserts[CustomerTag].extend(
            {"customer_id": customer_id, "tag_id": tag_id} for tag_id in tag_ids
        )

    def _begin_ownership(self, customer_id: UUID, user_id: UUID | None) -> None:
        self.inserts[Ownership].append(
            {
                "id": new_id(),
                "customer_id": customer_id,
                "user_id": user_id,
                "from_at": self.now,
                "until_at": None,
                "changed_by": self.actor.login,
            }
        )

    def _audit(self, action: str, customer_id: UUID, changes: Changes) -> None:
        self.inserts[AuditEntry].append(
            audit_row(
                self.actor,
                action,
                Customer.__entity__,
                customer_id,
                customer_id,
                changes,
                at=self.now,
            )
        )

    def _write(self) -> None:
        connection = self.connection
        insert_rows(connection, Customer, self.new_customers)
        # Not whole rows: an index is written again wherever one of its columns is set.
        columns = ("id", "version", "updated_at", *sorted(self.changed_columns))
        changed = [{name: row[name] for name in columns} for row in self.changed_customers]
        update_rows(connection, Customer, changed)
        for model, ids in self.deletes.items():
            delete_rows(connection, model, ids)
        self._delete_tags()
        self._close_ownerships()
        update_rows(connection, ContactPoint, self.changed_points)
        update_rows(connection, Address, self.changed_addresses)
        for model in (ContactPoint, Address, CustomerTag, Ownership, AuditEntry):
            insert_rows(connection, model, self.inserts[model])
        if self.new_customers:
            search_index.insert_new(connection, self.entries)
        if self.reindexed:
            search_index.refresh(connection, self.reindexed)

    def _delete_tags(self) -> None:
        if self.removed_tags:
            table = table_of(CustomerTag)
            self.connection.execute(
                table.delete().where(
                    table.c.customer_id == bindparam("b_customer_id"),
                    table.c.tag_id == bindparam("b_tag_id"),
                ),
                self.removed_tags,
            )

    def _close_ownerships(self) -> None:
        table = table_of(Ownership)
        for some in chunked(self.new_owners, PARAMETERS):
            self.connection.execute(
                update(table)
                .where(table.c.customer_id.in_(some), table.c.until_at.is_(None))
                .values(until_at=self.now)
            )
