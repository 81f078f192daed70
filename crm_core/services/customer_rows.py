"""Customers as rows of a table, within the actor's scope, a thousand at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities.consent import ProfileAttribute, ProfileValue
from crm_core.entities.customer import (
    Address,
    ContactPoint,
    Customer,
    CustomerKind,
    CustomerStage,
    CustomerTag,
    Tag,
)
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.user import User
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.checks import one_of
from crm_core.services.customer_columns import (
    COMPANY,
    CONTACT_KINDS,
    FIELDS,
    MAIN_FIELDS,
    MOST_OF_A_KIND,
    OTHER_FIELDS,
    OTHER_USES,
    OWNER,
    PROFILE,
    TAG_SEPARATOR,
    TAGS,
    address_column,
    contact_column,
)
from crm_core.services.relationship_bulk import CONTACT_OF

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers; None is no restriction. ``archived`` None takes both."""

    kind: str | None = None
    stage: str | None = None
    owner_id: UUID | None = None
    tag: str | None = None
    archived: bool | None = False

    def applied_to(self, statement: Any) -> Any:
        """Return the statement restricted to these; raises InputError for an unknown kind."""
        for column, value in (
            (Customer.kind, self.kind and one_of(CustomerKind, self.kind, "kind")),
            (Customer.stage, self.stage and one_of(CustomerStage, self.stage, "stage")),
            (Customer.owner_id, self.owner_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if self.tag is not None:
            carriers = select(CustomerTag.customer_id).join(Tag, Tag.id == CustomerTag.tag_id)
            statement = statement.where(Customer.id.in_(carriers.where(Tag.name == self.tag)))
        if self.archived is not None:
            is_null = Customer.archived_at.is_(None)
            statement = statement.where(~is_null if self.archived else is_null)
        return statement


def column_names(uow: UnitOfWork) -> list[str]:
    """Return the columns that the customers in scope fill, in the order of the table."""
    each = (
        select(ContactPoint.kind, func.count().label("points"))
        .group_by(ContactPoint.customer_id, ContactPoint.kind)
        .subquery()
    )
    most = {
        row.kind: row.most
        for row in uow.execute(
            select(each.c.kind, func.max(each.c.points).label("most")).group_by(each.c.kind)
        )
    }
    uses = set(uow.scalars(select(Address.use).distinct()))
    codes = uow.scalars(
        select(ProfileAttribute.code)
        .where(ProfileAttribute.id.in_(select(ProfileValue.attribute_id)))
        .order_by(ProfileAttribute.code)
    )
    return [
        *FIELDS,
        OWNER,
        TAGS,
        COMPANY,
        *(
            contact_column(kind, place).name
            for kind in CONTACT_KINDS
            for place in range(min(most.get(kind, 0), MOST_OF_A_KIND))
        ),
        *MAIN_FIELDS,
        *(
            address_column(use, field).name
            for use in OTHER_USES
            if use in uses
            for field in OTHER_FIELDS
        ),
        *(PROFILE + code for code in codes),
    ]


def customer_rows(
    database: Database, actor: Actor, wanted: CustomerFilter
) -> Iterator[tuple[UUID, Row]]:
    """Yield (id, cells by column name) in the order of creation; blank cells are left out.

    Each thousand is read in a transaction of its own, so that writers never wait for a slow reader.
    """
    after: UUID | None = None
    while True:
        with unit_of_work(database, actor=actor) as uow:
            page = _page(uow, wanted, after)
        yield from page
        if len(page) < PARAMETERS:
            return
        after = page[-1][0]


def rows_of(uow: UnitOfWork, ids: Sequence[UUID]) -> list[tuple[UUID, Row]]:
    """Return (id, cells by column name) of at most 900 customers in the order of creation."""
    return _filled(uow, _customers().where(Customer.id.in_(ids)))


def _page(uow: UnitOfWork, wanted: CustomerFilter, after: UUID | None) -> list[tuple[UUID, Row]]:
    statement = wanted.applied_to(_customers()).limit(PARAMETERS)
    if after is not None:
        statement = statement.where(Customer.id > after)
    return _filled(uow, statement)


def _customers() -> Any:
    fields = [getattr(Customer, name) for name in FIELDS]
    return (
        select(Customer.id, *fields, User.login.label(OWNER))
        .outerjoin(User, User.id == Customer.owner_id)
        .order_by(Customer.id)
    )


def _filled(uow: UnitOfWork, statement: Any) -> list[tuple[UUID, Row]]:
    rows: dict[UUID, Row] = {}
    for found in uow.execute(statement):
        cells = found._asdict()
        rows[cells.pop("id")] = {name: text for name, text in cells.items() if text}
    _add_contact_points(uow, rows)
    _add_addresses(uow, rows)
    _add_tags(uow, rows)
    _add_companies(uow, rows)
    _add_profile(uow, rows)
    return list(rows.items())


def _read(uow: UnitOfWork, statement: Any, column: Any, ids: Iterable[UUID]) -> Iterator[Any]:
    for some in chunked(ids, PARAMETERS):
        yield from uow.execute(statement.where(column.in_(some)))


def _add_contact_points(uow: UnitOfWork, rows: dict[UUID, Row]) -> None:
    statement = select(ContactPoint.customer_id, ContactPoint.kind, ContactPoint.value).order_by(
        ContactPoint.customer_id, ContactPoint.position, ContactPoint.id
    )
    places: dict[tuple[UUID, str], int] = defaultdict(int)
    for customer_id, kind, value in _read(uow, statement, ContactPoint.customer_id, rows):
        place = places[customer_id, kind]
        places[customer_id, kind] += 1
        if place < MOST_OF_A_KIND:
            rows[customer_id][contact_column(kind, place).name] = value


def _add_addresses(uow: UnitOfWork, rows: dict[UUID, Row]) -> None:
    columns = [getattr(Address, name) for name in OTHER_FIELDS]
    statement = (
        select(Address.customer_id, Address.use, *columns)
        .where(Address.archived_at.is_(None))
        .order_by(Address.customer_id, Address.id)
    )
    seen: set[tuple[UUID, str]] = set()
    for found in _read(uow, statement, Address.customer_id, rows):
        customer_id, use, *values = found
        if (customer_id, use) in seen:
            continue
        seen.add((customer_id, use))
        for field, value in zip(OTHER_FIELDS, values, strict=True):
            if value and (use != "main" or field in MAIN_FIELDS):
                rows[customer_id][address_column(use, field).name] = value


def _add_tags(uow: UnitOfWork, rows: dict[UUID, Row]) -> None:
    statement = (
        select(CustomerTag.customer_id, Tag.name)
        .join(Tag, Tag.id == CustomerTag.tag_id)
        .order_by(CustomerTag.customer_id, Tag.name)
    )
    for customer_id, name in _read(uow, statement, CustomerTag.customer_id, rows):
        cells = rows[customer_id]
        cells[TAGS] = f"{cells[TAGS]}{TAG_SEPARATOR}{name}" if TAGS in cells else name


def _add_companies(uow: UnitOfWork, rows: dict[UUID, Row]) -> None:
    statement = (
        select(Relationship.from_customer_id, Customer.reference, Customer.name)
        .join(Customer, Customer.id == Relationship.to_customer_id)
        .join(RelationshipType, RelationshipType.id == Relationship.type_id)
        .where(RelationshipType.code == CONTACT_OF, Relationship.ended_on.is_(None))
        .order_by(Relationship.from_customer_id, Relationship.id)
    )
    for customer_id, reference, name in _read(uow, statement, Relationship.from_customer_id, rows):
        rows[customer_id].setdefault(COMPANY, reference or name)


def _add_profile(uow: UnitOfWork, rows: dict[UUID, Row]) -> None:
    statement = select(ProfileValue.customer_id, ProfileAttribute.code, ProfileValue.value).join(
        ProfileAttribute, ProfileAttribute.id == ProfileValue.attribute_id
    )
    for customer_id, code, value in _read(uow, statement, ProfileValue.customer_id, rows):
        rows[customer_id][PROFILE + code] = value


def line_of(names: Sequence[str], cells: Row) -> list[str]:
    """Return the cells in the order of the columns, blank where there is none."""
    return [cells.get(name, "") for name in names]
