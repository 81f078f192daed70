"""The unit of work: one actor, one transaction, committed once by the entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Executable, Result, ScalarResult
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from crm_core.access import Actor
from crm_core.errors import (
    ConfigurationError,
    CrmError,
    DuplicateError,
    InputError,
    LockedError,
    NotFoundError,
    StaleVersionError,
)
from crm_core.events import MOST_IDS, CustomersChanged, CustomersCreated, Event, TagsChanged
from crm_core.hook_calls import HookCalls
from crm_core.messages import t
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import chunked, insert_rows
from crm_core.persistence.database import Database
from crm_core.persistence.session import ScopedSession

M = TypeVar("M", bound=Base)
_NUMBER = attrgetter("int")


class UnitOfWork:
    """What services take first: the session, the actor, and the moment it began.

    Services read and write through it and never commit; leaving without :meth:`commit` rolls back.
    """

    def __init__(self, database: Database, actor: Actor | None, *, write: bool) -> None:
        self.database = database
        self.is_writing = write
        self.session = ScopedSession(database.write_engine if write else database.engine, actor)
        self._actor = actor
        self._recorded: list[dict[str, Any]] = []

    @property
    def actor(self) -> Actor:
        """Who acts; it never changes."""
        assert self._actor is not None, "a unit of work without an actor reads nothing"
        return self._actor

    @property
    def hooks(self) -> HookCalls:
        """The plugins in use, for services to ask."""
        return self.database.hooks

    @property
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def execute(self, statement: Executable, parameters: Any = None) -> Result[Any]:
        """Run a statement within the actor's scope."""
        return self.session.execute(statement, parameters)

    def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """Run a statement and return the first column of each row."""
        return self.session.scalars(statement)

    def scalar(self, statement: Executable) -> Any:
        """Run a statement and return one value, or None."""
        return self.session.scalar(statement)

    def find(self, model: type[M], key: Any) -> M | None:
        """Return the record with this key, or None where there is none or it is out of scope."""
        return self.session.get(model, key)

    def get(self, model: type[M], key: Any) -> M:
        """Return the record with this key.

        Raises:
            NotFoundError: There is none, or the actor may not see it; the two look the same.
        """
        record = self.find(model, key)
        if record is None:
            raise NotFoundError(
                t(
                    "There is no {entity} {key} that {login} may see.",
                    entity=model.__entity__,
                    key=key,
                    login=self.actor.login,
                ),
                code=f"core.{model.__entity__}.not_found",
                details={"id": str(key)},
            )
        return record

    def add(self, record: M) -> M:
        """Put a new record into the session and return it."""
        self.session.add(record)
        return record

    def delete(self, record: Base) -> None:
        """Remove a record."""
        self.session.delete(record)

    def flush(self) -> None:
        """Send pending changes to the database, within the transaction."""
        self.session.flush()

    def connection(self) -> Connection:
        """Return the raw connection, for bulk writers of the core: nothing on it is scoped."""
        return self.session.connection()

    def touch(self, customer_ids: Iterator[UUID] | set[UUID] | list[UUID]) -> None:
        """Have the search entries of these customers rebuilt at commit."""
        self.session.touched_customers.update(customer_ids)

    def record(self, event: Event) -> None:
        """Have handlers hear of an event, if and when this unit of work commits.

        Raises:
            TypeError: It carries something that is no plain value.
        """
        about = event.record
        self._recorded.append(
            {
                "at": self.now,
                "name": event.name,
                "version": event.version,
                "entity_type": about and about[0],
                "entity_id": about and str(about[1]),
                "payload": event.payload(),
                "actor_id": self.actor.user_id,
                "actor_login": self.actor.login,
                "origin": self.actor.origin,
                "dispatched_at": None,
            }
        )

    def mark_created(self, customer_ids: Iterable[UUID]) -> None:
        """Say which customers a bulk writer made past the session, for the events at commit."""
        self.session.created_customers.update(customer_ids)

    def mark_changed(self, customer_ids: Iterable[UUID]) -> None:
        """Say which customers a bulk writer changed past the session, for the events at commit."""
        self.session.changed_customers.update(customer_ids)

    def commit(self) -> None:
        """Record events, index what was touched and commit; it can be used again afterwards."""
        self.session.flush()
        self._write_events()
        if self.session.touched_customers:
            from crm_core.search.index import refresh

            refresh(self.session.connection(), self.session.touched_customers)
            self.session.touched_customers.clear()
        self.session.commit()

    def _write_events(self) -> None:
        session, explicit = self.session, self._recorded
        self._recorded = []
        session.changed_customers -= session.created_customers
        for kind, ids in (
            (TagsChanged, session.changed_tags),
            (CustomersCreated, session.created_customers),
            (CustomersChanged, session.changed_customers),
        ):
            for some in chunked(sorted(ids, key=_NUMBER), MOST_IDS):
                self.record(kind(tuple(some)))
            ids.clear()
        rows = self._recorded + explicit
        self._recorded = []
        if rows:
            from crm_core.entities.outbox import OutboxEvent

            insert_rows(session.connection(), OutboxEvent, rows)
            self.database.has_recorded = True


@contextmanager
def unit_of_work(
    database: Database, *, actor: Actor | None, write: bool = False
) -> Iterator[UnitOfWork]:
    """Open a unit of work; rolls back on leaving unless it was committed.

    Args:
        database: Where.
        actor: Who acts. With None every read raises PermissionDeniedError.
        write: Whether it will write. On SQLite a writing one takes the write lock at once.

    Raises:
        LockedError: Another process holds SQLite's lock for longer than the time-out.
        ConfigurationError: The disk is full, the file is read-only, the server is away.
        StaleVersionError: A record was changed by somebody else since it was read.
        DuplicateError: A unique value is taken.
    """
    uow = UnitOfWork(database, actor, write=write)
    try:
        yield uow
    except CrmError:
        raise
    except (DBAPIError, StaleDataError) as error:
        raise translated(error, database) from error
    finally:
        uow.session.close()


def translated(error: DBAPIError | StaleDataError, database: Database) -> CrmError:
    """Return the product's own error for a database error, in words an operator can act on."""
    if isinstance(error, StaleDataError):
        return StaleVersionError(
            t(
                "The record was changed by somebody else since you read it: load it again and "
                "repeat your change."
            )
        )
    text = str(error.orig)
    where = database.shown_url
    state = getattr(error.orig, "sqlstate", None) or ""
    if state.startswith("54"):  # a limit of PostgreSQL, such as that of an index entry
        return InputError(
            t(
                "A value is too long for the database ({text}): shorten it.",
                text=text.splitlines()[0],
            ),
            code="core.value_too_long",
        )
    if state.startswith("40"):
        return LockedError(
            t("Another change got in the way ({text}): try again.", text=text.splitlines()[0]),
            code="core.database.conflict",
        )
    if isinstance(error, IntegrityError) and "unique" in text.lower():
        return DuplicateError(
            t("Such a record exists already ({text}).", text=text.splitlines()[0])
        )
    for sign, kind, message, code in _KNOWN_FAULTS:
        if sign in text:
            return kind(message(where), code=code)
    if isinstance(error, OperationalError):
        return ConfigurationError(
            t(
                "The database {where} does not answer ({text}). Check that it runs and that the "
                "URL is right: crm doctor.",
                where=where,
                text=text.splitlines()[0],
            ),
            code="core.database.unavailable",
        )
    return CrmError(
        t("The database {where} refused: {text}", where=where, text=text.splitlines()[0]),
        code="core.database.refused",
    )


_KNOWN_FAULTS: tuple[tuple[str, type[CrmError], Callable[[str], str], str], ...] = (
    (
        "database is locked",
        LockedError,
        lambda where: t(
            "Another process is writing to {where}. Try again later; for many writers use "
            "PostgreSQL.",
            where=where,
        ),
        "core.database.locked",
    ),
    (
        "readonly database",
        ConfigurationError,
        lambda where: t(
            "{where} cannot be written: check the rights on the file and its folder.", where=where
        ),
        "core.database.read_only",
    ),
    (
        "disk is full",
        ConfigurationError,
        lambda where: t(
            "The disk that holds {where} is full: free some space and try again. Nothing was "
            "saved.",
            where=where,
        ),
        "core.database.disk_full",
    ),
    (
        "disk I/O error",
        ConfigurationError,
        lambda where: t(
            "The disk that holds {where} fails: check its health and your quota. Nothing was "
            "saved.",
            where=where,
        ),
        "core.database.disk_error",
    ),
    (
        "unable to open database file",
        ConfigurationError,
        lambda where: t(
            "{where} cannot be opened: check that the folder exists and may be written.",
            where=where,
        ),
        "core.database.cannot_open",
    ),
    (
        "no such table",
        ConfigurationError,
        lambda where: t(
            "{where} has no tables of this product, or older ones: run crm init or crm db upgrade.",
            where=where,
        ),
        "core.database.not_initialised",
    ),
    (
        'relation "',
        ConfigurationError,
        lambda where: t(
            "{where} has no tables of this product, or older ones: run crm init or crm db upgrade.",
            where=where,
        ),
        "core.database.not_initialised",
    ),
    (
        "malformed",
        ConfigurationError,
        lambda where: t(
            "{where} is damaged: restore the last backup (crm db restore FILE).", where=where
        ),
        "core.database.damaged",
    ),
    (
        "file is not a database",
        ConfigurationError,
        lambda where: t(
            "{where} is not an SQLite database: check the path.",
            where=where,
        ),
        "core.database.not_a_database",
    ),
)
