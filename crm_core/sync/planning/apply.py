"""Applying a plan: exactly what it says, record by record, and nothing that moved since.

What is decided is written first and in one transaction: links, what is held, and that the plan was
accepted. From then on any run, this one's repetition or an ordinary one, ends in the same state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.hold import HoldReason, HoldSide
from crm_core.entities.sync import Backend, PushItem
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.holds import release
from crm_core.sync import lock, push_queue
from crm_core.sync.batch import apply_page
from crm_core.sync.bindings import bind
from crm_core.sync.context import SyncContext
from crm_core.sync.holding import hold
from crm_core.sync.permit import accept_plan, permit_of, plan_was_shown
from crm_core.sync.planning.addresses import bind_addresses
from crm_core.sync.planning.make import can_make, head_of
from crm_core.sync.planning.plan import PlanHead, PlanRow, Settled, Side, keys_of, state_of
from crm_core.sync.planning.sides import CUSTOMER, READ_SIZE, bound_pairs
from crm_core.sync.protocol import RemoteRecord, WritableBackend
from crm_core.sync.push import Push
from crm_core.sync.push_queue import Waiting
from crm_core.sync.sweep import read_waiting
from crm_core.sync.tell import tell

CHANGED_HERE, CHANGED_THERE = t("it changed here since"), t("it changed there since")
GONE_HERE, GONE_THERE = t("it is not in use here any more"), t("it is not there any more")
BOUND = t("it is in step with another record by now")
EXAMPLES = 20


@dataclass(slots=True)
class PlanReport:
    """What applying a plan did, or would do.

    Attributes:
        counts: ``linked``, ``taken_over`` (made here), ``created`` (made there), ``done`` (before
            this), ``ignored``, ``undecided``, ``refused``, ``set_aside``.
        refused: Of rows that were left for a new plan, a few: name and reason.
        left: All of them: row and reason.
        is_dry_run: Whether nothing was written.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[PlanRow, str]] = field(default_factory=list)
    is_dry_run: bool = False


def check_head(context: SyncContext, backend: Backend, head: PlanHead) -> None:
    """Make sure that a plan is of this backend and database, and that it may be applied here.

    Raises:
        InputError: It is another's.
        RuleViolationError: The plan was accepted before, and this is a copy of that database.
    """
    with context.reading() as uow:
        here = head_of(uow, backend)
        permit = permit_of(uow, uow.get(Backend, backend.id))
    if (head.backend_id, head.database) != (here.backend_id, here.database):
        whose = "backend" if head.backend_id != here.backend_id else "database"
        raise InputError(
            t(
                "The plan of {made_at} is of another {whose}, so it says nothing of this one: "
                "make one with crm sync plan {backend} --out PLAN.xlsx. Nothing was written.",
                made_at=head.made_at,
                whose=whose,
                backend=backend.name,
            ),
            code="core.sync.plan_of_another",
            details={"backend": head.backend, "made_at": head.made_at},
        )
    if permit.is_accepted and permit.refusal:
        raise RuleViolationError(permit.refusal, code="core.sync.copy")


def apply_plan(context: SyncContext, backend: Backend, settled: Settled) -> PlanReport:
    """Do what a plan says; see :func:`crm_core.sync.planning.plan.settle`.

    Safe to stop and to repeat. What moved since the plan was made is refused, row by row, and held
    until another plan decides on it.

    Args:
        context: A run that holds the backend's lease, or a dry one.
        backend: Of which; its plan is accepted by this.
        settled: The decisions.
    """
    work = _Apply(context, backend, settled)
    work.look()
    if context.dry_run:
        work.report.is_dry_run = True
        return work.report
    work.decide()
    work.carry_out()
    return work.report


class _Apply:
    """One application of a plan, step by step."""

    def __init__(self, context: SyncContext, backend: Backend, settled: Settled) -> None:
        self.context, self.backend, self.settled = context, backend, settled
        self.report = PlanReport()
        self.links: list[PlanRow] = []
        self.takes: list[PlanRow] = []
        self.makes: list[PlanRow] = []
        self.archived: set[str] = set()
        """Linked remote records out of use there: whoever links them brings them back."""
        self.moved: set[tuple[HoldSide, str]] = set()
        self.done: set[tuple[HoldSide, str]] = set()
        self.repeated: list[PlanRow] = []
        """Links that were made before; what follows from them may be left to do."""

    # What still is as the plan has it.

    def look(self) -> None:
        """Compare the plan with both sides as they are, and count what will be done."""
        settled = self.settled
        makes = settled.makes if can_make(self.context) else []
        rows = [*settled.links, *settled.takes, *makes]
        locals_, remotes = _ids(rows)
        ours, theirs = bound_pairs(self.context, locals_, remotes)
        here = self._told_here({*_ids([*settled.links, *makes])[0]} - ours.keys())
        there = self._told_there({*_ids([*settled.links, *settled.takes])[1]} - theirs.keys())
        bound = {(HoldSide.LOCAL, str(key)) for key in ours}
        bound |= {(HoldSide.REMOTE, key) for key in theirs}
        for row in settled.links:
            if row.local_id in ours and ours[row.local_id] == row.remote_id:
                self.repeated.append(row)
                self._is_done(row.keys)
            elif not bound.isdisjoint(row.keys):
                self._refuse(row, BOUND, set(row.keys) - bound)
            else:
                why = self._why_here(row, here) or self._why_there(row, there)
                self._keep(row, why, self.links, row.keys)
        for side, chosen, kept in (
            (HoldSide.REMOTE, settled.takes, self.takes),
            (HoldSide.LOCAL, makes, self.makes),
        ):
            for row in chosen:
                keys = [key for key in row.keys if key[0] == side]
                if not bound.isdisjoint(keys):
                    self._is_done(keys)
                elif side == HoldSide.REMOTE:
                    self._keep(row, self._why_there(row, there), kept, keys)
                else:
                    self._keep(row, self._why_here(row, here), kept, keys)
        self.report.counts.update(
            linked=len(self.links),
            taken_over=len(self.takes),
            created=len(self.makes),
            ignored=len(settled.ignored),
            undecided=len(settled.undecided),
        )

    def _told_here(self, local_ids: Iterable[UUID]) -> dict[str, tuple[str, bool]]:
        """Return the state of local records, and whether they are archived, by key."""
        found = {}
        for chunk in chunked(sorted(local_ids), READ_SIZE):
            with self.context.reading() as uow:
                for key, told in tell(self.context, uow, CUSTOMER, chunk).items():
                    found[str(key)] = state_of(told.values), told.is_archived
        return found

    def _told_there(self, remote_ids: Iterable[str]) -> dict[str, str]:
        found = {}
        for record in self._read(remote_ids):
            found[record.remote_id] = state_of(record.values)
            if record.values.get("archived"):
                self.archived.add(record.remote_id)
        return found

    def _read(self, remote_ids: Iterable[str]) -> Iterator[RemoteRecord]:
        ids = sorted(remote_ids)
        for number, chunk in enumerate(chunked(ids, READ_SIZE)):
            self.context.progress(t("comparing"), number * READ_SIZE, len(ids))
            yield from self.context.remote.read(CUSTOMER, chunk).records

    def _why_here(self, row: PlanRow, here: Mapping[str, tuple[str, bool]]) -> str | None:
        state, is_archived = here.get(str(row.local_id), ("", True))
        if is_archived:
            return GONE_HERE
        return CHANGED_HERE if state != row.local_state else None

    def _why_there(self, row: PlanRow, there: Mapping[str, str]) -> str | None:
        state = there.get(row.remote_id or "")
        if state is None:
            return GONE_THERE
        return CHANGED_THERE if state != row.remote_state else None

    def _keep(
        self,
        row: PlanRow,
        why: str | None,
        rows: list[PlanRow],
        keys: Sequence[tuple[HoldSide, str]],
    ) -> None:
        if why is None:
            rows.append(row)
        else:
            sides: dict[str, HoldSide] = {GONE_HERE: HoldSide.LOCAL, GONE_THERE: HoldSide.REMOTE}
            gone = sides.get(why)
            self._refuse(row, why, [key for key in keys if key[0] != gone])

    def _refuse(self, row: PlanRow, why: str, keys: Iterable[tuple[HoldSide, str]]) -> None:
        self.report.counts["refused"] += 1
        self.report.left.append((row, why))
        if len(self.report.refused) < EXAMPLES:
            self.report.refused.append((row.local_name or row.remote_name, why))
        self.moved.update(keys)

    def _is_done(self, keys: Iterable[tuple[HoldSide, str]]) -> None:
        self.report.counts["done"] += 1
        self.done.update(keys)

    # Writing it down, then doing it.

    def decide(self) -> None:
        """Write links, holds and the acceptance in one transaction."""
        context, settled = self.context, self.settled
        rows = [*self.links, *self.takes, *self.makes]
        apart = [row for row in self.makes if row.side == Side.BOTH]
        context.apart = frozenset(row.local_id for row in apart if row.local_id)
        held = dict.fromkeys(self.moved, HoldReason.MOVED)
        held |= dict.fromkeys(settled.undecided, HoldReason.UNDECIDED)
        # Until they are made, or another run would link them to what they are to be kept from.
        held |= {(HoldSide.LOCAL, str(key)): HoldReason.UNDECIDED for key in context.apart}
        held |= dict.fromkeys(settled.ignored, HoldReason.IGNORED)
        with context.writing() as uow:
            lock.renew(uow, context.backend_id, context.token)
            self._bind(uow)
            free = (keys_of(rows) | self.done) - held.keys()
            for side in HoldSide:
                ids = [key for each, key in free if each == side]
                release(uow, context.backend_id, CUSTOMER, side, ids)
                reasons = {key: why.value for (each, key), why in held.items() if each == side}
                hold(uow, context.backend_id, CUSTOMER, side, reasons)
            if isinstance(context.remote, WritableBackend):
                plan_was_shown(uow, self.backend.name)
                accept_plan(uow, self.backend.name)
                for chunk in chunked(_ids([*self.links, *self.makes])[0], PARAMETERS):
                    push_queue.enqueue(uow, context.backend_id, CUSTOMER, chunk)
            uow.commit()

    def _bind(self, uow: UnitOfWork) -> None:
        """Bind what is linked with nothing agreed on yet, so that the two are merged when read."""
        pairs = (
            (
                row.local_id,
                row.remote_id,
                {"archived": True} if row.remote_id in self.archived else {},
            )
            for row in self.links
            if row.local_id is not None and row.remote_id is not None
        )
        bind(uow, self.context.backend_id, CUSTOMER, pairs)

    def carry_out(self) -> None:
        """Merge what is linked, make what is to be made here, then what is to be made there."""
        context = self.context
        context.is_merging = isinstance(context.remote, WritableBackend)
        links = [*self.links, *self.repeated]
        bind_addresses(context, {r.remote_id: r.local_id for r in links if r.remote_id})
        remote_ids = _ids([*links, *self.takes])[1]
        for chunk in chunked(remote_ids, READ_SIZE):
            apply_page(context, CUSTOMER, context.remote.read(CUSTOMER, chunk))
            context.progress(t("taking over"), len(chunk), len(remote_ids))
        read_waiting(context, CUSTOMER)
        if can_make(context):
            self._push()
        with context.writing() as uow:
            # One that was not made stays held, or another run would link it after all.
            made = [str(key) for key in bound_pairs(context, context.apart, ())[0]]
            release(uow, context.backend_id, CUSTOMER, HoldSide.LOCAL, made)
            uow.commit()

    def _push(self) -> None:
        context, remote = self.context, self.context.remote
        assert isinstance(remote, WritableBackend)
        context.writes = True
        push = Push(context, remote)
        rows = [*self.links, *self.repeated, *self.makes]
        push.push(CUSTOMER, self._queued(_ids(rows)[0]))
        self.report.counts["set_aside"] = sum(
            counts.counts["set_aside"] for counts in push.counts.values()
        )

    def _queued(self, local_ids: Sequence[UUID]) -> Iterator[list[Waiting]]:
        for chunk in chunked(local_ids, self.context.batch_size):
            with self.context.reading() as uow:
                statement: Any = select(
                    PushItem.local_id, PushItem.revision, PushItem.sent_at
                ).where(
                    PushItem.backend_id == self.context.backend_id,
                    PushItem.entity == CUSTOMER,
                    PushItem.local_id.in_(chunk),
                )
                rows = uow.execute(statement).all()
            yield [Waiting(row.local_id, row.revision, row.sent_at is not None) for row in rows]


def _ids(rows: Iterable[PlanRow]) -> tuple[list[UUID], list[str]]:
    listed = list(rows)
    return (
        [row.local_id for row in listed if row.local_id],
        [row.remote_id for row in listed if row.remote_id],
    )
