"""What a run costs that has nothing to do, against its bare calls.

python bench/idle_run.py [--partners N] [--rounds R] [--json]

All that the connector has is pulled into a new database; then the same is run again, without and
with the sweep for what cursors cannot see. The calls of each such run are listened to and sent
again, bare, over the same connection. Ends with 1 when an entity takes more than 3 calls, or a run
twice as long as its calls alone. Logging in and asking for fields and domains is start-up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pull_partners import apart, opened_database, partners, transport_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

import odoo_cluster
from odoo_server import NoOdooError, OdooDatabase

GOAL = 2.0
MOST_CALLS = 3
JUDGED_FROM = 2_000
"""Partners; with fewer, calls are too short to judge by."""
SETTLED_SQL = """
UPDATE {table} SET write_date = write_date - interval '1 day';
"""
TABLES = (
    *("res_partner", "res_users", "res_partner_category", "res_currency", "res_currency_rate"),
    *("product_product", "product_template", "sale_order", "sale_order_line", "account_payment"),
    *("account_move", "account_move_line"),
)
Call = tuple[str, str, tuple[Any, ...], dict[str, Any]]


class Noting:
    """A transport that notes the calls made, and for which entity."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.entity = ""
        self.noted: list[Call] = []
        self.by_entity: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def execute(self, model: str, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Pass the call on."""
        self.noted.append((model, method, arguments, keywords))
        self.by_entity[self.entity] += 1
        return self.transport.execute(model, method, *arguments, **keywords)

    def again(self) -> float:
        """Send the calls noted once more; returns the seconds it took."""
        begin = time.perf_counter()
        for model, method, arguments, keywords in self.noted:
            self.transport.execute(model, method, *arguments, **keywords)
        return time.perf_counter() - begin

    def forget(self) -> None:
        """Begin anew."""
        self.noted.clear()
        self.by_entity.clear()


def settle(database: OdooDatabase) -> None:
    """Let all records have been written a day ago: what is recent is read by every run."""
    for table in TABLES:
        odoo_cluster.sql(SETTLED_SQL.format(table=table), database.name)


def idle(database: OdooDatabase, path: Path, rounds: int) -> dict[str, Any]:
    """Pull all there is, then run again with nothing to do, and make the same calls bare."""
    from crm_core.sync.engine import run
    from crm_odoo.backend import OdooBackend

    target, backend = opened_database(path)
    transport = Noting(transport_of(database))
    remote = OdooBackend(transport)
    for name in ("pages", "ids", "link_sets", "read", "fates", "names"):
        setattr(remote, name, _told(transport, getattr(remote, name)))
    first = run(target, backend, remote)
    assert first.state == "done", first.warnings
    found: dict[str, Any] = {"customers": first.counts["customer"]["created"]}
    for kind, sweep in (("cursors", False), ("sweep", True)):
        runs, bare = [], []
        for _ in range(rounds):
            transport.forget()
            began = time.perf_counter()
            report = run(target, backend, remote, sweep=sweep)
            runs.append(time.perf_counter() - began)
            done = Counter[str]()
            for counts in report.counts.values():
                done.update(counts)
            assert not +done, report.counts
            bare.append(transport.again())
        found[kind] = {
            "run": statistics.median(runs),
            "bare": statistics.median(bare),
            "calls": dict(transport.by_entity),
        }
    return found


def _told(transport: Noting, call: Any) -> Any:
    def told(entity: str, *arguments: Any, **keywords: Any) -> Any:
        transport.entity = entity
        return call(entity, *arguments, **keywords)

    return told


def compare(count: int, rounds: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    with partners(count) as database, tempfile.TemporaryDirectory() as folder:
        settle(database)
        found, _, peak = apart(idle, database, Path(folder) / "idle.sqlite", rounds)
    found["peak_mib"] = peak
    for kind in ("cursors", "sweep"):
        found[kind]["ratio"] = found[kind]["run"] / found[kind]["bare"]
    return dict(found)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--partners", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        found = compare(chosen.partners, chosen.rounds)
    except NoOdooError as error:
        print(f"left out: {error}")
        return 0
    most = 0
    for kind in ("cursors", "sweep"):
        each = found[kind]
        most = max([most, *(n for entity, n in each["calls"].items() if entity)])
        if not chosen.json:
            print(
                f"{kind + ': bare calls':<28}{each['bare']:8.3f} s{sum(each['calls'].values()):6}"
            )
            print(f"{kind + ': run':<28}{each['run']:8.3f} s")
            print(f"{kind + ': ratio':<28}{each['ratio']:8.2f}   goal {GOAL}")
            print(f"{kind + ': calls':<28}{each['calls']}")
    if chosen.json:
        print(json.dumps(found))
    else:
        print(f"{'customers':<28}{found['customers']:8}")
        print(f"{'peak memory':<28}{found['peak_mib']:8.0f} MiB")
    slow = any(found[kind]["ratio"] >= GOAL for kind in ("cursors", "sweep"))
    return int(most > MOST_CALLS or (slow and chosen.partners >= JUDGED_FROM))


if __name__ == "__main__":
    sys.exit(main())
