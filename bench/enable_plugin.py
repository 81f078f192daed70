"""How long a plugin takes to be enabled on a large base, against bare SQL doing the same writes.

python bench/enable_plugin.py [--customers N] [--json]

The plugin has one table, and a rebuild that counts each customer's orders into it. It lies in a
folder of its own with its entry point, as pip would leave it. The floor makes the same table on the
same database, fills it, and has SQLite check all foreign keys, as the product does after tables
changed; what the check takes is told apart, since it grows with the base whatever the plugin does.
An empty base shows what enabling costs by itself. Ends with 1 when enabling on the large base takes
more than the goal.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from filling.customers import fill
from sqlalchemy import inspect

from crm_core.access import system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.plugins.activation import disable_plugin, enable_plugin, purge_plugin
from crm_core.plugins.discovery import Installation, installed_points, load
from crm_core.services.relationships import seed_relationship_types

GOAL = 2.0
JUDGED_FROM = 50_000
"""Customers; below, what enabling costs by itself outweighs the rebuild."""
ROUNDS = 5
SECONDS = 300.0
NAME = "ranks"
FILES = {
    "crm_ranks/__init__.py": "",
    "crm_ranks/plugin.py": """
from crm_hooks import PluginManifest
manifest = PluginManifest(
    name="ranks", title="Ranks", version="1.0", table_prefix="ranks_",
    rebuild="crm_ranks.jobs:rebuild",
)
""",
    "crm_ranks/models.py": """
from uuid import UUID
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
from crm_core.persistence.base import Base
from crm_core.persistence.scope import ThroughCustomer

class Rank(Base):
    __tablename__ = "ranks_rank"
    __entity__ = "ranks_rank"
    __scope__ = ThroughCustomer()
    __personal__ = ()
    customer_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_customer.id", ondelete="CASCADE"), primary_key=True
    )
    orders: Mapped[int]
""",
    "crm_ranks/jobs.py": """
from sqlalchemy import delete, func, insert, select
from crm_core.entities import Transaction
from crm_ranks.models import Rank

def rebuild(uow):
    counted = select(Transaction.customer_id, func.count()).where(Transaction.kind == "order")
    rows = counted.group_by(Transaction.customer_id)
    uow.execute(delete(Rank))
    uow.execute(insert(Rank).from_select(["customer_id", "orders"], rows))
""",
    "crm_ranks/migrations/0001_initial.py": """
import sqlalchemy as sa
from alembic import op
from crm_core.persistence import types
revision, down_revision = "0001", None

def upgrade():
    op.create_table(
        "ranks_rank",
        sa.Column(
            "customer_id", types.Key(), sa.ForeignKey("core_customer.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("orders", sa.Integer(), nullable=False),
    )

def downgrade():
    op.drop_table("ranks_rank")
""",
    "crm_plugin_ranks-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: crm-plugin-ranks\n"
    "Version: 1.0\n",
    "crm_plugin_ranks-1.0.dist-info/entry_points.txt": "[crm.plugins]\nranks = crm_ranks.plugin\n",
}
TABLE = """
CREATE TABLE bare_rank (
    customer_id CHAR(32) NOT NULL PRIMARY KEY
        REFERENCES core_customer (id) ON DELETE CASCADE,
    orders INTEGER NOT NULL
)
"""
ROWS = """
INSERT INTO bare_rank SELECT customer_id, count(*) FROM core_transaction
WHERE kind = 'order' GROUP BY customer_id
"""


def install(site: Path) -> Installation:
    """Put the plugin's package where Python finds it, and load it as any other."""
    for place, text in FILES.items():
        file = site / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    found = load(installed_points(), [NAME], seconds=SECONDS)
    assert list(found.plugins) == [NAME], found.faults
    return found


def base(folder: Path, name: str, customers: int) -> Database:
    """Make a database with so many customers, each with two orders."""
    path = folder / f"{name}.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with unit_of_work(database, actor=system_actor("bench"), write=True) as uow:
        seed_relationship_types(uow)
        uow.commit()
    database.dispose()
    if customers:
        fill(path, customers, 0)
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA journal_mode=WAL")  # the filling had none
    return database


def seconds(work: Callable[[], Any]) -> float:
    """Return how long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def bare(database: Database) -> dict[str, float]:
    """Make and fill such a table with plain statements, under the product's pragmas."""
    with database.engine.connect() as pooled:
        raw: Any = pooled.connection.driver_connection
        pooled.exec_driver_sql("COMMIT")
        begin = time.perf_counter()
        for statement in ("BEGIN IMMEDIATE", TABLE, ROWS):
            raw.execute(statement)
        checking = seconds(lambda: raw.execute("PRAGMA foreign_key_check").fetchall())
        raw.execute("COMMIT")
        found = time.perf_counter() - begin
        raw.execute("DROP TABLE bare_rank")
    return {"bare SQL": found, "of which check of keys": checking}


def measure(database: Database, installed: Installation, customers: int) -> dict[str, float]:
    """Enable, disable and purge the plugin; the seconds of each."""
    jobs: Any = importlib.import_module("crm_ranks.jobs")
    rebuild, spent = jobs.rebuild, []
    actor = system_actor("bench")

    def disable() -> None:
        with unit_of_work(database, actor=actor, write=True) as uow:
            disable_plugin(uow, installed, NAME)
            uow.commit()

    jobs.rebuild = lambda uow: spent.append(seconds(lambda: rebuild(uow)))
    try:
        found = {
            "enable": seconds(
                lambda: enable_plugin(database, installed, NAME, by="bench", seconds=SECONDS)
            )
        }
    finally:
        jobs.rebuild = rebuild
    with database.engine.connect() as connection:
        counted = connection.exec_driver_sql("SELECT count(*), sum(orders) FROM ranks_rank").one()
    assert tuple(counted) == (customers, 2 * customers or None), counted
    found["of which rebuild"] = spent[0]
    found["disable"] = seconds(disable)
    found["purge"] = seconds(lambda: purge_plugin(database, installed, NAME, by="bench"))
    assert not [name for name in inspect(database.engine).get_table_names() if NAME in name]
    return found


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each stage."""
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def compare(folder: Path, customers: int) -> dict[str, Any]:
    """Measure on both bases and the floor in turns, so that a busy moment hits all alike."""
    installed = install(folder / "site")
    empty, full = base(folder, "empty", 0), base(folder, "full", customers)
    floors, on_empty, on_full = [], [], []
    for _ in range(ROUNDS):
        floors.append(bare(full))
        on_empty.append(measure(empty, installed, 0))
        on_full.append(measure(full, installed, customers))
    for database in (empty, full):
        database.dispose()
    floor, found = medians(floors), medians(on_full)
    return {
        "floor": floor,
        "empty": medians(on_empty),
        "full": found,
        "ratio": found["enable"] / floor["bare SQL"],
        "goal": GOAL,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        found = compare(Path(folder), chosen.customers)
    if chosen.json:
        print(json.dumps(found))
    else:
        print(f"{'':<24}{'empty base':>13}{chosen.customers:>13,}")
        for stage, spent in found["floor"].items():
            print(f"{stage:<37}{spent * 1000:10.1f} ms")
        for stage, large in found["full"].items():
            print(f"{stage:<24}{found['empty'][stage] * 1000:10.1f} ms{large * 1000:10.1f} ms")
        print(f"{'ratio to bare SQL':<37}{found['ratio']:10.2f}   goal {GOAL}")
    return int(found["ratio"] > GOAL and chosen.customers >= JUDGED_FROM)


if __name__ == "__main__":
    sys.exit(main())
