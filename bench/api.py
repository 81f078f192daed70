"""A hundred customers as JSON through the REST API, against plain Flask with orjson.

    python bench/api.py --customers 100000 [--json]

The plain view finds out by one statement whose token it is, reads the same columns by three written
by hand, and gives the same bytes to orjson. Ends with 1 when the API's median takes more than two
and a half times as long.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import orjson
from filling.customers import USERS, fill
from flask import Flask, Response, request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.cli.logs import send_logs_to_stderr
from crm_core.config import load_config
from crm_core.persistence.bulk import rare_collections
from crm_core.persistence.migrate import upgrade
from crm_core.plugins.activation import enable_plugin
from crm_core.services.installation import Answers, install
from crm_web.app import create_app
from crm_web.services.api_tokens import add_token

LIMIT = 2.5
PAGE = 100
PATH = f"/api/v1/customers?limit={PAGE}&sort=name"
TOKEN = """
SELECT u.id FROM web_api_token t JOIN core_user u ON u.id = t.user_id
WHERE t.token_hash = ? AND t.revoked_at IS NULL AND u.is_enabled
"""
CUSTOMERS = f"""
SELECT c.id, c.version, c.owner_id, c.name, c.kind, c.stage, u.name, c.updated_at
FROM core_customer c LEFT JOIN core_user u ON u.id = c.owner_id
WHERE c.archived_at IS NULL AND c.merged_into_id IS NULL
ORDER BY c.name, c.id LIMIT {PAGE + 1}
"""
POINTS = """
SELECT customer_id, kind, value FROM core_contact_point
WHERE customer_id IN ({marks}) AND kind IN ('email', 'phone', 'mobile') ORDER BY position DESC
"""
CITIES = """
SELECT customer_id, city FROM core_address
WHERE customer_id IN ({marks}) AND "use" = 'main' AND archived_at IS NULL
"""


def plain(path: Path) -> Flask:
    """Return an application with the list alone, as one would write it by hand."""
    app = Flask("plain")
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA cache_size = -65536")

    @app.get("/api/v1/customers")
    def customers() -> Response:
        text = request.headers["Authorization"].removeprefix("Bearer ")
        digest = hashlib.sha256(text.encode()).digest()
        if raw.execute(TOKEN, (digest,)).fetchone() is None:
            return Response(status=401)
        rows = raw.execute(CUSTOMERS).fetchall()[: request.args.get("limit", 50, int)]
        keys = [row[0] for row in rows]
        marks = ", ".join("?" * len(keys))
        emails: dict[str, str] = {}
        phones: dict[str, str] = {}
        for key, kind, value in raw.execute(POINTS.format(marks=marks), keys):
            (emails if kind == "email" else phones)[key] = value
        cities = dict(raw.execute(CITIES.format(marks=marks), keys).fetchall())
        items = [
            {
                "id": str(UUID(row[0])),
                "version": row[1],
                "owner_id": row[2] and str(UUID(row[2])),
                "name": row[3],
                "kind": row[4],
                "stage": row[5],
                "owner": row[6],
                "changed": row[7][:19].replace(" ", "T") + "+00:00",
                "city": cities.get(row[0]),
                "phone": phones.get(row[0]),
                "email": emails.get(row[0]),
            }
            for row in rows
        ]
        body = orjson.dumps({"items": items, "next_cursor": None})
        return Response(body, mimetype="application/json")

    return app


def opened(folder: Path, customers: int) -> tuple[Application, str, list[str]]:
    """Return the product on a full database, and the token of an administrator."""
    path = folder / "crm.sqlite"
    flags = {"database_url": f"sqlite:///{path}"}
    settings = {"CRM_CONFIG_HOME": str(folder), "CRM_LOG_FILE": str(folder / "crm.log")}
    application = Application(load_config(flags, settings, folder))
    upgrade(application.unchecked_database)
    with application.unit_of_work(system_actor("bench"), write=True) as uow:
        install(uow, Answers("Bench", "PLN", "UTC", "en", None, "admin"), os_user="nobody")
        uow.commit()
    plugins = application.installed_plugins
    enable_plugin(application.database, plugins, "web", by="bench", seconds=600)
    application.close()
    ids = fill(path, max(customers, USERS, PAGE), 100)
    application = Application(load_config(flags, settings, folder))
    with application.unit_of_work(application.actor("admin", origin="web"), write=True) as uow:
        token, _ = add_token(uow, "bench")
        uow.commit()
    return application, token, ids


def caller(app: Any, token: str) -> Callable[[], bytes]:
    """Return what asks an application for the page and gives the body."""
    headers = [("Authorization", f"Bearer {token}")]
    environ = EnvironBuilder(PATH, headers=headers).get_environ()

    def call() -> bytes:
        parts, status, _ = run_wsgi_app(app.wsgi_app, dict(environ))
        assert status == "200 OK", status
        return b"".join(parts)

    return call


def measured(work: Callable[[], Any]) -> float:
    """Milliseconds of this process in the best of five calls; all it reads lies in memory."""
    times = []
    for _ in range(5):
        begin = process_time()
        work()
        times.append((process_time() - begin) * 1_000)
    return min(times)


def main() -> int:
    """Fill a database, measure, print; 1 when the API is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    send_logs_to_stderr(logging.WARNING)  # as it is served
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        begin = perf_counter()
        application, token, ids = opened(Path(folder), chosen.customers)
        filled = perf_counter() - begin
        works = {
            "plain Flask": caller(plain(Path(folder) / "crm.sqlite"), token),
            "API": caller(create_app(application), token),
        }
        ours, theirs = (json.loads(works[name]())["items"] for name in ("API", "plain Flask"))
        assert len(ours) == PAGE
        assert ours == theirs, "the two give back the same"
        times: dict[str, list[float]] = {name: [] for name in works}
        with rare_collections():  # as it is served
            for _ in range(chosen.rounds):
                for name, work in works.items():
                    times[name].append(measured(work))
        application.close()
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratio = medians["API"] / medians["plain Flask"]
    if chosen.json:
        print(json.dumps({"ms": medians, "ratio": ratio, "limit": LIMIT, "fill_s": filled}))
    else:
        print(f"{PAGE} of {len(ids)} customers, filled in {filled:.1f} s")
        for name, found in medians.items():
            print(f"{name:<14}{found:8.3f} ms")
        print(f"{'ratio':<14}{ratio:8.2f}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
