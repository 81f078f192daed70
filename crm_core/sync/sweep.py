"""What a cursor cannot see: records that are gone, links that moved, records set aside before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.commerce import Transaction
from crm_core.entities.sync import Binding, BindingState, DeadLetter
from crm_core.errors import FatalSyncError
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock
from crm_core.sync.apply import APPLIERS
from crm_core.sync.batch import apply_page
from crm_core.sync.bindings import bound_records, followed_ids, set_state
from crm_core.sync.context import SyncContext
from crm_core.sync.records import DOCUMENT_ENTITIES

READ_SIZE = 500
VANISH_SHARE = 0.2
VANISH_COUNT = 20
"""A run stops when more than this share, and more than this many, are gone at once."""


def read_again(
    context: SyncContext, entity: str, remote_ids: Iterable[str], *, force: bool = False
) -> None:
    """Read these records now and apply them."""
    for chunk in chunked(sorted(remote_ids), READ_SIZE):
        apply_page(context, entity, context.remote.read(entity, chunk), force=force)


def compare_links(context: SyncContext, entity: str) -> None:
    """Read again the records whose links differ from what the remote holds of them now."""
    for links in context.remote.link_sets(entity):
        theirs: dict[str, set[str]] = {}
        for linked, members in links.members.items():
            for member in members:
                theirs.setdefault(member, set()).add(linked)
        differing = set()
        with context.reading() as uow:
            rows = uow.execute(
                select(Binding.remote_id, Binding.snapshot)
                .where(
                    Binding.backend_id == context.backend_id,
                    Binding.entity == entity,
                    Binding.state.in_([BindingState.ACTIVE.value, BindingState.ARCHIVED.value]),
                )
                .execution_options(yield_per=1_000)
            )
            for row in rows:
                ours = set((row.snapshot or {}).get(links.field) or ())
                if ours != theirs.get(row.remote_id, set()):
                    differing.add(row.remote_id)
        read_again(context, entity, differing)


def find_vanished(context: SyncContext, entity: str, *, accept: bool) -> None:
    """Compare the set of ids with what is bound; follow what is gone, read what was missed.

    Raises:
        FatalSyncError: Too many are gone at once for it to be likely.
    """
    present: set[str] = set()
    for batch in context.remote.ids(entity):
        present.update(batch)
    with context.reading() as uow:
        followed = followed_ids(uow, context.backend_id, entity)
        known = _known_ids(uow, context, entity)
    missed = present - known
    vanished = sorted(followed - present)
    context.counts[entity]["vanished"] += len(vanished)
    if len(vanished) > max(VANISH_COUNT, VANISH_SHARE * len(followed)) and not accept:
        raise FatalSyncError(
            f"{len(vanished)} of {len(followed)} {entity} records of {context.backend_name} are "
            "gone at once. If that is meant, run again with --accept-vanished; if not, look at the "
            "ERP's rights and the backend's domain first. Nothing was removed here.",
            code="core.sync.too_many_vanished",
            details={"entity": entity, "vanished": len(vanished), "followed": len(followed)},
        )
    if context.dry_run:
        return
    read_again(context, entity, missed)
    for chunk in chunked(vanished, READ_SIZE):
        _follow(context, entity, chunk)


def _known_ids(uow: UnitOfWork, context: SyncContext, entity: str) -> set[str]:
    known = followed_ids(uow, context.backend_id, entity)
    known.update(
        uow.scalars(
            select(DeadLetter.remote_id).where(
                DeadLetter.backend_id == context.backend_id, DeadLetter.entity == entity
            )
        )
    )
    return known


def _follow(context: SyncContext, entity: str, remote_ids: Sequence[str]) -> None:
    fates = context.remote.fates(entity, remote_ids)
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        bound = bound_records(uow, context.backend_id, entity, remote_ids)
        for fate in sorted(set(fates.values())):
            gone = [key for key in remote_ids if fates.get(key) == fate and key in bound]
            local = [bound[key].local_id for key in gone]
            set_state(uow, context.backend_id, entity, gone, fate)
            if entity == "customer" and fate == BindingState.DELETED:
                _read_documents_of(context, uow, local)
            APPLIERS[entity].vanish(context, uow, local, fate)
            context.counts[entity][fate] += len(gone)
        uow.commit()


def _read_documents_of(context: SyncContext, uow: UnitOfWork, customer_ids: Sequence[UUID]) -> None:
    """Have a deleted customer's documents read again.

    Merging partners in the ERP moves their documents without touching them, so no cursor tells.
    """
    for chunk in chunked(customer_ids, PARAMETERS):
        rows = uow.execute(
            select(Binding.entity, Binding.remote_id)
            .join(Transaction, Transaction.id == Binding.local_id)
            .where(
                Binding.backend_id == context.backend_id,
                Binding.entity.in_(DOCUMENT_ENTITIES),
                Transaction.customer_id.in_(chunk),
            )
        )
        for row in rows:
            context.reread[row.entity].add(row.remote_id)


def retry_set_aside(context: SyncContext, entity: str) -> None:
    """Try again the records set aside before; those that are gone meanwhile are forgotten."""
    with context.reading() as uow:
        waiting = set(
            uow.scalars(
                select(DeadLetter.remote_id).where(
                    DeadLetter.backend_id == context.backend_id,
                    DeadLetter.entity == entity,
                    DeadLetter.last_at < context.began_at,
                )
            )
        )
    for chunk in chunked(sorted(waiting), READ_SIZE):
        page = context.remote.read(entity, chunk)
        there = {record.remote_id for record in page.records}
        there.update(fault.remote_id for fault in page.faults)
        gone = [key for key in chunk if key not in there]
        apply_page(context, entity, page, forget=gone)
