"""Records for tests to work on, made by the product's own services and writers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from crm_core.access import Actor, Reach
from crm_core.entities.commerce import Transaction, TransactionKind, TransactionState
from crm_core.entities.customer import Customer, CustomerKind
from crm_core.entities.user import User
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import ensure_currency
from crm_core.services.customers import create_customer
from crm_core.services.relationships import relate_customers
from crm_core.services.users import add_user

_numbers = count(1)


def make_actor(
    *rights: str, reach: Reach = Reach.ALL, user: User | None = None, login: str = "tester"
) -> Actor:
    """Return an actor that holds just these rights, all of them this far.

    Args:
        *rights: Codes, such as ``core.customer.view``; none for an actor who may do nothing.
        reach: ``Reach.OWN``, ``Reach.TEAM`` or ``Reach.ALL``.
        user: The user it stands for; nobody in the database when None.
        login: Its login where there is no user.
    """
    return Actor(
        user_id=user.id if user else None,
        login=user.login if user else login,
        rights=dict.fromkeys(rights, reach),
        origin="test",
    )


def make_customer(uow: UnitOfWork, name: str = "Maria Kowalska", **values: Any) -> Customer:
    """Add a customer; ``values`` are those of ``create_customer``, a person by default."""
    return create_customer(uow, {"kind": CustomerKind.PERSON.value, "name": name, **values})


def make_company(
    uow: UnitOfWork, name: str = "Kowalska & Sons", *, contacts: int = 2, **values: Any
) -> tuple[Customer, list[Customer]]:
    """Add a company with so many contact persons, and return both."""
    company = make_customer(uow, name, **{"kind": CustomerKind.COMPANY.value, **values})
    people = [make_customer(uow, f"{name}, contact {n}") for n in range(1, contacts + 1)]
    for person in people:
        relate_customers(uow, person.id, "contact_of", company.id)
    return company, people


def make_user(uow: UnitOfWork, login: str | None = None, *, role: str = "employee") -> User:
    """Add a user in one role: ``admin``, ``manager``, ``employee``, ``readonly`` or your own."""
    return add_user(uow, login or f"user{next(_numbers)}", role_codes=(role,))


def make_transaction(
    uow: UnitOfWork,
    customer_id: UUID,
    kind: str = TransactionKind.INVOICE.value,
    *,
    total: Decimal | str = "120.00",
    currency: str = "EUR",
    issued_on: date | None = None,
    **values: Any,
) -> Transaction:
    """Add a document of the ERP: an ``order``, ``invoice``, ``refund`` or ``payment``.

    Args:
        uow: A writing unit of work.
        customer_id: Whose.
        kind: What it is.
        total: With tax; all of it is still open on an invoice unless ``open_amount`` says else.
        currency: ISO code.
        issued_on: Today by default.
        **values: Other columns of ``Transaction``.
    """
    amount = Decimal(total)
    is_bill = kind in (TransactionKind.INVOICE.value, TransactionKind.REFUND.value)
    open_amount = Decimal(values.pop("open_amount", amount if is_bill else 0))
    return uow.add(
        Transaction(
            **{
                "id": new_id(),
                "kind": kind,
                "customer_id": customer_id,
                "number": f"{kind[:3].upper()}/{next(_numbers):05}",
                "state": TransactionState.CONFIRMED.value,
                "is_open": is_bill and open_amount > 0,
                "issued_on": issued_on or uow.now.date(),
                "currency_code": ensure_currency(uow, currency).code,
                "untaxed_amount": amount,
                "tax_amount": Decimal(0),
                "total_amount": amount,
                "open_amount": open_amount,
                "refreshed_at": uow.now,
                **values,
            }
        )
    )


def make_order(uow: UnitOfWork, customer_id: UUID, **values: Any) -> Transaction:
    """Add an order; ``values`` as for :func:`make_transaction`."""
    return make_transaction(uow, customer_id, TransactionKind.ORDER.value, **values)


def make_invoice(uow: UnitOfWork, customer_id: UUID, **values: Any) -> Transaction:
    """Add an invoice; ``values`` as for :func:`make_transaction`."""
    return make_transaction(uow, customer_id, TransactionKind.INVOICE.value, **values)
