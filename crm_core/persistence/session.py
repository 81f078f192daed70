"""The session: scopes every query to its actor and writes audit rows for what is flushed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import event, inspect
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.orm.unitofwork import UOWTransaction

from crm_core.access import Actor
from crm_core.errors import PermissionDeniedError
from crm_core.messages import t
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.criteria import ScopeOption, scope_option, scoped

ACTION_FIELDS_LEFT_OUT = frozenset({"version", "created_at", "updated_at"})
WITHHELD = "withheld"

CUSTOMER_PARTS = frozenset(
    {"customer", "contact_point", "address", "customer_tag", "profile_value", "relationship"}
)
"""Entities whose change is one of the customers they describe."""


class ScopedSession(Session):
    """A session bound to one actor for its whole life; without one it reads nothing."""

    def __init__(self, bind: Any, actor: Actor | None) -> None:
        super().__init__(bind=bind, autoflush=True, expire_on_commit=False)
        self.actor = actor
        self.touched_customers: set[UUID] = set()
        self.created_customers: set[UUID] = set()
        self.changed_customers: set[UUID] = set()
        self.changed_tags: set[UUID] = set()
        self._scope: ScopeOption | None = None
        self._mapped = 0

    @property
    def scope(self) -> ScopeOption | None:
        """What restricts its statements; None for an actor who may read everything.

        A plugin's classes may be mapped while it is in use, when a hook loads them.
        """
        mapped = len(Base.metadata.tables)
        if mapped != self._mapped and self.actor is not None:
            self._scope, self._mapped = scope_option(self.actor), mapped
        return self._scope


def _scope(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, ScopedSession)
    if session.actor is None:
        raise PermissionDeniedError(
            t("Nobody is signed in, so nothing can be read: name a user (--as USER)."),
            code="core.no_actor",
        )
    option = session.scope
    if option is not None:
        state.statement = scoped(state.statement, option, state.execution_options)


def _audit(session: Session, _context: UOWTransaction) -> None:
    if not isinstance(session, ScopedSession) or session.actor is None:
        return
    rows = []
    for action, records in (
        ("create", session.new),
        ("update", session.dirty),
        ("delete", session.deleted),
    ):
        for record in records:
            if isinstance(record, Base):
                _touch(session, record)
                changes = _changes(record, action) if record.__audited__ else {}
                if changes:
                    _note(session, record, action)
                    rows.append(
                        audit_row(
                            session.actor,
                            action,
                            record.__entity__,
                            _key_of(record),
                            customer_id_of(record),
                            changes,
                        )
                    )
    if rows:
        from crm_core.entities.system import AuditEntry

        insert_rows(session.connection(), AuditEntry, rows)


def _touch(session: ScopedSession, record: Base) -> None:
    if record.__entity__ in ("customer", "contact_point"):
        customer_id = customer_id_of(record)
        if customer_id is not None:
            session.touched_customers.add(customer_id)


def _note(session: ScopedSession, record: Base, action: str) -> None:
    """Remember whom the change concerns, for the events that are recorded at commit."""
    if record.__entity__ == "tag":
        if action != "delete":
            session.changed_tags.add(record.id)  # type: ignore[attr-defined]
    elif record.__entity__ == "customer" and action == "create":
        session.created_customers.add(record.id)  # type: ignore[attr-defined]
    elif record.__entity__ in CUSTOMER_PARTS:
        concerned = {customer_id_of(record), getattr(record, "to_customer_id", None)}
        session.changed_customers.update(each for each in concerned if each is not None)


def _changes(record: Base, action: str) -> dict[str, list[Any]]:
    state: Any = inspect(record)
    changes = {}
    for attribute in state.mapper.column_attrs:
        if attribute.key in ACTION_FIELDS_LEFT_OUT:
            continue
        history = state.attrs[attribute.key].history
        value = plain_value(getattr(record, attribute.key))
        if action == "create" and value is not None:
            changes[attribute.key] = [None, value]
        elif action == "delete" and value is not None:
            changes[attribute.key] = [value, None]
        elif action == "update" and history.has_changes():
            old = plain_value(history.deleted[0]) if history.deleted else None
            if old != value:
                changes[attribute.key] = [old, value]
    for name in changes.keys() & set(record.__withheld__):
        changes[name] = [value and WITHHELD for value in changes[name]]
    return changes


def audit_row(
    actor: Actor,
    action: str,
    entity_type: str,
    entity_id: UUID | str,
    customer_id: UUID | None,
    changes: Mapping[str, list[Any]],
    at: datetime | None = None,
) -> dict[str, Any]:
    """Return one audit row (column values), for bulk writers that go past the session.

    Args:
        actor: Who made the change.
        action: ``create``, ``update`` or ``delete``, or a verb of the service's own.
        entity_type: ``__entity__`` of the record's class.
        entity_id: Its key.
        customer_id: The customer it is or hangs on, if any.
        changes: Field to ``[old, new]``, in values that JSON can hold (``plain_value``).
        at: When; now when None.
    """
    return {
        "at": at or datetime.now(UTC),
        "actor_id": actor.user_id,
        "actor_login": actor.login,
        "origin": actor.origin,
        "action": action,
        "entity_type": entity_type,
        "entity_id": str(entity_id),
        "customer_id": customer_id,
        "changes": dict(changes),
    }


def _key_of(record: Base) -> str:
    columns = inspect(type(record)).primary_key
    return ":".join(str(getattr(record, str(column.key))) for column in columns)


def customer_id_of(record: Base) -> UUID | None:
    """Return the id of the customer a record is or hangs on."""
    if record.__entity__ == "customer":
        return record.id  # type: ignore[attr-defined, no-any-return]
    return getattr(record, "customer_id", None) or getattr(record, "from_customer_id", None)


def plain_value(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: text for ids, dates and decimals."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID | Decimal | date):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return value


event.listen(ScopedSession, "do_orm_execute", _scope)
event.listen(ScopedSession, "after_flush", _audit)
