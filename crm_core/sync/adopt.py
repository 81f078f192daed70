"""Records over there that go by a name of ours: they are taken for what they are, never doubled.

After an older backup is restored there are such that this database does not know it has made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from crm_core.entities.sync import Binding, BindingState
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.sync import lock
from crm_core.sync.bindings import bound_records
from crm_core.sync.context import SyncContext
from crm_core.sync.protocol import RemotePage, WritableBackend
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

    Nothing counts as agreed on for it, so both sides are merged field by field.
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
        told = tell(context, uow, entity, list(meant)) if meant else {}
    free = [key for key, each in told.items() if each.bound is None]
    if not free:
        return page[0]
    with context.writing() as uow:
        lock.renew(uow, context.backend_id, context.token)
        insert_rows(
            uow.connection(),
            Binding,
            [
                {
                    "id": new_id(),
                    "backend_id": context.backend_id,
                    "entity": entity,
                    "remote_id": meant[local_id],
                    "local_id": local_id,
                    "state": BindingState.ACTIVE.value,
                    "digest": b"",
                    "snapshot": {},
                    "synced_at": uow.now,
                }
                for local_id in free
            ],
        )
        uow.commit()
    context.counts[entity]["adopted"] += len(free)
    return page[0]


def _key(digits: str) -> UUID | None:
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
