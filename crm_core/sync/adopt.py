"""Records over there that go by a name of ours: they are taken for what they are, never doubled.

After an older backup is restored there are such that this database does not know it has made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_core.entities.customer import Customer
from crm_core.entities.sync import BindingState
from crm_core.persistence.bulk import select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync import lock
from crm_core.sync.bindings import bind, bound_records, read_again_later, rebind
from crm_core.sync.context import Bound, SyncContext
from crm_core.sync.protocol import RemotePage, WritableBackend
from crm_core.sync.tell import Told, tell

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
            local_id: key
            for key, name in names.items()
            if key not in known and (local_id := _key(name.removeprefix(head))) is not None
        }
        told = _those_here(context, uow, entity, list(meant)) if meant else {}
    if not told:
        return page[0]
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        nothing: Mapping[str, Any] = {}
        new = {key: (meant[key], nothing) for key, each in told.items() if not each.bound}
        bind(uow, context.backend_id, entity, new)
        moved = {key: each.bound for key, each in told.items() if each.bound}
        for local_id, bound in moved.items():
            rebind(uow, bound, meant[local_id])
        if entity == "customer":
            read_again_later(uow, context.backend_id, {key: meant[key] for key in moved})
        uow.commit()
    context.counts[entity]["adopted"] += len(told)
    return page[0]


def _those_here(
    context: SyncContext, uow: UnitOfWork, entity: str, ids: Sequence[UUID]
) -> dict[UUID, Told]:
    """Return which of these are here, but for those that went into another here."""
    merged: set[UUID] = set()
    if entity == "customer":
        columns = ("id", "merged_into_id")
        rows = select_in(uow.connection(), Customer, "id", ids, *columns)
        merged = {row.id for row in rows if row.merged_into_id is not None}
    told = tell(context, uow, entity, [each for each in ids if each not in merged])
    return {key: each for key, each in told.items() if each.bound is None or _moves(each.bound)}


def _moves(bound: Bound) -> bool:
    """Return whether a binding may follow its name: names move where records are merged."""
    return bound.state in (BindingState.ACTIVE, BindingState.ARCHIVED, BindingState.DELETED)


def _key(digits: str) -> UUID | None:
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
