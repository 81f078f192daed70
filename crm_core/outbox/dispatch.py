"""From events to deliveries: one for each handler that is to hear of the event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from crm_core.access import system_actor
from crm_core.entities.outbox import Delivery, DeliveryState, OutboxEvent, Subscription
from crm_core.entities.plugin import Plugin, PluginState
from crm_core.messages import t
from crm_core.persistence.bulk import insert_rows, table_of
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.deliveries import drop_waiting
from crm_hooks.contributions import EventHandler

BATCH = 500
"""Events a transaction; with a few handlers each, some ten milliseconds on SQLite."""
EVERY = "*"
"""What a handler names that hears of every event."""
_LOCK = 0x63726D_6F7574
"""Key of PostgreSQL's lock that lets one process at a time make deliveries."""

_outbox, _subscription = table_of(OutboxEvent), table_of(Subscription)


def dispatch(database: Database, handlers: Sequence[EventHandler]) -> int:
    """Make the deliveries of some events that have none yet; return of how many events.

    Events are taken by their state: those of a transaction that committed late are not passed over
    because later ones were there before.
    """
    actor = system_actor("events")
    with unit_of_work(database, actor=actor) as uow:  # a look that takes no lock
        connection, wanted = uow.connection(), _wanted(uow, handlers)
        new = select(_outbox.c.id).where(_outbox.c.dispatched_at.is_(None)).limit(1)
        is_known = wanted == _followed(_subscriptions(connection), handlers)
        if is_known and connection.scalar(new) is None:
            return 0
    with unit_of_work(database, actor=actor, write=True) as uow:
        if not database.is_sqlite:
            uow.connection().execute(select(func.pg_advisory_xact_lock(_LOCK)))
        hearers = defaultdict(list)
        for handler, event in sorted(_follow(uow, handlers)):
            hearers[event].append(handler)
        count = _deliver(uow, hearers)
        uow.commit()
    return count


def _deliver(uow: UnitOfWork, hearers: dict[str, list[str]]) -> int:
    connection, now, pending = uow.connection(), uow.now, DeliveryState.PENDING.value
    columns = (_outbox.c[name] for name in ("id", "name", "entity_type", "entity_id"))
    events = connection.execute(
        select(*columns)
        .where(_outbox.c.dispatched_at.is_(None))
        .order_by(_outbox.c.id)
        .limit(BATCH)
    ).all()
    rows: list[dict[str, Any]] = [
        {
            "outbox_id": event.id,
            "handler": handler,
            "entity_type": event.entity_type,
            "entity_id": event.entity_id,
            "state": pending,
            "attempts": 0,
            "next_at": now,
            "error": None,
            "done_at": None,
        }
        for event in events
        for handler in {*hearers.get(event.name, ()), *hearers.get(EVERY, ())}
    ]
    insert_rows(connection, Delivery, rows)
    connection.execute(
        update(_outbox)
        .where(_outbox.c.id.in_([event.id for event in events]))
        .values(dispatched_at=now)
    )
    return len(events)


def _wanted(uow: UnitOfWork, handlers: Sequence[EventHandler]) -> set[tuple[str, str]]:
    """Return who here hears of what, without the plugins that another process switched off."""
    off = set(uow.scalars(select(Plugin.name).where(Plugin.state == PluginState.DISABLED.value)))
    on = (each for each in handlers if _plugin(each.name) not in off)
    return {(each.name, event) for each in on for event in each.events}


def _subscriptions(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.execute(select(_subscription.c.handler, _subscription.c.event))
    return {(row.handler, row.event) for row in rows}


def _followed(
    kept: Iterable[tuple[str, str]], handlers: Sequence[EventHandler]
) -> set[tuple[str, str]]:
    """Return the kept subscriptions of the plugins that are here now."""
    here = {_plugin(each.name) for each in handlers}
    return {(handler, event) for handler, event in kept if _plugin(handler) in here}


def _follow(uow: UnitOfWork, handlers: Sequence[EventHandler]) -> set[tuple[str, str]]:
    """Keep who hears of what: a plugin that is here says so anew, the others stay as they are."""
    connection, wanted = uow.connection(), _wanted(uow, handlers)
    kept = _subscriptions(connection)
    gone = _followed(kept, handlers) - wanted
    if gone:
        pairs = (
            (_subscription.c.handler == handler) & (_subscription.c.event == event)
            for handler, event in gone
        )
        connection.execute(_subscription.delete().where(or_(*pairs)))
        names = {handler for handler, _ in gone} - {handler for handler, _ in wanted}
        drop_waiting(uow, names, t("Its plugin is off or has no such handler any more."))
    new = sorted(wanted - kept)
    insert_rows(connection, Subscription, [{"handler": one, "event": event} for one, event in new])
    return (kept - gone) | wanted


def _plugin(handler: str) -> str:
    return handler.partition(".")[0]
