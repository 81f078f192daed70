"""The customer card against five bare SQL statements that read the same things in the same run.

    python bench/customer_card.py --customers 100000 --interactions 2000000 [--json]

Ends with 1 when the card's median takes more than five times its floor, for a user who sees all.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

from filling.customers import SEED, USERS, fill

from crm_core.access import Actor, Reach, system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.card import CustomerCard, customer_card
from crm_core.services.relationships import seed_relationship_types
from crm_core.services.roles import BUILT_IN_ROLES
from crm_core.services.settings import Settings

LIMIT = 5.0

# What the card reads, as five statements. The small lists of different shapes are one of them, each
# padded to the width of the widest.
CUSTOMER = """
SELECT c.id, c.version, c.kind, c.stage, c.name, c.reference, c.vat, c.language, c.job_title,
    c.preferred_channel, c.note, c.owner_id, c.archived_at, c.created_at, c.updated_at, u.name
FROM core_customer c LEFT JOIN core_user u ON u.id = c.owner_id WHERE c.id = :c
"""
FACTS = """
SELECT id, kind, value, normalized, label
FROM core_contact_point WHERE customer_id = :c;
SELECT id, use, recipient, street, street2, postal_code, city, region, country_code, email, phone,
    mobile, note
FROM core_address WHERE customer_id = :c AND archived_at IS NULL;
SELECT t.id, t.name
FROM core_customer_tag ct JOIN core_tag t ON t.id = ct.tag_id WHERE ct.customer_id = :c;
SELECT o.id, o.user_id, u.name, o.from_at, o.until_at, o.changed_by
FROM core_ownership o LEFT JOIN core_user u ON u.id = o.user_id WHERE o.customer_id = :c;
SELECT id, purpose, channel, status, evidence, at
FROM core_consent WHERE customer_id = :c;
SELECT v.id, a.code, a.title, a.type, a.is_personal, v.value, v.updated_at
FROM core_profile_value v JOIN core_profile_attribute a ON a.id = v.attribute_id
WHERE v.customer_id = :c;
SELECT r.id, t.code, t.name, o.id, o.name, o.kind, r.started_on, r.ended_on, r.note
FROM core_relationship r JOIN core_relationship_type t ON t.id = r.type_id
JOIN core_customer o ON o.id = r.to_customer_id WHERE r.from_customer_id = :c;
SELECT r.id, t.code, t.inverse_name, o.id, o.name, o.kind, r.started_on, r.ended_on, r.note
FROM core_relationship r JOIN core_relationship_type t ON t.id = r.type_id
JOIN core_customer o ON o.id = r.from_customer_id WHERE r.to_customer_id = :c;
SELECT b.name, x.remote_id, x.state, x.synced_at, s.entity, s.refreshed_at
FROM core_binding x JOIN core_backend b ON b.id = x.backend_id
LEFT JOIN core_sync_cursor s ON s.backend_id = x.backend_id
WHERE x.local_id = :c AND x.entity = 'customer';
SELECT p.id, p.name, p.reference, d.kind, sum(l.quantity), count(DISTINCT d.id), max(d.issued_on)
FROM core_transaction d JOIN core_transaction_line l ON l.transaction_id = d.id
JOIN core_product p ON p.id = l.product_id
WHERE d.customer_id = :c AND d.kind IN ('order', 'invoice') AND d.state IN ('confirmed', 'done')
GROUP BY p.id, p.name, p.reference, d.kind
"""
INTERACTIONS = """
SELECT i.id, i.at, i.subject, i.channel, i.direction, i.body, u.name
FROM core_interaction i LEFT JOIN core_user u ON u.id = i.user_id WHERE i.customer_id = :c
ORDER BY i.at DESC, i.id DESC LIMIT 20
"""
ACTIVITIES = """
SELECT a.id, a.type, a.summary, a.note, a.due_at, a.is_open, a.done_at, a.version, u.name
FROM core_activity a LEFT JOIN core_user u ON u.id = a.owner_id
WHERE a.customer_id = :c AND a.is_open = {is_open}
"""
DOCUMENTS = """
SELECT id, kind, number, reference, state, payment_state, invoice_state, delivery_state,
    is_outgoing, is_open, issued_on, due_on, currency_code, untaxed_amount, tax_amount,
    total_amount, open_amount, refreshed_at
FROM core_transaction WHERE customer_id = :c AND
"""


def padded(selects: str) -> str:
    """Unite selects of different widths."""
    parts = [select.partition("\nFROM") for select in selects.split(";")]
    widest = max(columns.count(",") for columns, _, _ in parts)
    return " UNION ALL ".join(
        f"{columns}{', NULL' * (widest - columns.count(','))}\nFROM{rest}"
        for columns, _, rest in parts
    )


def latest(select: str, order: str) -> str:
    """The first twenty in an order."""
    return f" UNION ALL SELECT * FROM ({select} ORDER BY {order} LIMIT 20)"


KINDS = ("order", "invoice", "refund", "payment")
STATEMENTS = (
    CUSTOMER,
    padded(FACTS),
    INTERACTIONS,
    ACTIVITIES.format(is_open=1) + latest(ACTIVITIES.format(is_open=0), "a.due_at DESC"),
    DOCUMENTS
    + "is_open = 1"
    + "".join(latest(f"{DOCUMENTS} kind = '{k}'", "issued_on DESC, id DESC") for k in KINDS),
)


def floor(path: Path) -> Callable[[str], int]:
    """Return what reads a customer by five bare statements and gives the number of rows."""
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA cache_size = -65536")
    raw.execute("BEGIN")

    def read(key: str) -> int:
        return sum(len(raw.execute(sql, {"c": key}).fetchall()) for sql in STATEMENTS)

    return read


def measured(work: Callable[[str], Any], key: str) -> float:
    """Milliseconds of this process in the best of five calls; all it reads lies in memory."""
    times = []
    for _ in range(5):
        begin = process_time()
        work(key)
        times.append((process_time() - begin) * 1_000)
    return min(times)


def card(database: Database, actor: Actor) -> Callable[[str], CustomerCard]:
    """Return what reads a card in a unit of work that stays open, like the floor's connection."""
    uow = UnitOfWork(database, actor, write=False)
    settings = Settings()
    return lambda key: customer_card(uow, UUID(key), settings)


def whole_request(database: Database, actor: Actor) -> Callable[[str], CustomerCard]:
    """Return what reads a card in a unit of work of its own."""

    def read(key: str) -> CustomerCard:
        with unit_of_work(database, actor=actor) as uow:
            return customer_card(uow, UUID(key), Settings())

    return read


def check(found: CustomerCard, rows: int) -> None:
    """Stop unless the card holds all that was written, and the floor read as much."""
    counts = (
        len(found.contact_points),
        len(found.addresses),
        len(found.tags),
        len(found.consents),
        len(found.profile),
        len(found.owners),
        len(found.activities),
        len(found.documents),
        len(found.sources),
    )
    assert counts == (2, 1, 2, 2, 1, 1, 1, 4, 1), counts
    assert found.products
    assert found.relationships
    assert found.timeline
    assert found.balance.overdue_amount == 124, found.balance
    assert rows > sum(counts) + len(found.relationships) + len(found.products), rows


def compare(database: Database, path: Path, ids: list[str], rounds: int) -> dict[str, float]:
    """Measure customers at random, in turns, for who sees all and for who sees their own.

    Returns:
        The median milliseconds over ``rounds`` customers, by what was measured.
    """
    sees_all = Actor(UUID(int=1), "manager", BUILT_IN_ROLES["manager"][1])
    raw = sqlite3.connect(path)
    owner = raw.execute("SELECT owner_id FROM core_customer WHERE id = ?", ids[:1]).fetchone()[0]
    raw.close()
    sees_own = Actor(UUID(owner), "own", {"core.customer.view": Reach.OWN})
    works: dict[str, Callable[[str], Any]] = {
        "five bare statements": floor(path),
        "card, sees all": card(database, sees_all),
        "card, sees own": card(database, sees_own),
        "whole request": whole_request(database, sees_all),
    }
    check(works["card, sees all"](ids[0]), works["five bare statements"](ids[0]))
    times: dict[str, list[float]] = {name: [] for name in works}
    for key in random.Random(SEED).choices(ids[::USERS], k=rounds):
        for name, work in works.items():
            times[name].append(measured(work, key))
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Fill a database, measure, print; 1 when the card is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--interactions", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        path = Path(folder) / "crm.sqlite"
        database = Database(f"sqlite:///{path}")
        upgrade(database)
        with unit_of_work(database, actor=system_actor("bench"), write=True) as uow:
            seed_relationship_types(uow)
            uow.commit()
        database.dispose()
        begin = perf_counter()
        ids = fill(path, max(chosen.customers, USERS), chosen.interactions)
        filled = perf_counter() - begin
        medians = compare(database, path, ids, chosen.rounds)
        database.dispose()
    base = medians["five bare statements"]
    ratios = {name: found / base for name, found in medians.items()}
    if chosen.json:
        print(json.dumps({"ms": medians, "ratios": ratios, "limit": LIMIT, "fill_s": filled}))
    else:
        print(f"{len(ids)} customers, {chosen.interactions} interactions, filled in {filled:.1f} s")
        for name, found in medians.items():
            print(f"{name:<24}{found:8.3f} ms{ratios[name]:8.2f}")
    return 0 if ratios["card, sees all"] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
