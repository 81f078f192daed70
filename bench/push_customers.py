"""How fast new customers are pushed to a real Odoo, against a bare batched ``load``.

python bench/push_customers.py [--customers N] [--rounds R] [--json]

The bare load sends the very same rows, 500 a call, over the same transport into a fresh copy of the
same database: what the push itself loaded, overheard. The push also looks for each customer over
there first, reads it again afterwards and keeps what both agreed on. Both must leave the same
partners. Ends with 1 when the push has less than 0.9 of the bare load's rate.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

from crm_core.access import system_actor
from crm_core.entities import Address, Backend, Binding, ContactPoint, Customer
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.relationships import seed_relationship_types
from crm_core.sync.engine import run
from crm_core.sync.permit import accept_plan, plan_was_shown
from crm_core.sync.push_queue import enqueue
from crm_odoo.backend import OdooBackend
from crm_odoo.settings import connection_settings
from crm_odoo.transport.odoorpc_transport import OdooRpcTransport
from odoo_server import NoOdooError, OdooDatabase, find_server

GOAL = 0.9
JUDGED_FROM = 500
"""Customers; smaller runs show that it works, not how fast."""
BATCH = 500
ROUNDS = 3
STAGES = {"find": "matching", "create": "creating", "read": "reading back"}
REST = "everything else"
COMPARED = ("ref", "name", "email", "phone", "street", "city", "is_company", "function")
NAMES = ("Ξενοδοχείο", "Pensjonat Łódź", "Кофейня", "هتل", "O'Brien & Sons")
Load = tuple[list[str], list[list[str]], dict[str, Any]]


class Overheard(OdooRpcTransport):
    """A transport that keeps what partners were loaded."""

    def __init__(self, database: OdooDatabase) -> None:
        assert database.writer is not None
        config = {"url": database.url, "database": database.name, "login": database.writer.login}
        super().__init__(connection_settings(config, database.writer.secret))
        self.loads: list[Load] = []

    def execute(self, model: str, method: str, *args: Any, **keywords: Any) -> Any:
        """Pass the call on."""
        if (model, method) == ("res.partner", "load"):
            self.loads.append((args[0], args[1], keywords["context"]))
        return super().execute(model, method, *args, **keywords)


@contextmanager
def fresh_copy() -> Iterator[OdooDatabase]:
    """A copy of the template whose registry is loaded and that has loaded a partner before."""
    server = find_server()
    database = server.copy()
    try:
        warm = Overheard(database)
        warm.execute("res.partner", "load", ["name"], [["Warm-up"]], context={})
        warm.close()
        yield database
    finally:
        server.drop(database)


def bare_load(database: OdooDatabase, loads: list[Load]) -> float:
    """Load rows that were overheard, in full batches; returns the seconds it took."""
    sheets: dict[tuple[str, ...], list[list[str]]] = {}
    for columns, rows, _ in loads:
        sheets.setdefault(tuple(columns), []).extend(rows)
    transport, context = Overheard(database), loads[0][2]
    transport.execute("res.partner", "search_count", [])  # logs in
    begin = time.perf_counter()
    for names, rows in sheets.items():
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            told = transport.execute("res.partner", "load", list(names), batch, context=context)
            assert told["ids"], told
    seconds = time.perf_counter() - begin
    transport.close()
    return seconds


def add_customers(uow: UnitOfWork, backend: Backend, count: int) -> None:
    """Add customers past the services, and have them pushed."""
    owners = uow.scalars(Binding.__table__.select().with_only_columns(Binding.local_id).where(
        Binding.entity == "user"
    )).all()  # fmt: skip
    ids = [new_id() for _ in range(count)]
    connection, dates = uow.connection(), {"created_at": uow.now, "updated_at": uow.now}
    insert_rows(connection, Customer, [
        {
            "id": key, "version": 1, "kind": "company" if n % 3 == 0 else "person",
            "stage": "prospect", "name": f"{NAMES[n % 5]} {n}", "reference": f"B-{n}",
            "job_title": None if n % 3 == 0 else "Buyer", "owner_id": owners[n % len(owners)],
            **dates,
        }
        for n, key in enumerate(ids)
    ])  # fmt: skip
    insert_rows(connection, ContactPoint, [
        {"id": new_id(), "customer_id": key, "kind": kind, "value": value, "normalized": value,
         "position": place}
        for n, key in enumerate(ids)
        for place, (kind, value) in enumerate(
            (("email", f"customer{n}@example.com"), ("phone", f"+30210{1_000_000 + n}"))
        )
    ])  # fmt: skip
    insert_rows(connection, Address, [
        {"id": new_id(), "customer_id": key, "use": "main", "street": f"Οδός {n}",
         "postal_code": "10564", "city": "Αθήνα", "country_code": "GR"}
        for n, key in enumerate(ids)
    ])  # fmt: skip
    enqueue(uow, backend.id, "customer", ids)


def push(database: OdooDatabase, count: int) -> tuple[dict[str, float], list[Load]]:
    """Push new customers to an Odoo that we are in step with already.

    Returns:
        The seconds of each stage, ``all``, ``processor`` (our own process) and ``run`` (with what
        the same run reads), and what was loaded.
    """
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        target = Database(f"sqlite:///{Path(folder) / 'crm.sqlite'}")
        upgrade(target)
        transport = Overheard(database)
        remote = OdooBackend(transport)
        backend = in_step(target, remote)
        change(target, lambda uow: add_customers(uow, backend, count))
        transport.loads.clear()
        seconds = _timed(remote)
        began, processor = time.perf_counter(), time.process_time()
        report = run(target, backend, remote, entities=["customer"])
        seconds |= {
            "processor": time.process_time() - processor,
            "run": time.perf_counter() - began,
            "all": report.stages["writing"],
        }
        seconds[REST] = seconds["all"] - sum(seconds[stage] for stage in STAGES.values())
        assert report.pushed["customer"]["created"] == count, report.pushed
        remote.close()
        target.dispose()
    return seconds, transport.loads


def in_step(target: Database, remote: OdooBackend) -> Backend:
    """Add a backend whose plan is accepted and of which nothing waits."""

    def add(uow: UnitOfWork) -> Backend:
        seed_relationship_types(uow)
        dates = {"created_at": uow.now, "updated_at": uow.now}
        return uow.add(Backend(id=new_id(), name="bench", type="odoo", config={}, **dates))

    backend = change(target, add)
    entities = ["user", "tag", "customer"]
    run(target, backend, remote, entities=entities)
    change(target, lambda uow: plan_was_shown(uow, "bench"))
    change(target, lambda uow: accept_plan(uow, "bench"))
    run(target, backend, remote, entities=entities)
    return backend


def change(target: Database, work: Callable[[UnitOfWork], Any]) -> Any:
    with unit_of_work(target, actor=system_actor("bench"), write=True) as uow:
        found = work(uow)
        uow.commit()
    return found


def _timed(remote: Any) -> dict[str, float]:
    """Have a backend's calls add up their seconds."""
    seconds = dict.fromkeys(STAGES.values(), 0.0)

    def timed(call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                seconds[stage] += time.perf_counter() - begin

        return measured

    for name, stage in STAGES.items():
        setattr(remote, name, timed(getattr(remote, name), stage))
    return seconds


def partners(database: OdooDatabase) -> list[tuple[Any, ...]]:
    """Return what stands in Odoo of the customers pushed."""
    transport = Overheard(database)
    rows = transport.execute(
        "res.partner", "search_read", [["ref", "=like", "B-%"]], list(COMPARED), context={}
    )
    transport.close()
    return sorted(tuple(row[name] for name in COMPARED) for row in rows)


def compare(count: int, rounds: int) -> dict[str, Any]:
    """Measure both in turns, each on a copy of its own, and return the medians."""
    bare: list[float] = []
    pushed: list[dict[str, float]] = []
    for _ in range(rounds):
        with fresh_copy() as database:
            stages, loads = push(database, count)
            ours = partners(database)
        with fresh_copy() as database:
            bare.append(bare_load(database, loads))
            theirs = partners(database)
        pushed.append(stages)
        assert len(ours) == len(theirs) == count, (len(ours), len(theirs))
        differing = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
        assert not differing, differing[:3]
    medians = {name: statistics.median(each[name] for each in pushed) for name in pushed[0]}
    floor = statistics.median(bare)
    return {"bare": floor, "push": medians, "ratio": floor / medians["all"], "goal": GOAL}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} by default, 1 where few are pushed")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    count = chosen.customers
    is_judged = count >= JUDGED_FROM
    try:
        found = compare(count, chosen.rounds or (ROUNDS if is_judged else 1))
    except NoOdooError as error:
        print(f"left out: {error}")
        return 0
    if chosen.json:
        print(json.dumps(found))
    else:
        seconds = found["push"]
        print(f"{'bare load':<28}{found['bare']:8.2f} s{count / found['bare']:10.0f} /s")
        for stage in (*STAGES.values(), REST):
            print(f"{'push: ' + stage:<28}{seconds[stage]:8.2f} s")
        print(f"{'push: all':<28}{seconds['all']:8.2f} s{count / seconds['all']:10.0f} /s")
        print(f"{'loading, share of the push':<28}{seconds['creating'] / seconds['all']:8.2f}")
        print(f"{'run with its reading':<28}{seconds['run']:8.2f} s")
        print(f"{'processor time of our own':<28}{seconds['processor']:8.2f} s")
        print(f"{'ratio to the bare load':<28}{found['ratio']:8.2f}   goal {GOAL}")
    return int(is_judged and found["ratio"] < GOAL)


if __name__ == "__main__":
    sys.exit(main())
