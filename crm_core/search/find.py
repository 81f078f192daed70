"""Finding entries for a query: in order, a page at a time, the cheapest question first.

The statements are written out, since building them anew for each key stroke cost several times
what the database takes. Words reach them as parameters and hold letters, digits and symbols only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, and_, column, literal_column, or_, select, table

from crm_core.search.entry import owner_key
from crm_core.search.full_text import Plan, run, trigrams
from crm_core.search.index import ENTRIES
from crm_core.search.query import Query, anchored

NAMED, BEGUN, WITHIN = range(3)
"""The stages: names that begin with the query, words that begin with it, words that hold it."""
READ_ON = 10
"""Entries read past a full page for better ones, before these are asked for alone: an entry that is
not in memory costs a tenth of such a question."""
BEYOND = "\U0010ffff"
"""Sorts after every continuation of a key."""
_SHOWN = """
    SELECT id, name, kind, reference, vat, owner_id, archived_at IS NOT NULL,
        (SELECT city FROM core_address
         WHERE customer_id = core_customer.id AND use = 'main' AND archived_at IS NULL LIMIT 1)
    FROM core_customer WHERE id IN ({})"""
_CONTACTS = """
    SELECT customer_id, kind, value, normalized FROM core_contact_point
    WHERE customer_id IN ({}) ORDER BY customer_id, position"""
_FULL_TEXT = "core_search_words w JOIN core_search_entry e ON e.position = w.rowid"


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
    after: Sequence[Any] | None = None,
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
        after: The last entry of the page before: stage, name key and position count.
    """
    keys = None if owners is None else sorted(map(owner_key, owners))
    if keys == []:
        return []
    asker = _Asker(connection, query, keys, include_archived=include_archived)
    start = after[0] if after else NAMED
    found: list[Found] = []
    held: list[Found] = []
    if start == NAMED:
        found = asker.ask(NAMED, limit, after)
        if len(found) == limit:
            return found
        # Most queries have few answers: one question then settles both stages that are left.
        most = limit - len(found) + asker.read_on
        rest = asker.ask(None, most)
        held = [entry for entry in rest if entry.stage == WITHIN]
        found = (found + [entry for entry in rest if entry.stage == BEGUN])[:limit]
        if len(rest) < most:
            return (found + held)[:limit]
        after = rest[-1]
    for stage in (BEGUN, WITHIN):
        if stage == WITHIN:
            found += held[: limit - len(found)]
        if stage >= start and len(found) < limit:
            beyond = after if start in (NAMED, stage) else None
            found += asker.ask(stage, limit - len(found), beyond)
    return found


def matching(
    connection: Connection, query: Query, *, owners: Collection[UUID] | None
) -> Select[UUID]:
    """Return a select of the ids of all customers that match, in no order.

    Args:
        connection: Where it will be run.
        query: What for.
        owners: Only customers of these users; None for everybody's.
    """
    keys = None if owners is None else sorted(map(owner_key, owners))
    found = select(ENTRIES.c.customer_id).where(_holds(query))
    if connection.dialect.name == "sqlite" and keys != []:
        words = table("core_search_words", column("rowid"))
        term = Plan(connection, query, keys).within.text
        expression = literal_column("core_search_words").op("MATCH", is_comparison=True)(term)
        found = found.join(words, words.c.rowid == ENTRIES.c.position).where(expression)
    elif keys is not None:
        found = found.where(ENTRIES.c.owner_key.in_(keys))
    return found


def near(
    connection: Connection,
    beginnings: Collection[str],
    *,
    owners: Collection[UUID] | None,
    most: int,
) -> list[Select[UUID]]:
    """Return a select for each beginning: ids of customers in use who have a word that begins so.

    Args:
        connection: Where it will be run.
        beginnings: Beginnings of folded words, of three letters or more.
        owners: Only customers of these users; None for everybody's.
        most: How many of each at most, in no order.
    """
    keys = None if owners is None else sorted(map(owner_key, owners))
    found = []
    for beginning in beginnings:
        statement = select(ENTRIES.c.customer_id).where(
            ENTRIES.c.words.like(f"% {beginning}%"), ENTRIES.c.is_archived.is_(False)
        )
        if keys is not None:
            statement = statement.where(ENTRIES.c.owner_key.in_(keys))
        if connection.dialect.name == "sqlite":
            words = table("core_search_words", column("rowid"))
            parts = trigrams(beginning, infix=False)
            term = " AND ".join(f'"{part}"' for part in dict.fromkeys(parts))
            expression = literal_column("core_search_words").op("MATCH", is_comparison=True)(term)
            statement = statement.join(words, words.c.rowid == ENTRIES.c.position)
            statement = statement.where(expression)
        found.append(statement.limit(most))
    return found


def _holds(query: Query) -> Any:
    return and_(
        *(
            or_(
                *(
                    and_(*(ENTRIES.c.words.like(f"%{anchored(word)}%") for word in way))
                    for way in group
                )
            )
            for group in query.groups
        )
    )


class _Asker:
    """Puts one query to the database, stage by stage."""

    def __init__(
        self,
        connection: Connection,
        query: Query,
        keys: list[str] | None,
        *,
        include_archived: bool,
    ) -> None:
        self.connection = connection
        self.query = query
        self.keys = keys
        self.include_archived = include_archived

    @cached_property
    def plan(self) -> Plan | None:
        """What to ask the full-text table for; PostgreSQL makes plans of its own."""
        if self.connection.dialect.name != "sqlite":
            return None
        return Plan(self.connection, self.query, self.keys)

    @cached_property
    def read_on(self) -> int:
        """How far to read past a full page: to the end, where that is near."""
        return READ_ON if self.plan and self.plan.expected <= READ_ON else 0

    def ask(self, stage: int | None, limit: int, after: Sequence[Any] | None = None) -> list[Found]:
        """Return entries of one stage; of all but the first where ``stage`` is None."""
        if stage == WITHIN and not self.query.may_be_within:
            return []
        named = ("e.name_key >= ? AND e.name_key < ?", self.query.key, self.query.key + BEYOND)
        begun = _like(self.query, "% {}%".format)
        within = _like(self.query, lambda word: f"%{anchored(word)}%")
        plan = self.plan if stage != NAMED else None
        if stage == NAMED:
            search = _Search(("e.name_key", "e.position"))
            search.where(*named)
        elif plan:
            search = _Search(("w.rowid",), _FULL_TEXT)
            term = plan.begun if stage == BEGUN else plan.within
            search.where("core_search_words MATCH ?", term.text)
        else:
            search = _Search(("e.position",))
        if self.keys is not None and not plan:
            marks = ", ".join("?" * len(self.keys))
            search.where(f"e.owner_key IN ({marks})", *self.keys)
        if stage != NAMED:
            search.where(*(begun if stage == BEGUN else within))
            search.where(f"NOT ({named[0]})", *named[1:])
        if stage == WITHIN:
            search.where(f"NOT ({begun[0]})", *begun[1:])
        if not self.include_archived:
            search.where("NOT e.is_archived")
        if after:
            search.begin_after(after[1], after[2])
        return [
            Found(self._stage(words) if stage is None else stage, name_key, position, _uuid(key))
            for name_key, position, key, words in search.rows(self.connection, limit)
        ]

    def _stage(self, words: str) -> int:
        return BEGUN if self.query.begins(words) else WITHIN


class Shown(NamedTuple):
    """What a list shows of a customer; ``contacts`` are ``(kind, value, normalized)`` in order."""

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
    ids = {id_.hex if sqlite else id_: id_ for id_ in customer_ids}
    keys = list(ids)
    marks = ", ".join("?" * len(keys))
    rows = run(connection, _SHOWN.format(marks), keys)
    points = run(connection, _CONTACTS.format(marks), keys)
    contacts: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, *point in points:
        contacts[key].append(tuple(point))
    found = {}
    for key, name, kind, reference, vat, owner, archived, city in rows:
        owner_id = owner and _uuid(owner)
        found[key] = Shown(
            ids[key], name, kind, reference, vat, owner_id, bool(archived), city, contacts[key]
        )
    return [found[key] for key in keys if key in found]


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
            "SELECT e.name_key, e.position, e.customer_id, e.words "  # noqa: S608  parts of our own
            f"FROM {self.source} WHERE {' AND '.join(self.conditions)} "
            f"ORDER BY {', '.join(self.order)} LIMIT {limit}"
        )
        return run(connection, sql, self.parameters)


def _like(query: Query, pattern: Callable[[str], str]) -> tuple[str, ...]:
    # Words hold no character that LIKE gives a meaning to: there is nothing to escape.
    groups = (
        " OR ".join(" AND ".join(["e.words LIKE ?"] * len(words)) for words in group)
        for group in query.groups
    )
    return (" AND ".join(f"({group})" for group in groups), *map(pattern, query.words()))
