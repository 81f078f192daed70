"""Who answers for a customer, now and before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Customer
from crm_core.entities.user import Ownership, User
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.lookup import permitted_customer
from crm_core.services.users import require_enabled

ASSIGN = "core.customer.assign"


def assign_owner(
    uow: UnitOfWork,
    customer_id: UUID,
    user_id: UUID | None,
    *,
    expected_version: int | None = None,
) -> Customer:
    """Make a user (or, with None, nobody) answer for a customer; the history keeps who did before.

    Raises:
        RuleViolationError: The user is disabled.
        StaleVersionError: The customer was changed since it was read.
    """
    customer = permitted_customer(uow, customer_id, ASSIGN)
    expect_version(customer, expected_version)
    if user_id is not None:
        require_enabled(uow.get(User, user_id))
    if customer.owner_id != user_id:
        close_ownership(uow, customer_id)
        customer.owner_id, customer.updated_at = user_id, uow.now
        begin_ownership(uow, customer)
    return customer


def assign_owners(uow: UnitOfWork, owners: Mapping[UUID, UUID]) -> None:
    """Make users answer for many customers at once, as :func:`assign_owner` does for one.

    Customers that are gone by now, or that the actor may not see, are passed over.

    Args:
        uow: A writing unit of work.
        owners: Customer to user.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach one of them.
        RuleViolationError: One of the users is disabled.
    """
    uow.actor.require(ASSIGN)
    for user in uow.scalars(select(User).where(User.id.in_(set(owners.values())))):
        require_enabled(user)
    drafts = []
    for some in chunked(owners, PARAMETERS):
        found = select(Customer.id, Customer.name, Customer.owner_id).where(Customer.id.in_(some))
        for row in uow.execute(found):
            what = t("customer {customer}", customer=row.name)
            uow.actor.require_for_owner(ASSIGN, row.owner_id, what)
            drafts.append(CustomerDraft({"owner_id": owners[row.id]}, customer_id=row.id))
    save_customers(uow, drafts)


def begin_ownership(uow: UnitOfWork, customer: Customer) -> None:
    """Write into the history that the customer's owner answers for it from now on."""
    uow.add(
        Ownership(
            customer_id=customer.id,
            user_id=customer.owner_id,
            from_at=uow.now,
            changed_by=uow.actor.login,
        )
    )


def close_ownership(uow: UnitOfWork, customer_id: UUID) -> None:
    """Write into the history that whoever answered for the customer no longer does."""
    present = select(Ownership).where(
        Ownership.customer_id == customer_id, Ownership.until_at.is_(None)
    )
    for ownership in uow.scalars(present):
        ownership.until_at = uow.now


def ownership_history(uow: UnitOfWork, customer_id: UUID) -> list[dict[str, Any]]:
    """Return who answered when, latest first.

    A dict holds ``id, user_id, user_name, from_at, until_at, changed_by``.
    """
    statement = (
        select(
            Ownership.id,
            Ownership.user_id,
            User.name.label("user_name"),
            Ownership.from_at,
            Ownership.until_at,
            Ownership.changed_by,
        )
        .outerjoin(User, User.id == Ownership.user_id)
        .where(Ownership.customer_id == customer_id)
        .order_by(Ownership.from_at.desc(), Ownership.id.desc())
    )
    return [dict(row._mapping) for row in uow.execute(statement)]
