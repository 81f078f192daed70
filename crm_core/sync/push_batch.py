"""Some records of one entity on their way to a backend: compared, changed, found or made.

The steps and the reasons for their order stand in docs/sync.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select

from crm_core.entities.conflict import Conflict
from crm_core.entities.customer import Address
from crm_core.entities.sync import Binding
from crm_core.errors import CrmError
from crm_core.persistence.bulk import chunked, update_rows
from crm_core.sync import push_queue
from crm_core.sync.batch import apply_page, read_back
from crm_core.sync.bindings import bind
from crm_core.sync.conflicts import agreed_on, hold_back, known_there, pending_conflicts
from crm_core.sync.context import GONE, LONELY, SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.gone import follow_gone
from crm_core.sync.holding import held_here, held_there
from crm_core.sync.protocol import Draft, Edit, Match, Probe, WritableBackend, Written
from crm_core.sync.push_counts import PushCounts
from crm_core.sync.push_queue import Waiting
from crm_core.sync.push_reasons import (
    AMBIGUOUS,
    GONE_CODE,
    NOT_THERE,
    NOT_THERE_TOLD,
    UNREAD,
    UNREAD_TOLD,
    UNWRITTEN,
    several_told,
    taken_told,
    unwritten_told,
)
from crm_core.sync.records import UNTOLD_CUSTOMER
from crm_core.sync.tell import Told, tell
from crm_core.sync.twins import twins_within

log = structlog.get_logger(__name__)
SIZE = 500
VANISH_COUNT = 20
"""So many records that are gone over there are followed by a push."""


class PushBatch:
    """Some records of one entity on their way.

    Whatever was done of it before it failed is found again when it, or a part of it, is repeated.

    Args:
        context: The run.
        remote: The backend.
        entity: Of the records.
        items: Which.
    """

    def __init__(
        self,
        context: SyncContext,
        remote: WritableBackend,
        entity: str,
        items: Sequence[Waiting],
    ) -> None:
        self.context, self.remote = context, remote
        self.entity = entity
        self.items = {item.local_id: item for item in items}
        self.counts = PushCounts()
        self.told: dict[UUID, Told] = {}
        self.shaped: dict[UUID, Mapping[str, Any]] = {}
        self.pending: dict[UUID, dict[str, Conflict]] = {}
        self.failed: dict[UUID, tuple[str, str, str]] = {}
        self.held: set[UUID] = set()
        self.missing: set[UUID] = set()
        """Records that seem to be gone over there, too many at once to believe it."""
        self.stirred: set[UUID] = set()
        """Records with a conflict that was resolved, moved here or got a master since."""

    # What there is to do.

    def run(self, *, last: bool = False) -> set[UUID]:
        """Write what differs; return those that wait for a record not there yet.

        Args:
            last: Nothing that any of them waits for will come: set those aside.
        """
        self.read()
        waiting = {key for key in self._in_use() if self.told[key].waits_for}
        if self.context.dry_run:
            waiting = set()  # what they wait for would be made
        if last:
            self._refuse(waiting, NOT_THERE, NOT_THERE_TOLD)
            waiting = set()
        self._edit()
        self._make([key for key in self._unbound() if key not in waiting | self.failed.keys()])
        return waiting | self.missing

    def link_known(self) -> None:
        """Link what is there already, and write nothing: the next sweep would take it for new."""
        self.read()
        matches = self.matches(self._unbound())
        taken = self._taken(matches)
        found = {}
        for key, several in matches.items():
            if len(several) == 1 and several[0].remote_id not in taken:
                found[key] = several[0]
                taken.add(several[0].remote_id)
        self.link(found)

    def run_for_customers(self) -> dict[UUID, tuple[str, str, str]]:
        """Write addresses; return what failed by the customer that it belongs to."""
        if not self.items:
            return {}
        waiting = self.run()
        self._refuse(waiting, NOT_THERE, NOT_THERE_TOLD)
        with self.context.reading() as uow:
            rows = uow.execute(
                select(Address.id, Address.customer_id).where(Address.id.in_(list(self.failed)))
            ).all()
        return {row.customer_id: self.failed[row.id] for row in rows}

    def read(self) -> None:
        """Tell the records as they are here, and as they would be over there."""
        with self.context.reading() as uow:
            self.told = tell(self.context, uow, self.entity, list(self.items))
            self.held = held_here(self.context, uow, self.entity, self.told)
            bound = [key for key, told in self.told.items() if told.bound]
            self.pending = pending_conflicts(uow, self.context.backend_id, self.entity, bound)
        masters, pending = self.context.masters, self.pending.items()
        self.stirred = {key for key, held in pending if hold_back(self.told[key], held, masters)}
        keys = [key for key, told in self.told.items() if not self._is_gone(told)]
        shaped = self.remote.shaped(self.entity, [self.told[key].values for key in keys])
        self.shaped = dict(zip(keys, shaped, strict=True))
        reach("push.batch_read")

    def there(self, waiting: set[UUID]) -> list[UUID]:
        """Return those that are over there now; in a dry run also those that would be."""
        return [key for key in self._in_use() if key not in waiting | self.failed.keys()]

    def _in_use(self) -> list[UUID]:
        """Return those that the backend has, or is to have."""
        return [
            key
            for key, told in self.told.items()
            if (told.bound or not (told.is_archived or key in self.held))
            and not self._is_gone(told)
        ]

    def _unbound(self) -> list[UUID]:
        return [key for key in self._in_use() if self.told[key].bound is None]

    def _is_gone(self, told: Told) -> bool:
        return told.bound is not None and told.bound.state in GONE

    def _differences(self, key: UUID) -> dict[str, Any]:
        held = self.pending.get(key, {})
        before = known_there(self.told[key], held)
        return {
            name: value
            for name, value in self.shaped.get(key, {}).items()
            if name not in held and (value or None) != (before.get(name) or None)
        }

    # Changing what is there.

    def _edit(self) -> None:
        for told in self.told.values():
            if self._is_gone(told):
                self.counts.add("gone", told.label)  # never made again unasked
        differing = [
            key
            for key in self.shaped
            if self._is_bound(key) and (key in self.stirred or self._differences(key))
        ]
        if self.context.dry_run:
            for key in differing:
                self.counts.add("updated", self.told[key].label)
            return
        if differing:
            self._compare(differing)
            self._send([key for key in differing if self._is_ready(key)])

    def _is_bound(self, key: UUID) -> bool:
        return self.told[key].bound is not None and key in self.shaped

    def _is_ready(self, key: UUID) -> bool:
        """Return whether a record that was compared is to be sent."""
        is_left = key in self.failed or key in self.missing
        return not is_left and self._is_bound(key) and bool(self._differences(key))

    def _compare(self, keys: Sequence[UUID]) -> None:
        """Read what is about to be changed, take over what moved there, and look again."""
        ids = {str(self.told[key].remote_id): key for key in keys}
        page = self.remote.read(self.entity, list(ids))
        force = not self.stirred.isdisjoint(keys)
        counts = self.context.counts[self.entity]
        as_known = counts["unchanged"] + len(ids)
        aside = apply_page(self.context, self.entity, page, force=force)
        reach("push.compared")
        there = {record.remote_id for record in page.records} | aside.keys()
        self._follow([remote_id for remote_id in ids if remote_id not in there])
        if counts["unchanged"] < as_known:
            self.read()
        self._refuse_unread(aside, ids)

    def _refuse_unread(self, aside: Mapping[str, str], keys: Mapping[str, UUID]) -> None:
        """Set aside what could not be merged; one that lacks its customer there gets it by us."""
        unread = {keys[each] for each, code in aside.items() if each in keys and code != LONELY}
        self._refuse(unread, UNREAD, UNREAD_TOLD)

    def _follow(self, remote_ids: Sequence[str]) -> None:
        """Follow records that are gone; very many are left to the sweep, which has a guard."""
        gone = self.context.gone_unasked
        if gone[self.entity] + len(remote_ids) > VANISH_COUNT:
            ids = {told.remote_id: key for key, told in self.told.items()}
            self.missing.update(ids[key] for key in remote_ids)
        elif remote_ids:
            follow_gone(self.context, self.entity, remote_ids)
            gone[self.entity] += len(remote_ids)

    def _send(self, keys: Sequence[UUID]) -> None:
        changes = {key: self._differences(key) for key in keys}
        edits = [
            Edit(str(self.told[key].remote_id), self.told[key].label, changes[key]) for key in keys
        ]
        reach("push.before_update")
        answers = {answer.key: answer for answer in self.remote.update(self.entity, edits)}
        reach("push.updated")
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
        if gone:
            self._follow(gone)
            self.read()
        self._agree({key: changes[key] for key in done})

    def _agree(self, sent: Mapping[UUID, Mapping[str, Any]]) -> None:
        """Keep what was sent as agreed on, then take over what the backend made of it."""
        if not sent:
            return
        rows = []
        for key, values in sent.items():
            bound = self.told[key].bound
            assert bound is not None
            agreed = agreed_on(bound, values, self.pending.get(key, ()))
            rows.append({"id": bound.binding_id, "snapshot": agreed, "digest": b""})
        with read_back(self.context, self.entity, [str(self.told[key].remote_id) for key in sent]):
            with self.context.keeping() as uow:
                update_rows(uow.connection(), Binding, rows)
            reach("push.agreed")

    # Making what is not there.

    def matches(self, keys: Sequence[UUID]) -> dict[UUID, Sequence[Match]]:
        """Return what is over there already for each of these."""
        probes = [
            Probe(
                str(key),
                self._external_id(key),
                UNTOLD_CUSTOMER if key in self.context.apart else self.told[key].values,
                self.items[key].was_sent,
            )
            for key in keys
        ]
        found = self.remote.find(self.entity, probes) if probes else {}
        # Several tags of one name are one tag here; the others are tied to it when they are read.
        most = 1 if self.entity == "tag" else None
        return {key: found.get(str(key), ())[:most] for key in keys}

    def _make(self, keys: Sequence[UUID]) -> None:
        matches = self.matches(keys)
        reach("push.looked_for")
        taken = self._taken(matches)
        if self.entity == "tag" and taken and not self.context.dry_run:
            matches = self._without_renamed(matches, taken)
        linked: dict[UUID, Match] = {}
        new: list[UUID] = []
        for key, found in matches.items():
            label = self.told[key].label
            if len(found) > 1:
                names = ", ".join(f"{match.label} ({match.remote_id})" for match in found[:3])
                self._set_aside(key, AMBIGUOUS, several_told(by=found[0].by, names=names))
            elif found and found[0].remote_id in taken:
                told = taken_told(by=found[0].by, name=found[0].label)
                self._set_aside(key, AMBIGUOUS, told)
            elif found:
                linked[key] = found[0]
                taken.add(found[0].remote_id)
                self.counts.add("linked", label)
            else:
                new.append(key)
        by_likeness = [key for key in new if key not in self.context.apart]
        alike = twins_within({key: self.told[key].values for key in by_likeness})
        for key, (other, by) in alike.items():
            self._set_aside(key, AMBIGUOUS, taken_told(by=by, name=self.told[other].label))
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
                    )
                )
                taken.update(rows)
            return taken | held_there(self.context, uow, self.entity, matches)

    def _without_renamed(
        self, matches: Mapping[UUID, Sequence[Match]], taken: set[str]
    ) -> dict[UUID, Sequence[Match]]:
        """Read tags that have a new tag's name but are another's: renamed over there, they move."""
        apply_page(self.context, self.entity, self.remote.read(self.entity, sorted(taken)))
        self.read()
        return {key: found for key, found in matches.items() if self.told[key].bound is None}

    def link(self, found: Mapping[UUID, Match]) -> None:
        """Bind records to what is there, and merge the two with nothing agreed on before.

        But for one thing: whoever adds here what is archived there brings it back into use there.
        """
        if not found or self.context.dry_run:
            return
        page = self.remote.read(self.entity, [match.remote_id for match in found.values()])
        readable = {record.remote_id for record in page.records}
        unread = {key for key, match in found.items() if match.remote_id not in readable}
        self._refuse(unread, UNREAD, UNREAD_TOLD)
        found = {key: match for key, match in found.items() if key not in unread}
        archived = {each.remote_id: each.values.get("archived") for each in page.records}
        agreed = {
            match.remote_id: {"archived": True}
            for match in found.values()
            if archived.get(match.remote_id)
        }
        self._bind(
            {
                key: (match.remote_id, agreed.get(match.remote_id, {}))
                for key, match in found.items()
            }
        )
        reach("push.linked")
        aside = apply_page(self.context, self.entity, page)
        self.read()
        keys = {match.remote_id: key for key, match in found.items()}
        self._refuse_unread(aside, keys)
        if self.context.writes:
            self._send([key for key in found if self._is_ready(key)])

    def _create(self, keys: Sequence[UUID]) -> None:
        if not keys:
            return
        with self.context.keeping() as uow:
            push_queue.mark_sent(uow, self.context.backend_id, self.entity, keys)
        reach("push.marked_sent")
        drafts = [
            Draft(str(key), self._external_id(key), self.told[key].label, self.shaped[key])
            for key in keys
        ]
        answers = {answer.key: answer for answer in self.remote.create(self.entity, drafts)}
        reach("push.created")
        made: dict[UUID, tuple[str, Mapping[str, Any]]] = {}
        for key in keys:
            answer = answers[str(key)]
            if answer.remote_id is None:
                self._fail(key, answer)
            else:
                made[key] = (answer.remote_id, self.shaped[key])
                self.counts.add("created", self.told[key].label)
        if made:
            with read_back(
                self.context, self.entity, [remote_id for remote_id, _ in made.values()]
            ):
                self._bind(made)
                reach("push.bound")

    def _bind(self, made: Mapping[UUID, tuple[str, Mapping[str, Any]]]) -> None:
        with self.context.keeping() as uow:
            pairs = ((key, *each) for key, each in made.items())
            bind(uow, self.context.backend_id, self.entity, pairs)
            if self.entity == "tag":
                push_queue.enqueue_carriers(uow, self.context.backend_id, list(made))

    def _external_id(self, key: UUID) -> str:
        return f"{self.context.prefix}{self.entity}_{key.hex}"

    # What could not be done.

    def _fail(self, key: UUID, answer: Written) -> None:
        self._set_aside(key, answer.code, answer.reason)

    def _refuse(self, keys: set[UUID], code: str, reason: str) -> None:
        for key in keys:
            self._set_aside(key, code, reason)

    def _set_aside(self, key: UUID, code: str, reason: str) -> None:
        self.failed[key] = (self.told[key].label, code, reason)
        self.counts.add("set_aside", self.told[key].label)

    def blame(self, error: Exception) -> None:
        """Set the one record aside that made the whole batch fail."""
        [key] = self.items
        known = error if isinstance(error, CrmError) else None  # it says itself what is wrong
        log.warning("record not written", entity=self.entity, exc_info=known is None)
        label = self.told[key].label if key in self.told else f"{self.entity} {key}"
        self.failed[key] = (
            (label, known.code, known.message)
            if known
            else (label, UNWRITTEN, unwritten_told(error))
        )
        self.counts = PushCounts()
        self.counts.add("set_aside", label)

    def settle(self, waiting: set[UUID]) -> None:
        """Empty the queue of what is in step, and note why the rest is not."""
        if self.context.dry_run:
            return
        reach("push.before_settling")
        settled = [item for key, item in self.items.items() if key not in waiting]
        with self.context.writing() as uow:
            backend_id = self.context.backend_id
            push_queue.settle(uow, backend_id, self.entity, settled, self.failed)
            uow.commit()
