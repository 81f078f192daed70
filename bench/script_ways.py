"""The same work as most scripts do it, to compare rates with: browse, and one create at a time.

python bench/script_ways.py [--records N] [--json]

Reads partners by browsing them with OdooRPC and taking their fields one by one, and makes some by
one ``create`` each; beside them one ``search_read`` and one ``load`` of as many. Every way has to
read, and leave, the same. There is no goal: this is what the other benches are spared.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import odoorpc
from pull_partners import partners

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "services"))

from odoo_server import NoOdooError, OdooDatabase

BROWSED = 10
"""One in so many is browsed: it would take longer than all else here."""
FIELDS = ("name", "email", "phone", "street", "city", "zip", "ref", "function", "vat", "lang")


def logged_in(database: OdooDatabase) -> Any:
    """Return OdooRPC's client as scripts open it."""
    assert database.writer is not None
    at = urlsplit(database.url)
    client = odoorpc.ODOO(at.hostname, protocol="jsonrpc", port=at.port)
    client.login(database.name, database.writer.login, database.writer.secret)
    return client


def browsed(client: Any, ids: list[int]) -> list[tuple[Any, ...]]:
    """Read partners as objects."""
    model = client.env["res.partner"]
    return [tuple(getattr(model.browse(key), name) for name in FIELDS) for key in ids]


def searched(client: Any, ids: list[int]) -> list[tuple[Any, ...]]:
    """Read partners in one call."""
    rows = client.execute(
        "res.partner", "search_read", [["id", "in", ids]], list(FIELDS), 0, 0, "id"
    )
    return [tuple(row[name] for name in FIELDS) for row in rows]


def created(client: Any, values: list[dict[str, str]]) -> list[int]:
    """Make partners one by one."""
    model = client.env["res.partner"]
    return [model.create(each) for each in values]


def loaded(client: Any, values: list[dict[str, str]]) -> list[int]:
    """Make partners in one call."""
    rows = [list(each.values()) for each in values]
    told = client.execute("res.partner", "load", list(values[0]), rows)
    assert told["ids"], told
    return list(told["ids"])


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Return what some work gives, and the seconds it took."""
    begin = time.perf_counter()
    found = work(*arguments)
    return found, time.perf_counter() - begin


def compare(count: int) -> dict[str, float]:
    """Return the rate of each way."""
    with partners(count) as database:
        client = logged_in(database)
        ids = client.env["res.partner"].search([["ref", "=like", "B-%"]], limit=count, order="id")
        assert len(ids) == count
        few = ids[: -(-count // BROWSED)]
        browse, browse_seconds = timed(browsed, client, few)
        search, search_seconds = timed(searched, client, ids)
        assert browse == search[: len(few)]
        making = {}
        for way in (created, loaded):
            values = [
                {"name": f"Ξενοδοχείο {way.__name__} {n}", "email": f"{n}@example.com"}
                for n in range(count)
            ]
            made, making[way.__name__] = timed(way, client, values)
            there = client.env["res.partner"].search([["name", "like", f" {way.__name__} "]])
            assert sorted(there) == sorted(made)
            assert len(there) == count
    return {
        "browse": len(few) / browse_seconds,
        "search_read": count / search_seconds,
        "create one by one": count / making["created"],
        "load": count / making["loaded"],
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        found = compare(chosen.records)
    except NoOdooError as error:
        print(f"left out: {error}")
        return 0
    if chosen.json:
        print(json.dumps(found))
        return 0
    for name, rate in found.items():
        print(f"{name:<28}{rate:10.1f} /s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
