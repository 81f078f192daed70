"""Customers, with their contact points, tags, main address, owner and "contact of" tie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.sync import BindingState
from crm_core.entities.system import AuditEntry
from crm_core.errors import ConfigurationError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.normalize import normalize_contact
from crm_core.persistence.bulk import (
    AMONG,
    PARAMETERS,
    among,
    chunked,
    insert_rows,
    select_in,
)
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.relationships import CONTACT_OF
from crm_core.services.settings import company_day
from crm_core.sync.bindings import CustomerTarget, customer_targets, local_ids
from crm_core.sync.context import Applied, Change, Pending, SyncContext

PLAIN_FIELDS = ("kind", "name", "reference", "vat", "language", "job_title", "note")


@dataclass(slots=True)
class _Batch:
    """What a batch needs to know of records already here."""

    owners: Mapping[str, UUID]
    tags: Mapping[str, UUID]
    archived: dict[UUID, bool] = field(default_factory=dict)
    points: dict[UUID, list[dict[str, Any]]] = field(default_factory=dict)
    addresses: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    tag_ids: dict[UUID, set[UUID]] = field(default_factory=dict)


class CustomerApplier:
    """Writes customers; a field the remote left alone keeps what people typed here."""

    keeps_snapshot = True

    def prepare(self, context: SyncContext, change: Change) -> list[dict[str, Any]]:
        """Return the contact points with their normalized forms (the costly part)."""
        if not change.differs("contact_points"):
            return []
        values = change.record.values
        address = values.get("address") or {}
        region = address.get("country_code") or context.phone_region
        return [
            {**point, "normalized": normalize_contact(point["kind"], point["value"], region)}
            for point in values.get("contact_points") or ()
        ]

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Create or update the batch's customers, then tie contacts to their companies."""
        applied = Applied()
        batch = _read(context, uow, changes)
        drafts = [self._draft(uow, change, batch, applied) for change in changes]
        saved = save_customers(uow, drafts)
        for change, customer_id in zip(changes, saved.ids, strict=True):
            applied.local_ids[change.remote_id] = customer_id
        self._tie(context, uow, changes, applied)
        return applied

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Archive customers that were deleted over there."""
        if fate != BindingState.DELETED:
            return
        save_customers(
            uow,
            [
                CustomerDraft({"archived_at": uow.now}, None, None, None, customer_id=row.id)
                for row in select_in(
                    uow.connection(), Customer, "id", local_ids, "id", "archived_at"
                )
                if row.archived_at is None
            ],
        )

    def _draft(
        self, uow: UnitOfWork, change: Change, batch: _Batch, applied: Applied
    ) -> CustomerDraft:
        values = change.record.values
        customer_id = change.bound.local_id if change.bound else None
        is_new = change.bound is None
        columns = {
            name: values.get(name) for name in PLAIN_FIELDS if is_new or change.differs(name)
        }
        archived = bool(values.get("archived"))
        was_archived = customer_id is not None and batch.archived.get(customer_id, False)
        if change.tells_archived and archived != was_archived:
            columns["archived_at"] = uow.now if archived else None
        if change.differs("owner_ref"):
            self._own(change, batch, applied, columns)
        return CustomerDraft(
            values=columns,
            contact_points=_merged_points(change, batch)
            if change.differs("contact_points")
            else None,
            addresses=_merged_address(change, batch, uow.now)
            if change.differs("address")
            else None,
            tag_ids=_merged_tags(change, batch, applied) if change.differs("tag_refs") else None,
            customer_id=customer_id,
        )

    def _own(
        self, change: Change, batch: _Batch, applied: Applied, columns: dict[str, Any]
    ) -> None:
        owner_ref = change.record.values.get("owner_ref")
        if owner_ref is None or owner_ref in batch.owners:
            columns["owner_id"] = batch.owners.get(owner_ref) if owner_ref else None
        else:
            applied.pending.append(Pending(change.remote_id, "owner_ref", "user", owner_ref))

    def _tie(
        self,
        context: SyncContext,
        uow: UnitOfWork,
        changes: Sequence[Change],
        applied: Applied,
    ) -> None:
        """Follow ``parent_ref``: end the old tie, make the new one, or wait for the company."""
        moved = [change for change in changes if change.differs("parent_ref")]
        if not moved:
            return
        # Parents made by this very batch were not there when it was read.
        refs = [change.record.values.get("parent_ref") for change in moved]
        parents = {
            **customer_targets(uow, context.backend_id, refs),
            **{
                ref: CustomerTarget(applied.local_ids[ref])
                for ref in refs
                if ref in applied.local_ids
            },
        }
        type_id = uow.scalar(select(RelationshipType.id).where(RelationshipType.code == CONTACT_OF))
        if type_id is None:
            raise ConfigurationError(
                t(
                    "This database has no relationship type {contact_of}: run crm init.",
                    contact_of=CONTACT_OF,
                ),
                code="core.sync.no_relationship_types",
            )
        _end_ties(context, uow, type_id, moved, parents)
        ties: dict[UUID, UUID] = {}
        for change in moved:
            ref = change.record.values.get("parent_ref")
            target = parents.get(ref) if ref else None
            if ref and target is None:
                applied.pending.append(Pending(change.remote_id, "parent_ref", "customer", ref))
            elif target is not None:
                ties[applied.local_ids[change.remote_id]] = target.customer_id
        _make_ties(context, uow, type_id, ties)


def _read(context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> _Batch:
    owned = [change for change in changes if change.differs("owner_ref")]
    tagged = [change for change in changes if change.differs("tag_refs")]
    owners = (change.record.values.get("owner_ref") for change in owned)
    batch = _Batch(
        owners=local_ids(uow, context.backend_id, "user", owners),
        tags=local_ids(uow, context.backend_id, "tag", _tag_refs(tagged)),
    )
    known = [change.bound.local_id for change in changes if change.bound]
    connection = uow.connection()
    for chunk in chunked(sorted(known), AMONG):
        # Locked, so that nobody adds what would be merged away before it is written.
        for row in uow.execute(
            select(Customer.id, Customer.archived_at)
            .where(among(Customer.id, chunk))
            .order_by(Customer.id)
            .with_for_update()
        ):
            batch.archived[row.id] = row.archived_at is not None

    def differing(name: str) -> list[UUID]:
        return [each.bound.local_id for each in changes if each.bound and each.differs(name)]

    columns = ("customer_id", "kind", "value", "normalized", "label", "position")
    for row in sorted(
        select_in(connection, ContactPoint, "customer_id", differing("contact_points"), *columns),
        key=lambda row: row.position,
    ):
        point = {name: getattr(row, name) for name in ("kind", "value", "normalized", "label")}
        batch.points.setdefault(row.customer_id, []).append(point)
    for row in select_in(connection, Address, "customer_id", differing("address")):
        if row.use == "main" and row.archived_at is None:
            batch.addresses[row.customer_id] = row._mapping
    names = ("customer_id", "tag_id")
    for row in select_in(connection, CustomerTag, "customer_id", differing("tag_refs"), *names):
        batch.tag_ids.setdefault(row.customer_id, set()).add(row.tag_id)
    return batch


def _tag_refs(changes: Sequence[Change]) -> Iterable[str]:
    """Yield the tags told now, and those told before: what was dropped has to be known too."""
    for change in changes:
        yield from change.record.values.get("tag_refs") or ()
        yield from change.before("tag_refs") or ()


def _merged_address(change: Change, batch: _Batch, now: datetime) -> list[dict[str, Any]]:
    """Return the main address with what the remote changed of it.

    Where the remote has none any more, ours is archived: documents may name it.
    """
    theirs = change.record.values.get("address") or {}
    before = change.before("address") or {}
    ours = batch.addresses.get(change.bound.local_id) if change.bound else None
    kept = change.kept.get("address", ())
    if ours is None:
        told = {name: value for name, value in theirs.items() if name not in kept}
        # Removed here, it comes back as a whole where a line of it won, or is new with none kept.
        is_wanted = any(
            value and value != before.get(name) and (before.get(name) or not kept)
            for name, value in told.items()
        )
        return [{**told, "use": "main"}] if is_wanted else []
    if not theirs and not kept:
        return [{**ours, "archived_at": now}]
    told = {
        name: value
        for name, value in {**dict.fromkeys(before), **theirs}.items()
        if before.get(name) != value and name not in kept
    }
    return [{**ours, **told}]


def _merged_points(change: Change, batch: _Batch) -> list[dict[str, Any]]:
    """Return the contact points here, in their order, with what the remote added and dropped.

    A value that replaces another of its kind takes its place, and so does another spelling of it.
    One that is new over there comes before what is new here: a remote that holds one of a kind
    keeps its own then, and here both are.
    """
    theirs: list[dict[str, Any]] = change.prepared
    if change.bound is None:
        return theirs
    ours = batch.points.get(change.bound.local_id, [])
    before = _keys(change.before("contact_points") or ())
    dropped = before - _keys(theirs)
    added = [point for point in theirs if not _keys([point]) <= before | _keys(ours)]
    merged = []
    for point in ours:
        if _keys([point]) <= dropped:
            successor = next((each for each in added if each["kind"] == point["kind"]), None)
            if successor is None:
                continue
            added.remove(successor)
            merged.append({**successor, "label": point["label"]})
        elif same := next((each for each in added if _is_same(each, point)), None):
            added.remove(same)
            merged.append({**same, "label": point["label"]})
        else:
            merged.append(point)
    for point in added:
        own = (
            place
            for place, each in enumerate(merged)
            if each["kind"] == point["kind"] and not _keys([each]) <= before | _keys(theirs)
        )
        merged.insert(next(own, len(merged)), point)
    return merged


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two contact points are one, spelt differently."""
    same = one["kind"] == other["kind"] and one["normalized"] == other["normalized"]
    return same and one["normalized"] is not None


def _keys(points: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {(point["kind"], point["value"]) for point in points}


def _merged_tags(change: Change, batch: _Batch, applied: Applied) -> list[UUID]:
    """Return the tags here with what the remote added and dropped; one not here is waited for."""
    theirs = set(change.record.values.get("tag_refs") or ())
    if change.bound is None and not theirs:
        return []
    before = set(change.before("tag_refs") or ())
    for ref in sorted(theirs - batch.tags.keys()):
        applied.pending.append(Pending(change.remote_id, "tag_refs", "tag", ref))

    def here(refs: AbstractSet[str]) -> set[UUID]:
        return {batch.tags[ref] for ref in refs if ref in batch.tags}

    ours = batch.tag_ids.get(change.bound.local_id, set()) if change.bound else set()
    return sorted((ours - (here(before) - here(theirs))) | here(theirs - before))


def _end_ties(
    context: SyncContext,
    uow: UnitOfWork,
    type_id: UUID,
    changes: Sequence[Change],
    parents: Mapping[str | None, CustomerTarget],
) -> None:
    """End the ties the remote told of before, and what people tied here where the remote wins."""
    bound = {change.bound.local_id: change for change in changes if change.bound}
    former = {key: ref for key, each in bound.items() if (ref := each.before("parent_ref"))}
    overruled = {key for key, each in bound.items() if "parent_ref" in each.overruled}
    targets = customer_targets(uow, context.backend_id, former.values())
    for key, ref in former.items():
        if ref in targets:
            context.moved[targets[ref].customer_id].append(("customer", bound[key].remote_id))
    open_ties: dict[UUID, list[Relationship]] = defaultdict(list)
    for chunk in chunked(sorted({*former, *overruled}), PARAMETERS):
        for tie in uow.scalars(
            select(Relationship)
            .where(
                Relationship.type_id == type_id,
                Relationship.from_customer_id.in_(chunk),
                Relationship.ended_on.is_(None),
            )
            .order_by(Relationship.id)
        ):
            open_ties[tie.from_customer_id].append(tie)
    for key, ties in open_ties.items():
        agreed = targets.get(former.get(key, ""))
        now = parents.get(bound[key].record.values.get("parent_ref"))
        over = [tie for tie in ties if agreed and tie.to_customer_id == agreed.customer_id]
        if key in overruled:
            # The first is what was told as ours; to be nobody's contact ends the others as well.
            over = ties[:1] if bound[key].record.values.get("parent_ref") else ties
        for tie in over:
            if now is None or tie.to_customer_id != now.customer_id:
                _end_tie(uow, tie)
    uow.flush()


def _end_tie(uow: UnitOfWork, tie: Relationship) -> None:
    """End a tie, or remove it where nobody wrote anything there that would be lost."""
    if tie.note is None and tie.started_on is None:
        uow.delete(tie)
    else:
        tie.ended_on = max(company_day(uow), tie.started_on or date.min)


def _make_ties(
    context: SyncContext, uow: UnitOfWork, type_id: UUID, ties: Mapping[UUID, UUID]
) -> None:
    connection = uow.connection()
    columns = ("type_id", "from_customer_id", "to_customer_id", "ended_on")
    there = {
        (row.from_customer_id, row.to_customer_id)
        for row in select_in(connection, Relationship, "from_customer_id", ties, *columns)
        if row.type_id == type_id and row.ended_on is None
    }
    rows = [
        {"id": new_id(), "type_id": type_id, "from_customer_id": one, "to_customer_id": other}
        for one, other in ties.items()
        if one != other and (one, other) not in there
    ]
    insert_rows(connection, Relationship, rows)
    uow.mark_changed(row[side] for row in rows for side in columns[1:3])
    insert_rows(
        connection,
        AuditEntry,
        [
            audit_row(
                context.actor,
                "create",
                "relationship",
                row["id"],
                row["from_customer_id"],
                {
                    "type": [None, CONTACT_OF],
                    "to_customer_id": [None, str(row["to_customer_id"])],
                },
            )
            for row in rows
        ],
    )
