"""Importing leads from a CSV or Excel file.

Columns are the fields of a lead, with ``owner`` (a login) and ``key`` (what names the row where it
comes from). A row is known by its key, else by all that it says: imported again, it makes no second
lead. Rows that cannot be taken are set aside with line, column and reason, and all others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor, system_actor
from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.normalize import shortened
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.customer_columns import unguarded
from crm_core.services.customer_import import ImportReport, fault_sink
from crm_core.services.import_rows import ImportFault, SetAside
from crm_core.services.settings import load_settings
from crm_core.services.table_files import SPREADSHEETS, Line, read_table
from crm_sales.models import Lead
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT
from crm_sales.schemas.leads import FIELDS, read_lead
from crm_sales.services.leads.arriving import insert_leads, product_ids

BATCH = 200
OWNER, KEY = "owner", "key"
COLUMNS = (*FIELDS, OWNER, KEY)
_ALIASES = {
    "e_mail": "email",
    "mail": "email",
    "telephone": "phone",
    "tel": "phone",
    "zip": "postal_code",
    "postcode": "postal_code",
    "country": "country_code",
    "amount": "expected_amount",
    "currency": "currency_code",
    "position": "job_title",
    "id": KEY,
}

Told = Callable[[int], None]
"""Called with how many rows were gone through."""


def import_leads(
    database: Database,
    actor: Actor,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    dry_run: bool = False,
    encoding: str | None = None,
    delimiter: str | None = None,
    errors_path: Path | None = None,
    told: Told = lambda done: None,
) -> ImportReport:
    """Import a file of leads; see the module for how.

    Args:
        database: Into which.
        actor: Whose rights count.
        path: A CSV file or a spreadsheet.
        columns: Heading of the file to the column that it means, blank to leave it out; headings
            that are not named mean what they say.
        dry_run: Check all and keep nothing.
        encoding: Of a CSV file; None finds out between UTF-8 and UTF-16.
        delimiter: Of a CSV file; None finds out.
        errors_path: A CSV file to write all faults to.
        told: Hears how far it is.

    Returns:
        ``created`` are new leads, ``unchanged`` those that were here already.

    Raises:
        InputError: The file as such is wrong; nothing was written.
        PermissionDeniedError: The actor may not add leads.
    """
    actor.require(LEAD_EDIT)
    mapped = columns or {}
    report = ImportReport(is_dry_run=dry_run)
    lines = read_table(
        path,
        encoding=encoding,
        delimiter=delimiter,
        is_known=lambda header: header in mapped or _named(header) is not None,
    )
    _, header = next(lines)
    places = _columns(header, mapped)
    is_guarded = path.suffix.lower() not in SPREADSHEETS
    with fault_sink(report, errors_path) as set_aside:
        for some in _batches(lines):
            rows = [(line, _cells(cells, places, is_guarded=is_guarded)) for line, cells in some]
            _import(database, actor, rows, report, set_aside)
            report.rows += len(some)
            told(report.rows)
    return report


def _named(header: str) -> str | None:
    name = "_".join(header.strip().lower().replace("-", " ").split())
    name = _ALIASES.get(name, name)
    return name if name in COLUMNS else None


def _columns(header: Sequence[str], mapped: Mapping[str, str]) -> dict[int, str]:
    """Return the columns by their place; raises InputError for unknown ones and for doubles."""
    found: dict[int, str] = {}
    unknown = []
    for place, label in enumerate(header):
        wanted = mapped.get(label, label)
        if not wanted:
            continue
        name = _named(wanted)
        if name is None:
            unknown.append(repr(shortened(wanted)))
        elif name in found.values():
            raise InputError(
                t("Two columns are {name}: keep one. Nothing was written.", name=name),
                code="sales.import.columns_twice",
            )
        else:
            found[place] = name
    if unknown:
        raise InputError(
            t(
                "Unknown columns: {unknown}. Rename them, or say what they are with --column. "
                "Known are: {known}. Nothing was written.",
                unknown=", ".join(unknown),
                known=", ".join(COLUMNS),
            ),
            code="sales.import.columns_unknown",
            details={"unknown": unknown},
        )
    return found


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    some: list[Line] = []
    for line in lines:
        some.append(line)
        if len(some) == BATCH:
            yield some
            some = []
    if some:
        yield some


def _cells(
    cells: Sequence[str], places: Mapping[int, str], *, is_guarded: bool
) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for place, name in places.items():
        cell = cells[place] if place < len(cells) else ""
        if is_guarded and "'" in cell:
            cell = unguarded(cell)
        values[name] = cell.strip() or None
    return values


def _import(
    database: Database,
    actor: Actor,
    rows: Sequence[tuple[int, dict[str, str | None]]],
    report: ImportReport,
    set_aside: SetAside,
) -> None:
    """Check and write some rows in one transaction."""
    keys = [_arrival_key(values) for _, values in rows]
    with unit_of_work(database, actor=system_actor("sales.import")) as uow:
        # Leads that others have are known too, though this actor may not see them.
        known = set(uow.scalars(select(Lead.arrival_key).where(Lead.arrival_key.in_(keys))))
    with unit_of_work(database, actor=actor, write=True) as uow:
        check = _Check(uow, [values for _, values in rows])
        records = []
        for (line, values), key in zip(rows, keys, strict=True):
            if key in known:
                report.unchanged += 1
                continue
            record, faults = check.row(values)
            for column, message in faults.items():
                set_aside(ImportFault(line, column, shortened(values.get(column) or ""), message))
            if not faults:
                known.add(key)
                records.append({**record, "arrival_key": key})
        report.created += len(records)
        if not report.is_dry_run:
            insert_leads(uow, records)
            uow.commit()


class _Check:
    """Checks rows; what they name is looked up once for all of them."""

    def __init__(self, uow: UnitOfWork, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.actor = uow.actor
        self.region = load_settings(uow).phone_region
        self.products = product_ids(uow, {row["product"] or "" for row in rows if "product" in row})
        logins = sorted({row[OWNER] or "" for row in rows if OWNER in row})
        users = select(User.login, User.id).where(User.login.in_(logins), User.is_enabled.is_(True))
        self.users: dict[str, UUID] = {row.login: row.id for row in uow.execute(users)}

    def row(self, values: Mapping[str, str | None]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return a row as it is written, and what is wrong with it by column."""
        typed = {name: value for name, value in values.items() if name in FIELDS}
        record, faults = read_lead(typed, region=self.region)
        product, login = values.get("product"), values.get(OWNER)
        if product and product not in self.products:
            faults["product"] = t("is no product that is sold.")
        if login:
            owner_id = record["owner_id"] = self.users.get(login)
            if owner_id is None:
                faults[OWNER] = t("is not the login of a user who may act.")
            elif not (
                self.actor.may_for_owner(LEAD_EDIT, owner_id)
                or self.actor.may_for_owner(LEAD_ASSIGN, owner_id)
            ):
                faults[OWNER] = t("is nobody to whom you may give leads.")
        return record, faults


def _arrival_key(values: Mapping[str, str | None]) -> str:
    if values.get(KEY):
        return f"import:{values[KEY]}"[:250]
    told = "\x1f".join(f"{name}={values[name]}" for name in sorted(values) if values[name])
    return f"import:{hashlib.sha256(told.encode()).hexdigest()}"
