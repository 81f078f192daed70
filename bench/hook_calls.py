"""What calling a hook costs, against plain calls of the same functions.

python bench/hook_calls.py [--calls N] [--json]

A hook is called once for a batch of records, with 0, 1, 5 and 20 plugins that implement it. Each
implementation gives one panel: one it has at hand, or one it reads a customer for. The host adds a
limit on the time that each plugin takes, and a savepoint once the plugin touches the database, so
that one that hangs or fails spoils nothing. ``registered`` is what was asked for once, at start.
The last figures say what calling per record would cost. Ends with 1 when the host adds more than
the goal to the call of a plugin that touches nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.entities import Customer
from crm_core.ids import new_id
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.plugins.discovery import Installation, Loaded
from crm_core.plugins.host import PluginHost
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import CardPanel, Job

GOAL = 100.0
"""Microseconds for each plugin in use."""
PLUGINS = (0, 1, 5, 20)
RECORDS = 1_000
ROUNDS = 5
HOOK = "crm_collect_card_panels"
KINDS = ("plain", "host", "plain, reads", "host, reads", "registered")
NAME = select(Customer.name).where(Customer.id == new_id())
Call = Callable[[], Any]


def plugin(number: int, *, reads: bool) -> Loaded:
    """Return a loaded plugin with one implementation of the hook and one job."""
    name = f"bench{number}"
    module = ModuleType(f"crm_{name}")
    panel, job = CardPanel(name, fields=(("Number", number),)), Job(f"{name}.job", "x:y", 60)

    @hookimpl
    def crm_collect_card_panels(uow: Any, customer_id: Any) -> list[CardPanel]:  # noqa: ARG001
        if reads:
            uow.scalar(NAME)
        return [panel]

    @hookimpl
    def crm_register_jobs() -> list[Job]:
        return [job]

    vars(module).update(
        crm_collect_card_panels=crm_collect_card_panels, crm_register_jobs=crm_register_jobs
    )
    manifest = PluginManifest(name=name, title=name, version="1.0")
    return Loaded(manifest, module, EntryPoint(name, module.__name__, "crm.plugins"))


def calls(uow: UnitOfWork, count: int) -> dict[str, Call]:
    """Return one call of each kind, with so many plugins in use."""
    plain, called, _ = _calls(uow, count, reads=False)
    return dict(zip(KINDS, (plain, called, *_calls(uow, count, reads=True)), strict=True))


def _calls(uow: UnitOfWork, count: int, *, reads: bool) -> tuple[Call, Call, Call]:
    loaded = [plugin(number, reads=reads) for number in range(count)]
    host = PluginHost(Installation({each.manifest.name: each for each in loaded}))
    functions = [vars(each.module)[HOOK] for each in loaded]
    key = new_id()

    def plain() -> list[Any]:
        found: list[Any] = []
        for function in functions:
            found.extend(function(uow=uow, customer_id=key))
        return found

    def called() -> list[Any]:
        return host.collect(HOOK, uow=uow, customer_id=key)

    assert len(host.jobs) == count
    assert plain() == called()
    return plain, called, lambda: host.jobs


def microseconds(call: Call, times: int) -> float:
    """Return what one call takes."""
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) / times * 1e6


def measure(uow: UnitOfWork, times: int) -> dict[int, dict[str, float]]:
    """Measure all kinds in turns; medians by number of plugins."""
    found = {}
    for count in PLUGINS:
        kinds = calls(uow, count)
        # As many calls of plugins' code whatever their number.
        each = max(3, times // ROUNDS // max(count, 1))
        rounds = [
            {kind: microseconds(call, each) for kind, call in kinds.items()} for _ in range(ROUNDS)
        ]
        found[count] = {kind: statistics.median(r[kind] for r in rounds) for kind in KINDS}
    return found


def show(found: dict[int, dict[str, float]]) -> None:
    """Print microseconds a call, ratios, and the price of calling per record."""
    print(f"{'plugins':<8}" + "".join(f"{kind:>16}" for kind in KINDS) + "  ratio where they read")
    for count, kinds in found.items():
        row = "".join(f"{kinds[kind]:13.2f} µs" for kind in KINDS)
        print(f"{count:<8}{row}{kinds['host, reads'] / kinds['plain, reads']:8.2f}")
    print(f"\nfor {RECORDS:,} records, by plugins that read nothing:")
    for count, kinds in found.items():
        print(
            f"{count:<8}{kinds['host'] / 1000:13.3f} ms a batch"
            f"{kinds['host'] / 1000 * RECORDS:10.1f} ms record by record"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'crm.sqlite'}")
        upgrade(database)
        with unit_of_work(database, actor=system_actor("bench")) as uow:
            uow.scalar(NAME)  # from here on there is a transaction to guard
            found = measure(uow, chosen.calls)
        database.dispose()
    dearest = max(
        (kinds["host"] - kinds["plain"]) / count for count, kinds in found.items() if count
    )
    if chosen.json:
        print(json.dumps({"us": found, "us_per_plugin": dearest, "goal": GOAL}))
    else:
        show(found)
        print(f"\n{'added for each plugin, at most':<34}{dearest:8.1f} µs   goal {GOAL:.0f}")
    return int(dearest > GOAL)


if __name__ == "__main__":
    sys.exit(main())
