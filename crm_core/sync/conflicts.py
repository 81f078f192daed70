"""What is known of fields at odds: who changed them when, which are pending, what is suggested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, update

from crm_core.entities.conflict import MERGED, PENDING, Conflict, ConflictState
from crm_core.entities.customer import Address
from crm_core.entities.sync import PushItem
from crm_core.entities.system import AuditEntry
from crm_core.entities.user import User
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked, select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.search.fold import fold
from crm_core.sync.bindings import local_ids
from crm_core.sync.context import Bound, SyncContext
from crm_core.sync.masters import ASK, CRM, ERP, default_master, master_of
from crm_core.sync.tell import Told

SAME_TIME = timedelta(seconds=2)
"""Edits closer than this are not told apart: remotes round to seconds, and clocks differ."""
_COLUMNS = {"archived": "archived_at", "owner_ref": "owner_id"}
"""How the audit names what the neutral record calls otherwise."""
_QUEUED = ("backend_id", "entity", "local_id")


class Edited(NamedTuple):
    """When a field was last changed, by our clock, and by whom; None where it is not known."""

    at: datetime | None = None
    by: str | None = None


def pending_conflicts(
    uow: UnitOfWork, backend_id: UUID, entity: str, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Conflict]]:
    """Return the conflicts that hold fields back: by local id, then by field."""
    found: dict[UUID, dict[str, Conflict]] = {}
    for chunk in chunked(sorted(set(ids)), PARAMETERS):
        for conflict in uow.scalars(
            select(Conflict).where(
                Conflict.backend_id == backend_id,
                Conflict.entity == entity,
                Conflict.local_id.in_(chunk),
                Conflict.state.in_(PENDING),
                Conflict.field != MERGED,
            )
        ):
            found.setdefault(conflict.local_id, {})[conflict.field] = conflict
    return found


def forget_conflicts(
    uow: UnitOfWork, backend_id: UUID, entity: str, remote_ids: Iterable[str]
) -> None:
    """End the pending conflicts with records that are not in step with us any more."""
    for chunk in chunked(sorted(set(remote_ids)), PARAMETERS):
        uow.execute(
            update(Conflict)
            .where(
                Conflict.backend_id == backend_id,
                Conflict.entity == entity,
                Conflict.remote_id.in_(chunk),
                Conflict.state.in_(PENDING),
                Conflict.field != MERGED,
            )
            .values(state=ConflictState.GONE.value, decided_at=uow.now)
            .execution_options(synchronize_session=False)
        )


def forget_merges(uow: UnitOfWork, backend_id: UUID, remote_ids: Iterable[str]) -> None:
    """End the questions whether customers were merged there: their own records are back."""
    for chunk in chunked(sorted(set(remote_ids)), PARAMETERS):
        uow.execute(
            update(Conflict)
            .where(
                Conflict.backend_id == backend_id,
                Conflict.entity == "customer",
                Conflict.remote_id.in_(chunk),
                Conflict.state.in_((ConflictState.OPEN.value, ConflictState.SUSPECTED.value)),
                Conflict.field == MERGED,
            )
            .values(state=ConflictState.GONE.value, decided_at=uow.now)
            .execution_options(synchronize_session=False)
        )


def is_answered(conflict: Any, masters: Mapping[str, str]) -> bool:
    """Return whether an open conflict's field has a master now that decides it."""
    master = master_of(masters, conflict.entity, conflict.field.partition(".")[0])
    # What an older copy holds never wins unasked.
    return master == ERP or (master != ASK and not conflict.is_restored)


def answered(
    uow: UnitOfWork, backend_id: UUID, masters: Mapping[str, str]
) -> Iterator[tuple[str, list[UUID]]]:
    """Yield the records, by entity, of open conflicts that a master decides since it was set."""
    columns = (Conflict.entity, Conflict.local_id, Conflict.field, Conflict.is_restored)
    statement = select(*columns).where(
        Conflict.backend_id == backend_id,
        Conflict.state == ConflictState.OPEN.value,
        Conflict.field != MERGED,
    )
    found: dict[str, set[UUID]] = {}
    for row in uow.execute(statement):
        if is_answered(row, masters):
            found.setdefault(row.entity, set()).add(row.local_id)
    addresses = sorted(found.pop("address", ()))
    if addresses:  # they are written with their customers
        rows = select_in(uow.connection(), Address, "id", addresses, "customer_id")
        found.setdefault("customer", set()).update(row.customer_id for row in rows)
    for entity, ids in found.items():
        # One that is set aside has its own time.
        queued = select_in(uow.connection(), PushItem, "local_id", sorted(ids), *_QUEUED)
        ids -= {r.local_id for r in queued if (r.backend_id, r.entity) == (backend_id, entity)}
        yield entity, sorted(ids)


def hold_back(told: Told, conflicts: Mapping[str, Conflict], masters: Mapping[str, str]) -> bool:
    """Tell fields that are undecided as they are over there; return whether to look again.

    That is where a conflict was resolved, changed here since it was found, or has a master now.
    What was removed here as a whole is held as a whole: it goes, or comes back, once that is
    decided.
    """
    values, stirred = told.values, False
    here = dict(values)
    before = (told.bound.snapshot if told.bound else None) or {}
    for path, conflict in conflicts.items():
        field, _, part = path.partition(".")
        ours = (here.get(field) or {}).get(part) if part else here.get(field)
        if field in told.untold:
            ours, told.waits_for = told.untold[field], None  # told as theirs, it waits for nothing
        stirred |= conflict.state == ConflictState.RESOLVED or is_answered(conflict, masters)
        stirred |= (ours or None) != (conflict.ours or None)
        values[field] = _with(values.get(field) or before.get(field), part, conflict.theirs)
    return stirred


def known_there(told: Told, conflicts: Mapping[str, Conflict]) -> dict[str, Any]:
    """Return what the backend has of a record, as far as it is known."""
    known = dict((told.bound.snapshot if told.bound else None) or {})
    for path, conflict in conflicts.items():
        field, _, part = path.partition(".")
        known[field] = _with(known.get(field), part, conflict.theirs)
    return known


def agreed_on(bound: Bound, sent: Mapping[str, Any], undecided: Iterable[str]) -> dict[str, Any]:
    """Return what is agreed on after fields were sent: what is undecided stays as it was."""
    before = bound.snapshot or {}
    agreed = {**before, **sent}
    for path in undecided:
        field, _, part = path.partition(".")
        base = before.get(field)
        agreed[field] = _with(agreed.get(field), part, (base or {}).get(part)) if part else base
    return agreed


def _with(value: Any, part: str, wanted: Any) -> Any:
    """Return a field with one part of it replaced, or the whole of it."""
    return {**(value or {}), part: wanted} if part else wanted


def edited_here(
    context: SyncContext, uow: UnitOfWork, entity: str, ids: Sequence[UUID]
) -> dict[tuple[UUID, str], Edited]:
    """Return who last changed what here, by local id and field as conflicts call it.

    What this backend's own sync wrote is left out; ``""`` stands for any field of the record. Of
    what hangs on a customer its main address counts, and whose contact it is.
    """
    owners = {str(each): each for each in ids}
    parts: dict[str, UUID] = {}
    if entity == "customer":
        columns = ("id", "customer_id", "use")
        rows = select_in(uow.connection(), Address, "customer_id", ids, *columns)
        parts = {str(row.id): row.customer_id for row in rows if row.use == "main"}
    found: dict[tuple[UUID, str], Edited] = {}
    for row in _audited(context, uow, entity, ids, parts):
        told = Edited(row.at, row.actor_login)
        names = list(row.changes or ())
        if row.entity_type == entity:
            local_id = owners[row.entity_id]
            found.update({(local_id, name): told for name in ("", *names)})
        elif row.entity_id in parts:
            found.update({(parts[row.entity_id], f"address.{name}"): told for name in names})
        elif row.entity_type == "relationship":
            found[row.customer_id, "parent_ref"] = told
    return found


def _audited(
    context: SyncContext,
    uow: UnitOfWork,
    entity: str,
    ids: Sequence[UUID],
    parts: Iterable[str],
) -> Iterator[Any]:
    """Yield who changed these records, their main addresses and their ties, oldest first."""
    kinds: list[tuple[str, Any, Sequence[Any]]] = [
        (entity, AuditEntry.entity_id, [str(each) for each in ids]),
        ("address", AuditEntry.entity_id, sorted(parts)),
    ]
    if entity == "customer":
        kinds.append(("relationship", AuditEntry.customer_id, list(ids)))
    for kind, column, keys in kinds:
        for chunk in chunked(keys, PARAMETERS):
            yield from uow.execute(
                select(
                    AuditEntry.entity_type,
                    AuditEntry.entity_id,
                    AuditEntry.customer_id,
                    AuditEntry.at,
                    AuditEntry.actor_login,
                    AuditEntry.changes,
                )
                .where(
                    AuditEntry.entity_type == kind,
                    column.in_(chunk),
                    AuditEntry.origin != context.actor.origin,
                )
                .order_by(AuditEntry.id)
            )


def edit_of(edits: Mapping[tuple[UUID, str], Edited], local_id: UUID, path: str) -> Edited:
    """Return who last changed a field such as ``name`` or ``address.city``."""
    field = path.partition(".")[0]
    # A customer written in bulk tells all its addresses as one.
    for name in (path, _COLUMNS.get(field, field), "addresses" if field == "address" else path):
        if (local_id, name) in edits:
            return edits[local_id, name]
    return edits.get((local_id, ""), Edited())


def edited_there(
    context: SyncContext, uow: UnitOfWork, found: Mapping[UUID, tuple[datetime | None, str | None]]
) -> dict[UUID, Edited]:
    """Return who last changed remote records, by our clock and with our logins where known.

    Args:
        context: The run, which knows how far the remote's clock is ahead of ours.
        uow: The unit of work.
        found: Local id to what the remote tells of its record.
    """
    users = local_ids(uow, context.backend_id, "user", (by for _, by in found.values()))
    ids = sorted(set(users.values()))
    rows = uow.execute(select(User.id, User.login).where(User.id.in_(ids)))
    logins = {row.id: row.login for row in rows}
    told = {}
    for key, (at, by) in found.items():
        user_id = users.get(by) if by else None
        login = logins.get(user_id) if user_id else None
        told[key] = Edited(at - context.clock_ahead if at else None, login or by)
    return told


def later(ours: Edited, theirs: Edited) -> str | None:
    """Return which edit is the newer: ``erp``, ``crm``, or None where it cannot be told."""
    if ours.at is None or theirs.at is None or abs(ours.at - theirs.at) < SAME_TIME:
        return None
    return CRM if ours.at > theirs.at else ERP


def suggestion(conflict: Conflict) -> tuple[str, str]:
    """Return ``erp`` or ``crm`` and why, in words, for a person who has to decide."""
    ours, theirs = conflict.ours, conflict.theirs
    if not ours or not theirs:
        side = CRM if ours else ERP
        return side, t("the other side cleared it")
    if isinstance(ours, str) and isinstance(theirs, str):
        one, other = fold(ours), fold(theirs)
        if one == other:
            return default_master(conflict.entity, conflict.field.partition(".")[0]), (
                t("both say the same but for capitals or accents")
            )
        if one in other or other in one:
            return (CRM if len(ours) > len(theirs) else ERP), t("it says the same and more")
    newer = later(
        Edited(conflict.ours_at, conflict.ours_by), Edited(conflict.theirs_at, conflict.theirs_by)
    )
    if newer is not None:
        return newer, t("it was changed last")
    return default_master(conflict.entity, conflict.field.partition(".")[0]), (
        t("it is this side's field where nothing else is chosen")
    )
