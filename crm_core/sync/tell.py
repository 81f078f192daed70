"""Local records told as neutral ones, for writing them to a backend and for merging.

References come as the backend's remote ids. Where a reference last agreed on still means the same
record here, it is told as it was, so that what the backend tells in two ways is no change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag, Tag
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.sync import Binding
from crm_core.entities.user import User
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.relationships import CONTACT_OF
from crm_core.sync.apply.address import FIELDS as ADDRESS_FIELDS
from crm_core.sync.apply.customer import PLAIN_FIELDS
from crm_core.sync.bindings import bindings_of, customer_targets, local_ids
from crm_core.sync.context import GONE, Bound, SyncContext

MAIN_FIELDS = ("street", "street2", "postal_code", "city", "region", "country_code")


@dataclass(slots=True)
class Told:
    """A local record.

    Attributes:
        label: How a person would call it.
        values: The neutral record; a reference to what the backend does not know is left out.
        bound: What the backend and we last agreed on, if anything.
        remote_id: Its id over there, if it is bound.
        is_archived: Whether it is out of use here.
        waits_for: A local record that has to be over there first.
        untold: Fields left out since the backend does not know what they refer to: how a person
            would call that.
    """

    label: str
    values: dict[str, Any]
    bound: Bound | None
    remote_id: str | None
    is_archived: bool = False
    waits_for: UUID | None = None
    untold: dict[str, str] = field(default_factory=dict)


Bindings = Mapping[UUID, tuple[str, Bound]]
Teller = Callable[[UnitOfWork, UUID, Sequence[UUID], Bindings], dict[UUID, Told]]


def bound_locals(
    uow: UnitOfWork, backend_id: UUID, entity: str, ids: Iterable[UUID]
) -> dict[UUID, tuple[str, Bound]]:
    """Return the remote id and binding of local records; of several, one that is in use."""
    found: dict[UUID, tuple[str, Bound]] = {}
    columns = (Binding.id, Binding.local_id, Binding.state, Binding.digest, Binding.snapshot)
    for row in bindings_of(uow, backend_id, entity, ids, Binding.remote_id, *columns):
        bound = Bound(row.id, row.local_id, row.state, row.digest, row.snapshot)
        found.setdefault(row.local_id, (row.remote_id, bound))
    return found


def tell(
    context: SyncContext, uow: UnitOfWork, entity: str, ids: Sequence[UUID]
) -> dict[UUID, Told]:
    """Return local records as neutral ones, by local id; those that are gone are left out."""
    bound = bound_locals(uow, context.backend_id, entity, ids)
    found: dict[UUID, Told] = context.tellers[entity](uow, context.backend_id, ids, bound)
    return found


def _there(uow: UnitOfWork, backend_id: UUID, entity: str, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the remote ids of local records that can be referred to over there."""
    found = bound_locals(uow, backend_id, entity, ids)
    return {key: remote_id for key, (remote_id, bound) in found.items() if bound.state not in GONE}


def _told(local_id: UUID, label: str, values: dict[str, Any], bound: Bindings) -> Told:
    remote_id, known = bound.get(local_id, (None, None))
    return Told(label, values, known, remote_id)


def _before(told: Told, name: str) -> Any:
    return (told.bound.snapshot or {}).get(name) if told.bound else None


def tell_tags(
    uow: UnitOfWork, _backend_id: UUID, ids: Sequence[UUID], bound: Bindings
) -> dict[UUID, Told]:
    """Tags, by name."""
    rows = select_in(uow.connection(), Tag, "id", ids, "id", "name")
    return {row.id: _told(row.id, row.name, {"name": row.name}, bound) for row in rows}


def tell_customers(
    uow: UnitOfWork, backend_id: UUID, ids: Sequence[UUID], bound: Bindings
) -> dict[UUID, Told]:
    """Customers with contact points, main address, tags, owner and company."""
    connection = uow.connection()
    told: dict[UUID, Told] = {}
    owners: dict[UUID, UUID | None] = {}
    columns = ("id", "owner_id", "archived_at", *PLAIN_FIELDS)
    for row in select_in(connection, Customer, "id", ids, *columns):
        values: dict[str, Any] = {name: getattr(row, name) for name in PLAIN_FIELDS}
        values |= {"archived": row.archived_at is not None, "contact_points": [], "address": None}
        told[row.id] = _told(row.id, row.name, values, bound)
        told[row.id].is_archived = row.archived_at is not None
        owners[row.id] = row.owner_id
    points = select_in(
        connection, ContactPoint, "customer_id", told, "customer_id", "kind", "value", "position"
    )
    for row in sorted(points, key=lambda row: row.position):
        point = {"kind": row.kind, "value": row.value}
        told[row.customer_id].values["contact_points"].append(point)
    for row in select_in(connection, Address, "customer_id", told):
        if row.use == "main" and row.archived_at is None:
            address = {name: getattr(row, name) for name in MAIN_FIELDS}
            told[row.customer_id].values["address"] = address
    _tell_tag_refs(uow, backend_id, told)
    _tell_owners(uow, backend_id, told, owners)
    _tell_companies(uow, backend_id, told)
    return told


def tell_addresses(
    uow: UnitOfWork, backend_id: UUID, ids: Sequence[UUID], bound: Bindings
) -> dict[UUID, Told]:
    """Addresses that are records of their own: all but main ones."""
    rows = [row for row in select_in(uow.connection(), Address, "id", ids) if row.use != "main"]
    customers = _there(uow, backend_id, "customer", (row.customer_id for row in rows))
    refs = [(item[1].snapshot or {}).get("parent_ref") for item in bound.values()]
    targets = customer_targets(uow, backend_id, refs)
    told = {}
    for row in rows:
        values = {name: getattr(row, name) for name in ADDRESS_FIELDS}
        values["archived"] = row.archived_at is not None
        record = _told(row.id, row.recipient or row.city or row.use, values, bound)
        record.is_archived = row.archived_at is not None
        before = _before(record, "parent_ref")
        if before in targets and targets[before].customer_id == row.customer_id:
            values["parent_ref"] = before
        elif row.customer_id in customers:
            values["parent_ref"] = customers[row.customer_id]
        else:
            record.waits_for = row.customer_id
        told[row.id] = record
    return told


TELLERS: dict[str, Teller] = {
    "tag": tell_tags,
    "customer": tell_customers,
    "address": tell_addresses,
}


def _tell_tag_refs(uow: UnitOfWork, backend_id: UUID, told: Mapping[UUID, Told]) -> None:
    carried: dict[UUID, set[UUID]] = defaultdict(set)
    names = ("customer_id", "tag_id")
    for row in select_in(uow.connection(), CustomerTag, "customer_id", told, *names):
        carried[row.customer_id].add(row.tag_id)
    tags = _there(uow, backend_id, "tag", {tag for ids in carried.values() for tag in ids})
    before = {key: _before(record, "tag_refs") or () for key, record in told.items()}
    meant = local_ids(uow, backend_id, "tag", {ref for refs in before.values() for ref in refs})
    for customer_id, record in told.items():
        here = carried[customer_id]
        # One that is not here at all is not ours to take off.
        kept = {ref for ref in before[customer_id] if ref not in meant or meant[ref] in here}
        known = {meant[ref] for ref in kept if ref in meant}
        added = {tags[tag] for tag in here - known if tag in tags}
        record.values["tag_refs"] = sorted(kept | added)


def _tell_owners(
    uow: UnitOfWork, backend_id: UUID, told: Mapping[UUID, Told], owners: Mapping[UUID, UUID | None]
) -> None:
    users = _there(uow, backend_id, "user", (each for each in owners.values() if each))
    before = {key: _before(record, "owner_ref") for key, record in told.items()}
    meant = local_ids(uow, backend_id, "user", before.values())
    unknown: dict[UUID, UUID] = {}
    for customer_id, record in told.items():
        owner_id, ref = owners[customer_id], before[customer_id]
        if ref and meant.get(ref) == owner_id:
            record.values["owner_ref"] = ref
        elif owner_id is None:
            if not ref or ref in meant:
                record.values["owner_ref"] = None
        elif owner_id in users:
            record.values["owner_ref"] = users[owner_id]
        else:
            unknown[customer_id] = owner_id
    _leave_untold(uow, told, "owner_ref", unknown, (User, "login"))


def _tell_companies(uow: UnitOfWork, backend_id: UUID, told: Mapping[UUID, Told]) -> None:
    """Tell whose contact each customer is, the tie last agreed on before others."""
    ties: dict[UUID, list[UUID]] = defaultdict(list)
    type_id = uow.scalar(select(RelationshipType.id).where(RelationshipType.code == CONTACT_OF))
    names = ("id", "type_id", "from_customer_id", "to_customer_id", "ended_on")
    rows = select_in(uow.connection(), Relationship, "from_customer_id", told, *names)
    for row in sorted(rows, key=lambda row: row.id):
        if row.type_id == type_id and row.ended_on is None:
            ties[row.from_customer_id].append(row.to_customer_id)
    companies = _there(
        uow, backend_id, "customer", {company for ids in ties.values() for company in ids}
    )
    refs = {key: _before(record, "parent_ref") for key, record in told.items()}
    targets = customer_targets(uow, backend_id, refs.values())
    unknown: dict[UUID, UUID] = {}
    for customer_id, record in told.items():
        here, ref = ties[customer_id], refs[customer_id]
        if ref and (ref not in targets or targets[ref].customer_id in (*here, customer_id)):
            record.values["parent_ref"] = ref
        elif not here:
            record.values["parent_ref"] = None
        elif here[0] in companies:
            record.values["parent_ref"] = companies[here[0]]
        else:
            unknown[customer_id] = record.waits_for = here[0]
    _leave_untold(uow, told, "parent_ref", unknown, (Customer, "name"))


def _leave_untold(
    uow: UnitOfWork,
    told: Mapping[UUID, Told],
    name: str,
    unknown: Mapping[UUID, UUID],
    words: tuple[type[Base], str],
) -> None:
    """Note how people call what a field refers to here that the backend does not know."""
    model, column = words
    ids = sorted(set(unknown.values()))
    found = select_in(uow.connection(), model, "id", ids, "id", column)
    called = {row.id: getattr(row, column) for row in found}
    for customer_id, key in unknown.items():
        told[customer_id].untold[name] = called.get(key, str(key))
