"""Handing events to their handlers: at least once, in order per record, effect and mark together.

A handler runs in a writing unit of work as the system; what it writes commits together with the
mark that the event was handled, so that a process killed at any point loses nothing and does
nothing twice. Several events share a transaction; when one of them fails, each gets its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from crm_core.access import Actor, system_actor
from crm_core.entities.outbox import DeliveryState
from crm_core.errors import CrmError, RuleViolationError
from crm_core.messages import t
from crm_core.outbox.claim import Claimed, claim, is_due, mark_done, mark_failed
from crm_core.outbox.dispatch import dispatch
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, translated, unit_of_work
from crm_core.plugins.discovery import FAILURES, described, resolve
from crm_core.plugins.limits import PluginTimeoutError, time_limit
from crm_hooks.contributions import EventHandler

log = structlog.get_logger(__name__)

BATCH = 100
"""Deliveries a transaction, at most."""
SQLITE_SECONDS = 0.05
"""How long a batch may hold SQLite's write lock; one slow handler can take longer."""
SECONDS = 1.0
"""How long a batch may last elsewhere."""


@dataclass(slots=True)
class RelayReport:
    """What a relay did: deliveries handled, failed and tried again later, and given up."""

    handled: int = 0
    failed: int = 0
    dead: int = 0


def relay(
    database: Database,
    handlers: Sequence[EventHandler],
    *,
    limit_seconds: float | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> RelayReport:
    """Hand over everything that is due, and what that leads to, until nothing is left.

    Args:
        database: Where.
        handlers: Those of the plugins in use. What waits for others stays where it is.
        limit_seconds: When to leave the rest to the next time; None for no such limit.
        is_stopped: Asked between transactions.

    Raises:
        CrmError: The database does not answer, or is locked.
    """
    return _Relay(database, handlers, limit_seconds, is_stopped).run()


class _HandlersUnitOfWork(UnitOfWork):
    """A unit of work that its handler cannot commit: the mark belongs into the same transaction."""

    def commit(self) -> None:
        raise RuleViolationError(
            t(
                "A handler of events must not commit; what it writes is committed together with "
                "the mark that the event was handled."
            ),
            code="core.event.handler_commits",
        )

    def finish(self) -> None:
        super().commit()


class _Relay:
    def __init__(
        self,
        database: Database,
        handlers: Sequence[EventHandler],
        limit_seconds: float | None,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.database = database
        self.handlers = handlers
        self.ends_at = None if limit_seconds is None else time.monotonic() + limit_seconds
        self.is_stopped = is_stopped
        self.report = RelayReport()
        self.batch_seconds = SQLITE_SECONDS if database.is_sqlite else SECONDS
        self._functions: dict[str, Callable[[UnitOfWork, Any], Any]] = {}
        self._current: Claimed | None = None

    def run(self) -> RelayReport:
        moved = True
        while moved and not self._is_over():
            moved = dispatch(self.database, self.handlers) > 0
            waiting = self._due()
            while waiting:  # in turns, so that a slow one does not keep the others waiting
                waiting = [each for each in waiting if not self._is_over() and self._batch(each)]
                moved = moved or bool(waiting)
        return self.report

    def _is_over(self) -> bool:
        is_late = self.ends_at is not None and time.monotonic() >= self.ends_at
        return is_late or self.is_stopped()

    def _due(self) -> list[EventHandler]:
        """Return the handlers with something to do, without taking a lock."""
        with unit_of_work(self.database, actor=system_actor("events")) as uow:
            connection, now = uow.connection(), uow.now
            return [each for each in self.handlers if is_due(connection, each.name, now)]

    def _batch(self, handler: EventHandler) -> bool:
        """Hand over some deliveries in one transaction; return whether there were any."""
        taken: list[Claimed] = []
        try:
            self._transact(handler, taken, BATCH)
        except FAILURES as error:
            if not taken:
                raise
            hung = self._current if isinstance(error, PluginTimeoutError) else None
            if hung or len(taken) == 1:
                self._fail(handler, hung or taken[0], error)
            else:
                self._one_by_one(handler, taken)
        return bool(taken)

    def _one_by_one(self, handler: EventHandler, batch: Sequence[Claimed]) -> None:
        for each in batch:
            if self._is_over():
                return
            taken: list[Claimed] = []
            try:
                self._transact(handler, taken, 1, only=each.delivery_id)
            except FAILURES as error:
                if not taken:
                    raise
                self._fail(handler, each, error)

    def _transact(
        self, handler: EventHandler, taken: list[Claimed], limit: int, only: int | None = None
    ) -> None:
        """Take deliveries, put them into ``taken``, and hand them over."""
        with _writing(self.database, system_actor(f"event:{handler.name}")) as uow:
            taken += claim(uow.connection(), handler.name, uow.now, limit, only)
            ends_at = time.monotonic() + self.batch_seconds
            done = []
            for each in taken:
                self._hand_over(handler, uow, each)
                done.append(each.delivery_id)
                if time.monotonic() >= ends_at:
                    break
            if done:
                mark_done(uow.connection(), done, uow.now)
                uow.finish()
        self.report.handled += len(done)

    def _hand_over(self, handler: EventHandler, uow: UnitOfWork, each: Claimed) -> None:
        self._current = each
        with time_limit(handler.limit_seconds):
            function = self._functions.get(handler.name)
            if function is None:
                function = resolve(
                    handler.handler, t("The handler {handler}", handler=handler.name)
                )
                self._functions[handler.name] = function
            function(uow, each.message)
            uow.flush()

    def _fail(self, handler: EventHandler, failed: Claimed, error: BaseException) -> None:
        reason = error.message if isinstance(error, CrmError) else described(error)
        told = {"handler": handler.name, "heard": failed.message.name, "reason": reason}
        with unit_of_work(self.database, actor=system_actor("events"), write=True) as uow:
            state = mark_failed(uow.connection(), failed, reason, uow.now)
            uow.commit()
        if state is DeliveryState.DEAD:
            self.report.dead += 1
            log.error("delivery given up", id=failed.delivery_id, **told, exc_info=error)
        elif state is DeliveryState.PENDING:
            self.report.failed += 1
            log.warning("delivery failed", id=failed.delivery_id, **told, exc_info=error)


@contextmanager
def _writing(database: Database, actor: Actor) -> Iterator[_HandlersUnitOfWork]:
    uow = _HandlersUnitOfWork(database, actor, write=True)
    try:
        yield uow
    except (DBAPIError, StaleDataError) as error:
        raise translated(error, database) from error
    except (PluginTimeoutError, KeyboardInterrupt):
        uow.session.invalidate()  # stopped in the middle of whatever it was at
        raise
    finally:
        uow.session.close()
