"""A pipeline's board against hand-written SQL that reads the same rows in the same run.

python bench/board.py [--deals N] [--rounds N] [--json]

Of N open deals in four stages the board tells counts, sums and the first fifty of each stage, with
customer, owner and next step. The floor is two bare statements on a connection that stays open: one
for counts and sums, one for the deals. On SQLite, and on PostgreSQL where the tests' server runs.
Ends with 1 when the board takes more than three times its floor.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

from rescore import NOW, databases, opened, prepare
from sqlalchemy import bindparam, select, text, update

from crm_core.access import system_actor
from crm_core.persistence.bulk import table_of

LIMIT = 3.0
SHOWN = 50
TOTALS = """
SELECT stage_id, currency_code, count(*), sum(expected_amount) FROM sales_opportunity
WHERE pipeline_id = :pipeline AND state = 'open' GROUP BY stage_id, currency_code
"""
FIRST = """
SELECT id FROM (
  SELECT id FROM sales_opportunity WHERE stage_id = :stage{number} AND state = 'open'
  ORDER BY expected_close_on ASC NULLS LAST, id LIMIT 50
) AS part{number}
"""
DEALS = """
SELECT o.id, o.name, o.customer_id, c.name, o.owner_id, u.name, o.stage_id, s.name,
  s.rotting_days, p.code, o.state, o.expected_amount, o.currency_code, o.expected_close_on,
  o.is_committed, o.probability, o.stage_entered_at, o.closed_at, o.version,
  (SELECT min(a.due_at) FROM core_activity a JOIN sales_next_step n ON n.activity_id = a.id
   WHERE n.opportunity_id = o.id AND a.is_open) AS due
FROM sales_opportunity o JOIN sales_stage s ON s.id = o.stage_id
JOIN sales_pipeline p ON p.id = o.pipeline_id
LEFT JOIN core_customer c ON c.id = o.customer_id LEFT JOIN core_user u ON u.id = o.owner_id
WHERE o.id IN ({first})
"""


def spread(url: str, folder: str) -> None:
    """Give the deals days on which they close, a few none."""
    from crm_sales.models import Opportunity

    chance = random.Random(2)
    application = opened(url, folder)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        keys = uow.scalars(select(Opportunity.id)).all()
        days = [
            {"key": key, "on": (NOW + timedelta(days=chance.randrange(200))).date()}
            for key in keys
            if chance.random() < 0.9
        ]
        table = table_of(Opportunity)
        statement = update(table).where(table.c.id == bindparam("key"))
        uow.connection().execute(statement.values(expected_close_on=bindparam("on")), days)
        uow.commit()
    with application.database.write_engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    application.close()


def floor(uow: Any, connection: Any) -> Callable[[], int]:
    """Return what reads the same by bare statements and gives the number of rows."""
    from crm_sales.models import Stage

    stages = uow.execute(
        select(Stage.id, Stage.pipeline_id).where(Stage.is_won.is_(False)).order_by(Stage.position)
    ).all()
    shown = (lambda key: key.hex) if uow.database.is_sqlite else str
    keys = {f"stage{number}": shown(row.id) for number, row in enumerate(stages)}
    keys["pipeline"] = shown(stages[0].pipeline_id)
    parts = " UNION ALL ".join(FIRST.format(number=n) for n in range(len(stages)))
    first = text(DEALS.format(first=parts))
    totals = text(TOTALS)

    def read() -> int:
        connection.execute(totals, keys).fetchall()
        return len(connection.execute(first, keys).fetchall())

    return read


def compare(url: str, folder: str, rounds: int) -> dict[str, float]:
    """Measure both in turns; the median milliseconds of each."""
    from crm_sales.services.board import show_board

    application = opened(url, folder)
    database = application.database
    times: dict[str, list[float]] = {"bare SQL": [], "board": [], "whole request": []}
    with application.unit_of_work(system_actor("bench")) as uow, database.engine.connect() as raw:
        bare = floor(uow, raw)
        board = show_board(uow)
        assert sum(len(column.cards) for column in board.columns) == bare(), board.columns

        def whole() -> None:
            with application.unit_of_work(system_actor("bench")) as own:
                show_board(own)

        works: dict[str, Callable[[], Any]] = {
            "bare SQL": bare,
            "board": lambda: show_board(uow),
            "whole request": whole,
        }
        for _ in range(rounds):
            for name, work in works.items():
                begin = perf_counter()
                work()
                times[name].append((perf_counter() - begin) * 1_000)
    application.close()
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Fill, measure, print; 1 when the board is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--deals", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, databases(folder) as urls:
        for name, url in urls.items():
            prepare(url, folder, chosen.deals)
            spread(url, folder)
            found[name] = compare(url, folder, chosen.rounds)
    ratios = {name: told["board"] / told["bare SQL"] for name, told in found.items()}
    if chosen.json:
        print(json.dumps({"ms": found, "ratios": ratios, "limit": LIMIT}))
    else:
        for name, told in found.items():
            print(f"{name}, {chosen.deals} open deals, the first {SHOWN} of each stage")
            for what, took in told.items():
                print(f"  {what:<20}{took:8.2f} ms{took / told['bare SQL']:8.2f}")
    return int(any(ratio > LIMIT for ratio in ratios.values()))


if __name__ == "__main__":
    sys.exit(main())
