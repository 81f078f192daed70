"""Pages with 1, 10 and 50 users at once, each beside a bare view that renders the same template.

    python bench/web.py --customers 100000 --interactions 1000000 [--json]

The bare view runs hand-written SQL on a connection of its own and renders the product's template
with what the product gave it once: no sessions, rights, scope or mapping. Both are served by the
same waitress, in a process beside the one that asks. On SQLite, and on the tests' PostgreSQL where
it runs. Ends with 1 when the median of a page takes more than three times that of its floor.
On PostgreSQL each page is then asked for once more while another process pulls a back office; it
may take less than half as long again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import customer_card
from filling.customers import SEED, USERS, fill
from filling.page_statements import HOME, LIST, SEARCH
from flask import Flask, g, render_template, template_rendered
from sqlalchemy import Connection, create_engine, text
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.cli.logs import send_logs_to_stderr
from crm_core.config import load_config
from crm_core.persistence.base import Base
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.plugins.activation import enable_plugin
from crm_core.search.index import refresh
from crm_core.services.backends import add_backend
from crm_core.services.installation import Answers, install
from crm_core.services.relationships import seed_relationship_types
from crm_core.services.users import enable_user, grant_role, user_named
from crm_files.demo.company import build as build_erp
from crm_web.app import create_app
from crm_web.opening import COOKIE
from crm_web.server import Listener
from crm_web.services.sessions import open_session

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "services"))
import postgres

LIMIT, LIMIT_MEANWHILE = 3.0, 1.5
AT_ONCE = (1, 10, 50)
THREADS = 4  # as it is served
LOGIN = "u7"
CHUNK = 5_000
ADDRESSES = 10
"""How many of a page's kind are asked in turns."""


def card_statements(dialect: str) -> list[str]:
    """The statements of the bare customer card; PostgreSQL unites no rows of unlike types."""
    statements = list(customer_card.STATEMENTS)
    if dialect == "sqlite":
        return statements
    statements[1:2] = customer_card.FACTS.split(";")
    plain = (each.replace("is_open = 1", "is_open") for each in statements)
    return [
        each.replace("a.is_open = 0", "NOT a.is_open").replace("20)", "20) AS x") for each in plain
    ]


def made(url: str, folder: Path) -> Application:
    """The product on a database."""
    return Application(load_config({"database_url": url}, {"CRM_CONFIG_HOME": str(folder)}, folder))


def prepare(url: str, folder: Path, source: Path, ids: list[str]) -> None:
    """Set a database up with what is in an SQLite file, and let a user in."""
    application = made(url, folder)
    database = application.unchecked_database
    if not database.is_sqlite:
        upgrade(database)
        copy(source, database)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        install(uow, Answers("Bench", "EUR", "UTC", "en", None, "admin"), os_user="bench")
        uow.commit()
    installed = application.installed_plugins
    enable_plugin(application.database, installed, "web", by="bench", seconds=600)
    with application.database.engine.begin() as connection:
        for chunk in chunks([UUID(key) for key in ids]):
            refresh(connection, chunk)
        connection.execute(text("ANALYZE"))
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        enable_user(uow, LOGIN)
        grant_role(uow, LOGIN, "employee")
        uow.commit()
    application.close()


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Split what is too much for one statement."""
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))


def copy(source: Path, database: Database) -> None:
    """Copy all rows of an SQLite file into an empty database of the same shape."""
    there = Database(f"sqlite:///{source}")
    with there.engine.connect() as read, database.engine.begin() as write:
        for table in Base.metadata.sorted_tables:
            if table.name in FILLED:
                for rows in read.execute(table.select()).mappings().partitions(CHUNK):
                    write.execute(table.insert(), [dict(row) for row in rows])
    there.dispose()


FILLED = frozenset(
    "core_currency core_user core_customer core_ownership core_contact_point core_address core_tag "
    "core_customer_tag core_consent core_profile_attribute core_profile_value core_relationship "
    "core_backend core_binding core_sync_cursor core_interaction core_activity core_product "
    "core_transaction core_transaction_line core_relationship_type".split()
)


class Bare:
    """Serves pages by hand-written SQL: the floor.

    Args:
        app: The product's, whose templates are rendered.
        cookie: Of a user who looked at each page once, so that there is something to render.
        addresses: The pages, each with the statements that read it and what they are given.
    """

    trusted_proxies = 0

    def __init__(self, app: Flask, url: str, cookie: str, addresses: dict[str, Any]) -> None:
        self._app, self._pages = app, addresses
        self._engine = create_engine(url, pool_size=THREADS)
        self._given: dict[str, tuple[Any, ...]] = {}
        for address in addresses:
            self._given[address] = self._look(address, cookie)

    def _look(self, address: str, cookie: str) -> tuple[Any, ...]:
        seen: list[tuple[Any, ...]] = []

        def note(_app: Flask, template: Any, context: dict[str, Any], **_: Any) -> None:
            kept = {name: context[name] for name in context if name not in ("g", "session")}
            seen.append((template.name, kept, g.request, g.signed_in, g.cookie_token))

        client = self._app.test_client()
        client.set_cookie(COOKIE, cookie)
        with template_rendered.connected_to(note, self._app):
            answer = client.get(address)
        assert answer.status_code == 200, (address, answer.text[:500])
        return seen[-1]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        query = environ.get("QUERY_STRING", "")
        address = environ["PATH_INFO"] + (f"?{query}" if query else "")
        statements, parameters = self._pages[address]
        with self._engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement), parameters).fetchall()
        template, context, asked, signed_in, token = self._given[address]
        with self._app.request_context(environ):
            g.request, g.signed_in, g.cookie_token = asked, signed_in, token
            body = render_template(template, **context)
        return Response(body, mimetype="text/html")(environ, start_response)

    def relay(self, stop: Any) -> None:
        """Nothing is recorded here."""
        stop.wait()


class Product:
    """Serves the same pages as they are."""

    trusted_proxies = 0

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        return self._app(environ, start_response)

    def relay(self, stop: Any) -> None:
        """Nothing is recorded here."""
        stop.wait()


def pages(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By page its addresses, each with the bare statements and what they are given."""
    dialect = connection.dialect.name
    key = (lambda each: each) if dialect == "sqlite" else (lambda each: str(UUID(each)))
    user = connection.execute(text("SELECT id FROM core_user WHERE login = 'u7'")).scalar()
    about = {"user": user, "tomorrow": "2027-01-01"}
    chance = random.Random(SEED)
    found = chance.sample(range(len(ids)), min(ADDRESSES, len(ids)))
    words = [f"customer {number}" for number in found]
    return {
        "home": {"/": (HOME.split(";"), about)},
        "list": {"/customers": (LIST.split(";"), {})},
        "search": {
            f"/find?q=customer+{number}": (
                [SEARCH[dialect]],
                {"words": " AND ".join(f'"{part}"' for part in trigrams(f"r {number}"))}
                if dialect == "sqlite"
                else {"like": f"%{word}%"},
            )
            for number, word in zip(found, words, strict=True)
        },
        "card": {
            f"/customers/{UUID(ids[number])}": (card_statements(dialect), {"c": key(ids[number])})
            for number in found
        },
    }


def trigrams(words: str) -> list[str]:
    """What SQLite's full-text table is asked for."""
    return [words[start : start + 3] for start in range(len(words) - 2)]


def serve(url: str, folder: Path, kind: str) -> None:
    """Serve the product or the floor until the one that asks has gone."""
    import threading

    application = made(url, folder)
    ids = json.loads((folder / "ids.json").read_text())
    app = create_app(application)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        cookie = open_session(uow, user_named(uow, LOGIN))
        uow.commit()
    with application.database.engine.connect() as connection:
        found = pages(connection, ids)
    together = {address: told for each in found.values() for address, told in each.items()}
    server: Any = Product(app) if kind == "product" else Bare(app, raw(url), cookie, together)
    listener = Listener(server, "127.0.0.1", 0, threads=THREADS)
    told = {"port": listener.port, "cookie": cookie, "pages": {n: [*p] for n, p in found.items()}}
    print(json.dumps(told), flush=True)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    listener.serve(stop)


def raw(url: str) -> str:
    """The same database for SQLAlchemy itself."""
    return url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def served(url: str, folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Serve in another process."""
    command = [sys.executable, __file__, "--serve", kind, "--url", url, "--folder", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        line = next((line for line in process.stdout if line.startswith("{")), None)
        assert line, "the server did not start"
        yield json.loads(line)
        process.stdin.close()


def asked(told: dict[str, Any], page: str, users: int, rounds: int) -> list[float]:
    """Have so many users ask for a page, and return how many milliseconds each answer took."""
    addresses = told["pages"][page]

    def ask(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=60)
        times = []
        for turn in range(max(rounds // users, 1) + 1):
            begin = time.perf_counter()
            connection.request(
                "GET",
                addresses[(number + turn) % len(addresses)],
                headers={"Cookie": f"{COOKIE}={told['cookie']}"},
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (page, answer.status)
            times.append((time.perf_counter() - begin) * 1_000)
        connection.close()
        return times[1:]

    with ThreadPoolExecutor(users) as pool:
        return [each for times in pool.map(ask, range(users)) for each in times]


def measure(url: str, folder: Path, rounds: int, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Ask product and floor for each page, and return a row for each and number of users."""
    rows = []
    with served(url, folder, "bare") as bare, served(url, folder, "product") as product:
        for page in product["pages"]:
            for users in numbers:
                print(f"{page}, {users} users …", file=sys.stderr)
                floor, found = (asked(told, page, users, rounds) for told in (bare, product))
                rows.append(
                    {
                        "database": url.partition(":")[0].partition("+")[0],
                        "page": page,
                        "users": users,
                        "floor_ms": statistics.median(floor),
                        "floor_95_ms": statistics.quantiles(floor, n=20)[-1],
                        "ms": statistics.median(found),
                        "95_ms": statistics.quantiles(found, n=20)[-1],
                        "ratio": statistics.median(found) / statistics.median(floor),
                    }
                )
    return rows


def pull(url: str, folder: Path) -> None:
    """Pull a folder of CSV files for the first time, until it is done or stopped."""
    application = made(url, folder)
    config = {"path": str(folder / "erp")}
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        backend = add_backend(uow, name="bench", type_name="files", config=config, secret_ref=None)
        uow.commit()
    print("pulling", flush=True)
    application.run_sync(backend, without_plan=True)


def measure_meanwhile(url: str, folder: Path, rounds: int, customers: int) -> list[dict[str, Any]]:
    """Ask for each page with nothing else going on, and while a back office is pulled."""
    build_erp(folder / "erp", customers, SEED, date(2026, 11, 2))
    as_worker = ["nice", "-n", "10"]  # as docs/operations.md has it run
    asked_of = ["--serve", "pull", "--url", url, "--folder", str(folder)]
    command = [*as_worker, sys.executable, __file__, *asked_of]
    with served(url, folder, "product") as product:
        alone = {page: asked(product, page, 1, rounds) for page in product["pages"]}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pulling:
            assert pulling.stdout is not None
            next(line for line in pulling.stdout if line.startswith("pulling"))
            meanwhile = {page: asked(product, page, 1, rounds) for page in product["pages"]}
            is_whole = pulling.poll() is None
            pulling.terminate()
    return [
        {
            "page": page,
            "ms": statistics.median(alone[page]),
            "meanwhile_ms": statistics.median(meanwhile[page]),
            "ratio": statistics.median(meanwhile[page]) / statistics.median(alone[page]),
            "all_the_while": is_whole,
        }
        for page in alone
    ]


@contextmanager
def databases(folder: Path, customers: int, interactions: int) -> Iterator[list[str]]:
    """Fill SQLite and, where the tests' PostgreSQL runs, a database there."""
    source = folder / "crm.sqlite"
    urls = [f"sqlite:///{source}"]
    database = Database(urls[0])
    upgrade(database)
    with unit_of_work(database, actor=system_actor("bench"), write=True) as uow:
        seed_relationship_types(uow)
        uow.commit()
    database.dispose()
    ids = fill(source, customers, interactions)
    (folder / "ids.json").write_text(json.dumps(ids))
    server = postgres.running_url()
    if server is None:
        prepare(urls[0], folder, source, ids)
        yield urls
        return
    name = f"crm_bench_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # On the disk: those of tests lie in memory.
        connection.execute(text(f'CREATE DATABASE "{name}" TABLESPACE pg_default'))
    try:
        url = server.rpartition("/")[0] + f"/{name}"
        prepare(url, folder, source, ids)  # first, from a file with nothing but what was filled in
        prepare(urls[0], folder, source, ids)
        yield [*urls, url]
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def main() -> int:
    """Fill, measure, print; 1 when a page is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=("product", "bare", "pull"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    send_logs_to_stderr(logging.WARNING)  # as it is served
    if chosen.serve == "pull":
        pull(chosen.url, chosen.folder)
        return 0
    if chosen.serve:
        serve(chosen.url, chosen.folder, chosen.serve)
        return 0
    customers = max(chosen.customers, USERS)
    is_whole = customers >= 10_000  # less shows that it works, not how fast
    rounds, numbers = (chosen.rounds, AT_ONCE) if is_whole else (10, AT_ONCE[:2])
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as place:
        folder = Path(place)
        with databases(folder, customers, chosen.interactions) as urls:
            rows = [row for url in urls for row in measure(url, folder, rounds, numbers)]
            meanwhile = [
                row
                for url in urls
                if url.startswith("postgresql")
                for row in measure_meanwhile(url, folder, rounds, customers // 2)
            ]
    if chosen.json:
        print(json.dumps({"rows": rows, "limit": LIMIT, "meanwhile": meanwhile}))
    else:
        print(f"{'':<26}{'bare':>9}{'95 %':>9}{'product':>9}{'95 %':>9}{'ratio':>7}")
        for row in rows:
            print(
                f"{row['database']:<11}{row['page']:<7}{row['users']:>3} users "
                f"{row['floor_ms']:8.1f} {row['floor_95_ms']:8.1f} {row['ms']:8.1f} "
                f"{row['95_ms']:8.1f} {row['ratio']:6.2f}"
            )
        for row in meanwhile:
            whole = "" if row["all_the_while"] else "  (the pull ended before)"
            print(
                f"{row['page']:<7} alone {row['ms']:8.1f}  while a sync pulls "
                f"{row['meanwhile_ms']:8.1f} {row['ratio']:6.2f}{whole}"
            )
    is_quick = all(row["ratio"] <= LIMIT for row in rows)
    is_calm = all(row["ratio"] <= LIMIT_MEANWHILE for row in meanwhile)
    return 0 if not is_whole or (is_quick and is_calm) else 1


if __name__ == "__main__":
    sys.exit(main())
