"""Finding the one customer that a person means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.entities.customer import Address, Customer
from crm_core.errors import InputError, NotFoundError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.persistence.unscoped import bound_ids, survivors_of

SHOWN_CANDIDATES = 10
SHORTEST_PREFIX = 8
KEY_DIGITS = 32
_HEX = re.compile(r"[0-9a-fA-F]+")


class Resolved(NamedTuple):
    """The customer that a text means; ``is_merged`` when it names one that went into it."""

    customer_id: UUID
    is_merged: bool


def resolve_customer_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the customer that ``text`` names, as :func:`resolve_customer` does."""
    return resolve_customer(uow, text).customer_id


def resolve_customer(uow: UnitOfWork, text: str) -> Resolved:
    """Return the customer that ``text`` names; one that was merged leads to the survivor.

    Tried in this order: the whole id, the exact reference, ``BACKEND:remote_id`` (the id of a
    remote address leads to its customer), and the first eight or more digits of the id.

    Raises:
        NotFoundError: No such customer, or none that the actor may see; the two look the same.
        InputError: More than one customer fits; the message lists them.
    """
    uow.actor.require(CUSTOMER_VIEW)
    text = text.strip()
    for condition in (
        _whole_key(text),
        Customer.reference == text,
        _remote(uow, text),
        key_condition(Customer.id, text),
    ):
        if condition is None:
            continue
        found = _matching(uow, condition & Customer.merged_into_id.is_(None))
        known = {row.id for row in found}
        led = [key for key in survivors_of(uow, condition) if key not in known]
        merged = _matching(uow, Customer.id.in_(led)) if led else []
        if len(found) + len(merged) > 1:
            raise _ambiguous(text, [*found, *merged])
        for row in (*found, *merged):
            return Resolved(row.id, is_merged=not known)
    raise NotFoundError(
        t(
            "There is no customer {text!r} that {login} may see. Look for it with crm customer "
            "search.",
            text=text,
            login=uow.actor.login,
        ),
        code="core.customer.not_found",
        details={"id": text},
    )


def resolve_unmerged_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the customer that ``text`` names, for a change that means just this one.

    Raises:
        As :func:`resolve_customer`, and InputError where it names one that was merged.
    """
    found = resolve_customer(uow, text)
    if found.is_merged:
        name = uow.scalar(select(Customer.name).where(Customer.id == found.customer_id))
        raise InputError(
            t(
                "{text} was merged into {name} ({customer_id}) before: name that one, or undo the "
                "merge (crm customer merges).",
                text=text,
                name=name,
                customer_id=found.customer_id,
            ),
            code="core.customer.merged",
            details={"id": text, "merged_into": str(found.customer_id)},
        )
    return found.customer_id


def permitted_customer(uow: UnitOfWork, customer_id: UUID, right: str) -> Customer:
    """Return a customer on which the actor holds ``right``.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing or does not reach this customer.
        RuleViolationError: It was merged into another.
    """
    uow.actor.require(right)
    customer = uow.get(Customer, customer_id)
    uow.actor.require_for_owner(
        right, customer.owner_id, t("customer {customer}", customer=customer.name)
    )
    if customer.merged_into_id is not None:
        raise RuleViolationError(
            t(
                "{customer} ({customer_id}) was merged into {merged_into_id}: use that one, or "
                "undo the merge (crm customer merges).",
                customer=customer.name,
                customer_id=customer.id,
                merged_into_id=customer.merged_into_id,
            ),
            code="core.customer.merged",
            details={"id": str(customer.id), "merged_into": str(customer.merged_into_id)},
        )
    return customer


def survivors(uow: UnitOfWork, customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return, of these customers, those that were merged, each with the one it went into."""
    found: dict[UUID, UUID] = {}
    for some in chunked(customer_ids, PARAMETERS):
        rows = uow.execute(
            select(Customer.id, Customer.merged_into_id).where(
                Customer.id.in_(some), Customer.merged_into_id.is_not(None)
            )
        )
        found.update({row.id: row.merged_into_id for row in rows})
    return found


def _matching(uow: UnitOfWork, condition: ColumnElement[bool]) -> Sequence[Any]:
    columns = select(Customer.id, Customer.name, Customer.reference)
    return uow.execute(
        columns.where(condition).order_by(Customer.id).limit(SHOWN_CANDIDATES + 1)
    ).all()


def _whole_key(text: str) -> ColumnElement[bool] | None:
    try:
        return Customer.id == UUID(text)
    except ValueError:
        return None


def key_condition(column: InstrumentedAttribute[UUID], text: str) -> ColumnElement[bool] | None:
    """Return the condition that ``column`` begins with the digits that ``text`` gives.

    None where the text is not an id's first eight or more hexadecimal digits.
    """
    digits = text.replace("-", "")
    if not SHORTEST_PREFIX <= len(digits) <= KEY_DIGITS or not _HEX.fullmatch(digits):
        return None
    low, high = digits.ljust(KEY_DIGITS, "0"), digits.ljust(KEY_DIGITS, "f")
    return column.between(UUID(low), UUID(high))


def ids_by_digits(uow: UnitOfWork, column: InstrumentedAttribute[UUID], text: str) -> list[UUID]:
    """Return the ids that begin with the digits that ``text`` gives, two at the most."""
    condition = key_condition(column, text.strip())
    return [] if condition is None else list(uow.scalars(select(column).where(condition).limit(2)))


def only_one(found: Sequence[UUID], text: str, *, code: str, several: str, missing: str) -> UUID:
    """Return the one id that was found.

    Args:
        found: None, one, or more.
        text: What the person typed.
        code: Stem of the errors' codes, such as ``core.activity``.
        several: What is said of more than one.
        missing: What is said of none.

    Raises:
        InputError: There are several.
        NotFoundError: There is none.
    """
    if len(found) > 1:
        raise InputError(several, code=f"{code}.ambiguous")
    if not found:
        raise NotFoundError(missing, code=f"{code}.not_found", details={"id": text})
    return found[0]


def _remote(uow: UnitOfWork, text: str) -> ColumnElement[bool] | None:
    backend, colon, remote_id = text.partition(":")
    if not colon or not backend or not remote_id:
        return None
    bound = bound_ids(uow, backend, remote_id)
    customers = [key for kind, key in bound if kind == "customer"]
    addresses = [key for kind, key in bound if kind == "address"]
    if not bound:
        return None
    return or_(
        Customer.id.in_(customers),
        Customer.id.in_(select(Address.customer_id).where(Address.id.in_(addresses))),
    )


def _ambiguous(text: str, found: Sequence[Any]) -> InputError:
    shown = found[:SHOWN_CANDIDATES]
    lines: list[str] = [f"  {row.id}  {row.name}" for row in shown]
    if len(found) > len(shown):
        lines.append(t("  … and more"))
    return InputError(
        t(
            "{text!r} fits several customers; give more of the id:\n{customers}",
            text=text,
            customers=joined(lines, "\n"),
        ),
        code="core.customer.ambiguous",
        details={"candidates": [{"id": str(row.id), "name": row.name} for row in shown]},
    )
