"""Scoring all open deals again, against a plain loop that reads and writes the same.

python bench/rescore.py [--deals N] [--json]

Of N open deals and a quarter as many closed ones, each with its customer, contact points and tags,
the frequencies are learnt; then the open ones are scored again in batches, as the nightly job does.
The floor reads the same facts by three hand-written statements, adds up the same logarithms from
dictionaries, and writes the same column, without settings, batches or transactions in between. On
SQLite, and on PostgreSQL where the tests' server runs. Ends with 1 when 100,000 deals take a minute
or more, or memory grows by more than 24 MiB after the first batches.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import exp, log
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import create_engine, select, text, update

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.config import load_config
from crm_core.entities import ContactPoint, Customer, Tag
from crm_core.ids import new_id
from crm_core.persistence.bulk import chunked, insert_rows, table_of
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins.activation import enable_plugin
from crm_core.services.installation import Answers, install

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

import postgres

SECONDS, MOST_GROWTH = 60.0, 24.0
JUDGED_FROM = 100_000
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNTRIES, LANGUAGES = ("GR", "PL", "SI", "RU", "IR", "GB"), ("el", "pl", "sl", "ru", "fa", "en")
SOURCES = ("web", "fair", "phone", "recommendation", "catalogue")
BANDS = (500, 2000, 10000, 50000)
FACTS = """
SELECT o.id, o.stage_id, o.country_code, o.language, o.source, o.expected_amount,
  (SELECT max(CASE WHEN p.normalized IS NULL THEN 1 ELSE 2 END) FROM core_contact_point p
   WHERE p.customer_id = o.customer_id AND p.kind = 'email') AS email,
  (SELECT max(CASE WHEN p.normalized IS NULL THEN 1 ELSE 2 END) FROM core_contact_point p
   WHERE p.customer_id = o.customer_id AND p.kind IN ('phone', 'mobile')) AS phone
FROM sales_opportunity o WHERE o.state = 'open'
"""
TAGS = "SELECT opportunity_id, tag_id FROM sales_opportunity_tag"
COUNTS = "SELECT variable, value, won, lost FROM sales_score_frequency WHERE \"group\" = '*'"
STAGES = "SELECT id, position FROM sales_stage"


def fill(uow: UnitOfWork, deals: int) -> None:
    """Write customers with contact points, closed deals and open ones."""
    from crm_sales.models import Opportunity, OpportunityTag, Stage

    chance = random.Random(1)
    stages = uow.execute(select(Stage).order_by(Stage.position)).scalars().all()
    connection = uow.connection()
    at = {"created_at": NOW, "updated_at": NOW}
    empty = dict.fromkeys(table_of(Customer).columns.keys())
    customers = [
        {**empty, "id": new_id(), "version": 1, "kind": "company", "stage": "active", **at}
        | {"name": f"Customer {number}"}
        for number in range(max(1, deals // 10))
    ]
    insert_rows(connection, Customer, customers)
    points = [
        {"id": new_id(), "customer_id": each["id"], "kind": kind, "value": "x", "label": None}
        | {"normalized": "x" if chance.random() < 0.8 else None, "position": place}
        for each in customers
        for place, kind in enumerate(("email", "phone"))
        if chance.random() < 0.9
    ]
    insert_rows(connection, ContactPoint, points)
    tags = [{"id": new_id(), "name": f"tag {number}"} for number in range(12)]
    insert_rows(connection, Tag, tags)
    plain = dict.fromkeys(table_of(Opportunity).columns.keys())
    for some in chunked(range(deals + deals // 4), 10_000):
        rows, borne = [], []
        for number in some:
            state = "open" if number < deals else chance.choice(("won", "lost"))
            stage = stages[-1] if state == "won" else chance.choice(stages[:-1])
            closed = None if state == "open" else NOW - timedelta(days=chance.randint(1, 700))
            country = chance.randrange(len(COUNTRIES))
            rows.append(
                {
                    **plain,
                    "id": new_id(),
                    "version": 1,
                    "name": f"Deal {number}",
                    "customer_id": chance.choice(customers)["id"],
                    "pipeline_id": stage.pipeline_id,
                    "stage_id": stage.id,
                    "state": state,
                    "expected_amount": Decimal(chance.randrange(100, 60_000)),
                    "currency_code": "EUR",
                    "is_committed": False,
                    "source": chance.choice(SOURCES),
                    "country_code": COUNTRIES[country],
                    "language": LANGUAGES[country],
                    "stage_entered_at": NOW,
                    "closed_at": closed,
                    "is_overridden": False,
                    **at,
                }
            )
            borne += [
                {"opportunity_id": rows[-1]["id"], "tag_id": each["id"]}
                for each in chance.sample(tags, 2)
            ]
        insert_rows(connection, Opportunity, rows)
        insert_rows(connection, OpportunityTag, borne)


def opened(url: str, folder: str) -> Application:
    """Open the product on a database."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    where = Path(folder)
    settings = {"CRM_CONFIG_HOME": folder, "CRM_LOG_FILE": str(where / "crm.log")}
    return Application(load_config({"database_url": url}, settings, where))


def prepare(url: str, folder: str, deals: int) -> float:
    """Set up, fill and learn; return how long learning took."""
    from crm_sales.services.scoring.training import train_scores

    application = opened(url, folder)
    upgrade(application.unchecked_database)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        install(uow, Answers("Bench", "EUR", "UTC", "en", None, "admin"), os_user="nobody")
        uow.commit()
    enable_plugin(
        application.database, application.installed_plugins, "sales", by="bench", seconds=60
    )
    application.close()
    application = opened(url, folder)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        fill(uow, deals)
        uow.commit()
    with application.database.write_engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        began = perf_counter()
        train_scores(uow)
        uow.commit()
        took = perf_counter() - began
    application.close()
    return took


def product(url: str, folder: str) -> dict[str, float]:
    """Score all again, batch by batch."""
    from crm_sales.models import Opportunity
    from crm_sales.services.probability import rescore_deals

    application = opened(url, folder)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        uow.execute(update(Opportunity).values(probability=None))
        uow.commit()
    after, scored, early = None, 0, 0.0
    began = perf_counter()
    while True:
        with application.unit_of_work(system_actor("bench"), write=True) as uow:
            count, after = rescore_deals(uow, after=after)
            uow.commit()
        scored += count
        early = early or (peak() if scored > 10_000 else 0.0)
        if after is None:
            break
    took = perf_counter() - began
    application.close()
    return {"seconds": took, "scored": scored, "growth": peak() - (early or peak())}


def floor(url: str, folder: str) -> dict[str, float]:
    """The same by hand."""
    application = opened(url, folder)
    began = perf_counter()
    with application.database.write_engine.begin() as connection:
        counts: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        for variable, value, won, lost in connection.execute(text(COUNTS)):
            counts[variable][value] = won, lost
        weights = learnt(
            counts, [(row.id, row.position) for row in connection.execute(text(STAGES))]
        )
        tags = defaultdict(list)
        for deal, tag in connection.execute(text(TAGS)):
            tags[deal].append(tag)
        won, lost = counts["deal"][""]
        base = log((won + 0.1) / (lost + 0.1))
        rows = []
        for row in connection.execute(text(FACTS)):
            amount = float(row.expected_amount) / (10_000 if isinstance(row[5], int) else 1)
            low = max((band for band in BANDS if band <= amount), default=0)
            odds = base + weights["stage"].get(digits(row.stage_id), 0)
            odds += weights["country"].get(row.country_code, 0)
            odds += weights["language"].get(row.language, 0)
            odds += weights["source"].get(row.source, 0)
            odds += weights["amount"].get(str(low), 0)
            odds += weights["email"].get(("none", "doubtful", "good")[row.email or 0], 0)
            odds += weights["phone"].get(("none", "doubtful", "good")[row.phone or 0], 0)
            odds += sum(weights["tag"].get(digits(tag), 0) for tag in tags[row.id])
            share = min(max(round(1 / (1 + exp(-odds)), 4), 0.0001), 0.9999)
            kept = round(share * 1_000_000) if isinstance(row[5], int) else share
            rows.append({"id": row.id, "p": kept})
        statement = text("UPDATE sales_opportunity SET probability = :p WHERE id = :id")
        connection.execute(statement, rows)
    took = perf_counter() - began
    application.close()
    return {"seconds": took, "scored": len(rows), "growth": 0.0}


def learnt(
    counts: dict[str, dict[str, tuple[int, int]]], stages: list[tuple[Any, int]]
) -> dict[str, dict[str, float]]:
    """Return the logarithm of each value's factor."""
    weights: dict[str, dict[str, float]] = defaultdict(dict)
    for variable, values in counts.items():
        won = sum(count[0] for count in values.values()) + 0.1 * len(values)
        lost = sum(count[1] for count in values.values()) + 0.1 * len(values)
        for value, (w, x) in values.items():
            if variable != "tag" or w + x >= 50:
                name = value.partition("-")[0] if variable == "amount" else value.replace("-", "")
                weights[variable][name] = log((w + 0.1) / won / ((x + 0.1) / lost))
    reached: dict[str, int] = {}
    ended = {value.replace("-", ""): count[1] for value, count in counts["stage"].items()}
    total = sum(ended.values())
    for key, position in stages:
        reached[digits(key)] = sum(
            ended.get(digits(other), 0) for other, place in stages if place >= position
        )
    weights["stage"] = {key: -log((n + 0.1) / (total + 0.1)) for key, n in reached.items()}
    return weights


def digits(key: Any) -> str:
    """An id as it is told by either database."""
    return str(key).replace("-", "")


def peak() -> float:
    """Peak memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Any, *arguments: Any) -> Any:
    """Run in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


@contextmanager
def databases(folder: str) -> Iterator[dict[str, str]]:
    """An empty database of each kind that is there."""
    urls = {"SQLite": f"sqlite:///{folder}/crm.sqlite"}
    server = postgres.running_url()
    if server is None:
        yield urls
        return
    name = f"crm_bench_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # On the disk: those of tests lie in memory.
        connection.execute(text(f'CREATE DATABASE "{name}" TABLESPACE pg_default'))
    try:
        yield {**urls, "PostgreSQL": server.rpartition("/")[0] + f"/{name}"}
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def main() -> int:
    """Fill, measure, print; 1 when it takes too long or too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, databases(folder) as urls:
        for name, url in urls.items():
            learning = apart(prepare, url, folder, chosen.deals)
            bare = apart(floor, url, folder)
            done = apart(product, url, folder)
            assert done["scored"] == bare["scored"] == chosen.deals, (done, bare)
            found[name] = {**done, "bare": bare["seconds"], "learning": learning}
    if chosen.json:
        print(json.dumps(found))
    else:
        for name, told in found.items():
            print(f"{name}, {chosen.deals} open deals")
            print(f"  {'learnt from a quarter as many':<32}{told['learning']:8.2f} s")
            print(f"  {'plain loop':<32}{told['bare']:8.2f} s")
            print(f"  {'scored again':<32}{told['seconds']:8.2f} s   goal {SECONDS:.0f}")
            print(f"  {'ratio to the plain loop':<32}{told['seconds'] / told['bare']:8.2f}")
            print(f"  {'memory grown since 10,000':<32}{told['growth']:8.1f} MiB")
    slow = any(
        told["seconds"] >= SECONDS or told["growth"] > MOST_GROWTH for told in found.values()
    )
    return int(chosen.deals >= JUDGED_FROM and slow)


if __name__ == "__main__":
    sys.exit(main())
