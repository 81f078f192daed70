"""Taking deliveries that are due, and writing down what became of them."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select, update

from crm_core.entities.outbox import Delivery, DeliveryState, OutboxEvent
from crm_core.messages import cut
from crm_core.persistence.bulk import table_of
from crm_hooks.events import EventMessage

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
JITTER = 0.2
"""Part of a wait by which it is spread, so that not all that failed at once comes back at once."""
MOST_ATTEMPTS = 10
MOST_REASON = 1_000
"""Characters kept of why a handler failed."""

_delivery, _outbox = table_of(Delivery), table_of(OutboxEvent)
_earlier = table_of(Delivery).alias("earlier")
_MESSAGE = ("id", "name", "version", "payload", "at", "actor_id", "actor_login", "origin")

# Built once: putting them together costs as much as running them.
_IS_DUE = (_delivery.c.handler == bindparam("handler")) & (_delivery.c.next_at <= bindparam("now"))
_ANY_DUE = select(_delivery.c.id).where(_IS_DUE).limit(1)
_BACKS_OFF = exists().where(
    _earlier.c.handler == _delivery.c.handler,
    _earlier.c.entity_id == _delivery.c.entity_id,
    _earlier.c.entity_type == _delivery.c.entity_type,
    _earlier.c.outbox_id < _delivery.c.outbox_id,
    _earlier.c.next_at > bindparam("now"),
)
_CLAIM = (
    select(
        _delivery.c.id.label("delivery_id"),
        _delivery.c.attempts,
        _delivery.c.entity_type,
        _delivery.c.entity_id,
        *(_outbox.c[name] for name in _MESSAGE),
    )
    .join(_outbox, _outbox.c.id == _delivery.c.outbox_id)
    .where(_IS_DUE, ~_BACKS_OFF)
    .order_by(_delivery.c.outbox_id)
    .limit(bindparam("most"))
    .with_for_update(of=_delivery, skip_locked=True)
)
_CLAIM_ONE = _CLAIM.where(_delivery.c.id == bindparam("only"))
_FIRST_OF_OTHERS = (
    select(
        _delivery.c.entity_type,
        _delivery.c.entity_id,
        func.min(_delivery.c.outbox_id).label("first"),
    )
    .where(
        _delivery.c.handler == bindparam("handler"),
        _delivery.c.entity_id.in_(bindparam("records", expanding=True)),
        _delivery.c.next_at.is_not(None),
        _delivery.c.id.not_in(bindparam("taken", expanding=True)),
    )
    .group_by(_delivery.c.entity_type, _delivery.c.entity_id)
)
_DONE = (
    update(_delivery)
    .where(_delivery.c.id.in_(bindparam("done", expanding=True)))
    .values(
        state=DeliveryState.DONE.value,
        attempts=_delivery.c.attempts + 1,
        next_at=None,
        error=None,
        done_at=bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until the transaction ends."""

    delivery_id: int
    attempts: int
    record: tuple[str, str] | None
    message: EventMessage


def is_due(connection: Connection, handler: str, now: datetime) -> bool:
    """Return whether anything waits for this handler; takes no lock."""
    return connection.scalar(_ANY_DUE, {"handler": handler, "now": now}) is not None


def claim(
    connection: Connection, handler: str, now: datetime, limit: int, only: int | None = None
) -> list[Claimed]:
    """Take deliveries of one handler that are due, in the order of their events.

    What another process has taken is passed over. So is what has to wait for an earlier event of
    its record: one that backs off, or that another process is at.

    Args:
        connection: In a writing transaction.
        handler: Whose.
        now: What is due by then.
        limit: The most to take.
        only: One delivery, if it is still there to be taken.
    """
    given: dict[str, Any] = {"handler": handler, "now": now, "most": limit}
    if only is None:
        rows = connection.execute(_CLAIM, given)
    else:
        rows = connection.execute(_CLAIM_ONE, {**given, "only": only})
    return _in_order(connection, handler, [_claimed(row) for row in rows])


def _claimed(row: Any) -> Claimed:
    delivery_id, attempts, entity_type, entity_id, *message = row
    record = None if entity_id is None else (entity_type, entity_id)
    return Claimed(delivery_id, attempts, record, EventMessage(*message))


def _in_order(connection: Connection, handler: str, taken: list[Claimed]) -> list[Claimed]:
    """Leave out what comes after an event of the same record that is pending and not ours."""
    records = {each.record[1] for each in taken if each.record}
    if not records:
        return taken
    ids = [each.delivery_id for each in taken]
    given = {"handler": handler, "records": sorted(records), "taken": ids}
    others = connection.execute(_FIRST_OF_OTHERS, given)
    first = {(row.entity_type, row.entity_id): row.first for row in others}
    return [
        each
        for each in taken
        if each.record is None or first.get(each.record, each.message.id) >= each.message.id
    ]


def mark_done(connection: Connection, delivery_ids: Collection[int], now: datetime) -> None:
    """Say that deliveries were handled, within the transaction of their effects."""
    connection.execute(_DONE, {"done": list(delivery_ids), "now": now})


def mark_failed(
    connection: Connection, failed: Claimed, reason: str, now: datetime
) -> DeliveryState | None:
    """Have a delivery tried again later, or give it up; return its state.

    None when another process has dealt with it meanwhile: then nothing happens.
    """
    attempts = failed.attempts + 1
    is_dead = attempts >= MOST_ATTEMPTS
    state = DeliveryState.DEAD if is_dead else DeliveryState.PENDING
    changed = connection.execute(
        update(_delivery)
        .where(
            _delivery.c.id == failed.delivery_id,
            _delivery.c.attempts == failed.attempts,
            _delivery.c.next_at.is_not(None),
        )
        .values(
            state=state.value,
            attempts=attempts,
            next_at=None if is_dead else now + _wait(attempts),
            error=cut(reason, MOST_REASON),
            done_at=now if is_dead else None,
        )
    )
    return state if changed.rowcount else None


def _wait(attempts: int) -> timedelta:
    wait = min(FIRST_WAIT * (1 << attempts - 1), LONGEST_WAIT)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
