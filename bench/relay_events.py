"""Handing events to three handlers, against plain sqlite3 doing the same writes.

python bench/relay_events.py --events 10000

The product records events (a hundred a transaction), makes three deliveries of each, and hands
them to handlers that do nothing: what a handler does is its own. The floor reads and writes the
same rows of the same tables in as many transactions, on the same schema under the same pragmas.
Afterwards both databases must hold the same. Ends with 1 when the product takes more than the goal.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import structlog

from crm_core.access import system_actor
from crm_core.events import Event
from crm_core.outbox.dispatch import BATCH as DISPATCHED
from crm_core.outbox.dispatch import dispatch
from crm_core.outbox.relay import BATCH, relay
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import unit_of_work
from crm_hooks.contributions import EventHandler

GOAL = 4.0
JUDGED_FROM = 5_000
"""Events; smaller runs show that it works, not how fast."""
TRANSACTION = 100
RECORDS = 2_000
NAMES = ("bench.one", "bench.two", "bench.three")
STAGES = ("record", "dispatch", "hand over")
COUNTS = """
SELECT (SELECT count(*) FROM core_outbox WHERE dispatched_at IS NOT NULL),
    (SELECT count(*) FROM core_delivery WHERE state = 'done' AND next_at IS NULL),
    (SELECT count(*) FROM core_delivery), (SELECT sum(length(payload)) FROM core_outbox)
"""


@dataclass(frozen=True)
class Counted(Event):
    """One of many events, about one of some records."""

    name: ClassVar[str] = "bench.number.counted"

    number: int

    @property
    def record(self) -> tuple[str, str]:
        """Some events are about the same record, so that their order counts."""
        return "number", f"record-{self.number % RECORDS}"


def handle(_uow: Any, _message: Any) -> None:
    """Do nothing."""


def batches(count: int, size: int) -> Iterator[range]:
    """Yield the numbers from 0 in runs."""
    for first in range(0, count, size):
        yield range(first, min(first + size, count))


def timed(stages: list[Callable[[], Any]]) -> dict[str, float]:
    """Run each stage and return its seconds by name."""
    seconds = {}
    for name, stage in zip(STAGES, stages, strict=True):
        begin = time.perf_counter()
        stage()
        seconds[name] = time.perf_counter() - begin
    return seconds


def product(database: Database, events: int) -> dict[str, float]:
    """Do it our way."""
    handlers = [EventHandler(name, (Counted.name,), f"{__name__}:handle") for name in NAMES]

    def record() -> None:
        for numbers in batches(events, TRANSACTION):
            with unit_of_work(database, actor=system_actor("bench"), write=True) as uow:
                for number in numbers:
                    uow.record(Counted(number))
                uow.commit()

    def dispatch_all() -> None:
        while dispatch(database, handlers):
            pass

    def hand_over() -> None:
        report = relay(database, handlers)
        assert (report.handled, report.failed) == (events * len(NAMES), 0), report

    return timed([record, dispatch_all, hand_over])


def floor(connection: sqlite3.Connection, events: int) -> dict[str, float]:
    """Do the same with plain statements; what it writes is of the same length."""
    moment, run = "2026-01-01 00:00:00.000000", connection.execute

    def record() -> None:
        for numbers in batches(events, TRANSACTION):
            run("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO core_outbox (at, name, version, entity_type, entity_id, payload,"
                " actor_login, origin) VALUES (?, ?, 1, 'number', ?, ?, 'system', 'bench')",
                [
                    (moment, Counted.name, f"record-{n % RECORDS}", json.dumps({"number": n}))
                    for n in numbers
                ],
            )
            run("COMMIT")

    def dispatch_all() -> None:
        for _ in batches(events, DISPATCHED):
            run("BEGIN IMMEDIATE")
            found = run(
                "SELECT id, entity_type, entity_id FROM core_outbox WHERE dispatched_at IS NULL"
                " ORDER BY id LIMIT ?",
                (DISPATCHED,),
            ).fetchall()
            connection.executemany(
                "INSERT INTO core_delivery (outbox_id, handler, entity_type, entity_id, state,"
                " attempts, next_at) VALUES (?, ?, ?, ?, 'pending', 0, ?)",
                [(id_, name, kind, key, moment) for id_, kind, key in found for name in NAMES],
            )
            ids = [row[0] for row in found]
            marks = ",".join("?" * len(ids))
            run(f"UPDATE core_outbox SET dispatched_at = ? WHERE id IN ({marks})", [moment, *ids])
            run("COMMIT")

    def hand_over() -> None:
        for name in NAMES:
            for _ in batches(events, BATCH):
                run("BEGIN IMMEDIATE")
                found = run(
                    "SELECT d.id, o.* FROM core_delivery d JOIN core_outbox o ON o.id = d.outbox_id"
                    " WHERE d.handler = ? AND d.next_at <= ? ORDER BY d.outbox_id LIMIT ?",
                    (name, moment, BATCH),
                ).fetchall()
                marks = ",".join("?" * len(found))
                run(
                    "UPDATE core_delivery SET state = 'done', attempts = attempts + 1,"
                    f" next_at = NULL, done_at = ? WHERE id IN ({marks})",
                    [moment, *(row[0] for row in found)],
                )
                run("COMMIT")

    return timed([record, dispatch_all, hand_over])


def measure(folder: Path, events: int) -> dict[str, Any]:
    """Run both on databases of their own and compare what they left."""
    ours, bare = (Database(f"sqlite:///{folder / name}.sqlite") for name in ("ours", "bare"))
    left = []
    for database in (ours, bare):
        upgrade(database)
    with bare.engine.connect() as pooled:
        raw: Any = pooled.connection.driver_connection
        pooled.exec_driver_sql("COMMIT")
        seconds = {"floor": floor(raw, events), "product": product(ours, events)}
        left.append(raw.execute(COUNTS).fetchone())
    with ours.engine.connect() as pooled:
        left.append(tuple(pooled.exec_driver_sql(COUNTS).one()))
    assert left[0][:3] == left[1][:3], left
    for database in (ours, bare):
        database.dispose()
    return seconds


def main() -> int:
    """Measure and print seconds and ratios of each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(Path(folder), chosen.events)
    totals = {name: sum(stages.values()) for name, stages in seconds.items()}
    ratio = totals["product"] / totals["floor"]
    if chosen.json:
        print(json.dumps({"seconds": seconds, "ratio": ratio, "goal": GOAL}))
    else:
        for stage in (*STAGES, "all"):
            bare, ours = (seconds[who].get(stage, totals[who]) for who in ("floor", "product"))
            print(f"{stage:<12}{bare:8.2f} s{ours:8.2f} s{ours / bare:8.2f}")
        print(f"{chosen.events * len(NAMES) / totals['product']:,.0f} deliveries a second")
    return int(ratio > GOAL and chosen.events >= JUDGED_FROM)


if __name__ == "__main__":
    sys.exit(main())
