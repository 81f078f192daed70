"""Search over many customers: percentiles per class of query, for who sees all and who sees 1%.

    python bench/search.py --customers 1000000
    python bench/search.py --customers 10000 --url postgresql+psycopg://…/an_empty_database --json

``floor`` is the time the same statements take on the bare driver; ``ratio`` is the service to that.
``cpu`` is processor time, which a busy machine stretches less (with PostgreSQL the client's only).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from time import perf_counter, thread_time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, event

from crm_core.access import Actor, Reach
from crm_core.entities import Address, ContactPoint, Customer, User
from crm_core.ids import new_id
from crm_core.persistence.base import Base
from crm_core.persistence.bulk import chunked, insert_rows, table_of
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.search import index
from crm_core.services.search import search_customers

SEED = 20_240_229
USERS = 100
"""Each owns 1% of the customers."""
PAGE = 10_000
GOAL_MS = 5.0

GIVEN = (
    "Ana Marko Maja Luka Nina Jan Petra Matej Tina Žiga Katarzyna Łukasz Małgorzata Piotr "
    "Agnieszka Maria John Anna Peter Sofia Đorđe Søren Jürgen Chloé Ελένη Γιώργος Μαρία Νίκος "
    "Κατερίνα Δημήτρης Анна Иван Сергей Елена Дмитрий Ольга مریم علی زهرا محمد فاطمه رضا"
).split()
STEMS = (
    "Nov Kov Hor Kraj Zup Pot Kos Mlak Vid Gol Kowal Wiśniew Lewan Zieliń Szym Dąbrow Smith John "
    "Brown Wil Ander Παπαδ Γεωργ Δημητρ Νικολ Κωνσταντ Иван Петр Сидор Кузнец Смирн احم محم کریم "
    "رضا حسین"
).split()
MIDDLES = "a o e i ar er or an en in ov ek il at ul os am ac oz ut".split()
ENDINGS = {
    "latin": "ak ec ič ski ska son er man ski ič ar nik sen berg".split(),
    "greek": "όπουλος οπούλου ίδης άκης ιάδης".split(),
    "cyrillic": "ов ова ев ева ин ский".split(),
    "arabic": "ی زاده پور نژاد یان".split(),
}
FORMS = "d.o.o. s.p. GmbH Ltd S.A. Sp. z o.o. Α.Ε. ООО".split()
WORDS = "Studio Trans Agro Metal Inter Euro Global Nova Alfa Tech Bio Eko Solar Data Print".split()


@dataclass
class Timing:
    """Seconds per query of one class, in the service (and of processor) and on the bare driver."""

    service: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    hits: int = 0


@contextmanager
def stage(name: str, stages: dict[str, float]) -> Iterator[None]:
    """Time one stage and say so on stderr."""
    begun = perf_counter()
    yield
    stages[name] = perf_counter() - begun
    print(f"{name}: {stages[name]:.1f} s", file=sys.stderr)


def build(database: Database, count: int, stages: dict[str, float]) -> list[UUID]:
    """Fill an empty database with customers; returns the users who own them."""
    with stage("tables", stages):
        upgrade(database)
    now = datetime.now(UTC)
    users = [new_id() for _ in range(USERS)]
    with database.write_engine.begin() as connection:
        insert_rows(connection, User, [_user(user, n, now) for n, user in enumerate(users)])
        with stage("customers", stages):
            for page in chunked(customers(count, users, now), PAGE):
                for model, rows in zip(
                    (Customer, ContactPoint, Address), _split(page), strict=True
                ):
                    _load(connection, model, rows)
    with stage("index", stages), database.write_engine.begin() as connection:
        index.rebuild(connection)
    return users


def customers(
    count: int, users: Sequence[UUID], now: datetime
) -> Iterator[tuple[list[Any], list[list[Any]], list[Any]]]:
    """Yield rows of a customer, its contact points and its address."""
    chance = random.Random(SEED)
    for number in range(count):
        customer_id = new_id()
        name = company(chance) if number % 4 == 0 else person(chance)
        kind = "company" if number % 4 == 0 else "person"
        email = f"{latin(chance)}.{number}@{chance.choice(WORDS).lower()}{number % 997}.example"
        phone = f"+386{chance.randrange(10**7, 10**8)}"
        vat = f"SI{chance.randrange(10**7, 10**8)}" if kind == "company" else None
        owner = users[chance.randrange(len(users))]
        yield (
            [customer_id, 1, now, now, kind, "active", name, f"C-{number:07}", vat, owner],
            [
                [new_id(), customer_id, "email", email, email, 0],
                [new_id(), customer_id, "phone", f"0{phone[4:]}", phone, 1],
            ],
            [new_id(), customer_id, "main", "Ljubljana"],
        )


def surname(chance: random.Random) -> str:
    """Return one of some tens of thousands of surnames, a few of them frequent."""
    stem = STEMS[min(int(chance.expovariate(0.08)), len(STEMS) - 1)]
    script = {"Ͱ": "latin", "Ѐ": "greek", "؀": "cyrillic"}
    ending = next((kind for limit, kind in script.items() if stem < limit), "arabic")
    middle = "" if ending != "latin" else "".join(chance.choices(MIDDLES, k=chance.randrange(3)))
    return stem + middle + chance.choice(ENDINGS[ending])


def person(chance: random.Random) -> str:
    """Return a person's name."""
    return f"{chance.choice(GIVEN)} {surname(chance)}"


def latin(chance: random.Random) -> str:
    """Return a word fit for an e-mail address."""
    return chance.choice(STEMS[:10]).lower() + "".join(chance.choices(MIDDLES, k=3))


def company(chance: random.Random) -> str:
    """Return a company's name."""
    return f"{chance.choice(WORDS)} {surname(chance)} {chance.choice(FORMS)}"


def queries(database: Database, count: int, each: int) -> dict[str, list[str]]:
    """Return the mix: texts by class, drawn from what is there."""
    chance = random.Random(SEED + 1)
    table = table_of(Customer)
    with database.engine.connect() as connection:
        rows = [
            connection.execute(
                table.select().where(table.c.reference == f"C-{chance.randrange(count):07}")
            ).one()
            for _ in range(each)
        ]
        points = table_of(ContactPoint)
        found: dict[str, list[str]] = {}
        contact = {"email": [], "phone": []}
        for row in rows:
            statement = points.select().where(points.c.customer_id == row.id)
            for point in connection.execute(statement):
                contact[point.kind].append(point.value)
    names = [row.name for row in rows]
    vats = [row.vat for row in rows if row.vat] or ["SI12345678"]

    def piece(text: str, length: int) -> str:
        start = chance.randrange(1, max(2, len(text) - length))
        return text[start : start + length]

    makers: dict[str, Callable[[int], str]] = {
        "1 letter": lambda n: names[n].split()[chance.randrange(2)][:1],
        "2 letters": lambda n: names[n].split()[chance.randrange(2)][:2],
        "3 letters": lambda n: names[n].split()[chance.randrange(2)][:3],
        "whole name": lambda n: names[n],
        "last name": lambda n: names[n].split()[1],
        "infix": lambda n: piece(names[n].split()[1], 4),
        "two beginnings": lambda n: " ".join(word[:3] for word in reversed(names[n].split()[:2])),
        "phone": lambda n: contact["phone"][n],
        "end of phone": lambda n: contact["phone"][n][-6:],
        "e-mail": lambda n: contact["email"][n],
        "domain": lambda n: contact["email"][n].split("@")[1],
        "reference": lambda n: rows[n].reference.lower().replace("-", " "),
        "vat": lambda n: " ".join((vats[n % len(vats)][:2], vats[n % len(vats)][2:])),
        "greek": lambda n: f"{chance.choice(GIVEN[24:30]).upper()} {chance.choice(STEMS[21:26])}",
        "persian": lambda n: f"{chance.choice(GIVEN[36:])} {chance.choice(STEMS[31:])}",
        "miss": lambda n: f"{names[n][:3]}q{chance.choice('xyw')}z",
    }
    for name, make in makers.items():
        found[name] = [make(n) for n in range(each)]
    return found


def measure(database: Database, actor: Actor, texts: Sequence[str]) -> Timing:
    """Time each text once in the service, and its statements on the bare driver."""
    timing = Timing()
    for text in texts:
        ran: list[tuple[str, Any]] = []

        def note(*call: Any, ran: list[tuple[str, Any]] = ran) -> None:
            ran.append((call[2], call[3]))

        with unit_of_work(database, actor=actor) as uow:
            uow.connection()
            event.listen(database.engine, "before_cursor_execute", note)
            search_customers(uow, text)
            event.remove(database.engine, "before_cursor_execute", note)
            begun, begun_cpu = perf_counter(), thread_time()
            page = search_customers(uow, text)
            timing.service.append(perf_counter() - begun)
            timing.cpu.append(thread_time() - begun_cpu)
            timing.hits += len(page.items)
            cursor = uow.connection().connection.cursor()
            begun = perf_counter()
            for statement, parameters in ran:
                cursor.execute(statement, parameters)
                cursor.fetchall()
            timing.floor.append(perf_counter() - begun)
    return timing


def main(argv: Sequence[str] | None = None) -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=50, help="of each class")
    parser.add_argument("--url", help="an empty PostgreSQL database; SQLite in a temporary file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    stages: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.url or f"sqlite:///{Path(folder) / 'search.sqlite'}")
        users = build(database, options.customers, stages)
        texts = queries(database, options.customers, options.queries)
        one_percent = Actor(users[0], "one-percent", {CUSTOMER_VIEW: Reach.OWN})
        results = {}
        everybody = Actor(None, "all", {"*": Reach.ALL})
        for actor in (everybody, one_percent):
            with stage(f"queries as {actor.login}", stages):
                results[actor.login] = {
                    name: measure(database, actor, batch) for name, batch in texts.items()
                }
        database.dispose()
    print(_report(results, stages, options.customers, as_json=options.json))
    return 0


def _report(
    results: dict[str, dict[str, Timing]], stages: dict[str, float], count: int, *, as_json: bool
) -> str:
    rows = []
    for actor, classes in results.items():
        every = Timing()
        for name, timing in classes.items():
            rows.append(_row(actor, name, timing))
            every.service += timing.service
            every.cpu += timing.cpu
            every.floor += timing.floor
            every.hits += timing.hits
        rows.append(_row(actor, "all", every))
    if as_json:
        return json.dumps({"customers": count, "stages": stages, "rows": rows}, indent=1)
    lines = [f"{count} customers, goal: p95 under {GOAL_MS} ms", "", " | ".join(rows[0])]
    lines += [" | ".join(str(value) for value in row.values()) for row in rows]
    lines += ["", *(f"{name}: {seconds:.1f} s" for name, seconds in stages.items())]
    return "\n".join(lines)


def _row(actor: str, name: str, timing: Timing) -> dict[str, Any]:
    service, cpu, floor = (
        quantiles(times, n=20) for times in (timing.service, timing.cpu, timing.floor)
    )
    return {
        "actor": actor,
        "class": name,
        "hits": round(timing.hits / len(timing.service), 1),
        "p50 ms": round(service[9] * 1000, 2),
        "p95 ms": round(service[18] * 1000, 2),
        "cpu p95 ms": round(cpu[18] * 1000, 2),
        "floor p50 ms": round(floor[9] * 1000, 2),
        "floor p95 ms": round(floor[18] * 1000, 2),
        "ratio": round(service[9] / floor[9], 1),
    }


def _user(user_id: UUID, number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": user_id,
        "login": f"user{number}",
        "name": f"User {number}",
        "is_enabled": True,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def _split(page: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        [customer for customer, _, _ in page],
        [point for _, points, _ in page for point in points],
        [address for _, _, address in page],
    )


COLUMNS: dict[type[Base], str] = {
    Customer: "id version created_at updated_at kind stage name reference vat owner_id",
    ContactPoint: "id customer_id kind value normalized position",
    Address: "id customer_id use city",
}


def _load(connection: Connection, model: type[Base], rows: Sequence[Sequence[Any]]) -> None:
    """Load rows as the drivers do it fastest."""
    names = COLUMNS[model].split()
    table = model.__tablename__
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        cursor.executemany(sql, (tuple(map(_sqlite_value, row)) for row in rows))
    else:
        with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _sqlite_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value


if __name__ == "__main__":
    sys.exit(main())
