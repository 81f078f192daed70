"""Building the demo company's back office: every file of its folder, streamed, from a seed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

from crm_files.demo.catalogue import Product, catalogue
from crm_files.demo.people import Row, households
from crm_files.demo.trade import PLN_RATE, YEARS, Trade
from crm_files.layout import (
    LAYOUTS,
    LINE,
    LINES_FILE,
    LINK,
    LINKS_FILE,
    OWNER_COLUMNS,
    RATES_FILE,
)
from crm_files.manifest import MANIFEST, manifest_text

CURRENCIES = (
    ("EUR", "Euro", "€"),
    ("PLN", "Polish Zloty", "zł"),
)
TAGS = ("Key account", "Hotel", "Restaurant", "Retail", "Pays late")
USERS = (
    ("eleni", "Ελένη Παπαδάκη"),
    ("nikos", "Νίκος Μακρής"),
    ("katerina", "Κατερίνα Ρήγα"),
    ("tomasz", "Tomasz Łukasiewicz"),
    ("maja", "Maja Žagar"),
    ("andrey", "Андрей Соколов"),
    ("alice", "Alice O'Connor"),
    ("maryam", "مریم کریمی"),
)


def build(folder: Path, customers: int, seed: int, today: date) -> None:
    """Write the back office of a trading company; the same arguments give the same files.

    Args:
        folder: Where; made when it is not there.
        customers: How many, contacts of companies included.
        seed: What chance starts from.
        today: The last day of its three years of business.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)  # noqa: S311  a story, no secret
    owners = {login: f"u{number}" for number, (login, _) in enumerate(USERS, 1)}
    products = catalogue()
    with ExitStack() as open_files:
        office = {
            file: _Rows(open_files, folder / file, header) for file, header in _headers().items()
        }
        _describe(office, owners, products)
        office[RATES_FILE].add(_rates(today, random))
        trade = Trade(products, today, random)
        for household in households(customers, owners, random):
            office["customers.csv"].add(household.customers)
            office["addresses.csv"].add(household.addresses)
            if household.buyer is not None:
                documents = trade.of(household.buyer)
                office["orders.csv"].add(documents.orders)
                office["invoices.csv"].add(documents.invoices)
                office["payments.csv"].add(documents.payments)
                office[LINES_FILE].add(documents.lines)
                office[LINKS_FILE].add(documents.links)
    headers = {name: layout.known for name, layout in LAYOUTS.items()}
    (folder / MANIFEST).write_bytes(manifest_text({}, LAYOUTS, headers))


def _describe(
    office: Mapping[str, _Rows], owners: Mapping[str, str], products: Iterable[Product]
) -> None:
    """Write what all customers have in common: users, tags, currencies, products."""
    office["users.csv"].add(
        {"id": owners[login], "login": login, "name": name, "email": f"{login}@demo.example"}
        for login, name in USERS
    )
    office["tags.csv"].add(
        {"id": f"t{number}", "name": name} for number, name in enumerate(TAGS, 1)
    )
    office["currencies.csv"].add(
        {
            "id": code,
            "code": code,
            "name": name,
            "symbol": symbol,
            "decimal_places": "2",
            "base_code": "EUR",
        }
        for code, name, symbol in CURRENCIES
    )
    office["products.csv"].add(
        {
            "id": product.id,
            "name": product.name,
            "reference": product.reference,
            "category": product.category,
            "kind": product.kind,
            "unit": product.unit,
            "list_price": str(product.price),
            "currency": "EUR",
            "is_sold": "yes",
            "archived": "no",
        }
        for product in products
    )


def _headers() -> Mapping[str, tuple[str, ...]]:
    return {
        **{layout.file: layout.known for layout in LAYOUTS.values()},
        LINES_FILE: (*OWNER_COLUMNS, *LINE),
        LINKS_FILE: (*OWNER_COLUMNS, *LINK),
        RATES_FILE: ("currency", "on", "rate"),
    }


def _rates(today: date, random: Random) -> Iterable[Row]:
    """Yield a rate for the first of each month, wandering around the price list's."""
    months = range((today.year - YEARS) * 12 + today.month - 1, today.year * 12 + today.month)
    drift = 0
    for month in months:
        drift = max(-150, min(150, drift + random.randint(-40, 40)))
        on = date(month // 12, month % 12 + 1, 1)
        rate = PLN_RATE + Decimal(drift).scaleb(-3)
        yield {"currency": "PLN", "on": on.isoformat(), "rate": str(rate)}


class _Rows:
    """One CSV file that is being written."""

    def __init__(self, open_files: ExitStack, path: Path, header: tuple[str, ...]) -> None:
        stream = open_files.enter_context(path.open("w", encoding="utf-8", newline=""))
        self._writer = csv.DictWriter(stream, header, restval="", lineterminator="\n")
        self._writer.writeheader()

    def add(self, rows: Iterable[Row]) -> None:
        """Write some rows."""
        self._writer.writerows(rows)
