"""The list of customers: filtered, searched, sorted and shown as a query asks, a page at a time.

A page costs one statement for the list itself and one for each other table that its columns stand
in, however many customers there are; see ``crm_core.services.customer_list_query`` for queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from crm_core.entities.customer import Address, AddressUse, Customer, CustomerTag, Tag
from crm_core.entities.user import User
from crm_core.errors import CrmError, InputError
from crm_core.messages import t
from crm_core.persistence.bulk import among
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_by
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_list_compare import COUNTRY, TAGS, USER, Asking
from crm_core.services.customer_list_conditions import FEW
from crm_core.services.customer_list_fields import CORE_FIELDS, ListField, field_named, fields_for
from crm_core.services.customer_list_query import ListQuery
from crm_core.services.customer_list_values import Reader
from crm_core.services.search import found_ids

DEFAULT_COLUMNS = ("name", "kind", "stage", "owner", "city", "phone", "email", "changed")
DEFAULT_SORT = "name"
COUNTED = 10_000
"""As far as customers of a list are counted."""
MOST_COLUMNS = 30
OPTIONS = 50
_NOT_MERGED = Customer.merged_into_id.is_(None)
_NOT_ARCHIVED = Customer.archived_at.is_(None)


@dataclass(frozen=True, slots=True)
class ListColumnInfo:
    """A column as a page offers and heads it.

    Attributes:
        name: As links hold it.
        title: What people read.
        kind: What its values are: ``text choice user tags country number date moment yes_no
            money``. Tags are lists of names, money lists of ``currency_code, open_amount``.
        operators: What it can be asked; none where it is only shown.
        choices: ``(value, title)`` pairs where there are few.
        is_sortable: Whether the list can be sorted by it.
    """

    name: str
    title: str
    kind: str
    operators: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    is_sortable: bool


@dataclass(frozen=True, slots=True)
class CustomerPage(Page[dict[str, Any]]):
    """A page of the list.

    Attributes:
        columns: What it shows, in order.
        faults: Columns of plugins that failed, each with the reason; they are blank.
    """

    columns: Sequence[ListColumnInfo] = ()
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListCount:
    """How many customers a list holds; ``is_more`` when it was not counted to the end."""

    number: int
    is_more: bool


def list_columns(uow: UnitOfWork) -> list[ListColumnInfo]:
    """Return every column that the actor may have in the list, in the order they are offered."""
    uow.actor.require(CUSTOMER_VIEW)
    return [_told(each) for each in fields_for(Asking(uow)).values()]


def list_page(
    uow: UnitOfWork,
    query: ListQuery,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    only: Sequence[UUID] | None = None,
) -> CustomerPage:
    """Return a page of the customers that the actor may see and a query asks for.

    Archived ones are left out unless a filter asks for ``archived``.

    Args:
        uow: The unit of work.
        query: Filters, text, order and columns.
        limit: Items a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before.
        only: Of them just these, if any are given.

    Returns:
        Items are dicts of ``id, version, owner_id`` and a value for each column, None where there
        is none.

    Raises:
        InputError: There is no such field, it cannot be asked or sorted by so, or the cursor is
            of another list. The message names the field and what is allowed.
    """
    asking, shown, fields = _begun(uow, query)
    is_own = all(CORE_FIELDS.get(each.name) is each for each in shown)
    is_kept = is_own and not (query.filters or query.text or only)
    if is_kept:
        statement = _of_all(tuple(each.name for each in shown))
    else:
        statement = _of_columns(shown).where(*_narrowed(asking, query, fields, only))
    sort = query.sort or DEFAULT_SORT
    sorted_by = field_named(fields, sort.removeprefix("-"))
    page = page_by(
        uow,
        statement,
        key=_key(asking, sorted_by),
        tie=Customer.id,
        is_nullable=sorted_by.is_nullable,
        name=f"customers by {sorted_by.name}",
        limit=limit,
        cursor=cursor,
        descending=sort.startswith("-"),
        shown={each.name: each.first for each in shown if each.first is not None},
        is_kept=is_kept,
    )
    faults = _fill(asking, page.items, shown)
    return CustomerPage(page.items, page.next_cursor, [_told(each) for each in shown], faults)


def count_listed(uow: UnitOfWork, query: ListQuery, *, most: int = COUNTED) -> ListCount:
    """Return how many customers a query asks for, counted no further than ``most``.

    Raises:
        InputError: As :func:`list_page`.
    """
    asking, _, fields = _begun(uow, query)
    conditions = _conditions(asking, query, fields)
    some = select(Customer.id).where(*conditions).limit(most + 1).subquery()
    number = uow.scalar(select(func.count()).select_from(some))
    return ListCount(min(number, most), number > most)


def listed_ids(
    uow: UnitOfWork,
    query: ListQuery,
    *,
    after: UUID | None = None,
    limit: int,
    only: Sequence[UUID] | None = None,
) -> list[UUID]:
    """Return ids of customers that a query asks for, in the order of creation, from one onwards.

    Args:
        uow: The unit of work.
        query: Filters and text.
        after: The last one had.
        limit: How many at most.
        only: Of them just these, if any are given.

    Raises:
        InputError: As :func:`list_page`.
    """
    asking, _, fields = _begun(uow, query)
    statement = select(Customer.id).where(*_conditions(asking, query, fields))
    if only:
        statement = statement.where(Customer.id.in_(only))
    if after is not None:
        statement = statement.where(Customer.id > after)
    return list(uow.scalars(statement.order_by(Customer.id).limit(limit)))


def check_query(uow: UnitOfWork, query: ListQuery) -> None:
    """Raise InputError unless a query can be asked by the actor."""
    asking, _, fields = _begun(uow, query)
    _conditions(asking, query, fields)
    _key(asking, field_named(fields, (query.sort or DEFAULT_SORT).removeprefix("-")))


def list_options(
    uow: UnitOfWork, name: str, *, text: str = "", limit: int = OPTIONS
) -> list[tuple[str, str]]:
    """Return what can be chosen for a field, as ``(value, title)`` pairs, by title.

    Args:
        uow: The unit of work.
        name: The field.
        text: Only those whose title holds this.
        limit: How many at most.

    Raises:
        InputError: There is no such field, or none of its values are offered.
    """
    uow.actor.require(CUSTOMER_VIEW)
    chosen = field_named(fields_for(Asking(uow), [name]), name)
    if chosen.choices:
        found = [each for each in chosen.choices if text.casefold() in each[1].casefold()]
        return found[:limit]
    if chosen.kind not in _OPTIONS:
        raise InputError(
            t("{title} is not chosen from a list: any value can be given.", title=chosen.title),
            code="core.list.options",
            details={"field": name},
        )
    value, title, offered = _OPTIONS[chosen.kind]
    statement: Select[Any] = offered
    if text:
        statement = statement.where(title.icontains(text, autoescape=True))
    statement = statement.add_columns(value, title.label("title")).order_by(title, value)
    rows: Any = uow.execute(statement.limit(limit))
    return [(row[0], row[1]) for row in rows]


_OPTIONS: dict[str, tuple[Any, Any, Any]] = {
    USER: (User.login, User.name, select().where(User.is_enabled)),
    TAGS: (
        Tag.name,
        Tag.name,
        select().where(select(CustomerTag).where(CustomerTag.tag_id == Tag.id).exists()),
    ),
    COUNTRY: (
        Address.country_code,
        Address.country_code,
        select()
        .where(Address.use == AddressUse.MAIN.value, Address.country_code.is_not(None))
        .distinct(),
    ),
}


def _begun(
    uow: UnitOfWork, query: ListQuery
) -> tuple[Asking, list[ListField], dict[str, ListField]]:
    uow.actor.require(CUSTOMER_VIEW)
    asking = Asking(uow)
    columns = list(dict.fromkeys(query.columns or DEFAULT_COLUMNS))
    if len(columns) > MOST_COLUMNS:
        raise InputError(
            t("A list shows at most {most} columns.", most=MOST_COLUMNS),
            code="core.list.too_many_columns",
        )
    sort = (query.sort or DEFAULT_SORT).removeprefix("-")
    fields = fields_for(asking, [*columns, sort, *(each.field for each in query.filters)])
    return asking, [field_named(fields, name) for name in columns], fields


def _of_columns(shown: Iterable[ListField]) -> Select[*tuple[Any, ...]]:
    own = [each.column.label(each.name) for each in shown if each.column is not None]
    statement = select(Customer.id, Customer.version, Customer.owner_id, *own)
    return statement.outerjoin(User, User.id == Customer.owner_id)


@lru_cache(maxsize=50)
def _of_all(names: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """Return what lists all customers with these columns of the core: most often asked for."""
    return _of_columns(CORE_FIELDS[name] for name in names).where(_NOT_MERGED, _NOT_ARCHIVED)


def _conditions(
    asking: Asking, query: ListQuery, fields: dict[str, ListField]
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_NOT_MERGED]
    found += [field_named(fields, each.field).sql(asking, each) for each in query.filters]
    if not any(each.field == "archived" for each in query.filters):
        found.append(_NOT_ARCHIVED)
    if query.text:
        found.append(Customer.id.in_(found_ids(asking.uow, query.text)))
    return found


def _narrowed(
    asking: Asking,
    query: ListQuery,
    fields: dict[str, ListField],
    only: Sequence[UUID] | None = None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of a query; of few customers just their ids.

    To walk all customers in the order of a list, only to find few, costs several times what finding
    them in the order in which they lie does.
    """
    conditions = _conditions(asking, query, fields)
    if only:
        return [*conditions, Customer.id.in_(only)]
    if not (query.filters or query.text):
        return conditions
    ids = asking.uow.scalars(select(Customer.id).where(*conditions).limit(FEW + 1)).all()
    return [among(Customer.id, ids)] if len(ids) <= FEW else conditions


def _key(asking: Asking, sorted_by: ListField) -> Any:
    if not sorted_by.is_sortable:
        raise InputError(
            t(
                "{field} ({title}): the list cannot be sorted by it.",
                field=sorted_by.name,
                title=sorted_by.title,
            ),
            code="core.page.sort",
            details={"field": sorted_by.name},
        )
    if sorted_by.key is not None:
        return sorted_by.key
    assert sorted_by.expression is not None
    return sorted_by.expression(asking)


def _fill(
    asking: Asking, items: Sequence[dict[str, Any]], shown: Sequence[ListField]
) -> dict[str, str]:
    """Read the other columns' values into the items; return which failed, and why."""
    readers: dict[Reader, list[str]] = {}
    for each in shown:
        if each.reader is not None:
            readers.setdefault(each.reader, []).append(each.name)
    ids = [item["id"] for item in items]
    faults: dict[str, str] = {}
    for reader, names in readers.items():
        try:
            values = reader(asking, ids, names) if ids else {}
        except CrmError as error:
            faults |= dict.fromkeys(names, error.message)
            values = {}
        for name in names:
            of_name = values.get(name, {})
            for item in items:
                item[name] = of_name.get(item["id"])
    return faults


def _told(each: ListField) -> ListColumnInfo:
    return ListColumnInfo(
        each.name, each.title, each.kind, each.operators, each.choices, each.is_sortable
    )
