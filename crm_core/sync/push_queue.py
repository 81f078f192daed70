"""What waits to be written to backends: filled by events, emptied by pushes.

Events of a backend's own sync are not heard, so that nothing goes back to where it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from crm_core.entities.customer import Customer, CustomerTag, Tag
from crm_core.entities.sync import Backend, Binding, BindingState, PushItem, SyncCursor
from crm_core.events import CustomersChanged, CustomersCreated, RecordsChanged, TagsChanged
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, delete_rows, select_in, update_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import EventHandler
from crm_hooks.events import EventMessage

QUEUED_ENTITIES: Mapping[str, Any] = {"tag": Tag, "customer": Customer}
"""What is queued by itself; addresses go along with their customers."""
_HEARD = {
    CustomersCreated.name: ("customer", "customer_ids"),
    CustomersChanged.name: ("customer", "customer_ids"),
    TagsChanged.name: ("tag", "tag_ids"),
}
HANDLER = EventHandler(
    name="core.push",
    events=(*_HEARD, RecordsChanged.name),
    handler="crm_core.sync.push_queue:hear",
)


class Waiting(NamedTuple):
    """A local record that waits; ``was_sent`` when an earlier create may have gone through."""

    local_id: UUID
    revision: int
    was_sent: bool


def hear(uow: UnitOfWork, message: EventMessage) -> None:
    """Queue what an event is about for every backend that is written to."""
    if message.name == RecordsChanged.name:
        entity, ids = message.payload["entity"], message.payload["ids"]
    else:
        entity, key = _HEARD[message.name]
        ids = message.payload[key]
    backends = uow.execute(
        # Also one that is switched off: what changes meanwhile goes there when it is on again.
        select(Backend.id, Backend.name).where(Backend.plan_accepted_at.is_not(None))
    ).all()
    for backend in backends:
        if message.origin != f"sync:{backend.name}":
            enqueue(uow, backend.id, entity, [UUID(each) for each in ids])


def enqueue(uow: UnitOfWork, backend_id: UUID, entity: str, local_ids: Iterable[UUID]) -> None:
    """Have records looked at by the next push, also those set aside or being pushed just now."""
    rows = [
        {
            "id": new_id(),
            "backend_id": backend_id,
            "entity": entity,
            "local_id": local_id,
            "revision": 1,
            "queued_at": uow.now,
            "is_set_aside": False,
            "attempts": 0,
        }
        for local_id in sorted(set(local_ids))
    ]
    if not rows:
        return
    dialect_insert: Any = sqlite_insert if uow.database.is_sqlite else postgresql_insert
    statement = dialect_insert(PushItem)
    statement = statement.on_conflict_do_update(
        index_elements=["backend_id", "entity", "local_id"],
        set_={"revision": PushItem.revision + 1, "is_set_aside": False},
    )
    uow.connection().execute(statement, rows)


def enqueue_everything(uow: UnitOfWork, backend_id: UUID) -> None:
    """Queue every tag and customer, for a backend whose plan was just accepted."""
    for entity, model in QUEUED_ENTITIES.items():
        for chunk in chunked(uow.scalars(select(model.id).order_by(model.id)).all(), PARAMETERS):
            enqueue(uow, backend_id, entity, chunk)


def enqueue_carriers(uow: UnitOfWork, backend_id: UUID, tag_ids: Sequence[UUID]) -> None:
    """Queue the customers that carry these tags, which a backend has only now."""
    carriers = select_in(uow.connection(), CustomerTag, "tag_id", tag_ids, "customer_id")
    for chunk in chunked(sorted({row.customer_id for row in carriers}), PARAMETERS):
        enqueue(uow, backend_id, "customer", chunk)


def unheard(
    uow: UnitOfWork, backend_id: UUID, entity: str, listers: Mapping[str, Any]
) -> list[UUID]:
    """Return all records of a plugin's entity that a backend has never heard of, else none."""
    if uow.find(SyncCursor, (backend_id, entity)) is not None:
        return []
    return list(listers[entity](uow))


def introduce(uow: UnitOfWork, backend_id: UUID, entity: str, listers: Mapping[str, Any]) -> None:
    """Queue all records of a plugin's entity the first time that a backend hears of it."""
    for chunk in chunked(unheard(uow, backend_id, entity, listers), PARAMETERS):
        enqueue(uow, backend_id, entity, chunk)
    if uow.find(SyncCursor, (backend_id, entity)) is None:
        uow.add(SyncCursor(backend_id=backend_id, entity=entity))


def waiting(
    uow: UnitOfWork, backend_id: UUID, entity: str, *, after: UUID | None, limit: int
) -> list[tuple[UUID, Waiting]]:
    """Return what waits, oldest first, each with the key to go on after."""
    statement = _waiting(backend_id, entity).order_by(PushItem.id).limit(limit)
    if after is not None:
        statement = statement.where(PushItem.id > after)
    return [
        (row.id, Waiting(row.local_id, row.revision, row.sent_at is not None))
        for row in uow.execute(statement)
    ]


def _waiting(backend_id: UUID, entity: str) -> Select[Any, Any, Any, Any]:
    return select(PushItem.id, PushItem.local_id, PushItem.revision, PushItem.sent_at).where(
        PushItem.backend_id == backend_id,
        PushItem.entity == entity,
        ~PushItem.is_set_aside,
    )


def everything(
    uow: UnitOfWork, entity: str, *, after: UUID | None, limit: int
) -> list[tuple[UUID, Waiting]]:
    """Return all local records as if they waited, for a plan that was not accepted yet."""
    model = QUEUED_ENTITIES.get(entity)
    if model is None:
        return []
    statement = select(model.id).order_by(model.id).limit(limit)
    if after is not None:
        statement = statement.where(model.id > after)
    return [(each, Waiting(each, 0, False)) for each in uow.scalars(statement)]


def mark_sent(uow: UnitOfWork, backend_id: UUID, entity: str, local_ids: Sequence[UUID]) -> None:
    """Note that these are about to be made over there."""
    _update(uow, backend_id, entity, local_ids, sent_at=uow.now)


def settle(
    uow: UnitOfWork,
    backend_id: UUID,
    entity: str,
    items: Sequence[Waiting],
    faults: Mapping[UUID, tuple[str, str, str]],
) -> None:
    """Forget records that are in step, and leave those at fault aside until they change.

    One that changed meanwhile stays in the queue: what it is now was not looked at yet.

    Args:
        uow: A writing unit of work.
        backend_id: Whose.
        entity: Of the records.
        items: What was looked at.
        faults: Local id to label, code and reason.
    """
    for chunk in chunked(items, PARAMETERS):
        looked_at = {item.local_id: item.revision for item in chunk}
        done, aside, changed = [], [], []
        for row in _locked(uow, *_these(backend_id, entity, list(looked_at))):
            if row.revision != looked_at[row.local_id]:
                changed.append({"id": row.id, "sent_at": None})
            elif row.local_id in faults:
                told = dict(zip(("label", "code", "reason"), faults[row.local_id], strict=True))
                tried = {"first_at": row.first_at or uow.now, "last_at": uow.now}
                state = {"is_set_aside": True, "sent_at": None, "attempts": row.attempts + 1}
                aside.append({"id": row.id, **told, **tried, **state})
            else:
                done.append(row.id)
        delete_rows(uow.connection(), PushItem, done)
        update_rows(uow.connection(), PushItem, changed)
        update_rows(uow.connection(), PushItem, aside)
        if entity == "customer":
            _enqueue_unknown_tags(uow, backend_id, looked_at)


def _enqueue_unknown_tags(
    uow: UnitOfWork, backend_id: UUID, customer_ids: Collection[UUID]
) -> None:
    """Queue what these customers carry that the backend has not got: it is used again here.

    A tag is left without its own over there when that took another tag's name, and is made again.
    One that was deleted there is not; looking at it tells so.
    """
    connection, columns = uow.connection(), ("local_id", "backend_id")
    carried = select_in(connection, CustomerTag, "customer_id", customer_ids, "tag_id")
    tags = {row.tag_id for row in carried}
    bound = select_in(connection, Binding, "local_id", tags, *columns, "state")
    waiting = select_in(connection, PushItem, "local_id", tags, *columns)
    known = [row for row in bound if row.state != BindingState.DELETED]
    heard = {row.local_id for row in (*known, *waiting) if row.backend_id == backend_id}
    enqueue(uow, backend_id, "tag", tags - heard)


def try_again(
    uow: UnitOfWork,
    backend_id: UUID,
    *,
    entities: Collection[str] | None = None,
    before: datetime | None = None,
    limit: int | None = None,
) -> None:
    """Put records set aside back into the queue, those first that waited longest.

    Args:
        uow: A writing unit of work.
        backend_id: Whose.
        entities: Only of these; of all when None.
        before: Only those last tried before this moment.
        limit: So many at most.
    """
    chosen = select(PushItem.id).where(PushItem.backend_id == backend_id, PushItem.is_set_aside)
    if entities is not None:
        chosen = chosen.where(PushItem.entity.in_(entities))
    if before is not None:
        chosen = chosen.where(PushItem.last_at < before)
    put_back(uow, backend_id, uow.scalars(chosen.order_by(PushItem.last_at).limit(limit)).all())


def put_back(uow: UnitOfWork, backend_id: UUID, ids: Sequence[UUID]) -> None:
    """Put these items, by key, back into a backend's queue."""
    for chunk in chunked(ids, PARAMETERS):
        these = (PushItem.backend_id == backend_id, PushItem.id.in_(chunk))
        _locked(uow, *these)
        uow.execute(
            update(PushItem)
            .where(*these)
            .values(is_set_aside=False)
            .execution_options(synchronize_session=False)
        )


def count_set_aside(uow: UnitOfWork, backend_id: UUID) -> int:
    """Return how many records could not be written."""
    statement = select(func.count()).select_from(PushItem)
    return int(
        uow.scalar(statement.where(PushItem.backend_id == backend_id, PushItem.is_set_aside))
    )


def _these(backend_id: UUID, entity: str, local_ids: Sequence[UUID]) -> tuple[Any, ...]:
    return (
        PushItem.backend_id == backend_id,
        PushItem.entity == entity,
        PushItem.local_id.in_(local_ids),
    )


def _update(
    uow: UnitOfWork, backend_id: UUID, entity: str, local_ids: Sequence[UUID], **values: Any
) -> None:
    for chunk in chunked(local_ids, PARAMETERS):
        these = _these(backend_id, entity, chunk)
        _locked(uow, *these)
        uow.execute(
            update(PushItem)
            .where(*these)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _locked(uow: UnitOfWork, *where: Any) -> Sequence[Any]:
    """Return items, locked in the order in which they are queued, so that none wait crosswise."""
    columns = (PushItem.id, PushItem.local_id, PushItem.revision, PushItem.attempts)
    statement = select(*columns, PushItem.first_at).where(*where)
    return uow.execute(statement.order_by(PushItem.local_id).with_for_update()).all()
