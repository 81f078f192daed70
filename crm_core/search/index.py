"""The search index: one row a customer, kept in step at commit.

``core_search_entry`` is the same on both databases. Its words are also kept by trigrams: on SQLite
in a full-text table that triggers keep in step, on PostgreSQL in an index. Deleting a customer
deletes its entry, and with it the entry's words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    select,
)
from sqlalchemy.exc import DBAPIError

from crm_core.entities.customer import ContactPoint, Customer
from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.bulk import among, chunked, insert_at_once, table_of
from crm_core.search.entry import Entry, row_of

__all__ = ["ENTRIES", "Entry", "create", "drop", "insert_new", "rebuild", "refresh"]

CHUNK = 1_000
PAGE = 1_000
SORTED_RUN = 50_000

_CUSTOMER, _CONTACT = table_of(Customer), table_of(ContactPoint)
_CUSTOMERS = select(
    _CUSTOMER.c.id,
    _CUSTOMER.c.owner_id,
    _CUSTOMER.c.name,
    _CUSTOMER.c.reference,
    _CUSTOMER.c.vat,
    _CUSTOMER.c.archived_at.is_not(None),
).where(_CUSTOMER.c.merged_into_id.is_(None))
_FORMER = select(
    _CUSTOMER.c.merged_into_id, _CUSTOMER.c.name, _CUSTOMER.c.reference, _CUSTOMER.c.vat
).where(_CUSTOMER.c.merged_into_id.is_not(None))
_CONTACTS = select(_CONTACT.c.customer_id, _CONTACT.c.kind, _CONTACT.c.value, _CONTACT.c.normalized)

ENTRIES = Table(
    "core_search_entry",
    MetaData(),
    Column("position", BigInteger(), primary_key=True),
    Column("customer_id", Uuid(), nullable=False),
    Column("owner_key", Text(), nullable=False),
    Column("name_key", Text(), nullable=False),
    Column("is_archived", Boolean(), nullable=False),
    Column("words", Text(), nullable=False),
)
"""``position`` is the order of the results, ``name_key`` the folded name, ``words`` what a customer
is found by; see ``crm_core.search.entry``."""

_COMPARED = [column.name for column in ENTRIES.columns if column.name != "position"]

_TABLE = {
    "sqlite": """
        CREATE TABLE IF NOT EXISTS core_search_entry (
            position INTEGER PRIMARY KEY,
            customer_id CHAR(32) NOT NULL REFERENCES core_customer (id) ON DELETE CASCADE,
            owner_key TEXT NOT NULL,
            name_key TEXT NOT NULL,
            is_archived BOOLEAN NOT NULL,
            words TEXT NOT NULL
        )""",
    "postgresql": """
        CREATE TABLE IF NOT EXISTS core_search_entry (
            position BIGINT PRIMARY KEY,
            customer_id UUID NOT NULL REFERENCES core_customer (id) ON DELETE CASCADE,
            owner_key TEXT COLLATE "C" NOT NULL,
            name_key TEXT COLLATE "C" NOT NULL,
            is_archived BOOLEAN NOT NULL,
            words TEXT COLLATE "C" NOT NULL
        )""",
}
_INDEXES = {
    "uq_core_search_entry_customer_id": "UNIQUE INDEX {} ON core_search_entry (customer_id)",
    "ix_core_search_entry_name_key": "INDEX {} ON core_search_entry (name_key, position)",
    "ix_core_search_entry_owner_key_name_key": (
        "INDEX {} ON core_search_entry (owner_key, name_key, position)"
    ),
}
_TRIGRAMS = {
    "ix_core_search_entry_words": "INDEX {} ON core_search_entry USING gin (words gin_trgm_ops)"
}
SAMPLE = 1_009
"""One entry in so many, at random, is in an index of its own: it tells how far down a place is."""
_SAMPLES = {
    "ix_core_search_entry_sample": (
        f"INDEX {{}} ON core_search_entry (position) WHERE position % {SAMPLE} = 0"
    )
}
_FULL_TEXT = """
    CREATE VIRTUAL TABLE IF NOT EXISTS core_search_words USING fts5 (
        words, tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0,
        content = 'core_search_entry', content_rowid = 'position'
    )"""
_TRIGGERS = {
    "insert": "INSERT INTO core_search_words (rowid, words) VALUES (new.position, new.words)",
    "delete": (
        "INSERT INTO core_search_words (core_search_words, rowid, words) "
        "VALUES ('delete', old.position, old.words)"
    ),
}


def create(connection: Connection) -> None:
    """Create what is missing of the index; it stays empty until :func:`rebuild`.

    Raises:
        ConfigurationError: PostgreSQL lacks the extension pg_trgm and we may not add it.
    """
    dialect = connection.dialect.name
    if dialect == "postgresql":
        _require_trigrams(connection)
    connection.exec_driver_sql(_TABLE[dialect])
    if dialect == "sqlite":
        connection.exec_driver_sql(_FULL_TEXT)
    _create_indexes(connection)


def drop(connection: Connection) -> None:
    """Remove the index and all its parts."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TABLE IF EXISTS core_search_words")
    connection.exec_driver_sql("DROP TABLE IF EXISTS core_search_entry")


def refresh(connection: Connection, customer_ids: Iterable[UUID]) -> None:
    """Bring the entries of these customers up to date; those of customers that are gone go.

    So do those of customers that were merged: their names lead to the survivor. Runs seven
    statements for 1,000 customers, fewer where nothing that counts has changed.
    """
    for ids in chunked(sorted(set(customer_ids)), CHUNK):
        wanted = {entry.customer_id: row_of(entry) for entry in _read(connection, ids)}
        outdated = []
        statement = select(ENTRIES).where(among(ENTRIES.c.customer_id, ids))
        for row in connection.execute(statement).mappings():
            new = wanted.get(row["customer_id"])
            if new and all(new[name] == row[name] for name in _COMPARED):
                del wanted[row["customer_id"]]
            else:
                outdated.append(row["position"])
        if outdated:
            # In this order the full-text table takes them in one go.
            gone = among(ENTRIES.c.position, sorted(outdated))
            connection.execute(delete(ENTRIES).where(gone))
        _insert(connection, list(wanted.values()))


def insert_new(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add entries of customers that have none yet, from what a bulk load has at hand.

    Runs two statements for 1,000 customers and reads none of them back.
    """
    for chunk in chunked(entries, CHUNK):
        _insert(connection, [row_of(entry) for entry in chunk])


def rebuild(connection: Connection) -> int:
    """Make the whole index anew from the customers, and return how many entries it has.

    Memory stays flat whatever the number of customers: it holds one sorted run at a time.
    """
    sqlite = connection.dialect.name == "sqlite"
    drop(connection)
    if not sqlite:
        _require_trigrams(connection)
    connection.exec_driver_sql(_TABLE[connection.dialect.name])
    count = 0
    for run in chunked(map(row_of, _everything(connection)), SORTED_RUN):
        # One pass over the table a run; row by row would jump about in it, ten times as slow.
        for rows in chunked(sorted(run, key=itemgetter("position")), CHUNK):
            _insert(connection, rows)
        count += len(run)
    create(connection)
    if sqlite:
        # Filling leaves a dozen parts, each looked through by every query; one is twice as fast.
        for command in ("rebuild", "optimize"):
            connection.exec_driver_sql(
                f"INSERT INTO core_search_words (core_search_words) VALUES ('{command}')"  # noqa: S608
            )
    else:
        connection.exec_driver_sql("ANALYZE core_search_entry")
    return count


def _create_indexes(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    for name, definition in (_INDEXES | (_SAMPLES if sqlite else _TRIGRAMS)).items():
        connection.exec_driver_sql(f"CREATE {definition.format('IF NOT EXISTS ' + name)}")
    if sqlite:
        for verb, body in _TRIGGERS.items():
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS core_search_entry_{verb} "
                f"AFTER {verb} ON core_search_entry BEGIN {body}; END"
            )


def _require_trigrams(connection: Connection) -> None:
    if connection.exec_driver_sql("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'").first():
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("CREATE EXTENSION pg_trgm")
    except DBAPIError as error:
        name = connection.engine.url.database
        raise ConfigurationError(
            t(
                "Search needs PostgreSQL's extension pg_trgm, and the database {name} does not "
                "let us add it ({orig}). Ask its administrator to install the package "
                "postgresql-contrib and to run, in {name}: CREATE EXTENSION pg_trgm;",
                name=name,
                orig=str(error.orig).splitlines()[0],
            ),
            code="core.search.no_trigrams",
        ) from error


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    _settle(connection, rows)
    insert_at_once(connection, ENTRIES, rows)


def _settle(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Sort rows by position, as full-text tables like them, each at the next that is free."""
    moved = True
    while moved:
        rows.sort(key=itemgetter("position"))
        wanted = [row["position"] for row in rows]
        statement = select(ENTRIES.c.position).where(among(ENTRIES.c.position, wanted))
        taken = set(connection.scalars(statement))
        moved = False
        for row in rows:
            if row["position"] in taken:
                row["position"] += 1
                moved = True
            else:
                taken.add(row["position"])


def _read(connection: Connection, ids: Sequence[UUID]) -> list[Entry]:
    customers = connection.execute(_CUSTOMERS.where(among(_CUSTOMER.c.id, ids))).all()
    contacts = connection.execute(_CONTACTS.where(among(_CONTACT.c.customer_id, ids))).all()
    former = connection.execute(_FORMER.where(among(_CUSTOMER.c.merged_into_id, ids))).all()
    return _entries(customers, contacts, former)


def _everything(connection: Connection) -> Iterator[Entry]:
    """Yield the entries of all customers in the order of their ids, reading in pages."""
    page = _CUSTOMERS.order_by(_CUSTOMER.c.id).limit(PAGE)
    after: UUID | None = None
    while True:
        rest = page if after is None else page.where(_CUSTOMER.c.id > after)
        customers = connection.execute(rest).all()
        if not customers:
            return
        after = customers[-1].id
        contacts, former = (
            connection.execute(statement.where(column.between(customers[0].id, after))).all()
            for statement, column in (
                (_CONTACTS, _CONTACT.c.customer_id),
                (_FORMER, _CUSTOMER.c.merged_into_id),
            )
        )
        yield from _entries(customers, contacts, former)


def _entries(
    customers: Iterable[Any], contacts: Iterable[Any], former: Iterable[Any]
) -> list[Entry]:
    points: defaultdict[UUID, list[tuple[str, str, str | None]]] = defaultdict(list)
    for customer_id, kind, value, normalized in contacts:
        points[customer_id].append((kind, value, normalized))
    merged: defaultdict[UUID, list[tuple[str, str | None, str | None]]] = defaultdict(list)
    for survivor_id, *told in former:
        merged[survivor_id].append(tuple(told))
    return [
        Entry(id_, owner_id, name, reference, vat, is_archived, points[id_], merged[id_])
        for id_, owner_id, name, reference, vat, is_archived in customers
    ]
