"""Finding entries for a query: in order, a page at a time, the cheapest question first.

The statements are written out, since building them anew for each key stroke cost several times
what the database takes. Words reach them as parameters and hold letters, digits and symbols only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from crm_core.search.entry import owner_key
from crm_core.search.full_text import Plan, run
from crm_core.search.query import Query, anchored

BEYOND = "\U0010ffff"
"""Sorts after every continuation of a key."""


class Found(NamedTuple):
    """One entry found: whose, and where it stands in the results."""

    stage: int
    name_key: str
    position: int
    customer_id: UUID


def find(
    connection: Connection,
    query: Query,
    *,
    limit: int,
    owners: Collection[UUID] | None,
    include_archived: bool,
    after: tuple[int, str, int] | None = None,
) -> list[Found]:
    """Return at most ``limit`` entries that match, in order.

    First names that begin with the query, by name; then entries in which each of its words begins
    one; then those that hold them inside of words. The last two are ordered by the first letters
    of the name. A stage is asked only when those before it have not filled the page.

    Args:
        connection: Where.
        query: What for.
        limit: How many at most.
        owners: Only customers of these users; None for everybody's.
        include_archived: Whether archived customers count.
        after: Stage, name key and position of the last entry of the page before.
    """
    keys = None if owners is None else sorted(map(owner_key, owners))
    if keys == []:
        return []
    start = after[0] if after else 0
    found: list[Found] = []
    for stage, search in enumerate(_stages(connection, query, keys)):
        if stage < start:
            continue
        if not include_archived:
            search.where("NOT e.is_archived")
        if after and stage == start:
            search.begin_after(*after[1:])
        for name_key, position, customer_id in search.rows(connection, limit - len(found)):
            found.append(Found(stage, name_key, position, _uuid(customer_id)))
        if len(found) >= limit:
            break
    return found


class Shown(NamedTuple):
    """What a list shows of a customer; ``contacts`` holds ``(kind, value, normalized)`` in order."""

    id: UUID
    name: str
    kind: str
    reference: str | None
    vat: str | None
    owner_id: UUID | None
    is_archived: bool
    city: str | None
    contacts: list[tuple[str, str, str | None]]


def shown(connection: Connection, customer_ids: Sequence[UUID]) -> list[Shown]:
    """Return what a list shows of these customers, in their order; the caller checks the scope."""
    sqlite = connection.dialect.name == "sqlite"
    keys = [id_.hex if sqlite else id_ for id_ in customer_ids]
    these = f"IN ({', '.join('?' * len(keys))})"
    rows = run(
        connection,
        "SELECT id, name, kind, reference, vat, owner_id, archived_at IS NOT NULL, "
        "(SELECT city FROM core_address WHERE customer_id = core_customer.id AND use = 'main' "
        f"AND archived_at IS NULL LIMIT 1) FROM core_customer WHERE id {these}",
        keys,
    )
    points = run(
        connection,
        "SELECT customer_id, kind, value, normalized FROM core_contact_point "
        f"WHERE customer_id {these} ORDER BY customer_id, position",
        keys,
    )
    contacts: defaultdict[UUID, list[Any]] = defaultdict(list)
    for key, *point in points:
        contacts[_uuid(key)].append(tuple(point))
    found = {
        (id_ := _uuid(key)): Shown(
            id_, *own, owner and _uuid(owner), bool(archived), city, contacts[id_]
        )
        for key, *own, owner, archived, city in rows
    }
    return [found[id_] for id_ in customer_ids if id_ in found]


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


@dataclass(slots=True)
class _Search:
    """A select on the entries, growing."""

    order: tuple[str, ...]
    source: str = "core_search_entry e"
    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def where(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def begin_after(self, name_key: str, position: int) -> None:
        values = (name_key, position)[-len(self.order) :]
        self.where(f"({', '.join(self.order)}) > ({', '.join('?' * len(values))})", *values)

    def rows(self, connection: Connection, limit: int) -> Sequence[Any]:
        sql = (
            f"SELECT e.name_key, e.position, e.customer_id FROM {self.source} "
            f"WHERE {' AND '.join(self.conditions)} ORDER BY {', '.join(self.order)} LIMIT {limit}"
        )
        return run(connection, sql, self.parameters)


def _stages(connection: Connection, query: Query, keys: list[str] | None) -> Iterator[_Search]:
    named = ("e.name_key >= ? AND e.name_key < ?", query.key, query.key + BEYOND)
    search = _Search(("e.name_key", "e.position"))
    search.where(*named)
    if keys is not None:
        search.where(*_owned(keys))
    yield search
    begun, within = _like(query, "% {}%".format), _like(query, lambda w: f"%{anchored(w)}%")
    full_text = Plan(connection, query, keys) if connection.dialect.name == "sqlite" else None
    for infix in (False, True) if query.may_be_within else (False,):
        search = _Search(("e.position",))
        if full_text:
            search = _by_full_text(full_text.expression(infix=infix))
        elif keys is not None:
            search.where(*_owned(keys))
        search.where(*(within if infix else begun))
        search.where(f"NOT ({named[0]})", *named[1:])
        if infix:
            search.where(f"NOT ({begun[0]})", *begun[1:])
        yield search


def _owned(keys: list[str]) -> tuple[str, ...]:
    return (f"e.owner_key IN ({', '.join('?' * len(keys))})", *keys)


def _by_full_text(expression: str) -> _Search:
    """SQLite: the full-text table gives candidates, already in order."""
    source = "core_search_words w JOIN core_search_entry e ON e.position = w.rowid"
    search = _Search(("w.rowid",), source)
    search.where("core_search_words MATCH ?", expression)
    return search


def _like(query: Query, pattern: Callable[[str], str]) -> tuple[str, ...]:
    # Words hold no character that LIKE gives a meaning to: there is nothing to escape.
    groups = (
        " OR ".join(" AND ".join(["e.words LIKE ?"] * len(words)) for words in group)
        for group in query.groups
    )
    return (" AND ".join(f"({group})" for group in groups), *map(pattern, query.words()))
