"""How fast partners are pulled from a real Odoo, against a bare ``search_read`` loop.

python bench/pull_partners.py [--partners N] [--memory-partners M] [--json]

Both read the same partners over the same fields in the same run. The pull writes customers, contact
points, addresses, ownership, audit, bindings and search entries, all counted afterwards. Ends with
1 when the pull has less than 0.7 of the bare loop's rate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

import odoo_cluster
from odoo_server import NoOdooError, OdooDatabase, find_server

GOAL = 0.7
PAGE = 1_000
PARTNERS_SQL = """
INSERT INTO res_partner (name, display_name, active, is_company, type, lang, email, phone, street,
    city, zip, country_id, vat, ref, function, user_id, write_date, create_date, company_id)
SELECT n.name, n.name, true, g % 3 = 0, 'contact', 'el_GR', 'customer' || g || '@example.com',
    '+30 210 ' || (1000000 + g), 'Οδός ' || g, 'Αθήνα', '10564',
    (SELECT id FROM res_country WHERE code = 'GR'), NULL, 'B-' || g, 'Buyer',
    (SELECT id FROM res_users WHERE login = 'sales1'), now() at time zone 'utc',
    now() at time zone 'utc', NULL
FROM generate_series(1, {count}) AS g,
    LATERAL (SELECT (ARRAY['Ξενοδοχείο', 'Pensjonat Łódź', 'Кофейня', 'هتل', 'O''Brien & Sons'])
        [1 + g % 5] || ' ' || g AS name) AS n;
UPDATE res_partner SET commercial_partner_id = id WHERE commercial_partner_id IS NULL;
ANALYZE res_partner;
"""


def seed(database: OdooDatabase, count: int) -> None:
    """Add partners by SQL: over RPC it would take longer than all else here."""
    odoo_cluster.sql(PARTNERS_SQL.format(count=count), database.name)


class Listening:
    """A transport that notes what the pull asks of partners."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.domain: Any = None
        self.fields: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def execute(self, model: str, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Pass the call on."""
        if model == "res.partner" and method == "search" and keywords.get("limit"):
            self.domain = arguments[0][1:]  # but for the id to begin after
        if model == "res.partner" and method == "read":
            self.fields = arguments[1]
        return self.transport.execute(model, method, *arguments, **keywords)


def bare_loop(database: OdooDatabase) -> tuple[int, float]:
    """Page through the partners with ``search_read``, over the fields that the pull asks for.

    Returns:
        How many there are, and the seconds it took.
    """
    from crm_odoo.backend import OdooBackend

    transport = Listening(transport_of(database))
    next(iter(OdooBackend(transport).pages("customer", since=None, after=None, size=1)))
    begin = time.perf_counter()
    done, last = 0, 0
    while True:
        page = transport.execute(
            "res.partner",
            "search_read",
            [["id", ">", last], *transport.domain],
            transport.fields,
            limit=PAGE,
            order="id",
            context={"active_test": False, "tz": "UTC"},
        )
        done += len(page)
        if len(page) < PAGE:
            return done, time.perf_counter() - begin
        last = page[-1]["id"]


def opened_database(path: Path) -> tuple[Any, Any]:
    """Return a new SQLite database and the record of a backend in it."""
    from crm_core.access import system_actor
    from crm_core.entities import Backend
    from crm_core.ids import new_id
    from crm_core.persistence.database import Database
    from crm_core.persistence.migrate import upgrade
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.relationships import seed_relationship_types

    target = Database(f"sqlite:///{path}")
    upgrade(target)
    with unit_of_work(target, actor=system_actor("bench"), write=True) as uow:
        seed_relationship_types(uow)
        backend = uow.add(
            Backend(
                id=new_id(),
                name="bench",
                type="odoo",
                config={},
                created_at=uow.now,
                updated_at=uow.now,
            )
        )
        uow.commit()
    return target, backend


def pull(database: OdooDatabase, path: Path) -> dict[str, Any]:
    """Pull the customers into a new SQLite file and return the stages' times."""
    from crm_core.sync.engine import run

    target, backend = opened_database(path)
    remote = _opened(database)
    run(target, backend, remote, entities=["user", "tag"])
    report = run(target, backend, remote, entities=["customer"], page_size=PAGE)
    assert report.state == "done", report.warnings
    return {"stages": report.stages, "created": report.counts["customer"]["created"]}


def transport_of(database: OdooDatabase) -> Any:
    """Return a connection as the user who only reads."""
    from crm_odoo.settings import connection_settings
    from crm_odoo.transport.odoorpc_transport import OdooRpcTransport

    return OdooRpcTransport(connection_settings(*_config(database)))


def _opened(database: OdooDatabase) -> Any:
    from crm_odoo.settings import open_backend

    return open_backend(*_config(database))


def _config(database: OdooDatabase) -> tuple[dict[str, str], str]:
    config = {"url": database.url, "database": database.name, "login": database.bot.login}
    return config, database.bot.secret


def counted(path: Path) -> dict[str, int]:
    """Count the rows of each table that a pulled customer fills."""
    import sqlite3

    tables = ("core_customer", "core_binding", "core_audit", "core_search_entry")
    with sqlite3.connect(path) as connection:
        return {
            table: connection.execute(
                f"SELECT count(*) FROM {table}"
                + (" WHERE entity_type = 'customer'" if table == "core_audit" else "")
                + (" WHERE entity = 'customer'" if table == "core_binding" else "")
            ).fetchone()[0]
            for table in tables
        }


def apart(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """Run in a process of its own; returns its result, seconds and peak memory in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, arguments))


def _measured(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float, float]:
    _quiet()
    begin = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - begin
    return result, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _quiet() -> None:
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@contextmanager
def partners(count: int) -> Iterator[OdooDatabase]:
    """A copy of the template with so many partners more."""
    server = find_server()
    database = server.copy()
    try:
        begin = time.perf_counter()
        seed(database, count)
        print(f"{'seed ' + str(count):<28}{time.perf_counter() - begin:8.2f} s")
        yield database
    finally:
        server.drop(database)


def compare(count: int, rounds: int) -> dict[str, Any]:
    """Measure both in turns and return the medians."""
    bare, pulled, whole, peak = [], [], [], 0.0
    with partners(count) as database, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            (done, seconds), _, _ = apart(bare_loop, database)
            bare.append(done / seconds)
            print(f"{'bare search_read loop':<28}{seconds:8.2f} s{done / seconds:10.0f} /s")
            path = Path(folder) / f"{number}.sqlite"
            result, seconds, peak = apart(pull, database, path)
            customer_seconds = result["stages"]["customer"]
            pulled.append(result["created"] / customer_seconds)
            both = customer_seconds + result["stages"]["afterwards"]
            whole.append(result["created"] / both)
            print(f"{'pull: customers':<28}{customer_seconds:8.2f} s{pulled[-1]:10.0f} /s")
            print(f"{'pull: afterwards':<28}{result['stages']['afterwards']:8.2f} s")
            rows = counted(path)
            assert set(rows.values()) == {result["created"]} == {done}, rows
    floor = statistics.median(bare)
    ratios = {
        "ratio": statistics.median(pulled) / floor,
        "ratio_with_afterwards": statistics.median(whole) / floor,
    }
    return {**ratios, "bare": bare, "pulled": pulled, "peak_mib": peak, "rows": rows}


def peak_at(count: int) -> float:
    """Return the peak memory of a pull of so many partners, in MiB."""
    with partners(count) as database, tempfile.TemporaryDirectory() as folder:
        _, seconds, peak = apart(pull, database, Path(folder) / "memory.sqlite")
    print(f"{'pull ' + str(count):<28}{seconds:8.2f} s{peak:10.0f} MiB at its peak")
    return peak


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--partners", type=int, default=20_000)
    parser.add_argument("--memory-partners", type=int, help="five times --partners by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        found = compare(chosen.partners, chosen.rounds)
    except NoOdooError as error:
        print(f"left out: {error}")
        return 0
    found["peak_mib_more"] = peak_at(chosen.memory_partners or 5 * chosen.partners)
    if chosen.json:
        print(json.dumps(found))
    else:
        print(f"{'ratio to the bare loop':<28}{found['ratio']:8.2f}   goal {GOAL}")
        print(f"{'the same with afterwards':<28}{found['ratio_with_afterwards']:8.2f}")
        print(f"{'peak memory':<28}{found['peak_mib']:8.0f} MiB, {found['peak_mib_more']:.0f} MiB")
    return 0 if found["ratio"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
