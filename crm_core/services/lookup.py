"""Finding the one customer that a person means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.entities.customer import Address, Customer
from crm_core.errors import InputError, NotFoundError
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.persistence.unscoped import bound_ids

SHOWN_CANDIDATES = 10
SHORTEST_PREFIX = 8
KEY_DIGITS = 32
_HEX = re.compile(r"[0-9a-fA-F]+")


def resolve_customer_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the customer that ``text`` names.

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
        found = [] if condition is None else _matching(uow, condition)
        if len(found) == 1:
            customer_id: UUID = found[0].id
            return customer_id
        if found:
            raise _ambiguous(text, found)
    raise NotFoundError(
        f"There is no customer {text!r} that {uow.actor.login} may see. Look for it with "
        "crm customer search.",
        code="core.customer.not_found",
        details={"id": text},
    )


def permitted_customer(uow: UnitOfWork, customer_id: UUID, right: str) -> Customer:
    """Return a customer on which the actor holds ``right``.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: The right is missing or does not reach this customer.
    """
    uow.actor.require(right)
    customer = uow.get(Customer, customer_id)
    uow.actor.require_for_owner(right, customer.owner_id, f"customer {customer.name}")
    return customer


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
    lines = [f"  {row.id}  {row.name}" for row in shown]
    if len(found) > len(shown):
        lines.append("  … and more")
    return InputError(
        f"{text!r} fits several customers; give more of the id:\n" + "\n".join(lines),
        code="core.customer.ambiguous",
        details={"candidates": [{"id": str(row.id), "name": row.name} for row in shown]},
    )
