"""A database of customers with all that hangs on them, filled fast for benches."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from crm_core.ids import new_id

SEED = 20_260_321
USERS = 100
"""Each owns 1% of the customers."""
PRODUCTS = 500
ENTITIES = ("customer", "order", "invoice")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Rows = Iterable[tuple[Any, ...]]


def moment(days: float) -> str:
    """A moment that many days ago, as SQLite keeps it here."""
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f")


def day(days: float) -> str:
    """A day that many days ago, as SQLite keeps it."""
    return (NOW - timedelta(days=days)).date().isoformat()


def fill(path: Path, customers: int, interactions: int) -> list[str]:
    """Write customers with all that hangs on them; returns their ids as SQLite keeps them."""
    raw = sqlite3.connect(path)
    raw.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-400000;")
    ids = sorted(new_id().hex for _ in range(customers))
    users = [new_id().hex for _ in range(USERS)]
    put(raw, "core_currency", "code name decimal_places is_active", [("EUR", "Euro", 2, 1)])
    put(
        raw,
        "core_user",
        "id version login name is_enabled created_at updated_at",
        [(u, 1, f"u{n}", f"User {n}", 1, moment(0), moment(0)) for n, u in enumerate(users)],
    )
    fill_customers(raw, ids, users)
    fill_details(raw, ids)
    fill_history(raw, ids, users, interactions)
    fill_documents(raw, ids)
    raw.commit()
    raw.executescript("PRAGMA optimize; ANALYZE;")
    raw.close()
    return ids


def put(raw: sqlite3.Connection, table: str, columns: str, rows: Rows) -> None:
    """Insert rows."""
    names = ", ".join(f'"{name}"' for name in columns.split())
    marks = ", ".join("?" * len(columns.split()))
    raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def fill_customers(raw: sqlite3.Connection, ids: list[str], users: list[str]) -> None:
    """Customers and their owners."""
    put(
        raw,
        "core_customer",
        "id version kind stage name reference owner_id created_at updated_at",
        (
            (
                c,
                1,
                "company",
                "active",
                f"Customer {n}",
                f"K{n}",
                users[n % USERS],
                *[moment(9)] * 2,
            )
            for n, c in enumerate(ids)
        ),
    )
    put(
        raw,
        "core_ownership",
        "id customer_id user_id from_at changed_by",
        ((new_id().hex, c, users[n % USERS], moment(9), "x") for n, c in enumerate(ids)),
    )


def fill_details(raw: sqlite3.Connection, ids: list[str]) -> None:
    """Contact points, addresses, tags, consents, profile, relationships and bindings."""
    tags = [new_id().hex for _ in range(20)]
    attribute, backend = new_id().hex, new_id().hex
    put(raw, "core_tag", "id name", [(t, f"tag {n}") for n, t in enumerate(tags)])
    put(
        raw,
        "core_profile_attribute",
        "id code title type is_personal plugin",
        [(attribute, "likes", "Likes", "text", 1, "core")],
    )
    put(
        raw,
        "core_backend",
        "id version name type config masters hindrances is_enabled created_at updated_at",
        [(backend, 1, "main", "odoo", "{}", "{}", "[]", 1, moment(9), moment(9))],
    )
    put(
        raw,
        "core_sync_cursor",
        "backend_id entity refreshed_at",
        [(backend, entity, moment(0)) for entity in ENTITIES],
    )
    put(
        raw,
        "core_contact_point",
        "id customer_id kind value normalized position",
        (
            (new_id().hex, c, kind, f"{kind}{n}@x.eu", f"{kind}{n}@x.eu", position)
            for n, c in enumerate(ids)
            for position, kind in enumerate(("email", "phone"))
        ),
    )
    put(
        raw,
        "core_address",
        "id customer_id use street city country_code",
        ((new_id().hex, c, "main", f"Street {n}", "Athens", "GR") for n, c in enumerate(ids)),
    )
    put(
        raw,
        "core_customer_tag",
        "customer_id tag_id",
        ((c, tags[(n + k) % 20]) for n, c in enumerate(ids) for k in range(2)),
    )
    put(
        raw,
        "core_consent",
        "id customer_id purpose channel status evidence at",
        (
            (new_id().hex, c, "newsletter", channel, "given", "web form", moment(30))
            for c in ids
            for channel in ("email", "phone")
        ),
    )
    put(
        raw,
        "core_profile_value",
        "id customer_id attribute_id value updated_at",
        ((new_id().hex, c, attribute, "tea", moment(30)) for c in ids),
    )
    kinds = dict(raw.execute("SELECT code, id FROM core_relationship_type"))
    put(
        raw,
        "core_relationship",
        "id type_id from_customer_id to_customer_id",
        ((new_id().hex, kinds["partner_of"], first, second) for first, second in pairwise(ids)),
    )
    put(
        raw,
        "core_binding",
        "id backend_id entity remote_id local_id state digest snapshot synced_at",
        (
            (new_id().hex, backend, "customer", f"{n:08}", c, "active", b"", "{}", moment(1))
            for n, c in enumerate(ids)
        ),
    )


def fill_history(
    raw: sqlite3.Connection, ids: list[str], users: list[str], interactions: int
) -> None:
    """Interactions, spread evenly but for a few busy customers, and activities."""
    chance = random.Random(SEED)
    each, rest = divmod(interactions, len(ids))
    put(
        raw,
        "core_interaction",
        "id customer_id at channel direction subject body user_id recorded_at",
        (
            (new_id().hex, c, at, "phone", "inbound", "A call", "Said this", users[n % USERS], at)
            for n, c in enumerate(ids)
            for k in range(each + (n < rest))
            for at in [moment(k * 3 + chance.random())]
        ),
    )
    put(
        raw,
        "core_activity",
        "id version customer_id type summary due_at is_open done_at owner_id created_at updated_at",
        (
            (
                *(new_id().hex, 1, c, "call", "Call back", moment(k * 5 - 3), k == 0),
                *(moment(k * 5 - 4) if k else None, users[n % USERS], moment(9), moment(9)),
            )
            for n, c in enumerate(ids)
            for k in range(3)
        ),
    )


def fill_documents(raw: sqlite3.Connection, ids: list[str]) -> None:
    """Two orders and two invoices a customer, one of them overdue, with three lines each."""
    products = [new_id().hex for _ in range(PRODUCTS)]
    put(
        raw,
        "core_product",
        "id name is_sold refreshed_at",
        [(p, f"Product {n}", 1, moment(1)) for n, p in enumerate(products)],
    )
    documents = [
        (new_id().hex, c, kind, k, n * 4 + k)
        for n, c in enumerate(ids)
        for k, kind in enumerate(("order", "order", "invoice", "invoice"))
    ]
    put(
        raw,
        "core_transaction",
        "id customer_id kind number state payment_state is_outgoing is_open issued_on due_on "
        "currency_code untaxed_amount tax_amount total_amount open_amount refreshed_at",
        (
            (
                *(key, c, kind, f"D{n}", "confirmed", "not_paid", 0, k == 3, day(40 + k)),
                *(day(10), "EUR", 1_000_000, 240_000, 1_240_000, 1_240_000 * (k == 3), moment(1)),
            )
            for key, c, kind, k, n in documents
        ),
    )
    put(
        raw,
        "core_transaction_line",
        "id transaction_id position kind product_id quantity unit_price untaxed_amount",
        (
            (new_id().hex, key, line, "product", products[(n + line) % PRODUCTS], *[1_000_000] * 3)
            for key, _, _, _, n in documents
            for line in range(3)
        ),
    )
