"""What pulling again costs after a few changes, against its bare calls.

python bench/pull_changes.py [--partners N] [--rounds R] [--json]

Of the partners pulled before, one in a hundred is changed by SQL; then customers are pulled again:
only what changed, and by ``full`` all of them, as a loop without cursors would. The pull's calls
are listened to and sent again, bare, over the same connection; the floor of all of them is a loop
of ``search_read`` over the same fields. Neither writes anything. Every change has to be here
afterwards, with audit row and words.
Ends with 1 when pulling all has less than 0.8 of that loop's rate; pulling what changed is a few
calls that take less than keeping the changes does, so that it has no goal but to be far quicker.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from idle_run import Noting, settle
from pull_partners import PAGE, apart, bare_loop, opened_database, partners, transport_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

import odoo_cluster
from odoo_server import NoOdooError, OdooDatabase

GOAL = 0.8
JUDGED_FROM = 10_000
"""Partners; with fewer, too little is changed to judge by."""
KINDS = {"changed": "what changed", "all": "all of them"}
CHANGED_SQL = """
UPDATE res_partner
SET name = name || ' {mark}', function = '{mark}', write_date = now() at time zone 'utc'
WHERE ref LIKE 'B-%' AND id % 100 = {turn};
"""


def repeat(database: OdooDatabase, path: Path, rounds: int) -> dict[str, Any]:
    """Pull all customers, then change some and pull again, and make the same calls bare."""
    from crm_core.sync.engine import run
    from crm_odoo.backend import OdooBackend

    target, backend = opened_database(path)
    transport = Noting(transport_of(database))
    remote = OdooBackend(transport)
    run(target, backend, remote, entities=["user", "tag", "customer"])
    found: dict[str, Any] = {}
    for kind in KINDS:
        pulls, bare, changed = [], [], 0
        for turn in range(rounds):
            mark = f"{kind}{turn}"
            odoo_cluster.sql(CHANGED_SQL.format(mark=mark, turn=turn), database.name)
            transport.forget()
            hour = datetime.now(UTC) - timedelta(hours=1)
            for _ in remote.pages("customer", since=hour, after=None, size=PAGE):
                pass  # Odoo has met the changes once before either is measured
            again = transport.again if kind == "changed" else lambda: bare_loop(database)[1]
            if turn % 2:
                bare.append(again())
            transport.forget()
            began = time.perf_counter()
            report = run(
                target, backend, remote, entities=["customer"], sweep=False, full=kind == "all"
            )
            pulls.append(time.perf_counter() - began)
            if not turn % 2:
                bare.append(again())
            told = report.counts["customer"].get("updated", 0)
            assert told == changed_here(path, mark), (told, mark)
            changed += told
            settle(database)
        seconds = {"pull": statistics.median(pulls), "bare": statistics.median(bare)}
        ratio = seconds["bare"] / seconds["pull"]
        found[kind] = {**seconds, "changed": changed, "calls": len(transport.noted), "ratio": ratio}
    return found


def changed_here(path: Path, mark: str) -> int:
    """Return how many customers bear a change, each with its audit row and its words."""
    word = mark.casefold()
    with sqlite3.connect(path) as connection:
        found = {
            connection.execute(f"SELECT count(*) FROM {statement}").fetchone()[0]
            for statement in (
                f"core_customer WHERE job_title = '{mark}' AND name LIKE '% {mark}'",
                f"core_audit WHERE action = 'update' AND changes LIKE '%\"{mark}\"%'",
                f"core_search_entry WHERE words LIKE '%  {word}%'",
                f"core_binding WHERE snapshot LIKE '%\"{mark}\"%'",
            )
        }
    assert len(found) == 1, found
    return int(found.pop())


def compare(count: int, rounds: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    with partners(count) as database, tempfile.TemporaryDirectory() as folder:
        settle(database)
        found, _, peak = apart(repeat, database, Path(folder) / "repeat.sqlite", rounds)
    return {**found, "peak_mib": peak}


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
    if chosen.json:
        print(json.dumps(found))
    else:
        for kind, told in KINDS.items():
            each = found[kind]
            print(f"--- {told}")
            print(f"{'bare calls':<28}{each['bare']:8.3f} s{each['calls']:6}")
            print(f"{'pull':<28}{each['pull']:8.3f} s")
            print(f"{'changed, all rounds':<28}{each['changed']:8}")
            goal = f"   goal {GOAL}" if kind == "all" else ""
            print(f"{'ratio to the bare calls':<28}{each['ratio']:8.2f}{goal}")
    return int(chosen.partners >= JUDGED_FROM and found["all"]["ratio"] < GOAL)


if __name__ == "__main__":
    sys.exit(main())
