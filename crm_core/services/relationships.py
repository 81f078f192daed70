"""Ties between customers: contact of, subsidiary of, and so on."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, case, or_, select

from crm_core.entities.customer import Customer
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.errors import DuplicateError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.persistence.unscoped import leads_to
from crm_core.services.checks import optional

EDIT = "core.customer.edit"
CONTACT_OF = "contact_of"
PERSON, COMPANY = "person", "company"

BUILT_IN_TYPES = (
    # code, name, inverse name, kind of the first, kind of the second, hierarchy
    (CONTACT_OF, "contact of", "has contact", PERSON, None, True),
    ("subsidiary_of", "subsidiary of", "parent of", COMPANY, COMPANY, True),
    ("household_member_of", "household member of", "has household member", PERSON, None, False),
    ("referred_by", "referred by", "referred", None, None, True),
    ("partner_of", "partner of", "partner of", None, None, False),
    ("competitor_of", "competitor of", "competitor of", None, None, False),
)


def seed_relationship_types(uow: UnitOfWork) -> None:
    """Add the built-in types that are not there yet."""
    known = set(uow.scalars(select(RelationshipType.code)))
    for code, name, inverse, from_kind, to_kind, is_hierarchy in BUILT_IN_TYPES:
        if code not in known:
            uow.add(
                RelationshipType(
                    code=code,
                    name=name,
                    inverse_name=inverse,
                    from_kind=from_kind,
                    to_kind=to_kind,
                    is_hierarchy=is_hierarchy,
                )
            )
    uow.flush()


def relate_customers(
    uow: UnitOfWork,
    from_customer_id: UUID,
    type_name: str,
    to_customer_id: UUID,
    *,
    started_on: date | None = None,
    note: str | None = None,
) -> Relationship:
    """Tie two customers: the first is *type* of the second.

    Args:
        uow: The unit of work.
        from_customer_id: Anna, in "Anna is contact of Acme".
        type_name: A type's code or name, or its inverse ("has contact"), which swaps the two.
        to_customer_id: Acme.
        started_on: Since when; None when unknown.
        note: Anything worth knowing.

    Raises:
        InputError: A customer would be tied to itself, or is of the wrong kind.
        NotFoundError: No such customer or type.
        DuplicateError: The tie exists already.
        RuleViolationError: The tie would close a circle in a hierarchy.
    """
    kind, swapped = _type_named(uow, type_name)
    if swapped:
        from_customer_id, to_customer_id = to_customer_id, from_customer_id
    first, second = uow.get(Customer, from_customer_id), uow.get(Customer, to_customer_id)
    _require_either(uow, first, second)
    _check_tie(uow, kind, first, second)
    return uow.add(
        Relationship(
            type_id=kind.id,
            from_customer_id=first.id,
            to_customer_id=second.id,
            started_on=started_on,
            note=optional(note, "note"),
        )
    )


def end_relationship(uow: UnitOfWork, relationship_id: UUID, ended_on: date) -> Relationship:
    """Say that a tie is over; it stays in the history.

    Raises:
        InputError: It would end before it began.
        RuleViolationError: It is over already.
    """
    tie = _editable(uow, relationship_id)
    if tie.ended_on is not None:
        raise RuleViolationError(
            t(
                "The relationship {tie_id} ended on {ended_on} already.",
                tie_id=tie.id,
                ended_on=tie.ended_on,
            ),
            code="core.relationship.already_ended",
        )
    if tie.started_on is not None and ended_on < tie.started_on:
        raise InputError(
            t(
                "The relationship {tie_id} began on {started_on}; it cannot end on {ended_on}.",
                tie_id=tie.id,
                started_on=tie.started_on,
                ended_on=ended_on,
            ),
            code="core.relationship.ends_before_start",
        )
    tie.ended_on = ended_on
    return tie


def unrelate_customers(uow: UnitOfWork, relationship_id: UUID) -> None:
    """Remove a tie that was never true."""
    uow.delete(_editable(uow, relationship_id))


def list_relationships(
    uow: UnitOfWork, customer_id: UUID, *, with_ended: bool = True
) -> list[dict[str, Any]]:
    """Return a customer's ties in both directions, each as seen from that customer.

    A dict holds ``id, type, label, other_id, other_name, other_kind, started_on, ended_on, note``;
    ``label`` reads "label other_name". Ties to customers the actor may not see are left out.
    """
    statement = _TIES if with_ended else _TIES.where(Relationship.ended_on.is_(None))
    rows = uow.execute(statement, {"customer_id": customer_id}).mappings()
    return [dict(row) for row in rows]


def list_relationship_types(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all types by code: ``code, name, inverse_name, from_kind, to_kind, is_hierarchy``."""
    names = ("code", "name", "inverse_name", "from_kind", "to_kind", "is_hierarchy")
    columns = [getattr(RelationshipType, name) for name in names]
    rows = uow.execute(select(*columns).order_by(RelationshipType.code))
    return [dict(row._mapping) for row in rows]


def _ties() -> Select[Any]:
    outgoing = Relationship.from_customer_id == bindparam("customer_id")
    incoming = Relationship.to_customer_id == bindparam("customer_id")
    label = case((outgoing, RelationshipType.name), else_=RelationshipType.inverse_name)
    other_id = case((outgoing, Relationship.to_customer_id), else_=Relationship.from_customer_id)
    return (
        select(
            Relationship.id,
            RelationshipType.code.label("type"),
            label.label("label"),
            Customer.id.label("other_id"),
            Customer.name.label("other_name"),
            Customer.kind.label("other_kind"),
            Relationship.started_on,
            Relationship.ended_on,
            Relationship.note,
        )
        .join(RelationshipType, RelationshipType.id == Relationship.type_id)
        .join(Customer, Customer.id == other_id)
        .where(or_(outgoing, incoming))
        .order_by(RelationshipType.code, Customer.name, Relationship.id)
    )


_TIES = _ties()


def _type_named(uow: UnitOfWork, text: str) -> tuple[RelationshipType, bool]:
    wanted = " ".join(text.replace("_", " ").lower().split())
    types = uow.scalars(select(RelationshipType).order_by(RelationshipType.code)).all()
    for kind in types:
        if wanted in (kind.code.replace("_", " "), kind.name.lower()):
            return kind, False
    for kind in types:
        if wanted == kind.inverse_name.lower():
            return kind, True
    raise NotFoundError(
        t(
            "There is no type of relationship {text!r}; choose one of {types}.",
            text=text,
            types=", ".join(kind.code for kind in types),
        ),
        code="core.relationship_type.not_found",
        details={"choices": [kind.code for kind in types]},
    )


def _check_tie(uow: UnitOfWork, kind: RelationshipType, first: Customer, second: Customer) -> None:
    if first.id == second.id:
        raise InputError(
            t(
                "{first} cannot be {kind} itself: name two customers.",
                first=first.name,
                kind=kind.name,
            ),
            code="core.relationship.itself",
        )
    for customer, wanted in ((first, kind.from_kind), (second, kind.to_kind)):
        if wanted is not None and customer.kind != wanted:
            raise InputError(
                t(
                    "{customer} is a {kind}; in {kind_code} a {wanted} stands there.",
                    customer=customer.name,
                    kind=customer.kind,
                    kind_code=kind.code,
                    wanted=wanted,
                ),
                code="core.relationship.wrong_kind",
            )
    same = select(Relationship.id).where(
        Relationship.type_id == kind.id,
        Relationship.from_customer_id == first.id,
        Relationship.to_customer_id == second.id,
        Relationship.ended_on.is_(None),
    )
    if uow.scalar(same) is not None:
        raise DuplicateError(
            t(
                "{first} is {kind} {second} already.",
                first=first.name,
                kind=kind.name,
                second=second.name,
            ),
            code="core.relationship.exists",
        )
    if kind.is_hierarchy and leads_to(uow, kind.id, second.id, first.id):
        raise RuleViolationError(
            t(
                "{first} cannot be {kind} {second}: {second} is, directly or through others, "
                "{kind} {first}. End that relationship first.",
                first=first.name,
                kind=kind.name,
                second=second.name,
            ),
            code="core.relationship.circle",
            details={"from": str(first.id), "to": str(second.id), "type": kind.code},
        )


def _require_either(uow: UnitOfWork, first: Customer, second: Customer) -> None:
    if not uow.actor.may_for_owner(EDIT, second.owner_id):
        uow.actor.require_for_owner(EDIT, first.owner_id, t("customer {first}", first=first.name))


def _editable(uow: UnitOfWork, relationship_id: UUID) -> Relationship:
    tie = uow.get(Relationship, relationship_id)
    _require_either(
        uow, uow.get(Customer, tie.from_customer_id), uow.get(Customer, tie.to_customer_id)
    )
    return tie
