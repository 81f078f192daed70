"""How a customer is reached: contact points and addresses.

Every change here also moves the customer's version and ``updated_at``: to people it is one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from crm_core.entities.customer import Address, AddressUse, ContactPoint, Customer
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.schemas.customer import ADDRESS_FIELDS, load_customer
from crm_core.services.lookup import permitted_customer
from crm_core.services.settings import load_settings

EDIT = "core.customer.edit"


def add_contact_point(
    uow: UnitOfWork, customer_id: UUID, kind: str, value: str, *, label: str | None = None
) -> ContactPoint:
    """Add an e-mail address, number, messenger or web address after those there are.

    Raises:
        InputError: The value is none of its kind.
    """
    customer = _touched(uow, customer_id)
    last = uow.scalar(
        select(func.max(ContactPoint.position)).where(ContactPoint.customer_id == customer.id)
    )
    point = _checked_point(uow, customer.id, kind, value, label)
    return uow.add(new_contact_point(customer.id, point, 0 if last is None else last + 1))


def change_contact_point(
    uow: UnitOfWork, contact_point_id: UUID, value: str, *, label: str | None = None
) -> ContactPoint:
    """Change the value of a contact point and its label: None leaves it, blank text clears it."""
    point = uow.get(ContactPoint, contact_point_id)
    customer = _touched(uow, point.customer_id)
    label = point.label if label is None else label
    checked = _checked_point(uow, customer.id, point.kind, value, label)
    point.value, point.normalized = checked["value"], checked["normalized"]
    point.label = checked["label"]
    return point


def set_contact_point(uow: UnitOfWork, customer_id: UUID, kind: str, value: str) -> ContactPoint:
    """Change the customer's first contact point of a kind, or add one where there is none."""
    first = first_contact_point(uow, customer_id, kind)
    if first is None:
        return add_contact_point(uow, customer_id, kind, value)
    return change_contact_point(uow, first, value)


def first_contact_point(uow: UnitOfWork, customer_id: UUID, kind: str) -> UUID | None:
    """Return the id of the customer's first contact point of a kind, or None."""
    found: UUID | None = uow.scalar(
        select(ContactPoint.id)
        .where(ContactPoint.customer_id == customer_id, ContactPoint.kind == kind)
        .order_by(ContactPoint.position, ContactPoint.id)
        .limit(1)
    )
    return found


def remove_contact_point(uow: UnitOfWork, contact_point_id: UUID) -> None:
    """Remove a contact point."""
    point = uow.get(ContactPoint, contact_point_id)
    _touched(uow, point.customer_id)
    uow.delete(point)


def add_address(uow: UnitOfWork, customer_id: UUID, values: Mapping[str, Any]) -> Address:
    """Add a postal address.

    Args:
        uow: The unit of work.
        customer_id: Whose.
        values: Fields of ``crm_core.schemas.customer.AddressSchema``; ``use`` is main by default.

    Raises:
        RuleViolationError: There is a main address already.
    """
    customer = _touched(uow, customer_id)
    checked = _checked_address(uow, customer.id, values)
    _check_single_main(uow, customer, checked["use"], besides=None)
    return uow.add(new_address(customer.id, checked))


def change_address(uow: UnitOfWork, address_id: UUID, changes: Mapping[str, Any]) -> Address:
    """Change some fields of an address; None or blank text clears one."""
    address = uow.get(Address, address_id)
    customer = _touched(uow, address.customer_id)
    checked = _checked_address(uow, customer.id, {"use": address.use, **changes})
    _check_single_main(uow, customer, checked["use"], besides=address.id)
    for name, value in checked.items():
        setattr(address, name, value)
    return address


def remove_address(uow: UnitOfWork, address_id: UUID) -> None:
    """Archive an address: it is no longer shown or used, but documents may still name it."""
    address = uow.get(Address, address_id)
    _touched(uow, address.customer_id)
    address.archived_at = uow.now


def main_address(uow: UnitOfWork, customer_id: UUID) -> UUID | None:
    """Return the id of the customer's main address, or None."""
    found: UUID | None = uow.scalar(_main(Address.id, customer_id).limit(1))
    return found


def _main(column: Any, customer_id: UUID) -> Select[Any]:
    return select(column).where(
        Address.customer_id == customer_id,
        Address.use == AddressUse.MAIN.value,
        Address.archived_at.is_(None),
    )


def region_of(uow: UnitOfWork, customer_id: UUID) -> str | None:
    """Return the country in which a customer's numbers are read: its own, else the company's."""
    country: str | None = uow.scalar(_main(Address.country_code, customer_id).limit(1))
    return country or load_settings(uow).phone_region


def new_contact_point(customer_id: UUID, point: Mapping[str, Any], position: int) -> ContactPoint:
    """Return a contact point made of checked values."""
    return ContactPoint(
        customer_id=customer_id,
        kind=point["kind"],
        value=point["value"],
        normalized=point["normalized"],
        label=point.get("label"),
        position=position,
    )


def new_address(customer_id: UUID, address: Mapping[str, Any]) -> Address:
    """Return an address made of checked values."""
    return Address(
        customer_id=customer_id,
        use=address["use"],
        **{name: address.get(name) for name in ADDRESS_FIELDS},
    )


def _touched(uow: UnitOfWork, customer_id: UUID) -> Customer:
    customer = permitted_customer(uow, customer_id, EDIT)
    customer.updated_at = uow.now
    return customer


def _checked_point(
    uow: UnitOfWork, customer_id: UUID, kind: str, value: str, label: str | None
) -> dict[str, Any]:
    values = {"contact_points": [{"kind": kind, "value": value, "label": label}]}
    record = load_customer(values, partial=True, region=region_of(uow, customer_id))
    point: dict[str, Any] = record["contact_points"][0]
    return point


def _checked_address(
    uow: UnitOfWork, customer_id: UUID, values: Mapping[str, Any]
) -> dict[str, Any]:
    region = region_of(uow, customer_id)
    record = load_customer({"addresses": [dict(values)]}, partial=True, region=region)
    address: dict[str, Any] = record["addresses"][0]
    return address


def _check_single_main(
    uow: UnitOfWork, customer: Customer, use: str, *, besides: UUID | None
) -> None:
    if use != AddressUse.MAIN.value:
        return
    if main_address(uow, customer.id) not in (None, besides):
        raise RuleViolationError(
            t(
                "{customer} has a main address already: change that one, or give this another use.",
                customer=customer.name,
            ),
            code="core.address.main_exists",
        )
