"""Fields that both sides changed since they last agreed: who wins, and what is kept of who lost.

Lists (contact points, tags) merge as sets and addresses part by part, so only what is truly at odds
is decided here: by the field's master, or by a person where the master is ``ask``. Until then both
sides keep that field as they have it, and all else goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.customer import Address
from crm_core.persistence.bulk import select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.conflicts import (
    edit_of,
    edited_here,
    edited_there,
    later,
    pending_conflicts,
)
from crm_core.sync.context import Change, SyncContext
from crm_core.sync.masters import (
    ASK,
    CRM,
    ERP,
    MERGED_AS_SETS,
    NEWEST,
    default_master,
    master_of,
)
from crm_core.sync.push_queue import enqueue
from crm_core.sync.tell import Told, tell

MERGED_BY_PART = frozenset({"address"})


class AtOdds(NamedTuple):
    """One field that both sides changed, to different values; ``part`` of it, or ``""``."""

    field: str
    part: str
    base: Any
    ours: Any
    theirs: Any

    @property
    def path(self) -> str:
        """The field as conflicts call it."""
        return f"{self.field}.{self.part}" if self.part else self.field


def decide(context: SyncContext, uow: UnitOfWork, entity: str, changes: Sequence[Change]) -> int:
    """Find the fields at odds, set what of each change is not to be taken, and keep who lost.

    Called in the transaction that then applies the changes. Only for backends that are written to:
    where nothing is, the ERP simply wins.

    Returns:
        How many were decided; those left to a person are counted as ``conflicts``.
    """
    if not (context.is_merging and entity in context.tellers):
        return 0
    bound: dict[UUID, Change] = {}
    again = []
    for change in changes:
        # A batch that failed is decided on anew, in parts.
        change.kept.clear()
        change.undecided.clear()
        change.overruled.clear()
        if change.bound is None or change.bound.snapshot is None or change.is_further:
            continue
        bound[change.bound.local_id] = change
        if change.has_arrived:
            again.append(change.bound.local_id)  # what changed here while it was gone
    pending = pending_conflicts(uow, context.backend_id, entity, bound)
    # What was just written comes back as it was sent: nothing of ours is then read for it.
    met = [key for key, change in bound.items() if key in pending or any(_moved(change))]
    judge = _Judge(context, uow, entity, bound)
    judge.hear(tell(context, uow, entity, met) if met else {}, pending)
    again += judge.queue
    if again and entity == "address":
        again = _customers_of(uow, again)
    enqueue(uow, context.backend_id, "customer" if entity == "address" else entity, again)
    if judge.opened:
        context.counts[entity]["conflicts"] += judge.opened
    return judge.decided


class _Judge:
    """Decides what is at odds in one batch, and writes down each decision."""

    def __init__(
        self, context: SyncContext, uow: UnitOfWork, entity: str, changes: dict[UUID, Change]
    ) -> None:
        self.context, self.uow, self.entity, self.changes = context, uow, entity, changes
        self.queue: list[UUID] = []
        self.decided = self.opened = 0

    def hear(self, told: dict[UUID, Told], pending: dict[UUID, dict[str, Conflict]]) -> None:
        """Decide every field of these records that is at odds; end what is not any more."""
        found = {key: _at_odds(self.changes[key], each) for key, each in told.items()}
        ids = [key for key, fields in found.items() if fields]
        self.here = edited_here(self.context, self.uow, self.entity, ids) if ids else {}
        stamps = {key: self.changes[key].record for key in ids}
        self.there = edited_there(
            self.context,
            self.uow,
            {key: (each.changed_at, each.changed_by) for key, each in stamps.items()},
        )
        for key, fields in found.items():
            held = pending.get(key, {})
            for at_odds in fields:
                self._settle(key, told[key].label, at_odds, held.pop(at_odds.path, None))
            for conflict in held.values():
                self._end_of_itself(self.changes[key], conflict)
                self.queue.append(key)  # what only one side changed goes its way now

    def _settle(self, key: UUID, label: str, at_odds: AtOdds, conflict: Conflict | None) -> None:
        change, context = self.changes[key], self.context
        is_new = conflict is None
        if conflict is None:
            conflict = Conflict(
                backend_id=context.backend_id,
                entity=self.entity,
                local_id=key,
                remote_id=change.remote_id,
                field=at_odds.path,
                state=ConflictState.OPEN.value,
                opened_at=self.uow.now,
            )
        asked = self._winner(key, at_odds, conflict)
        winner, by = self._resolution(conflict, at_odds) or asked
        ours, theirs = edit_of(self.here, key, at_odds.path), self.there[key]
        conflict.label, conflict.base = label, at_odds.base
        conflict.ours, conflict.ours_at, conflict.ours_by = at_odds.ours, *ours
        if is_new or not _same(conflict.theirs, at_odds.theirs):
            # Later changes of other fields, such as our own, say nothing of this one.
            conflict.theirs, conflict.theirs_at, conflict.theirs_by = at_odds.theirs, *theirs
        if is_new:
            self.uow.add(conflict)
        if winner is None:
            change.leave(at_odds.field, at_odds.part)
            conflict.state, conflict.winner = ConflictState.OPEN.value, None
            conflict.decided_at = conflict.decided_by = None
            self.opened += is_new
            return
        if winner == CRM:
            change.keep(at_odds.field, at_odds.part)
            self.queue.append(key)
        else:
            change.overruled.add(at_odds.field)
        conflict.winner, conflict.decided_by = winner, by
        self._end(conflict, ConflictState.DONE)
        self.decided += 1

    def _resolution(self, conflict: Conflict, at_odds: AtOdds) -> tuple[str, str | None] | None:
        """Return what a person decided, unless the side that is to lose has moved since."""
        if conflict.state != ConflictState.RESOLVED.value or conflict.winner is None:
            return None
        if conflict.winner == ERP:
            is_as_seen = _same(conflict.ours, at_odds.ours)
        else:
            is_as_seen = _same(conflict.theirs, at_odds.theirs)
        return (conflict.winner, conflict.decided_by) if is_as_seen else None

    def _winner(self, key: UUID, at_odds: AtOdds, conflict: Conflict) -> tuple[str | None, str]:
        """Return who wins by the field's master, None for a person, and which master it was."""
        master = by = master_of(self.context.masters, self.entity, at_odds.field)
        if master == NEWEST:
            newer = later(edit_of(self.here, key, at_odds.path), self.there[key])
            master = newer or default_master(self.entity, at_odds.field)
        if master == CRM and (self.context.is_reconciling or conflict.is_restored):
            # What an older copy holds must not undo what came after it, nor may a later run.
            master, conflict.is_restored = ASK, True
        return (None if master == ASK else master), by

    def _end_of_itself(self, change: Change, conflict: Conflict) -> None:
        """End a conflict over what is not at odds any more, as a person decided if one did."""
        field, _, part = conflict.field.partition(".")
        theirs = change.record.values.get(field)
        theirs = (theirs or {}).get(part) if part else theirs
        is_ours = conflict.state == ConflictState.RESOLVED and conflict.winner == CRM
        if is_ours and _same(conflict.theirs, theirs):
            # Ours was set back to what both once had: that is what was decided, not their edit.
            change.keep(field, part)
            self._end(conflict, ConflictState.DONE)
        else:
            self._end(conflict, ConflictState.GONE)

    def _end(self, conflict: Conflict, state: ConflictState) -> None:
        conflict.state = state.value
        conflict.decided_at = conflict.decided_at or self.uow.now


def _moved(change: Change) -> Iterator[str]:
    """Yield the fields that changed over there and do not merge as sets."""
    for field in change.record.values:
        if field not in MERGED_AS_SETS | change.sets and change.differs(field):
            yield field


def _at_odds(change: Change, told: Told) -> list[AtOdds]:
    """Return what both sides changed to different values."""
    found = []
    for field in _moved(change):
        theirs = change.record.values[field]
        if field in told.untold:
            # What stands here cannot be told there, so both never come to the same.
            found.append(AtOdds(field, "", change.before(field), told.untold[field], theirs))
            continue
        if field not in told.values:
            continue
        base, ours = change.before(field), told.values[field]
        if field in MERGED_BY_PART:
            base, ours, their_parts = base or {}, ours or {}, theirs or {}
            found += [
                AtOdds(field, part, base.get(part), ours.get(part), their_parts.get(part))
                for part in sorted({*ours, *their_parts})
                if _differ(base.get(part), ours.get(part), their_parts.get(part))
            ]
        elif _differ(base, ours, theirs):
            found.append(AtOdds(field, "", base, ours, theirs))
    return found


def _same(one: Any, other: Any) -> bool:
    return (one or None) == (other or None)


def _differ(base: Any, ours: Any, theirs: Any) -> bool:
    """Return whether three values say that both sides changed, and not to the same."""
    return not (_same(base, ours) or _same(base, theirs) or _same(ours, theirs))


def _customers_of(uow: UnitOfWork, address_ids: Sequence[Any]) -> list[Any]:
    rows = select_in(uow.connection(), Address, "id", address_ids, "customer_id")
    return [row.customer_id for row in rows]
