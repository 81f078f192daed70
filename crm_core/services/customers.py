"""Customers: adding, changing, archiving, reading one and listing many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.entities.customer import Customer, CustomerKind, CustomerStage
from crm_core.entities.user import User
from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.schemas.customer import load_customer
from crm_core.services.checks import expect_version
from crm_core.services.contact_details import new_address, new_contact_point, region_of
from crm_core.services.customer_rows import CustomerFilter
from crm_core.services.lookup import permitted_customer
from crm_core.services.ownership import begin_ownership
from crm_core.services.profile import store_value
from crm_core.services.settings import load_settings
from crm_core.services.tags import add_tags
from crm_core.services.users import require_enabled, user_named
from crm_hooks.contributions import NewCustomer

CREATE = "core.customer.create"
EDIT = "core.customer.edit"
ARCHIVE = "core.customer.archive"

PLAIN_FIELDS = (
    "kind",
    "stage",
    "name",
    "reference",
    "vat",
    "language",
    "job_title",
    "preferred_channel",
    "note",
)
SORTS: Mapping[str, tuple[InstrumentedAttribute[Any], bool]] = {
    "name": (Customer.name, False),
    "updated_at": (Customer.updated_at, True),
}


def create_customer(uow: UnitOfWork, values: Mapping[str, Any]) -> Customer:
    """Add a customer with whatever is known of it.

    Args:
        uow: The unit of work.
        values: Fields of ``crm_core.schemas.customer.CustomerSchema``; ``name`` is needed. Without
            ``owner`` a plugin decides who owns it (``crm_decide_customer_owner``), else the actor.

    Raises:
        InputError: A field is wrong; ``details["faults"]`` lists all of them.
        RuleViolationError: The owner is disabled.
    """
    uow.actor.require(CREATE)
    record = load_customer(values, region=load_settings(uow).phone_region)
    owner_id = _owner_of(uow, record)
    plain = {name: record[name] for name in PLAIN_FIELDS if name in record}
    customer = uow.add(Customer(**plain, owner_id=owner_id, created_at=uow.now, updated_at=uow.now))
    uow.flush()
    if owner_id is not None:
        begin_ownership(uow, customer)
    for position, point in enumerate(record.get("contact_points") or ()):
        uow.add(new_contact_point(customer.id, point, position))
    for address in record.get("addresses") or ():
        uow.add(new_address(customer.id, address))
    _add_tags_and_profile(uow, customer, record)
    return customer


def edit_customer(
    uow: UnitOfWork,
    customer_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
) -> Customer:
    """Change some fields of a customer; None or blank text clears one.

    Args:
        uow: The unit of work.
        customer_id: Which.
        changes: Any of ``PLAIN_FIELDS``; the rest has functions of its own.
        expected_version: The version that was read; None to change whatever is there.

    Raises:
        InputError: A field is wrong, or cannot be changed here.
        StaleVersionError: Somebody changed the customer since.
    """
    customer = permitted_customer(uow, customer_id, EDIT)
    expect_version(customer, expected_version)
    others = [name for name in changes if name not in PLAIN_FIELDS]
    if others:
        raise InputError(
            t(
                "{others}: no field of a customer that can be changed this way; those are "
                "{plain_fields}.",
                others=", ".join(others),
                plain_fields=", ".join(PLAIN_FIELDS),
            ),
            code="core.customer.invalid",
            details={"fields": others},
        )
    region = region_of(uow, customer.id) if changes.get("vat") else None
    record = load_customer(changes, partial=True, region=region)
    if "name" in changes and not record.get("name"):
        raise InputError(t("name: is empty; fill it in."), code="core.customer.invalid")
    for name, value in record.items():
        if getattr(customer, name) != value:
            setattr(customer, name, value)
            customer.updated_at = uow.now
    return customer


def archive_customer(
    uow: UnitOfWork, customer_id: UUID, *, expected_version: int | None = None
) -> Customer:
    """Take a customer out of daily lists; nothing is deleted.

    Raises:
        RuleViolationError: It is archived already, or a plugin objects.
    """
    customer = permitted_customer(uow, customer_id, ARCHIVE)
    expect_version(customer, expected_version)
    if customer.archived_at is not None:
        raise RuleViolationError(
            t("{customer} is archived already.", customer=customer.name),
            code="core.customer.already_archived",
        )
    objections = uow.hooks.check("crm_check_customer_archive", uow=uow, customer_id=customer_id)
    if objections:
        raise RuleViolationError(
            t(
                "{customer} cannot be archived now: {reasons}",
                customer=customer.name,
                reasons=joined(objection.message for objection in objections),
            ),
            code="core.customer.archive_refused",
            details={"objections": [asdict(objection) for objection in objections]},
        )
    customer.archived_at = customer.updated_at = uow.now
    return customer


def restore_customer(
    uow: UnitOfWork, customer_id: UUID, *, expected_version: int | None = None
) -> Customer:
    """Bring an archived customer back into daily lists.

    Raises:
        RuleViolationError: It is not archived.
    """
    customer = permitted_customer(uow, customer_id, ARCHIVE)
    expect_version(customer, expected_version)
    if customer.archived_at is None:
        raise RuleViolationError(
            t("{customer} is not archived: there is nothing to restore.", customer=customer.name),
            code="core.customer.not_archived",
        )
    customer.archived_at, customer.updated_at = None, uow.now
    return customer


def list_customers(
    uow: UnitOfWork,
    *,
    kind: str | None = None,
    stage: str | None = None,
    owner_id: UUID | None = None,
    tag: str | None = None,
    name: str | None = None,
    archived: bool | None = False,
    sort: str = "name",
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return customers the actor may see.

    Args:
        uow: The unit of work.
        kind: Only persons or companies.
        stage: Only those in this stage.
        owner_id: Only those this user answers for.
        tag: Only those that carry this tag.
        name: Only those whose name holds this text (search is better at this).
        archived: Whether archived ones; None for both.
        sort: ``name``, or ``updated_at`` for the latest changed first.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id, kind, stage, name, reference, vat, owner_name, archived_at, updated_at,
        version``.
    """
    uow.actor.require(CUSTOMER_VIEW)
    if sort not in SORTS:
        raise InputError(
            t(
                "Customers cannot be sorted by {sort!r}; choose one of {sorts}.",
                sort=sort,
                sorts=", ".join(SORTS),
            ),
            code="core.page.sort",
        )
    statement = select(*_LIST_COLUMNS).outerjoin(User, User.id == Customer.owner_id)
    wanted = CustomerFilter(
        kind=kind,
        stage=stage,
        owner_id=owner_id,
        tag=tag,
        archived=archived,
    )
    statement = wanted.applied_to(statement)
    if name is not None:
        statement = statement.where(Customer.name.icontains(name, autoescape=True))
    key, descending = SORTS[sort]
    return page_of(
        uow,
        statement,
        keys=(key, Customer.id),
        limit=limit,
        cursor=cursor,
        descending=descending,
    )


_LIST_COLUMNS = (
    Customer.id,
    Customer.kind,
    Customer.stage,
    Customer.name,
    Customer.reference,
    Customer.vat,
    User.name.label("owner_name"),
    Customer.archived_at,
    Customer.updated_at,
    Customer.version,
)


def _owner_of(uow: UnitOfWork, record: Mapping[str, Any]) -> UUID | None:
    """Return who shall answer for a new customer: whoever is named, else decided, else acts."""
    if record.get("owner"):
        owner = user_named(uow, record["owner"])
    else:
        addresses: Sequence[Mapping[str, Any]] = record.get("addresses") or ({},)
        customer = NewCustomer(
            kind=record.get("kind") or CustomerKind.PERSON.value,
            name=record.get("name") or "",
            stage=record.get("stage") or CustomerStage.PROSPECT.value,
            language=record.get("language"),
            country_code=addresses[0].get("country_code"),
            tags=tuple(record.get("tags") or ()),
        )
        decided = uow.hooks.decide("crm_decide_customer_owner", uow=uow, customer=customer)
        if decided is None:
            return uow.actor.user_id
        owner = uow.get(User, decided)
    require_enabled(owner)
    return owner.id


def _add_tags_and_profile(uow: UnitOfWork, customer: Customer, record: dict[str, Any]) -> None:
    # What one enters with a new customer is part of creating it, also when the actor's right to
    # edit would not reach it.
    add_tags(uow, customer.id, record.get("tags") or ())
    for code, text in (record.get("profile") or {}).items():
        if text:
            store_value(uow, customer.id, code, text)
