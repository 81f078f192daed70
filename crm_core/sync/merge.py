"""Fields that both sides changed since they last agreed: who wins, and what is kept of who lost.

Lists (contact points, tags) merge as sets and addresses part by part, so only what is truly at odds
is decided here, by the field's master.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_core.entities.customer import Address
from crm_core.entities.sync import Conflict
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows, select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named
from crm_core.sync.context import Change, SyncContext
from crm_core.sync.push_queue import enqueue
from crm_core.sync.tell import Told, tell

ERP, CRM = "erp", "crm"
MERGED_AS_SETS = frozenset({"contact_points", "tag_refs"})
MERGED_BY_PART = frozenset({"address"})
MASTERS: Mapping[str, Mapping[str, str]] = {
    # What the back office invoices by is its own; how people are met is the front office's.
    "customer": {
        **dict.fromkeys(("kind", "name", "reference", "vat", "address", "archived"), ERP),
        **dict.fromkeys(("language", "job_title", "note", "owner_ref", "parent_ref"), CRM),
    },
    "address": {
        **dict.fromkeys(("parent_ref", "use", "recipient", "archived"), ERP),
        **dict.fromkeys(("street", "street2", "postal_code", "city", "region"), ERP),
        **dict.fromkeys(("country_code", "email", "phone", "mobile", "note"), ERP),
    },
}
"""The master of each field where a backend says nothing else."""


def master_of(chosen: Mapping[str, str], entity: str, field: str) -> str:
    """Return who wins a field: ``erp`` or ``crm``."""
    default = MASTERS.get(entity, {}).get(field, ERP)
    return chosen.get(f"{entity}.{field}", default)


def checked_master(text: str) -> tuple[str, str]:
    """Return ``entity.field`` and master from ``customer.name=crm``; raises InputError."""
    field, _, master = text.partition("=")
    entity, _, name = field.partition(".")
    if name not in MASTERS.get(entity, {}) or master not in (ERP, CRM):
        known = ", ".join(f"{each}.{key}" for each, fields in MASTERS.items() for key in fields)
        raise InputError(
            f"{text!r} will not do: write FIELD=erp or FIELD=crm, where FIELD is one of {known}.",
            code="core.sync.master",
        )
    return field, master


def masters_of(uow: UnitOfWork, name: str) -> list[dict[str, Any]]:
    """Return the master of each field of a backend: ``id, entity, field, master, is_default``."""
    chosen = backend_named(uow, name).masters
    return [
        {
            "id": f"{entity}.{field}",
            "entity": entity,
            "field": field,
            "master": master_of(chosen, entity, field),
            "is_default": f"{entity}.{field}" not in chosen,
        }
        for entity, fields in MASTERS.items()
        for field in fields
    ]


def set_masters(uow: UnitOfWork, name: str, texts: Sequence[str]) -> None:
    """Set masters of a backend from texts such as ``customer.note=erp``.

    Raises:
        InputError: There is no such field, or the master is neither erp nor crm.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    backend.masters = {**backend.masters, **dict(checked_master(text) for text in texts)}
    backend.updated_at = uow.now


def decide(context: SyncContext, uow: UnitOfWork, entity: str, changes: Sequence[Change]) -> int:
    """Find the fields at odds, set what of each change is not to be taken, and keep who lost.

    Called in the transaction that then applies the changes. Only for backends that are written to:
    where nothing is, the ERP simply wins.

    Returns:
        How many there were.
    """
    if not (context.is_merging and entity in context.tellers):
        return 0
    bound = {}
    again = []
    for change in changes:
        change.kept.clear()  # a batch that failed is decided on anew, in parts
        if change.bound is None or change.bound.snapshot is None:
            continue
        if change.has_arrived:
            again.append(change.bound.local_id)  # what changed here while it was gone
        # What was just written comes back as it was sent: nothing of ours is then read for it.
        if any(_moved(change)):
            bound[change.bound.local_id] = change
    rows = []
    for local_id, told in (tell(context, uow, entity, list(bound)) if bound else {}).items():
        change = bound[local_id]
        for field, part, ours, theirs in _at_odds(change, told):
            winner = master_of(context.masters, entity, field)
            if winner == CRM:
                change.keep(field, part)
                again.append(local_id)
            base = change.before(field)
            rows.append(
                {
                    "id": new_id(),
                    "backend_id": context.backend_id,
                    "entity": entity,
                    "local_id": local_id,
                    "remote_id": change.remote_id,
                    "label": told.label,
                    "field": f"{field}.{part}" if part else field,
                    "base": (base or {}).get(part) if part else base,
                    "ours": ours,
                    "theirs": theirs,
                    "winner": winner,
                    "decided_at": uow.now,
                }
            )
    insert_rows(uow.connection(), Conflict, rows)
    if again and entity == "address":
        again = _customers_of(uow, again)
    enqueue(uow, context.backend_id, "customer" if entity == "address" else entity, again)
    return len(rows)


def _moved(change: Change) -> Iterator[str]:
    """Yield the fields that changed over there and do not merge as sets."""
    for field in change.record.values:
        if field not in MERGED_AS_SETS and change.differs(field):
            yield field


def _at_odds(change: Change, told: Told) -> list[tuple[str, str, Any, Any]]:
    """Return (field, part, ours, theirs) of what both sides changed to different values."""
    found = []
    for field in _moved(change):
        if field not in told.values:
            continue
        theirs = change.record.values[field]
        base, ours = change.before(field), told.values[field]
        if field in MERGED_BY_PART:
            base, ours, their_parts = base or {}, ours or {}, theirs or {}
            found += [
                (field, part, ours.get(part), their_parts.get(part))
                for part in sorted({*ours, *their_parts})
                if _differ(base.get(part), ours.get(part), their_parts.get(part))
            ]
        elif _differ(base, ours, theirs):
            found.append((field, "", ours, theirs))
    return found


def _differ(base: Any, ours: Any, theirs: Any) -> bool:
    """Return whether three values say that both sides changed, and not to the same."""
    base, ours, theirs = base or None, ours or None, theirs or None
    return base not in (ours, theirs) and ours != theirs


def _customers_of(uow: UnitOfWork, address_ids: Sequence[Any]) -> list[Any]:
    rows = select_in(uow.connection(), Address, "id", address_ids, "customer_id")
    return [row.customer_id for row in rows]
