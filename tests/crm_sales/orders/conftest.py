"""A shop whose back office is a folder of files: what is written there, and what it answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from selling import Selling

RULES = [
    {"target": "product", "product_ref": "11", "method": "fixed", "fixed_price": "9.90"},
    {"target": "product", "product_ref": "99", "method": "fixed", "fixed_price": "1"},
    {"target": "all", "method": "percent", "percent": "10", "min_quantity": "5"},
]


class Shop(Selling):
    """Sells mugs and lamps; ``sheet`` and ``answer`` are the hands of the people over there."""

    def __init__(self, application: Any, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "products.csv").write_text(
            "id,name,list_price,currency,is_sold\n11,Mug ☕,10,EUR,yes\n12,Λάμπα,49.95,EUR,yes\n"
        )
        (folder / "sales_payment_term.csv").write_text("id,name,days\n7,30 days,30\n")
        rules = json.dumps(RULES).replace('"', '""')
        (folder / "sales_price_list.csv").write_text(
            f'id,name,currency,rules\n5,Retail,EUR,"{rules}"\n'
        )
        super().__init__(application, "files", path=str(folder))
        self.run()

    def sheet(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a file; none where there is no such file yet."""
        path = self.folder / f"{name}.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def answer(self, name: str, row_id: str, **cells: str) -> None:
        """Change cells of a row."""
        rows = self.sheet(name)
        for row in rows:
            row.update(cells if row["id"] == row_id else {})
        with (self.folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def shop(office: Any, tmp_path: Path) -> Shop:
    """A shop in step with its folder."""
    return Shop(office.application, tmp_path / "erp")


@pytest.fixture
def customer_id(office: Any) -> UUID:
    """The employee's customer."""
    return UUID(office.customer("employee"))


@pytest.fixture
def accepted(shop: Shop, office: Any, customer_id: UUID) -> UUID:
    """An offer of the employee's, accepted: 2 mugs less 7.5 %, one lamp."""
    owner_id = office.actor("employee").user_id
    lines = ("Home", ("Mug ☕", "2", "12.35", "7.5"), ("Λάμπα", "1", "49.95", "0"))
    quote_id = shop.offer(customer_id, *lines, owner_id=owner_id)
    shop.accept(quote_id)
    return quote_id
