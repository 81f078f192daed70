"""Lists in pages: keyset, so that page one thousand costs what page one does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Date, Float, Integer, Select, Uuid, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.errors import InputError
from crm_core.messages import t
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


def page_by(
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

    Raises:
        InputError: The limit is out of range, or the cursor belongs to another list.
    """
    check_limit(limit)
    order = [name, "-" if descending else "+"]
    after = None if cursor is None else _decoded(cursor, order, (key, tie), is_gappy=True)
    statement = statement.add_columns(key.label("key_0"), tie.label("key_1"))
    names: list[str] = []
    rows: list[Any] = []
    if after is None or after[0] is not None:
        valued = statement.where(key.is_not(None))
        if after is not None:
            row = tuple_(literal(after[0], key.type), literal(after[1], tie.type))
            both = tuple_(key, tie)
            valued = valued.where(both < row if descending else both > row)
        valued = valued.order_by(*((key.desc(), tie.desc()) if descending else (key, tie)))
        result = uow.execute(valued.limit(limit + 1))
        names, rows = list(result.keys()), list(result.all())
    if len(rows) <= limit and is_nullable:
        lacking = statement.where(key.is_(None))
        if after is not None and after[0] is None:
            last = literal(after[1], tie.type)
            lacking = lacking.where(tie < last if descending else tie > last)
        lacking = lacking.order_by(tie.desc() if descending else tie)
        result = uow.execute(lacking.limit(limit + 1 - len(rows)))
        names = list(result.keys())
        rows += result.all()
    items = [dict(zip(names[:-2], row, strict=False)) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, _encoded(order, rows[limit - 1][-2:]) if more else None)


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
