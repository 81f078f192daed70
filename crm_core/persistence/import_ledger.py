"""What an import changed, read from the audit, and what else happened to its customers since.

The import's writers tell the audit each customer's values before and after, which is all that it
takes to put them back; the actor's right to read the audit is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, and_, not_, or_, select

from crm_core.entities.commerce import Transaction
from crm_core.entities.customer import Customer
from crm_core.entities.relationship import Relationship
from crm_core.entities.sync import Binding
from crm_core.entities.system import AuditEntry
from crm_core.persistence.bulk import among, chunked, delete_rows, insert_rows, table_of
from crm_core.persistence.session import audit_row, plain_value

if TYPE_CHECKING:
    from crm_core.persistence.base import Keyed
    from crm_core.persistence.unit_of_work import UnitOfWork

BATCH = 500
Changes = dict[str, list[Any]]
_AUDIT = table_of(AuditEntry)
_OWN_DOING = and_(_AUDIT.c.actor_id.is_(None), _AUDIT.c.origin.startswith("event:"))


class Imported(NamedTuple):
    """One row that an import wrote: ``changes`` maps a field to its value before and after."""

    audit_id: int
    action: str
    entity_type: str
    entity_id: str
    customer_id: UUID
    changes: Changes | None


def written_by(
    uow: UnitOfWork, origin: str, first_id: int, last_id: int
) -> Iterator[list[Imported]]:
    """Yield what an import wrote, the latest first, by the hundreds."""
    statement = (
        select(
            _AUDIT.c.id,
            _AUDIT.c.action,
            _AUDIT.c.entity_type,
            _AUDIT.c.entity_id,
            _AUDIT.c.customer_id,
            _AUDIT.c.changes,
        )
        .where(
            _AUDIT.c.origin == origin,
            _AUDIT.c.id > first_id,
            _AUDIT.c.customer_id.is_not(None),  # tags that it made stay
        )
        .order_by(_AUDIT.c.id.desc())
        .limit(BATCH)
    )
    below = last_id + 1
    while rows := uow.connection().execute(statement.where(_AUDIT.c.id < below)).all():
        below = rows[-1].id
        yield [Imported(*row) for row in rows]


def touched_since(uow: UnitOfWork, ids: Iterable[UUID], origins: Sequence[str]) -> set[UUID]:
    """Return those of these customers to whom something happened but by these origins.

    What the product itself did when it heard of a change is nobody's doing; documents, being in
    step with a back office, and a tie that others made or changed, at either end of it, are. Lock
    the customers first: what happens to one afterwards is not told.
    """
    connection = uow.connection()
    found: set[UUID] = set()
    for some in chunked(ids, BATCH):
        by_others = select(_AUDIT.c.customer_id).where(
            among(_AUDIT.c.customer_id, some), _AUDIT.c.origin.not_in(origins), not_(_OWN_DOING)
        )
        binding, document = table_of(Binding), table_of(Transaction)
        bound = select(binding.c.local_id).where(
            binding.c.entity == Customer.__entity__, among(binding.c.local_id, some)
        )
        billed = select(document.c.customer_id).where(among(document.c.customer_id, some))
        for statement in (by_others, bound, billed):
            found.update(connection.scalars(statement.distinct()))
        found |= _tied_by_others(connection, some, origins).intersection(some)
    return found


def _tied_by_others(
    connection: Connection, ids: Sequence[UUID], origins: Sequence[str]
) -> set[UUID]:
    """Return both ends of these customers' ties but for those that only these origins wrote.

    The audit of a tie names one end alone, and removing either takes the tie along.
    """
    tie = table_of(Relationship)
    statement = select(tie.c.id, tie.c.from_customer_id, tie.c.to_customer_id).where(
        or_(among(tie.c.from_customer_id, ids), among(tie.c.to_customer_id, ids))
    )
    ends = {str(key): both for key, *both in connection.execute(statement)}
    written: set[str] = set()
    for some in chunked(ends, BATCH):
        told = select(_AUDIT.c.entity_id, _AUDIT.c.origin.in_(origins)).where(
            _AUDIT.c.entity_type == Relationship.__entity__,
            among(_AUDIT.c.entity_id, some),
            not_(_OWN_DOING),
        )
        by_whom = connection.execute(told.distinct()).all()
        others = {key for key, is_own in by_whom if not is_own}
        written.update(key for key, is_own in by_whom if is_own and key not in others)
    return {end for key, both in ends.items() if key not in written for end in both}


def remove_rows(uow: UnitOfWork, model: type[Keyed], rows: Sequence[Mapping[str, Any]]) -> None:
    """Delete rows, with all that hangs on them, and say so in the audit.

    Args:
        uow: A writing unit of work.
        model: Of which class; its rows are a customer or hang on one.
        rows: ``id``, ``customer_id`` and what the audit shall tell of each.
    """
    connection = uow.connection()
    audits = [
        audit_row(
            uow.actor,
            "delete",
            model.__entity__,
            row["id"],
            row["customer_id"],
            {name: [plain_value(row[name]), None] for name in row if name != "customer_id"},
        )
        for row in rows
    ]
    delete_rows(connection, model, [row["id"] for row in rows])
    insert_rows(connection, AuditEntry, audits)
    uow.mark_changed({row["customer_id"] for row in rows})
