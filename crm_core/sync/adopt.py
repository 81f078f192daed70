"""Records over there that go by a name of ours: they are taken for what they are, never doubled.

After an older backup is restored there are such that this database does not know it has made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import survivors
from crm_core.sync import lock
from crm_core.sync.bindings import bind, bound_records, read_again_later, rebind
from crm_core.sync.context import Bound, SyncContext
from crm_core.sync.protocol import RemotePage, WritableBackend
from crm_core.sync.push_queue import enqueue
from crm_core.sync.tell import tell

NamedPage = tuple[RemotePage, Mapping[str, str]]
"""A page, and the names of ours that its records go by."""


def named_page(context: SyncContext, entity: str, page: RemotePage) -> NamedPage:
    """Ask which records of a page go by a name of ours; nothing is asked where none can."""
    remote = context.remote
    if not (
        page.records
        and context.is_merging
        and entity in context.tellers
        and isinstance(remote, WritableBackend)
    ):
        return page, {}
    ids = [record.remote_id for record in page.records]
    return page, remote.names(entity, ids, context.prefix)


def named_pages(
    context: SyncContext, entity: str, pages: Iterator[RemotePage]
) -> Iterator[NamedPage]:
    """Yield pages with the names of ours that their records go by."""
    for page in pages:
        yield named_page(context, entity, page)


def adopt(context: SyncContext, entity: str, page: NamedPage) -> RemotePage:
    """Bind what is not bound yet but goes by the name of a record here; return the page.

    For one that was not bound at all nothing counts as agreed on, so both sides are merged field by
    field. One that was bound to another record has followed its name to whichever took that in.
    """
    head = f"{context.prefix}{entity}_"
    names = {key: name for key, name in page[1].items() if name.startswith(head)}
    if not names or context.dry_run:
        return page[0]
    with context.reading() as uow:
        known = bound_records(uow, context.backend_id, entity, names)
        meant = {
            key: local_id
            for key, name in names.items()
            if key not in known and (local_id := _key(name.removeprefix(head))) is not None
        }
        if not meant:
            return page[0]
        further = _further(uow, entity, meant)
        told = tell(context, uow, entity, [*meant.values()])
    new: list[tuple[UUID, str, Mapping[str, Any]]] = []
    moved: list[tuple[str, Bound]] = []
    for key, local_id in meant.items():
        bound = told[local_id].bound if local_id in told else None
        if key in further:
            new.append((further[key], key, {}))
        elif bound is not None:
            moved.append((key, bound))
        elif local_id in told:
            new.append((local_id, key, {}))
    if new or moved:
        _write(context, entity, new, moved)
    return page[0]


def _further(uow: UnitOfWork, entity: str, meant: Mapping[str, UUID]) -> dict[str, UUID]:
    """Return, for records named after customers that were merged here, who those went into."""
    merged = survivors(uow, meant.values()) if entity == "customer" else {}
    return {key: merged[local_id] for key, local_id in meant.items() if local_id in merged}


def _write(
    context: SyncContext,
    entity: str,
    new: Sequence[tuple[UUID, str, Mapping[str, Any]]],
    moved: Sequence[tuple[str, Bound]],
) -> None:
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        bind(uow, context.backend_id, entity, new)
        for key, bound in moved:
            rebind(uow, bound, key)
        if entity == "customer":
            followed = {each.local_id: key for key, each in moved}
            read_again_later(uow, context.backend_id, followed)
            # What changed here while there was nothing to write it to.
            enqueue(uow, context.backend_id, entity, list(followed))
        uow.commit()
    context.counts[entity]["adopted"] += len(new) + len(moved)


def _key(digits: str) -> UUID | None:
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
