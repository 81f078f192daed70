"""Making a plan: both sides read and matched, nothing written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from crm_core.entities.hold import HoldReason, HoldSide
from crm_core.entities.sync import Backend
from crm_core.matching import VERDICTS, LeftOut, Matching, Pair, match, verdict
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.holds import all_held
from crm_core.services.settings import load_settings
from crm_core.sync.context import SyncContext
from crm_core.sync.permit import place_of
from crm_core.sync.planning.plan import Decision, Plan, PlanHead, PlanRow, Side
from crm_core.sync.planning.sides import (
    CUSTOMER,
    Party,
    known_there,
    our_side,
    their_side,
    unbound_customers,
)
from crm_core.sync.protocol import WritableBackend

NOTHING_ALIKE = t("nothing like it on the other side")


def make_plan(context: SyncContext, backend: Backend) -> Plan:
    """Match the customers of both sides that are not in step, and propose what to do with each.

    Args:
        context: A run that only reads.
        backend: Of which.
    """
    with context.reading() as uow:
        head = head_of(uow, backend)
        held = {side: all_held(uow, backend.id, CUSTOMER, side) for side in HoldSide}
    known = known_there(context, unbound_customers(context))
    ours = our_side(context, {key: name for key, (name, _) in known.items()})
    theirs = their_side(context, {remote_id: name for name, remote_id in known.values()})
    found = match(ours.records, theirs.records)
    rows = list(_Rows(found, ours, theirs, held).told(is_written=can_make(context)))
    plan = Plan(
        replace(head, rows=len(rows)),
        rows,
        in_step=theirs.bound,
        set_aside=theirs.faults,
        left_out=[_told(each) for each in found.left_out],
    )
    if not can_make(context):
        there_too = {row.local_id for row in plan.rows}
        plan.only_here = sum(record.key not in there_too for record in ours.records)
    return plan


def head_of(uow: UnitOfWork, backend: Backend) -> PlanHead:
    """Return what a plan made now for this backend begins with."""
    installation = load_settings(uow).installation_id or ""
    place = hashlib.blake2b(f"{installation} {place_of(uow.database)}".encode(), digest_size=8)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return PlanHead(backend.name, str(backend.id), place.hexdigest(), now, 0)


def can_make(context: SyncContext) -> bool:
    """Return whether customers can be made over there at all."""
    remote = context.remote
    return isinstance(remote, WritableBackend) and bool(remote.writable(CUSTOMER))


def _told(block: LeftOut) -> str:
    return t(
        "{rule} {key!r}: {left:,} here, {right:,} there",
        rule=block.rule,
        key=block.key,
        left=block.left,
        right=block.right,
    )


class _Rows:
    """The rows of a plan, from what was matched."""

    def __init__(
        self, found: Matching, ours: Party, theirs: Party, held: dict[HoldSide, dict[str, str]]
    ) -> None:
        self.found, self.ours, self.theirs, self.held = found, ours, theirs, held
        self.names: dict[object, str] = {}
        for record in (*ours.records, *theirs.records):
            self.names[record.key] = record.name

    def told(self, *, is_written: bool) -> Iterator[PlanRow]:
        """Yield links, what is left for a person, and what stands on one side only."""
        met: set[object] = set()
        for pairs, decision in (
            (self.found.pairs, Decision.LINK),
            (self.found.undecided, Decision.OPEN),
        ):
            for pair in pairs:
                met |= {pair.left, pair.right}
                yield self._pair(pair, decision)
        if is_written:
            for record in self.ours.records:
                if record.key not in met:
                    yield self._here(record.key)
        for record in self.theirs.records:
            if record.key not in met:
                yield self._there(record.key)

    def _pair(self, pair: Pair, decision: Decision) -> PlanRow:
        local_id, remote_id = pair.left, pair.right
        assert isinstance(local_id, UUID)
        assert isinstance(remote_id, str)
        row = PlanRow(
            CUSTOMER,
            Side.BOTH,
            decision,
            local_id,
            self.names[local_id],
            remote_id,
            self.names[remote_id],
            pair.score,
            t(
                "{verdict}: {reasons}",
                verdict=VERDICTS[verdict(pair.score)],
                reasons=joined(pair.reasons, ", "),
            ),
            self.ours.states[local_id],
            self.theirs.states[remote_id],
        )
        ignored = [self.held[side].get(key) == HoldReason.IGNORED for side, key in row.keys]
        if any(ignored):
            row.decision = Decision.IGNORE if all(ignored) else Decision.OPEN
        return row

    def _here(self, key: object) -> PlanRow:
        assert isinstance(key, UUID)
        row = PlanRow(CUSTOMER, Side.HERE, Decision.CREATE, key, self.names[key])
        row.local_state, row.reason = self.ours.states[key], NOTHING_ALIKE
        if key in self.ours.twins:
            row.decision, row.reason = Decision.OPEN, self.ours.twins[key]
        if self.held[HoldSide.LOCAL].get(str(key)) == HoldReason.IGNORED:
            row.decision = Decision.IGNORE
        return row

    def _there(self, key: object) -> PlanRow:
        assert isinstance(key, str)
        row = PlanRow(CUSTOMER, Side.THERE, Decision.CREATE)
        row.remote_id, row.remote_name = key, self.names[key]
        row.remote_state, row.reason = self.theirs.states[key], NOTHING_ALIKE
        if self.held[HoldSide.REMOTE].get(key) == HoldReason.IGNORED:
            row.decision = Decision.IGNORE
        return row
