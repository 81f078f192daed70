"""Lists in pages: keyset, so that page one thousand costs what page one does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Integer, Select, Uuid, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from crm_core.errors import InputError
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
    if not 1 <= limit <= MAXIMUM_LIMIT:
        raise InputError(
            f"A page holds 1 to {MAXIMUM_LIMIT} items, not {limit}.", code="core.page.limit"
        )
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


def _encoded(order: list[str], values: Sequence[Any]) -> str:
    text = orjson.dumps([order, list(values)])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(
    cursor: str, order: list[str], keys: Sequence[InstrumentedAttribute[Any]]
) -> list[Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found, values = orjson.loads(base64.urlsafe_b64decode(padded))
        if found != order:
            raise ValueError(order)
        return [_typed(value, key) for value, key in zip(values, keys, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise InputError(
            "This cursor does not belong to this list: leave it out to begin at the first page.",
            code="core.page.cursor",
        ) from None


def _typed(value: Any, key: InstrumentedAttribute[Any]) -> Any:
    if isinstance(key.type, Integer) and type(value) is int:
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
    return value
