"""How fast changed customers are pushed to a real Odoo, against bare ``write`` and bare ``load``.

python bench/push_updates.py [--customers N] [--connections 1,2,4] [--rounds R] [--json]

Every customer gets values of its own, so nothing can be written together. The bare floors write the
very same values over as many connections, by one ``write`` a record and by ``load`` of their ids
500 a call; the better counts. The push also reads each record before and afterwards and keeps what
both agreed on. All must leave the same partners. Ends with 1 when the push has less than 0.9 of the
better floor's rate at any number of connections.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
from push_customers import add_customers, change, fresh_copy, in_step
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

from crm_core.entities import Binding, Customer
from crm_core.persistence.bulk import update_rows
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.engine import run
from crm_core.sync.push_queue import enqueue
from crm_odoo.backend import OdooBackend
from crm_odoo.settings import connection_settings
from crm_odoo.transport.odoorpc_transport import OdooRpcTransport
from odoo_server import NoOdooError, OdooDatabase

GOAL = 0.9
JUDGED_FROM = 300
"""Customers; smaller runs show that it works, not how fast."""
BATCH = 500
COLUMNS = ("name", "function", "comment")
WRITES = {"active_test": False, "mail_create_nosubscribe": True}
Values = dict[int, dict[str, Any]]


def transport_of(database: OdooDatabase, connections: int) -> OdooRpcTransport:
    """Return a client that may have so many connections, as the user who writes."""
    assert database.writer is not None
    config = {
        "url": database.url,
        "database": database.name,
        "login": database.writer.login,
        "connections": str(connections),
    }
    return OdooRpcTransport(connection_settings(config, database.writer.secret))


def edit(uow: UnitOfWork, backend_id: Any, turn: int) -> Values:
    """Change each pushed customer in three fields, queue them, and return what Odoo should hold."""
    rows = uow.execute(
        select(Customer.id, Binding.remote_id)
        .join(Binding, Binding.local_id == Customer.id)
        .where(Binding.backend_id == backend_id, Customer.reference.like("B-%"))
        .order_by(Customer.id)
    ).all()
    told = {
        row.id: {
            "name": f"Καφέ {n} {turn}",
            "job_title": f"Buyer {n} {turn}",
            "note": f"n {n} {turn}",
        }
        for n, row in enumerate(rows)
    }
    changes = [{"id": key, **values, "updated_at": uow.now} for key, values in told.items()]
    update_rows(uow.connection(), Customer, changes)
    enqueue(uow, backend_id, "customer", list(told))
    return {
        int(row.remote_id): dict(zip(COLUMNS, told[row.id].values(), strict=True)) for row in rows
    }


def bare(database: OdooDatabase, values: Values, connections: int, way: str) -> float:
    """Write values over so many connections at once; returns the seconds it took."""
    lanes = transport_of(database, connections).connections()
    for lane in lanes:
        lane.execute("res.partner", "search_count", [])  # logs in
    parts = [list(values)[n :: len(lanes)] for n in range(len(lanes))]
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(lanes)) as workers:
        work = _write if way == "write" else _load
        list(workers.map(lambda lane, part: work(lane, part, values), lanes, parts))
    seconds = time.perf_counter() - begin
    lanes[0].close()
    return seconds


def _write(lane: OdooRpcTransport, ids: Sequence[int], values: Values) -> None:
    for record_id in ids:
        lane.execute("res.partner", "write", [record_id], values[record_id], context=WRITES)


def _load(lane: OdooRpcTransport, ids: Sequence[int], values: Values) -> None:
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rows = [[str(key), *(values[key][name] for name in COLUMNS)] for key in batch]
        told = lane.execute("res.partner", "load", [".id", *COLUMNS], rows, context=WRITES)
        assert told["ids"], told


def holds(database: OdooDatabase, values: Values) -> None:
    """Make sure that Odoo holds these values."""
    transport = transport_of(database, 1)
    rows = transport.execute("res.partner", "read", list(values), list(COLUMNS), context={})
    transport.close()
    assert len(rows) == len(values), (len(rows), len(values))
    for row in rows:
        wanted = values[row["id"]]
        assert {name: row[name] for name in COLUMNS} == wanted, (row, wanted)


def measure(count: int, connections: Sequence[int], rounds: int) -> dict[int, dict[str, float]]:
    """Push new customers once, then change and push them in turns with the floors."""
    found: dict[int, dict[str, list[float]]] = {}
    with fresh_copy() as database, tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        target = Database(f"sqlite:///{Path(folder) / 'crm.sqlite'}")
        upgrade(target)
        remote = OdooBackend(transport_of(database, 1))
        backend = in_step(target, remote)
        change(target, lambda uow: add_customers(uow, backend, count))
        run(target, backend, remote, entities=["customer"])
        remote.close()
        turn = 0
        for _ in range(rounds):
            for several in connections:
                each = found.setdefault(several, {"push": [], "write": [], "load": []})
                turn += 1
                values = change(target, lambda uow, turn=turn: edit(uow, backend.id, turn))
                assert len(values) == count, (len(values), count)
                each["push"].append(_pushed(target, backend, database, several, count))
                holds(database, values)
                for way in ("write", "load"):
                    turn += 1
                    other = {
                        key: {name: f"{text} {way}{turn}" for name, text in texts.items()}
                        for key, texts in values.items()
                    }
                    each[way].append(bare(database, other, several, way))
                    holds(database, other)
                # What the floors wrote is the remote's own change: taken over before the next turn.
                settled = OdooBackend(transport_of(database, 1))
                run(target, backend, settled, entities=["customer"])
                settled.close()
        target.dispose()
    return {
        several: {name: statistics.median(all_) for name, all_ in each.items()}
        for several, each in found.items()
    }


def _pushed(
    target: Database, backend: Any, database: OdooDatabase, several: int, count: int
) -> float:
    remote = OdooBackend(transport_of(database, several))
    report = run(target, backend, remote, entities=["customer"])
    remote.close()
    assert report.pushed["customer"]["updated"] == count, report.pushed
    return report.stages["writing"]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=1_000)
    parser.add_argument("--connections", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    several = [int(text) for text in chosen.connections.split(",")]
    try:
        found = measure(chosen.customers, several, chosen.rounds)
    except NoOdooError as error:
        print(f"left out: {error}")
        return 0
    worst = min(min(each["write"], each["load"]) / each["push"] for each in found.values())
    if chosen.json:
        print(json.dumps({"seconds": found, "ratio": worst, "goal": GOAL}))
    else:
        for number, each in found.items():
            print(f"--- connections: {number}")
            for name in ("write", "load", "push"):
                rate = chosen.customers / each[name]
                print(f"{name:<28}{each[name]:8.2f} s{rate:10.0f} /s")
            ratio = min(each["write"], each["load"]) / each["push"]
            print(f"{'ratio to the better floor':<28}{ratio:8.2f}   goal {GOAL}")
    return int(chosen.customers >= JUDGED_FROM and worst < GOAL)


if __name__ == "__main__":
    sys.exit(main())
