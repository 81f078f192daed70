"""Tying many persons to their companies at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Customer, CustomerKind
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.system import AuditEntry
from crm_core.errors import ConfigurationError
from crm_core.ids import new_id
from crm_core.messages import n, t
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows, table_of
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork

CONTACT_OF = "contact_of"
Fault = Callable[[int, str, str], None]
Ties = dict[UUID, set[UUID]]


def relate_contacts(
    uow: UnitOfWork, contacts: Sequence[tuple[int, UUID, str, str]], set_aside: Fault
) -> int:
    """Make customers contacts of the companies named; return how many ties are new.

    Args:
        uow: A writing unit of work whose actor may edit the customers.
        contacts: (line, customer, its kind, reference or exact name of the company).
        set_aside: Called with line, company and message for what cannot be tied.
    """
    type_id = uow.scalar(select(RelationshipType.id).where(RelationshipType.code == CONTACT_OF))
    if type_id is None:
        raise ConfigurationError(
            t(
                "The type of relationship {contact_of} is missing: run crm db upgrade.",
                contact_of=CONTACT_OF,
            ),
            code="core.relationship_type.missing",
        )
    companies = _companies(uow, {company for *_, company in contacts})
    targets = [found[0] for found in companies.values() if len(found) == 1]
    ties = _ties(uow, type_id, [*(customer_id for _, customer_id, *_ in contacts), *targets])
    made: list[tuple[UUID, UUID]] = []
    for line, customer_id, kind, company in contacts:
        found = companies[company]
        message = _objection(customer_id, kind, found, ties)
        if message:
            set_aside(line, company, message)
        elif found[0] not in ties[customer_id]:
            ties[customer_id].add(found[0])
            made.append((customer_id, found[0]))
    _insert(uow, type_id, made)
    uow.mark_changed(customer_id for tie in made for customer_id in tie)
    return len(made)


def _insert(uow: UnitOfWork, type_id: UUID, pairs: Iterable[tuple[UUID, UUID]]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "type_id": type_id,
            "from_customer_id": customer_id,
            "to_customer_id": company_id,
            "started_on": None,
            "ended_on": None,
            "note": None,
        }
        for customer_id, company_id in pairs
    ]
    audits = [
        audit_row(
            uow.actor,
            "create",
            Relationship.__entity__,
            row["id"],
            row["from_customer_id"],
            {
                "type_id": [None, str(type_id)],
                "from_customer_id": [None, str(row["from_customer_id"])],
                "to_customer_id": [None, str(row["to_customer_id"])],
            },
        )
        for row in rows
    ]
    insert_rows(uow.connection(), Relationship, rows)
    insert_rows(uow.connection(), AuditEntry, audits)


def _objection(customer_id: UUID, kind: str, found: list[UUID], ties: Ties) -> str:
    if not found:
        return t("is no company here. Import it first, or name it by its reference or exact name.")
    if len(found) > 1:
        return n(
            "fits {count} company. Give the reference of the one you mean.",
            "fits {count} companies. Give the reference of the one you mean.",
            len(found),
        )
    if kind != CustomerKind.PERSON:
        return t("can be given for a person only; this row is a company.")
    if _reaches(found[0], customer_id, ties):
        return t(
            "would make a circle: it is this customer, or directly or through others a "
            "contact of it. Name another company or end that relationship first."
        )
    return ""


def _reaches(start: UUID, goal: UUID, ties: Ties) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            waiting.extend(ties.get(here, ()))
    return False


def _companies(uow: UnitOfWork, names: set[str]) -> dict[str, list[UUID]]:
    """Return the customers with each reference; where there is none, the companies so named."""
    found: dict[str, list[UUID]] = {name: [] for name in names}
    by_reference = select(Customer.id, Customer.reference.label("text"))
    by_name = select(Customer.id, Customer.name.label("text")).where(
        Customer.kind == CustomerKind.COMPANY.value
    )
    for statement, column in ((by_reference, Customer.reference), (by_name, Customer.name)):
        missing = sorted(name for name, ids in found.items() if not ids)
        for some in chunked(missing, PARAMETERS):
            for row in uow.execute(statement.where(column.in_(some))):
                found[row.text].append(row.id)
    return found


def _ties(uow: UnitOfWork, type_id: UUID, ids: Iterable[UUID]) -> Ties:
    """Return all open ties upwards from these customers, level by level.

    Those the actor may not see count too: a circle is a circle.
    """
    tie = table_of(Relationship)
    statement = select(tie.c.from_customer_id, tie.c.to_customer_id).where(
        tie.c.type_id == type_id, tie.c.ended_on.is_(None)
    )
    connection = uow.connection()
    ties: Ties = defaultdict(set)
    known: set[UUID] = set()
    level = set(ids)
    while level:
        known |= level
        above: set[UUID] = set()
        for some in chunked(level, PARAMETERS):
            for low, high in connection.execute(statement.where(tie.c.from_customer_id.in_(some))):
                ties[low].add(high)
                above.add(high)
        level = above - known
    return ties
