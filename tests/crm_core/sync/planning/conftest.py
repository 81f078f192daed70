"""Two sides that have not met: a front office, and a folder with customers of its own."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rustpy_xlsxwriter import write_worksheet
from sqlalchemy import select

from crm_core.entities import Customer
from crm_core.services.customers import create_customer
from crm_core.services.table_files import read_table
from crm_core.sync.planning.apply import PlanReport
from crm_core.sync.planning.files import write_plan
from crm_core.sync.planning.plan import Decision, Plan
from crm_core.sync.planning.run import apply_plan_file, plan_sync
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend
from spelt_twice import Contact

COLUMNS = "id kind name reference vat email phone street postal_code city archived parent_ref note"


class TwoSides:
    """A front office and a folder; nothing of either is known to the other yet."""

    def __init__(self, database: Any, system: Any, folder: Path) -> None:
        self.folder = folder / "office"
        self.folder.mkdir()
        self.path = folder / "plan.xlsx"
        self.office = FrontOffice(database, system, self.connect)
        self.write_rows([])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.office, name)

    def connect(self) -> FilesBackend:
        return FilesBackend(self.folder)

    def hold_both(self, contacts: list[Contact]) -> None:
        """Give each side its own spelling of these."""

        def create(uow: Any) -> None:
            for contact in contacts:
                create_customer(uow, contact.ours)

        self.office.change(create)
        self.add_rows(*(contact.theirs for contact in contacts))

    def here(self, name: str, **values: Any) -> UUID:
        return self.office.create(name, **{"kind": "company", **values})

    def add_rows(self, *rows: dict[str, str]) -> None:
        known = self.rows()
        new = [
            {"id": f"r{number}", "kind": "company", **row}
            for number, row in enumerate(rows, len(known) + 1)
        ]
        self.write_rows([*known, *new])

    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "customers.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def write_rows(self, rows: list[dict[str, str]]) -> None:
        extra = [name for row in rows for name in row if name not in COLUMNS.split()]
        with (self.folder / "customers.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, [*COLUMNS.split(), *dict.fromkeys(extra)])
            writer.writeheader()
            writer.writerows(rows)

    def set_row(self, name: str, **values: str) -> None:
        rows = self.rows()
        [row] = [row for row in rows if row["name"] == name]
        row.update(values)
        self.write_rows(rows)

    def drop_row(self, name: str) -> None:
        self.write_rows([row for row in self.rows() if row["name"] != name])

    def plan(self, remote: Any = None) -> Plan:
        """Plan, and write it to the Excel file."""
        plan = plan_sync(self.office.database, self.office.backend, remote or self.connect())
        write_plan(plan, self.path)
        return plan

    def decisions(self) -> dict[tuple[str, str], str]:
        """Return what is proposed, by our name and theirs."""
        return {(r.local_name, r.remote_name): r.decision.value for r in self.plan().rows}

    def decide(self, **decisions: Decision | str) -> None:
        """Change decisions in the file, of rows that bear a name on either side."""
        for name, decision in decisions.items():
            self.edit_file(
                lambda row, name=name, decision=decision: (  # type: ignore[misc]
                    row.update(decision=str(decision))
                    if name in (row["our name"], row["their name"])
                    else None
                )
            )

    def edit_file(self, change: Callable[[dict[str, str]], Any]) -> None:
        """Do what a person does in a spreadsheet program to every row."""
        lines = [cells for _, cells in read_table(self.path)]
        rows = [dict(zip(lines[0], [*cells, *[""] * 13], strict=False)) for cells in lines[1:]]
        for row in rows:
            change(row)
        with self.path.open("wb") as stream:
            write_worksheet(rows, stream)

    def apply(self, remote: Any = None, path: Path | None = None, **options: Any) -> PlanReport:
        """Apply the file."""
        office = self.office
        return apply_plan_file(
            office.database, office.backend, remote or self.connect(), path or self.path, **options
        )

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of all customers here, and there."""
        return sorted(self.office_names()), sorted(row["name"] for row in self.rows())

    def office_names(self) -> list[str]:
        return [row[0].name for row in self.office.all(select(Customer))]


@pytest.fixture
def sides(database: Any, system: Any, tmp_path: Path) -> TwoSides:
    """Two sides on a database of each kind."""
    return TwoSides(database, system, tmp_path)
