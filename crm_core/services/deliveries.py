"""Deliveries of events to their handlers: what waits, what was given up, and what to do with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update

from crm_core.entities.outbox import (
    DELIVERY_VIEW,
    Delivery,
    DeliveryState,
    OutboxEvent,
    Subscription,
)
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork

MANAGE = "core.delivery.manage"
KEPT = timedelta(days=7)
"""How long what was handled or dropped is kept."""
SWEPT_AT_ONCE = 500

_IS_DEAD = (Delivery.state == DeliveryState.DEAD.value) & Delivery.error.is_not(None)
"""The second half tells the database which index to use."""
_FOUND_BY: dict[str, ColumnElement[bool]] = {
    DeliveryState.PENDING: Delivery.next_at.is_not(None),
    DeliveryState.DONE: Delivery.state == DeliveryState.DONE.value,
    DeliveryState.DEAD: _IS_DEAD,
    DeliveryState.DROPPED: (Delivery.state == DeliveryState.DROPPED.value)
    & Delivery.error.is_not(None),
}
_COLUMNS = ("id", "handler", "state", "attempts", "next_at", "done_at", "error")


def list_deliveries(
    uow: UnitOfWork,
    *,
    state: str | None = None,
    handler: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return deliveries, newest first.

    Args:
        uow: The unit of work.
        state: Only ``pending``, ``done``, ``dead`` or ``dropped`` ones.
        handler: Only those of this handler.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Raises:
        PermissionDeniedError: The actor lacks ``core.delivery.view``.
        InputError: There is no such state.
    """
    uow.actor.require(DELIVERY_VIEW)
    statement = select(
        *(getattr(Delivery, name) for name in _COLUMNS),
        OutboxEvent.name.label("event"),
        OutboxEvent.at,
        Delivery.entity_type,
        Delivery.entity_id,
        OutboxEvent.actor_login,
        OutboxEvent.origin,
    ).join(OutboxEvent, OutboxEvent.id == Delivery.outbox_id)
    if state is not None:
        if state not in _FOUND_BY:
            raise InputError(
                t(
                    "{state!r} is no state of a delivery; those are {found_by}.",
                    state=state,
                    found_by=", ".join(_FOUND_BY),
                ),
                code="core.delivery.state",
            )
        statement = statement.where(_FOUND_BY[state])
    if handler is not None:
        statement = statement.where(Delivery.handler == handler)
    return page_of(uow, statement, keys=[Delivery.id], limit=limit, cursor=cursor, descending=True)


def retry_delivery(uow: UnitOfWork, delivery_id: int) -> None:
    """Have a delivery tried at the next turn: one that was given up, dropped, or waits longer.

    It comes after what was handled meanwhile, also where that happened later to the same record.

    Raises:
        NotFoundError: There is none.
        RuleViolationError: It was handled.
    """
    uow.actor.require(MANAGE)
    found = _unsettled(uow, delivery_id)
    _retry(uow, Delivery.id == found.id)


def retry_dead(uow: UnitOfWork, *, handler: str | None = None) -> int:
    """Have all deliveries that were given up tried again; return how many."""
    uow.actor.require(MANAGE)
    return _retry(uow, _IS_DEAD, *([] if handler is None else [Delivery.handler == handler]))


def drop_delivery(uow: UnitOfWork, delivery_id: int) -> None:
    """Leave out a delivery for good: its handler never hears of the event.

    Raises:
        NotFoundError: There is none.
        RuleViolationError: It was handled.
    """
    uow.actor.require(MANAGE)
    found = _unsettled(uow, delivery_id)
    _drop(uow, t("Dropped by {login}.", login=uow.actor.login), Delivery.id == found.id)


def drop_handler(uow: UnitOfWork, handler: str) -> int:
    """Leave out all that waits for a handler or was given up, and let it hear of nothing more.

    One that is still offered by an enabled plugin hears of what happens from now on.

    Returns:
        How many deliveries were dropped.
    """
    uow.actor.require(MANAGE)
    _unsubscribe(uow, Subscription.handler == handler)
    mine = Delivery.handler == handler
    reason = t("Dropped by {login}.", login=uow.actor.login)
    waiting = _drop(uow, reason, Delivery.next_at.is_not(None), mine)
    return waiting + _drop(uow, reason, _IS_DEAD, mine)


def forget_plugin(uow: UnitOfWork, plugin: str) -> int:
    """Drop what waits for the handlers of a plugin that goes off; it hears of nothing more.

    For whoever disables plugins, who has checked the right to. Return how many were dropped.
    """
    _unsubscribe(uow, Subscription.handler.startswith(f"{plugin}.", autoescape=True))
    return _drop(
        uow,
        t("The plugin {plugin} was disabled.", plugin=plugin),
        Delivery.next_at.is_not(None),
        Delivery.handler.startswith(f"{plugin}.", autoescape=True),
    )


def drop_waiting(uow: UnitOfWork, handlers: Collection[str], reason: str) -> int:
    """Drop what waits for these handlers; for the relay, when a plugin has them no more."""
    return _drop(uow, reason, Delivery.next_at.is_not(None), Delivery.handler.in_(handlers))


def sweep_deliveries(uow: UnitOfWork) -> int:
    """Delete events that all were handled or dropped a while ago; return how many, of one batch."""
    before = uow.now - KEPT
    is_kept = (
        select(Delivery.id)
        .where(
            Delivery.outbox_id == OutboxEvent.id,
            Delivery.next_at.is_not(None)
            | (Delivery.state == DeliveryState.DEAD.value)
            | (Delivery.done_at >= before),
        )
        .exists()
    )
    old = select(OutboxEvent.id).where(OutboxEvent.dispatched_at < before, ~is_kept)
    ids = list(uow.scalars(old.order_by(OutboxEvent.id).limit(SWEPT_AT_ONCE)))
    for some in chunked(ids, PARAMETERS):
        statement = delete(OutboxEvent).where(OutboxEvent.id.in_(some))
        uow.execute(statement.execution_options(synchronize_session=False))
    return len(ids)


def count_dead(uow: UnitOfWork) -> dict[str, int]:
    """Return how many deliveries were given up, by handler."""
    return _by_handler(uow, _IS_DEAD)


def count_overdue(uow: UnitOfWork, before: datetime) -> dict[str, int]:
    """Return how many deliveries were due before then and still wait, by handler.

    Events whose deliveries are not even made stand under an empty name.
    """
    counts = _by_handler(uow, Delivery.next_at < before)
    new = select(func.count()).where(OutboxEvent.dispatched_at.is_(None), OutboxEvent.at < before)
    undispatched = uow.scalar(new)
    return {"": undispatched, **counts} if undispatched else counts


def _by_handler(uow: UnitOfWork, condition: ColumnElement[bool]) -> dict[str, int]:
    count = select(Delivery.handler, func.count().label("number")).where(condition)
    return {row.handler: row.number for row in uow.execute(count.group_by(Delivery.handler))}


def _unsettled(uow: UnitOfWork, delivery_id: int) -> Delivery:
    found = uow.get(Delivery, delivery_id)
    if found.state == DeliveryState.DONE:
        raise RuleViolationError(
            t("Delivery {delivery_id} was handled already.", delivery_id=delivery_id),
            code="core.delivery.done",
        )
    return found


def _retry(uow: UnitOfWork, *conditions: ColumnElement[bool]) -> int:
    values = {"attempts": 0, "next_at": uow.now, "done_at": None}
    return _set(uow, conditions, {"state": DeliveryState.PENDING.value, **values})


def _drop(uow: UnitOfWork, reason: str, *conditions: ColumnElement[bool]) -> int:
    values = {"next_at": None, "done_at": uow.now, "error": reason}
    return _set(uow, conditions, {"state": DeliveryState.DROPPED.value, **values})


def _set(uow: UnitOfWork, conditions: Sequence[ColumnElement[bool]], values: dict[str, Any]) -> int:
    statement = update(Delivery).where(*conditions).values(values)
    result: Any = uow.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)


def _unsubscribe(uow: UnitOfWork, condition: ColumnElement[bool]) -> None:
    statement = delete(Subscription).where(condition)
    uow.execute(statement.execution_options(synchronize_session=False))
