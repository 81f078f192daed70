"""Handlers that a test makes up, and a relay over them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import structlog
from sqlalchemy import select, update

from crm_core.access import Actor
from crm_core.entities import Delivery, OutboxEvent
from crm_core.events import Event
from crm_core.outbox.relay import RelayReport, relay
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_hooks.contributions import EventHandler
from crm_hooks.events import EventMessage

Handle = Callable[[UnitOfWork, EventMessage], Any]


@dataclass(frozen=True)
class Moved(Event):
    """A parcel was moved; a parcel without a number is about no single record."""

    name: ClassVar[str] = "paper.parcel.moved"

    number: int
    parcel: str | None = None

    @property
    def record(self) -> tuple[str, str] | None:
        return ("parcel", self.parcel) if self.parcel else None


class Desk:
    """One database, and handlers by name."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self.database = database
        self.actor = actor
        self.handlers: dict[str, EventHandler] = {}

    def hear(self, handle: Handle, name: str = "paper.note", **options: Any) -> None:
        """Have ``handle`` hear of parcels that were moved."""
        setattr(sys.modules[__name__], name.replace(".", "_"), handle)
        reference = f"{__name__}:{name.replace('.', '_')}"
        self.handlers[name] = EventHandler(name, (Moved.name,), reference, **options)

    def move(self, *numbers: int, parcel: str | None = None) -> None:
        """Record one event each, in one transaction."""
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            for number in numbers:
                uow.record(Moved(number, parcel))
            uow.commit()

    def relay(self, **options: Any) -> RelayReport:
        """Hand over what is due."""
        return relay(self.database, list(self.handlers.values()), **options)

    def rows(self, statement: Any) -> list[Any]:
        """Return the rows of a statement."""
        with unit_of_work(self.database, actor=self.actor) as uow:
            return list(uow.execute(statement))

    def states(self, handler: str = "paper.note") -> list[str]:
        """Return the states of a handler's deliveries, in the order of their events."""
        mine = select(Delivery.state).where(Delivery.handler == handler)
        return [row.state for row in self.rows(mine.order_by(Delivery.outbox_id))]

    def pass_time(self) -> None:
        """Make all that backs off due, as if the hour had passed."""
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            first = uow.scalar(select(OutboxEvent.at).order_by(OutboxEvent.at).limit(1))
            uow.execute(
                update(Delivery)
                .where(Delivery.next_at.is_not(None))
                .values(next_at=first)
                .execution_options(synchronize_session=False)
            )
            uow.commit()


@pytest.fixture
def desk(database: Database, system: Actor) -> Desk:
    """A desk on an empty database of each kind in turn."""
    return Desk(database, system)


@pytest.fixture
def sqlite_desk(sqlite_database: Database, system: Actor) -> Desk:
    """A desk on an empty SQLite database."""
    return Desk(sqlite_database, system)


@pytest.fixture
def postgres_desk(postgres_database: Database, system: Actor) -> Desk:
    """A desk on an empty PostgreSQL database."""
    return Desk(postgres_database, system)


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Keep tracebacks of handlers that fail on purpose out of the way: drawing them is slow."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
