"""What a cursor cannot see: records that are gone, links that moved, records set aside before."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Executable, Select, Text, cast, select

from crm_core.entities.hold import HoldSide
from crm_core.entities.sync import Binding, BindingState, DeadLetter, PendingReference
from crm_core.errors import FatalSyncError
from crm_core.messages import t
from crm_core.persistence.bulk import AMONG, among, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.holds import all_held
from crm_core.sync.adopt import adopt, named_page
from crm_core.sync.batch import TWINS, apply_page
from crm_core.sync.bindings import FOLLOWED, followed_ids, ids_in, overdue
from crm_core.sync.context import SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.gone import follow_gone

READ_SIZE = 500
RETRIES = 1_000
"""Records set aside that are tried again, an entity and run."""
NOTHING: frozenset[str] = frozenset()
MOST_UNSEEN = {BindingState.OUTSIDE.value: READ_SIZE, BindingState.UNREADABLE.value: 20}
"""How many are asked about a sweep; a back office may take two calls for one that it hides."""
VANISH_COUNT = 20
"""So few may always be gone at once, however large a part they are."""


def read_again(context: SyncContext, entity: str, remote_ids: Iterable[str]) -> None:
    """Read these records now and apply those that changed."""
    for chunk in chunked(sorted(remote_ids), READ_SIZE):
        named = named_page(context, entity, context.remote.read(entity, chunk))
        apply_page(context, entity, adopt(context, entity, named))


def read_waiting(context: SyncContext, entity: str) -> None:
    """Read again the records that waited for one that has arrived."""
    with context.reading() as uow:
        waiting = overdue(uow, context.backend_id, entity)
    _read_some(context, entity, waiting, force=True)


def _read_some(
    context: SyncContext, entity: str, remote_ids: Iterable[str], *, force: bool = False
) -> None:
    """Read these again, and forget those that are gone."""
    for chunk in chunked(sorted(remote_ids), READ_SIZE):
        named = named_page(context, entity, context.remote.read(entity, chunk))
        page = adopt(context, entity, named)
        there = {record.remote_id for record in page.records}
        there.update(fault.remote_id for fault in page.faults)
        gone = [key for key in chunk if key not in there]
        apply_page(context, entity, page, force=force, forget=gone)


def compare_links(context: SyncContext, entity: str) -> None:
    """Read again the records whose links differ from what the remote holds of them now."""
    for links in context.remote.link_sets(entity):
        theirs: dict[str, frozenset[str]] = {}
        alike: dict[frozenset[str], frozenset[str]] = {}  # many records have the same few links
        for linked, members in links.members.items():
            for member in members:
                told = theirs.get(member, NOTHING) | {linked}
                theirs[member] = alike.setdefault(told, told)
        with context.reading() as uow:
            waiting = _waiting_links(uow, context, entity, links.field)
            seen: set[str] = set()
            differing: set[str] = set()
            rows: Any = uow.execute(_linked(context, entity, links.field))
            for key, ours in rows:
                seen.add(key)
                if {*(ours or ())} | waiting.get(key, NOTHING) != theirs.get(key, NOTHING):
                    differing.add(key)
            unlinked = [
                key
                for key in (theirs.keys() | waiting.keys()) - seen
                if waiting.get(key, NOTHING) != theirs.get(key, NOTHING)
            ]
            for chunk in chunked(unlinked, AMONG):
                known = _in_use(context, entity).where(among(Binding.remote_id, chunk))
                differing.update(uow.scalars(known))
        reach("pull.links_compared")
        read_again(context, entity, differing - context.counted[entity])


def _in_use(context: SyncContext, entity: str) -> Select[str]:
    return select(Binding.remote_id).where(
        Binding.backend_id == context.backend_id,
        Binding.entity == entity,
        Binding.state.in_(FOLLOWED),
    )


def _linked(context: SyncContext, entity: str, field: str) -> Executable:
    """Select the records that have links of this kind, with these: most have none."""
    links = Binding.snapshot[field]
    statement = _in_use(context, entity).add_columns(links)
    return statement.where(cast(links, Text) != "[]").execution_options(yield_per=1_000)


def _waiting_links(
    uow: UnitOfWork, context: SyncContext, entity: str, field: str
) -> dict[str, set[str]]:
    """Return the linked records, by the id of the record that waits for them."""
    rows = uow.execute(
        select(PendingReference.owner_remote_id, PendingReference.target_remote_id).where(
            PendingReference.backend_id == context.backend_id,
            PendingReference.entity == entity,
            PendingReference.field == field,
        )
    )
    waiting = defaultdict(set)
    for row in rows:
        waiting[row.owner_remote_id].add(row.target_remote_id)
    return waiting


def find_vanished(context: SyncContext, entity: str, *, accept: bool) -> None:
    """Compare the set of ids with what is bound; follow what is gone, read what was missed.

    Raises:
        FatalSyncError: Too many are gone at once for it to be likely.
    """
    with context.reading() as uow:
        left = followed_ids(uow, context.backend_id, entity)
        unseen = _unseen(uow, context, entity)
        aside = set(uow.scalars(_set_aside(context, entity)))
        aside.update(all_held(uow, context.backend_id, entity, HoldSide.REMOTE))
    followed = len(left) + sum(map(len, unseen.values()))
    missed: set[str] = set()
    # One set is worn down batch by batch, since there may be millions.
    for batch in context.remote.ids(entity):
        missed.update(key for key in batch if key not in left and key not in aside)
        left.difference_update(batch)
        for ids in unseen.values():
            ids.difference_update(batch)
    vanished = sorted(left.union(_ended_unseen(context, entity, unseen)))
    context.counts[entity]["vanished"] += len(vanished)
    if len(vanished) > max(VANISH_COUNT, context.vanish_share * followed) and not accept:
        raise FatalSyncError(
            t(
                "{count} of {followed} {entity} records of {backend_name} are gone at once. If "
                "that is meant, run again with --accept-vanished; if not, look at the ERP's "
                "rights and the backend's domain first. Nothing was removed here.",
                count=len(vanished),
                followed=followed,
                entity=entity,
                backend_name=context.backend_name,
            ),
            code="core.sync.too_many_vanished",
            details={"entity": entity, "vanished": len(vanished), "followed": followed},
        )
    read_again(context, entity, missed - context.counted[entity])
    for chunk in chunked(vanished, READ_SIZE):
        follow_gone(context, entity, chunk)


def _unseen(uow: UnitOfWork, context: SyncContext, entity: str) -> dict[str, set[str]]:
    """Return records that were there when they went out of our sight, by the state they are in."""
    found = {state: ids_in(uow, context.backend_id, entity, {state}) for state in MOST_UNSEEN}
    if entity in TWINS and any(found.values()):
        # What is an address now is no customer there any more, which does not say that it is gone.
        turned = followed_ids(uow, context.backend_id, TWINS[entity])
        for ids in found.values():
            ids.difference_update(turned)
    return found


def _ended_unseen(
    context: SyncContext, entity: str, unseen: Mapping[str, Collection[str]]
) -> list[str]:
    """Return which records do not exist any more, of those that were there but out of our sight.

    One question a sweep: where there are very many, they take turns by chance.
    """
    asked: list[str] = []
    for state, ids in unseen.items():
        asked += random.sample(sorted(ids), min(len(ids), MOST_UNSEEN[state]))
    asked.sort()
    fates = context.remote.fates(entity, asked) if asked else {}
    return [key for key, fate in fates.items() if fate == BindingState.DELETED]


def _set_aside(context: SyncContext, entity: str) -> Select[str]:
    return select(DeadLetter.remote_id).where(
        DeadLetter.backend_id == context.backend_id, DeadLetter.entity == entity
    )


def retry_set_aside(context: SyncContext, entity: str) -> None:
    """Try again some records set aside before, those first that waited longest.

    One that was corrected over there, or whose customer has arrived, comes by itself; so very many
    that stay as they are may take turns.
    """
    longest = _set_aside(context, entity).order_by(DeadLetter.last_at).limit(RETRIES)
    with context.reading() as uow:
        waiting = set(uow.scalars(longest))
    _read_some(context, entity, waiting - context.tried[entity] - context.counted[entity])
