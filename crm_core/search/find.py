"""Finding entries for a query: in order, a page at a time, the cheapest question first.

The statements are written out, since building them anew for each key stroke cost several times
what the database takes. Words reach them as parameters and hold letters, digits and symbols only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from crm_core.search.entry import owner_key
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
    for stage, search in enumerate(_stages(connection.dialect.name, query, keys)):
        if stage < start:
            continue
        if not include_archived:
            search.where("NOT e.is_archived")
        if after and stage == start:
            search.begin_after(*after[1:])
        for name_key, position, customer_id in search.rows(connection, limit - len(found)):
            key = customer_id if isinstance(customer_id, UUID) else UUID(customer_id)
            found.append(Found(stage, name_key, position, key))
        if len(found) >= limit:
            break
    return found


class Details(NamedTuple):
    """What a list shows beside a customer's own fields."""

    contacts: list[tuple[str, str, str | None]]
    """``(kind, value, normalized)`` of each contact point, in order."""
    city: str | None


def details(connection: Connection, customer_ids: Sequence[UUID]) -> dict[UUID, Details]:
    """Return the contact points and cities of customers that the actor is known to see."""
    sqlite = connection.dialect.name == "sqlite"
    keys = [id_.hex if sqlite else id_ for id_ in customer_ids]
    these = f"customer_id IN ({', '.join('?' * len(keys))})"
    contacts = _run(
        connection,
        "SELECT customer_id, kind, value, normalized FROM core_contact_point "
        f"WHERE {these} ORDER BY customer_id, position",
        keys,
    )
    cities = _run(
        connection,
        "SELECT customer_id, city FROM core_address "
        f"WHERE {these} AND use = 'main' AND archived_at IS NULL",
        keys,
    )
    points: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, *point in contacts:
        points[key].append(tuple(point))
    city = {key: name for key, name in cities}
    return {
        id_: Details(points[key], city.get(key))
        for id_, key in zip(customer_ids, keys, strict=True)
    }


def _run(connection: Connection, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
    if connection.dialect.name != "sqlite":
        sql = sql.replace("?", "%s")
    return connection.exec_driver_sql(sql, tuple(parameters)).all()


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
        return _run(connection, sql, self.parameters)


def _stages(dialect: str, query: Query, keys: list[str] | None) -> Iterator[_Search]:
    search = _Search(("e.name_key", "e.position"))
    search.where("e.name_key >= ? AND e.name_key < ?", query.key, query.key + BEYOND)
    if keys is not None:
        search.where(f"e.owner_key IN ({', '.join('?' * len(keys))})", *keys)
    yield search
    build = _by_full_text if dialect == "sqlite" else _by_trigrams
    for infix in (False, True) if query.may_be_within else (False,):
        search = build(query, keys, infix=infix)
        search.where("NOT (e.name_key >= ? AND e.name_key < ?)", query.key, query.key + BEYOND)
        if infix:
            begun, patterns = _like(query, infix=False)
            search.where(f"NOT ({begun})", *patterns)
        yield search


def _by_full_text(query: Query, keys: list[str] | None, *, infix: bool) -> _Search:
    """SQLite: a full-text table gives the positions, already in order."""
    table = "core_search_infix" if infix else "core_search_prefix"
    expression = query.render(lambda word: f'"{anchored(word)}"' if infix else f'"{word}"*')
    if keys is not None:
        owned = " OR ".join(f'"{key}"' for key in keys)
        expression = f"({owned}) AND {expression}"
    search = _Search(("w.rowid",), f"{table} w JOIN core_search_entry e ON e.position = w.rowid")
    search.where(f"{table} MATCH ?", expression)
    return search


def _by_trigrams(query: Query, keys: list[str] | None, *, infix: bool) -> _Search:
    """PostgreSQL: it walks the order or asks the trigrams, by how many it expects to match."""
    search = _Search(("e.position",))
    found, patterns = _like(query, infix=infix)
    search.where(found, *patterns)
    if keys is not None:
        search.where(f"e.owner_key IN ({', '.join('?' * len(keys))})", *keys)
    return search


def _like(query: Query, *, infix: bool) -> tuple[str, list[str]]:
    patterns = []

    def one(word: str) -> str:
        # Words hold no character that LIKE gives a meaning to: there is nothing to escape.
        patterns.append(f"%{anchored(word)}%" if infix else f"% {word}%")
        return "e.words LIKE ?"

    return query.render(one), patterns
