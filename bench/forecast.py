"""The forecast over many deals, and counting who buys what, against hand-written SQL.

python bench/forecast.py [--deals N] [--orders N] [--json]

Of N deals a third is open, the others were closed within two years; each of two hundred
salespeople has as many. Measured is the forecast of a quarter by person and of twelve months by
team, with stages, as the page asks for it, for who sees all; the floor is the same figures by
hand-written statements. Counting reads N orders of three lines each and writes all pairs that say
something. On SQLite, and on PostgreSQL where the tests' server runs. Ends with 1 when a forecast
takes more than three times its floor, or counting more than twenty seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

from rescore import apart, databases, opened
from sqlalchemy import Connection, select, text

from crm_core.access import system_actor
from crm_core.entities import Customer, Product, Transaction, TransactionLine, User
from crm_core.entities.user import Team
from crm_core.ids import new_id
from crm_core.persistence.bulk import chunked, insert_rows, table_of
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins.activation import enable_plugin
from crm_core.services.installation import Answers, install

LIMIT, COUNTING_SECONDS = 3.0, 20.0
USERS, TEAMS, PRODUCTS = 200, 10, 500
ROUNDS = 7
NOW = datetime.now(UTC)
QUARTER, YEAR = "quarter", 12

OPEN = """
SELECT {groups}, count(*), sum(coalesce(expected_amount, 0)),
  sum(CASE WHEN is_committed THEN coalesce(expected_amount, 0) ELSE 0 END), sum({weighted})
FROM sales_opportunity WHERE state = 'open' AND expected_close_on BETWEEN :first AND :last
GROUP BY {groups}
"""
CLOSED = """
SELECT {groups}, sum(CASE WHEN state = 'won' THEN expected_amount END),
  sum(CASE WHEN state = 'won' THEN 1 ELSE 0 END), count(*),
  sum(CASE WHEN state = 'won' THEN {seconds} END)
FROM sales_opportunity
WHERE state IN ('won', 'lost') AND closed_at >= :begin AND closed_at < :end GROUP BY {groups}
"""
SLIPPED = """
SELECT {groups}, count(*), sum(o.expected_amount) FROM sales_opportunity o JOIN (
  SELECT DISTINCT opportunity_id{place} FROM sales_deal_expectation
  WHERE previous_close_on BETWEEN :first AND :last) x ON x.opportunity_id = o.id
WHERE CASE WHEN o.state = 'open' THEN o.expected_close_on IS NULL OR o.expected_close_on > {last}
  ELSE o.closed_at >= {end} END GROUP BY {groups}
"""
TARGETS = "SELECT * FROM sales_target WHERE first_on >= :first AND last_on <= :last"
STOCK = """
SELECT stage_id, currency_code, count(*), sum(expected_amount) FROM sales_opportunity
WHERE state = 'open' GROUP BY stage_id, currency_code
"""
MOVES = """
SELECT m.from_stage_id, count(*), sum(CASE WHEN m.to_state = 'won' OR t.position > s.position
  THEN 1 ELSE 0 END), avg(m.seconds_in_stage) FROM sales_opportunity_move m
JOIN sales_stage s ON s.id = m.from_stage_id JOIN sales_stage t ON t.id = m.to_stage_id
WHERE m.at >= :begin AND m.at < :end AND m.from_state = 'open'
  AND (m.to_state <> 'open' OR m.to_stage_id <> m.from_stage_id) GROUP BY m.from_stage_id
"""
SECONDS = {
    "sqlite": "strftime('%s', closed_at) - strftime('%s', created_at)",
    "postgresql": "extract(epoch FROM closed_at) - extract(epoch FROM created_at)",
}
WEIGHTED = {
    "sqlite": "(expected_amount * probability + 500000) / 1000000",
    "postgresql": "round(expected_amount * probability, 4)",
}


def row(model: Any, **values: Any) -> dict[str, Any]:
    """A row with all columns, those not given empty."""
    known = {"id": new_id(), "version": 1, "created_at": NOW, "updated_at": NOW}
    empty = dict.fromkeys(table_of(model).columns.keys())
    return empty | {name: known[name] for name in known if name in empty} | values


def fill(uow: UnitOfWork, deals: int, orders: int) -> None:
    """Write people, deals with moves and changes of mind, products and orders."""
    chance, connection = random.Random(1), uow.connection()
    people = [row(User, login=f"u{n}", name=f"User {n}", is_enabled=True) for n in range(USERS)]
    teams = [row(Team, name=f"Team {n}") for n in range(TEAMS)]
    named = [
        row(Customer, name=f"Customer {n}", kind="company", stage="active")
        for n in range(max(1, orders // 5))
    ]
    insert_rows(connection, User, people)
    insert_rows(connection, Team, teams)
    for some in chunked(named, 20_000):
        insert_rows(connection, Customer, some)
    customers = [each["id"] for each in named]
    owners = [(each["id"], teams[n % TEAMS]["id"]) for n, each in enumerate(people)]
    for numbers in chunked(range(deals), 20_000):
        _deals(uow, chance, connection, customers, owners, numbers)
    _orders(chance, connection, customers, orders)


def _deals(
    uow: UnitOfWork,
    chance: random.Random,
    connection: Connection,
    customers: Sequence[UUID],
    owners: Sequence[tuple[UUID, UUID]],
    numbers: Sequence[int],
) -> None:
    from crm_sales.models import DealExpectation, Opportunity, OpportunityMove, Stage

    stages = uow.scalars(select(Stage).order_by(Stage.position)).all()
    written, moves, minds = [], [], []
    for number in numbers:
        state = chance.choice(("open", "won", "lost"))
        stage = stages[-1] if state == "won" else chance.choice(stages[:-1])
        closed = None if state == "open" else NOW - timedelta(days=chance.uniform(0, 730))
        began = (closed or NOW) - timedelta(days=chance.uniform(1, 120))
        owner_id, team_id = owners[number % USERS]
        close_on = (closed or NOW + timedelta(days=chance.uniform(-30, 365))).date()
        deal = row(
            Opportunity,
            name=f"Deal {number}",
            customer_id=chance.choice(customers),
            pipeline_id=stage.pipeline_id,
            stage_id=stage.id,
            state=state,
            owner_id=owner_id,
            team_id=team_id,
            expected_amount=Decimal(chance.randrange(100, 60_000)),
            currency_code="EUR",
            expected_close_on=close_on,
            is_committed=chance.random() < 0.2,
            stage_entered_at=began,
            closed_at=closed,
            probability=Decimal(chance.randrange(0, 101)) / 100,
            is_overridden=False,
            created_at=began,
        )
        written.append(deal)
        seconds = chance.randrange(10**6)
        told = {"opportunity_id": deal["id"], "from_state": "open", "seconds_in_stage": seconds}
        ids = {"from_stage_id": stages[0].id, "to_stage_id": stage.id}
        moves.append(row(OpportunityMove, at=closed or began, to_state=state, **told, **ids))
        if number % 4 == 0:
            before = close_on - timedelta(days=chance.randrange(10, 90))
            told = {"opportunity_id": deal["id"], "noted_at": began, "currency_code": "EUR"}
            minds.append(row(DealExpectation, number=1, close_on=before, **told))
            told |= {"close_on": close_on, "previous_close_on": before}
            minds.append(row(DealExpectation, number=2, **told))
    insert_rows(connection, Opportunity, written)
    insert_rows(connection, OpportunityMove, moves)
    insert_rows(connection, DealExpectation, minds)


def _orders(
    chance: random.Random, connection: Connection, customers: Sequence[UUID], orders: int
) -> None:
    named = [
        row(Product, name=f"Product {n}", is_sold=True, refreshed_at=NOW) for n in range(PRODUCTS)
    ]
    insert_rows(connection, Product, named)
    products = [each["id"] for each in named]
    for numbers in chunked(range(orders), 10_000):
        written, lines = [], []
        for number in numbers:
            amounts = dict.fromkeys(
                ("untaxed_amount", "tax_amount", "total_amount", "open_amount"), Decimal(1)
            )
            order = row(
                Transaction,
                kind="order",
                customer_id=customers[number % len(customers)],
                state="confirmed",
                is_outgoing=False,
                is_open=False,
                currency_code="EUR",
                issued_on=NOW.date(),
                refreshed_at=NOW,
                **amounts,
            )
            written.append(order)
            first = min(int(chance.expovariate(0.02)), PRODUCTS - 3)
            for position, place in enumerate((first, first + 1, chance.randrange(PRODUCTS))):
                told = {"transaction_id": order["id"], "product_id": products[place]}
                lines.append(row(TransactionLine, position=position, kind="product", **told))
        insert_rows(connection, Transaction, written)
        insert_rows(connection, TransactionLine, lines)


def prepare(url: str, folder: str, deals: int, orders: int) -> None:
    """Set up and fill."""
    application = opened(url, folder)
    upgrade(application.unchecked_database)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        install(uow, Answers("Bench", "EUR", "UTC", "en", None, "admin"), os_user="nobody")
        uow.commit()
    installed = application.installed_plugins
    enable_plugin(application.database, installed, "sales", by="bench", seconds=60)
    application.close()
    application = opened(url, folder)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        fill(uow, deals, orders)
        uow.commit()
    with application.database.write_engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    application.close()


def measure(url: str, folder: str) -> dict[str, float]:
    """Time both forecasts in turns with their floors, and counting once."""
    from crm_sales.services.cross_sell.counting import count_affinities
    from crm_sales.services.forecast.asking import forecast_question
    from crm_sales.services.forecast.show import show_forecast, stage_flow

    application = opened(url, folder)
    actor = system_actor("bench")
    found: dict[str, float] = {}
    asked: dict[str, dict[str, Any]] = {
        "quarter": {"period": QUARTER},
        "year": {"by": "team", "count": YEAR},
    }
    for name, words in asked.items():

        def ours(words: dict[str, Any] = words) -> tuple[int, int]:
            with application.unit_of_work(actor) as uow:
                question = forecast_question(uow, **words)
                told = show_forecast(uow, question)
                stage_flow(uow, question)
            total = [each.figures for each in told.totals]
            return sum(each.open_count for each in total), sum(each.won_count for each in total)

        with application.unit_of_work(actor) as uow:
            question = forecast_question(uow, **words)
        by_hand = floor(application, [(p.first_on, p.last_on) for p in question.periods])
        assert ours() == by_hand(), (ours(), by_hand())
        times = [(timed(ours), timed(by_hand)) for _ in range(ROUNDS)]
        found[name] = median(mine for mine, _ in times)
        found[f"{name} by hand"] = median(theirs for _, theirs in times)
    with application.unit_of_work(actor, write=True) as uow:
        began = perf_counter()
        found["pairs"] = count_affinities(uow).pairs
        uow.commit()
        found["counting"] = perf_counter() - began
    application.close()
    return found


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def floor(application: Any, periods: list[tuple[date, date]]) -> Callable[[], tuple[int, int]]:
    """Return what reads the same figures by hand."""
    engine = application.database.engine
    lasts = [last for _, last in periods]
    end = lasts[-1] + timedelta(days=1)
    given: dict[str, Any] = {"first": periods[0][0], "last": lasts[-1]}
    given |= {"begin": periods[0][0], "end": end}
    if engine.dialect.name == "sqlite":
        given = {key: str(value) for key, value in given.items()}
    compiled = [text(statement) for statement in statements(engine.dialect.name, lasts)]

    def read() -> tuple[int, int]:
        with engine.connect() as connection:
            rows = [connection.execute(each, given).fetchall() for each in compiled]
        return sum(each[-4] for each in rows[0]), sum(each[-3] for each in rows[1])

    return read


def statements(dialect: str, lasts: Sequence[date]) -> list[str]:
    """The figures of some periods in a row, by their last days, in bare SQL."""
    ends = [last + timedelta(days=1) for last in lasts]
    holder, people = ("team_id", "core_team") if len(lasts) > 1 else ("owner_id", "core_user")
    told = f"{holder}, currency_code"
    once = placed("previous_close_on", "<=", lasts)
    return [
        OPEN.format(
            groups=placed("expected_close_on", "<=", lasts) + told, weighted=WEIGHTED[dialect]
        ),
        CLOSED.format(groups=placed("closed_at", "<", ends) + told, seconds=SECONDS[dialect]),
        SLIPPED.format(
            groups=f"{'x.place, ' if once else ''}o.{holder}, o.currency_code",
            place=f", {once[:-2]} AS place" if once else "",
            last=chosen_day(dialect, lasts),
            end=chosen_day(dialect, ends),
        ),
        TARGETS,
        STOCK,
        MOVES,
        f"SELECT id, name FROM {people}",
    ]


def placed(column: str, sign: str, limits: Sequence[date]) -> str:
    """The column that tells periods apart; nothing where there is one."""
    whens = (f"WHEN {column} {sign} '{limit}' THEN {n}" for n, limit in enumerate(limits[:-1]))
    return f"CASE {' '.join(whens)} ELSE {len(limits) - 1} END, " if len(limits) > 1 else ""


def chosen_day(dialect: str, limits: Sequence[date]) -> str:
    """The day that belongs to a row's period."""
    days = [f"'{limit}'" if dialect == "sqlite" else f"DATE '{limit}'" for limit in limits]
    whens = (f"WHEN {n} THEN {day}" for n, day in enumerate(days))
    return f"CASE x.place {' '.join(whens)} END" if len(days) > 1 else days[0]


def main() -> int:
    """Fill, measure, print; 1 when it takes too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--deals", type=int, default=200_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, databases(folder) as urls:
        for name, url in urls.items():
            apart(prepare, url, folder, chosen.deals, chosen.orders)
            found[name] = apart(measure, url, folder)
    slow = False
    for name, told in found.items():
        ratios = {each: told[each] / told[f"{each} by hand"] for each in ("quarter", "year")}
        slow |= max(ratios.values()) > LIMIT or told["counting"] > COUNTING_SECONDS
        told |= {f"{each} ratio": ratio for each, ratio in ratios.items()}
        if not chosen.json:
            print(f"{name}, {chosen.deals} deals, {chosen.orders} orders")
            for each, ratio in ratios.items():
                mine, theirs = told[each] * 1_000, told[f"{each} by hand"] * 1_000
                print(f"  {each:<10}{mine:9.1f} ms   by hand {theirs:9.1f} ms   ratio {ratio:5.2f}")
            print(f"  counting  {told['counting']:9.2f} s    {told['pairs']:.0f} pairs")
    if chosen.json:
        print(json.dumps(found))
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
