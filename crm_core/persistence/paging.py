"""Lists in pages: keyset, so that page one thousand costs what page one does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    Integer,
    Select,
    Uuid,
    bindparam,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.criteria import KEPT
from crm_core.persistence.types import UtcDateTime

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor that asks for those after them (None at the end)."""

    items: Sequence[T]
    next_cursor: str | None


def check_limit(limit: int) -> None:
    """Refuse a page of no items, or of too many.

    Raises:
        InputError: The limit is out of range.
    """
    if not 1 <= limit <= MAXIMUM_LIMIT:
        raise InputError(
            t(
                "A page holds 1 to {maximum_limit} items, not {limit}.",
                maximum_limit=MAXIMUM_LIMIT,
                limit=limit,
            ),
            code="core.page.limit",
        )


def page_of(
    uow: UnitOfWork,
    statement: Select[*tuple[Any, ...]],
    *,
    keys: Sequence[InstrumentedAttribute[Any]],
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    descending: bool = False,
) -> Page[dict[str, Any]]:
    """Run a column select and return one page of it as dicts by column label.

    Args:
        uow: Where, and on whose behalf.
        statement: Selects labelled columns; brings no order and no limit of its own.
        keys: What to sort by; together unique and never NULL. An index should begin with them.
        limit: Items a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before; None for the first.
        descending: Whether the greatest key comes first.

    Raises:
        InputError: The limit is out of range, or the cursor belongs to another list.
    """
    check_limit(limit)
    order = [f"{key.class_.__name__}.{key.key}" for key in keys] + ["-" if descending else "+"]
    if cursor is not None:
        values = _decoded(cursor, order, keys)
        row = tuple_(*(literal(v, k.type) for v, k in zip(values, keys, strict=True)))
        statement = statement.where(tuple_(*keys) < row if descending else tuple_(*keys) > row)
    statement = statement.add_columns(*(key.label(f"key_{n}") for n, key in enumerate(keys)))
    statement = statement.order_by(*(key.desc() if descending else key for key in keys))
    result = uow.execute(statement.limit(limit + 1))
    width = len(keys)
    names, rows = list(result.keys())[:-width], result.all()
    items = [dict(zip(names, row, strict=False)) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, _encoded(order, rows[limit - 1][-width:]) if more else None)


def page_by(  # noqa: PLR0913  by keyword, each told below
    uow: UnitOfWork,
    statement: Select[*tuple[Any, ...]],
    *,
    key: Any,
    tie: InstrumentedAttribute[Any],
    name: str,
    is_nullable: bool = True,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    descending: bool = False,
    shown: Mapping[str, Callable[[Any], ColumnElement[Any]]] | None = None,
    is_kept: bool = False,
) -> Page[dict[str, Any]]:
    """Return one page sorted by what may be NULL or repeat; those without a value come last.

    They are asked for in a statement of their own, once the others are through, so that an index
    that begins with the key serves both.

    Args:
        uow: Where, and on whose behalf.
        statement: Selects labelled columns; brings no order and no limit of its own.
        key: What to sort by: a column, or any expression.
        tie: Unique and never NULL; among equal keys it decides, in the same direction.
        name: Of this order, so that a cursor of another one is refused.
        is_nullable: Whether there may be rows without a key.
        limit: Items a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before; None for the first.
        descending: Whether the greatest key comes first.
        shown: More columns by label, each made from the column that holds the tie; they are worked
            out for the rows of the page alone, and cannot be sorted by.
        is_kept: Whether ``statement`` is the same object each time, so that what is made of it can
            be kept as well: to make it costs as much as to run it.

    Raises:
        InputError: The limit is out of range, or the cursor belongs to another list.
    """
    check_limit(limit)
    order = [name, "-" if descending else "+"]
    after = None if cursor is None else _decoded(cursor, order, (key, tie), is_gappy=True)
    made = partial(
        _kept_part if is_kept else _part,
        statement,
        key,
        tie,
        tuple((shown or {}).items()),
        descending,
    )
    given = {} if after is None else {"after_key": after[0], "after_tie": after[1]}
    names: list[str] = []
    rows: list[Any] = []
    if after is None or after[0] is not None:
        result = uow.execute(made("valued", after is not None), {**given, "most": limit + 1})
        names, rows = list(result.keys()), list(result.all())
    if len(rows) <= limit and is_nullable:
        is_after = after is not None and after[0] is None
        given = {"after_tie": given["after_tie"]} if is_after else {}
        most = limit + 1 - len(rows)
        result = uow.execute(made("lacking", is_after), {**given, "most": most})
        names = list(result.keys())
        rows += result.all()
    items = [dict(zip(names[:-2], row, strict=False)) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, _encoded(order, rows[limit - 1][-2:]) if more else None)


def _part(
    statement: Select[*tuple[Any, ...]],
    key: Any,
    tie: Any,
    shown: tuple[tuple[str, Callable[[Any], ColumnElement[Any]]], ...],
    descending: bool,
    part: Literal["valued", "lacking"],
    is_after: bool,
) -> Select[*tuple[Any, ...]]:
    """Return what asks for rows with a key, or for those without."""
    columns = [key] if part == "valued" else []
    columns.append(tie)
    statement = statement.add_columns(key.label("key_0"), tie.label("key_1"))
    statement = statement.where(key.is_not(None) if part == "valued" else key.is_(None))
    if is_after:
        last = {key: "after_key", tie: "after_tie"}
        values = tuple_(*(bindparam(last[each], type_=each.type) for each in columns))
        both = tuple_(*columns)
        statement = statement.where(both < values if descending else both > values)
    statement = statement.order_by(*(each.desc() if descending else each for each in columns))
    statement = statement.limit(bindparam("most", type_=Integer))
    if not shown:
        return statement
    # Beside the order they would be worked out for every row that is sorted.
    page = statement.subquery()
    *own, page_key, page_tie = page.c
    more = (make(page_tie).label(name) for name, make in shown)
    columns = [page_key, page_tie][-len(columns) :]
    return select(*own, *more, page_key, page_tie).order_by(
        *(each.desc() if descending else each for each in columns)
    )


@lru_cache(maxsize=100)
def _kept_part(*parts: Any) -> Select[*tuple[Any, ...]]:
    return _part(*parts).execution_options(**{KEPT: True})


def _encoded(order: list[str], values: Sequence[Any]) -> str:
    text = orjson.dumps([order, list(values)])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(
    cursor: str, order: list[str], keys: Sequence[Any], *, is_gappy: bool = False
) -> list[Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found, values = orjson.loads(base64.urlsafe_b64decode(padded))
        if found != order:
            raise ValueError(order)
        return [
            None if value is None and is_gappy and key is keys[0] else _typed(value, key)
            for value, key in zip(values, keys, strict=True)
        ]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise InputError(
            t("This cursor does not belong to this list: leave it out to begin at the first page."),
            code="core.page.cursor",
        ) from None


def _typed(value: Any, key: Any) -> Any:
    if isinstance(key.type, Integer) and type(value) is int:
        return value
    if isinstance(key.type, Float) and type(value) in (int, float):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    if isinstance(key.type, Uuid):
        return UUID(value)
    if isinstance(key.type, UtcDateTime):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    if isinstance(key.type, Date):
        return date.fromisoformat(value)
    return value
