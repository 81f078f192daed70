"""Writing to a backend what changed here: matched before it is made, read again afterwards.

The steps and the reasons for their order stand in docs/sync.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from crm_core.entities.customer import Address
from crm_core.entities.sync import Binding, BindingState
from crm_core.ids import new_id
from crm_core.persistence.bulk import chunked, insert_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock, push_queue
from crm_core.sync.batch import apply_page
from crm_core.sync.context import GONE, SyncContext
from crm_core.sync.protocol import Draft, Edit, Match, Probe, WritableBackend, Written
from crm_core.sync.push_queue import Waiting
from crm_core.sync.sweep import follow_gone
from crm_core.sync.tell import Told, tell
from crm_core.sync.twins import twins_within

SIZE = 500
EXAMPLES = 5
GONE_CODE = "core.sync.gone"
NOT_THERE = "core.sync.company_missing"
AMBIGUOUS = "core.sync.ambiguous"

Source = Callable[[UnitOfWork, UUID | None], list[tuple[UUID, Waiting]]]


@dataclass(slots=True)
class PushCounts:
    """What a push did, or would do, with one entity: counts, and names of a few of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, label: str) -> None:
        """Count one record."""
        self.counts[what] += 1
        shown = self.examples.setdefault(what, [])
        if len(shown) < EXAMPLES:
            shown.append(label)


class Push:
    """One push of a run.

    Args:
        context: The run; a dry one writes nothing anywhere and only counts.
        remote: The backend, which can be written to.
        installation: Our own id, part of the names our records get over there.
        everything: Look at all records instead of those that wait: for a plan not yet accepted.
    """

    def __init__(
        self,
        context: SyncContext,
        remote: WritableBackend,
        *,
        installation: str,
        everything: bool = False,
    ) -> None:
        self.context = context
        self.remote = remote
        self.prefix = f"crm_{installation.replace('-', '')}"
        self.everything = everything
        self.counts: dict[str, PushCounts] = {}

    def push(self, entity: str) -> None:
        """Write one entity: first what waits for nothing, then contacts of companies just made."""
        later: list[Waiting] = []
        done = 0
        for chunk in self._chunks(entity):
            later += self._write(entity, chunk)
            done += len(chunk)
            self.context.progress(f"writing {entity}", done, None)
        while later:
            left: list[Waiting] = []
            for chunk in chunked(later, SIZE):
                left += self._write(entity, chunk)
            if len(left) == len(later):
                break
            later = left
        for chunk in chunked(later, SIZE):
            self._write(entity, chunk, last=True)

    def _chunks(self, entity: str) -> Iterator[list[Waiting]]:
        context, after = self.context, None
        if context.dry_run and entity in context.listers:
            with context.reading() as uow:
                unheard = push_queue.unheard(uow, context.backend_id, entity, context.listers)
            yield from chunked([Waiting(each, 0, False) for each in unheard], SIZE)
        while True:
            with context.reading() as uow:
                if self.everything:
                    rows = push_queue.everything(uow, entity, after=after, limit=SIZE)
                else:
                    rows = push_queue.waiting(
                        uow, context.backend_id, entity, after=after, limit=SIZE
                    )
            if not rows:
                return
            yield [item for _, item in rows]
            after = rows[-1][0]

    def _write(self, entity: str, items: list[Waiting], *, last: bool = False) -> list[Waiting]:
        """Write a batch and what hangs on it; return those that wait for another record."""
        batch = _Batch(self, entity, items)
        waiting = batch.run(last=last)
        if entity == "customer" and self.remote.writable("address"):
            ready = [item.local_id for item in items if item.local_id not in waiting]
            addresses = _Batch(self, "address", _addresses_of(self.context, ready))
            batch.failed |= addresses.run_for_customers()
        batch.settle(waiting)
        return [item for item in items if item.local_id in waiting]


class _Batch:
    """Some records of one entity on their way."""

    def __init__(self, push: Push, entity: str, items: Sequence[Waiting]) -> None:
        self.push, self.context, self.remote = push, push.context, push.remote
        self.entity = entity
        self.items = {item.local_id: item for item in items}
        self.counts = push.counts.setdefault(entity, PushCounts())
        self.told: dict[UUID, Told] = {}
        self.shaped: dict[UUID, Mapping[str, Any]] = {}
        self.failed: dict[UUID, tuple[str, str, str]] = {}

    # What there is to do.

    def run(self, *, last: bool = False) -> set[UUID]:
        """Write what differs; return those that wait for a record not there yet.

        Args:
            last: Nothing that any of them waits for will come: set those aside.
        """
        self.read()
        waiting = {key for key in self.unbound() if self.told[key].waits_for}
        if self.context.dry_run:
            waiting = set()  # what they wait for would be made
        if last:
            self._refuse(waiting, NOT_THERE, _NOT_THERE)
            waiting = set()
        self._edit()
        self._make([key for key in self.unbound() if key not in waiting and key not in self.failed])
        return waiting

    def run_for_customers(self) -> dict[UUID, tuple[str, str, str]]:
        """Write addresses; return what failed by the customer that it belongs to."""
        if not self.items:
            return {}
        waiting = self.run()
        self._refuse(waiting, NOT_THERE, _NOT_THERE)
        with self.context.reading() as uow:
            rows = uow.execute(
                select(Address.id, Address.customer_id).where(Address.id.in_(list(self.failed)))
            ).all()
        return {row.customer_id: self.failed[row.id] for row in rows}

    def read(self) -> None:
        """Tell the records as they are here, and as they would be over there."""
        with self.context.reading() as uow:
            self.told = tell(self.context, uow, self.entity, list(self.items))
        keys = [key for key, told in self.told.items() if not self._is_gone(told)]
        shaped = self.remote.shaped(self.entity, [self.told[key].values for key in keys])
        self.shaped = dict(zip(keys, shaped, strict=True))

    def unbound(self) -> list[UUID]:
        """Return those that the backend does not know and that are in use here."""
        return [
            key for key, told in self.told.items() if told.bound is None and not told.is_archived
        ]

    def _is_gone(self, told: Told) -> bool:
        return told.bound is not None and told.bound.state in GONE

    def _differences(self, key: UUID) -> dict[str, Any]:
        bound = self.told[key].bound
        before = (bound.snapshot if bound else None) or {}
        return {
            name: value
            for name, value in self.shaped.get(key, {}).items()
            if (value or None) != (before.get(name) or None)
        }

    # Changing what is there.

    def _edit(self) -> None:
        for told in self.told.values():
            if self._is_gone(told):
                self.counts.add("gone", told.label)  # never made again unasked
        differing = [key for key in self.shaped if self._is_bound(key) and self._differences(key)]
        if self.context.dry_run:
            for key in differing:
                self.counts.add("updated", self.told[key].label)
            return
        if differing:
            self._compare(differing)
            self._send([key for key in differing if self._is_bound(key) and self._differences(key)])

    def _is_bound(self, key: UUID) -> bool:
        return self.told[key].bound is not None and key in self.shaped

    def _compare(self, keys: Sequence[UUID]) -> None:
        """Read what is about to be changed, take over what moved there, and look again."""
        ids = {str(self.told[key].remote_id): key for key in keys}
        page = self.remote.read(self.entity, list(ids))
        apply_page(self.context, self.entity, page)
        there = {record.remote_id for record in page.records}
        there |= {fault.remote_id for fault in page.faults}
        self._follow([remote_id for remote_id in ids if remote_id not in there])
        self.read()

    def _follow(self, remote_ids: Sequence[str]) -> None:
        if remote_ids:
            follow_gone(self.context, self.entity, remote_ids)

    def _send(self, keys: Sequence[UUID]) -> None:
        changes = {key: self._differences(key) for key in keys}
        edits = [
            Edit(str(self.told[key].remote_id), self.told[key].label, changes[key]) for key in keys
        ]
        answers = {answer.key: answer for answer in self.remote.update(self.entity, edits)}
        done, gone = [], []
        for key in keys:
            answer = answers[str(self.told[key].remote_id)]
            if answer.remote_id is not None:
                done.append(key)
                self.counts.add("updated", self.told[key].label)
            elif answer.code == GONE_CODE:
                gone.append(answer.key)
                self.counts.add("gone", self.told[key].label)
            else:
                self._fail(key, answer)
        self._follow(gone)
        self._agree({key: changes[key] for key in done})

    def _agree(self, sent: Mapping[UUID, Mapping[str, Any]]) -> None:
        """Keep what was sent as agreed on, then take over what the backend made of it."""
        if not sent:
            return
        with self.context.writing() as uow:
            lock.renew(uow, self.context.backend_id, self.context.token)
            for key, values in sent.items():
                bound = self.told[key].bound
                assert bound is not None
                uow.execute(
                    update(Binding)
                    .where(Binding.id == bound.binding_id)
                    .values(snapshot={**(bound.snapshot or {}), **values}, digest=b"")
                    .execution_options(synchronize_session=False)
                )
            uow.commit()
        ids = [str(self.told[key].remote_id) for key in sent]
        apply_page(self.context, self.entity, self.remote.read(self.entity, ids))

    # Making what is not there.

    def matches(self, keys: Sequence[UUID]) -> dict[UUID, Sequence[Match]]:
        """Return what is over there already for each of these."""
        probes = [
            Probe(str(key), self._external_id(key), self.told[key].values, self.items[key].was_sent)
            for key in keys
        ]
        found = self.remote.find(self.entity, probes) if probes else {}
        return {key: found.get(str(key), ()) for key in keys}

    def _make(self, keys: Sequence[UUID]) -> None:
        matches = self.matches(keys)
        taken = self._taken(matches)
        linked: dict[UUID, Match] = {}
        new: list[UUID] = []
        for key, found in matches.items():
            label = self.told[key].label
            if len(found) > 1:
                names = ", ".join(f"{match.label} ({match.remote_id})" for match in found[:3])
                self._set_aside(key, AMBIGUOUS, _SEVERAL.format(by=found[0].by, names=names))
            elif found and found[0].remote_id in taken:
                self._set_aside(key, AMBIGUOUS, _TAKEN.format(by=found[0].by, name=found[0].label))
            elif found:
                linked[key] = found[0]
                taken.add(found[0].remote_id)
                self.counts.add("linked", label)
            else:
                new.append(key)
        alike = twins_within({key: self.told[key].values for key in new})
        for key, (other, by) in alike.items():
            self._set_aside(key, AMBIGUOUS, _TAKEN.format(by=by, name=self.told[other].label))
        new = [key for key in new if key not in alike]
        if self.context.dry_run:
            for key in new:
                self.counts.add("created", self.told[key].label)
            return
        self.link(linked)
        self._create(new)

    def _taken(self, matches: Mapping[UUID, Sequence[Match]]) -> set[str]:
        """Return which of the matching records are another local record's already."""
        ids = {match.remote_id for found in matches.values() for match in found}
        taken: set[str] = set()
        with self.context.reading() as uow:
            for chunk in chunked(sorted(ids), SIZE):
                rows = uow.scalars(
                    select(Binding.remote_id).where(
                        Binding.backend_id == self.context.backend_id,
                        Binding.entity == self.entity,
                        Binding.remote_id.in_(chunk),
                        Binding.state != BindingState.DELETED.value,
                    )
                )
                taken.update(rows)
        return taken if self.entity != "tag" else set()

    def link(self, found: Mapping[UUID, Match]) -> None:
        """Bind records to what is there, and merge the two with nothing agreed on before."""
        if not found or self.context.dry_run:
            return
        self._bind({key: (match.remote_id, {}) for key, match in found.items()})
        ids = [match.remote_id for match in found.values()]
        apply_page(self.context, self.entity, self.remote.read(self.entity, ids))
        self.read()
        self._send([key for key in found if self._is_bound(key) and self._differences(key)])

    def _create(self, keys: Sequence[UUID]) -> None:
        if not keys:
            return
        with self.context.writing() as uow:
            lock.renew(uow, self.context.backend_id, self.context.token)
            push_queue.mark_sent(uow, self.context.backend_id, self.entity, keys)
            uow.commit()
        drafts = [
            Draft(str(key), self._external_id(key), self.told[key].label, self.shaped[key])
            for key in keys
        ]
        answers = {answer.key: answer for answer in self.remote.create(self.entity, drafts)}
        made: dict[UUID, tuple[str, Mapping[str, Any]]] = {}
        for key in keys:
            answer = answers[str(key)]
            if answer.remote_id is None:
                self._fail(key, answer)
            else:
                made[key] = (answer.remote_id, self.shaped[key])
                self.counts.add("created", self.told[key].label)
        self._bind(made)
        if made:
            ids = [remote_id for remote_id, _ in made.values()]
            apply_page(self.context, self.entity, self.remote.read(self.entity, ids))

    def _bind(self, made: Mapping[UUID, tuple[str, Mapping[str, Any]]]) -> None:
        rows = [
            {
                "id": new_id(),
                "backend_id": self.context.backend_id,
                "entity": self.entity,
                "remote_id": remote_id,
                "local_id": key,
                "state": BindingState.ACTIVE.value,
                "digest": b"",
                "snapshot": dict(agreed),
            }
            for key, (remote_id, agreed) in made.items()
        ]
        with self.context.writing() as uow:
            lock.renew(uow, self.context.backend_id, self.context.token)
            insert_rows(uow.connection(), Binding, [{**row, "synced_at": uow.now} for row in rows])
            uow.commit()

    def _external_id(self, key: UUID) -> str:
        return f"{self.push.prefix}.{self.entity}_{key.hex}"

    # What could not be done.

    def _fail(self, key: UUID, answer: Written) -> None:
        self._set_aside(key, answer.code, answer.reason)

    def _refuse(self, keys: set[UUID], code: str, reason: str) -> None:
        for key in keys:
            self._set_aside(key, code, reason)

    def _set_aside(self, key: UUID, code: str, reason: str) -> None:
        self.failed[key] = (self.told[key].label, code, reason)
        self.counts.add("set_aside", self.told[key].label)

    def settle(self, waiting: set[UUID]) -> None:
        """Empty the queue of what is in step, and note why the rest is not."""
        if self.context.dry_run:
            return
        done = [
            item
            for key, item in self.items.items()
            if key not in waiting and key not in self.failed
        ]
        with self.context.writing() as uow:
            backend_id = self.context.backend_id
            push_queue.settle(uow, backend_id, self.entity, done)
            push_queue.set_aside(uow, backend_id, self.entity, self.failed)
            uow.commit()


def _addresses_of(context: SyncContext, customer_ids: Sequence[UUID]) -> list[Waiting]:
    with context.reading() as uow:
        found: list[UUID] = []
        for chunk in chunked(customer_ids, SIZE):
            found += uow.scalars(
                select(Address.id).where(Address.customer_id.in_(chunk), Address.use != "main")
            )
    return [Waiting(address_id, 0, True) for address_id in found]


_SEVERAL = (
    "Several records over there have the same {by}: {names}. Merge them there, or correct the "
    "{by} on one side; then crm sync retry."
)
_TAKEN = (
    "The same {by} stands on {name}, which is another customer here. Merge the two, or correct the "
    "{by}; then crm sync retry."
)
_NOT_THERE = (
    "What it belongs to is not in the back office: see why that was set aside, or bring it back "
    "into use; then crm sync retry."
)
