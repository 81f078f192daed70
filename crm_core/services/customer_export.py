"""Exporting customers to CSV, Excel or vCard.

The columns are those that the import reads, so an export can be imported again. In CSV, text that a
spreadsheet would take for a formula gets an apostrophe in front, which the import takes off again;
in Excel everything is text. The file appears under its name when it is complete, never before.
Of addresses, the first for each use is told; labels of contact points are not.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from crm_core.access import Actor
from crm_core.entities.customer import Customer
from crm_core.entities.system import AuditEntry
from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import t
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.database import Database
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_columns import (
    MOST_OF_A_KIND,
    TAG_SEPARATOR,
    contact_column,
    guarded,
)
from crm_core.services.customer_rows import (
    CustomerFilter,
    Row,
    column_names,
    customer_rows,
    line_of,
)

EXPORT = "core.customer.export"
FORMATS = ("csv", "xlsx", "vcf")
EXCEL_ROWS = 1_048_575
"""Without the header."""
PROGRESS_EVERY = 1_000

Progress = Callable[[int], None]
Rows = Iterator[tuple[UUID, Row]]


def export_customers(
    database: Database,
    actor: Actor,
    out_path: Path,
    *,
    format: str | None = None,
    wanted: CustomerFilter | None = None,
    on_progress: Progress = lambda done: None,
) -> int:
    """Write the customers that the actor may export to a file, and return how many.

    Args:
        database: From which.
        actor: Whose scope counts; stands in the audit.
        out_path: The file; one that is there is replaced.
        format: ``csv``, ``xlsx`` or ``vcf``; None goes by the file's ending.
        wanted: Which customers; None takes all that are not archived.
        on_progress: Called with the number of customers done.

    Raises:
        InputError: The format is not known, or the customers do not fit it.
        PermissionDeniedError: The actor may not export.
        ConfigurationError: The file cannot be written.
    """
    reader = exporting(actor)
    chosen = checked_format(out_path, format)
    with unit_of_work(database, actor=reader) as uow:
        names = column_names(uow)
    rows = customer_rows(database, reader, wanted or CustomerFilter())
    return write_export(database, actor, out_path, chosen, names, rows, on_progress)


def exporting(actor: Actor) -> Actor:
    """Return an actor who sees no more customers than this one may export.

    Raises:
        PermissionDeniedError: The actor may not export.
    """
    actor.require(EXPORT)
    reach = min(actor.reach(CUSTOMER_VIEW), actor.reach(EXPORT))
    return replace(actor, rights={**actor.rights, CUSTOMER_VIEW: reach})


def checked_format(out_path: Path, format: str | None) -> str:
    """Return the format that was asked for, or that a file's ending names.

    Raises:
        InputError: There is no such format.
    """
    chosen = (format or out_path.suffix.removeprefix(".")).lower()
    if chosen not in _WRITERS:
        raise InputError(
            t(
                "Customers cannot be exported as {chosen!r}; choose one of {formats} (--format, "
                "or the ending of {out_path}).",
                chosen=chosen or t("a file without ending"),
                formats=", ".join(FORMATS),
                out_path=out_path.name,
            ),
            code="core.export.format",
        )
    return chosen


def write_export(
    database: Database,
    actor: Actor,
    out_path: Path,
    format: str,
    names: list[str],
    rows: Rows,
    on_progress: Progress = lambda done: None,
    query: str | None = None,
) -> int:
    """Write rows of customers to a file under these headings, audited; return how many.

    Raises:
        InputError: The customers do not fit the format.
        ConfigurationError: The file cannot be written.
    """
    count = 0

    def counted() -> Rows:
        nonlocal count
        for item in rows:
            count += 1
            if count % PROGRESS_EVERY == 0:
                on_progress(count)
            yield item

    with _replaced(out_path) as path:
        _WRITERS[format](path, names, counted())
    on_progress(count)
    told = {"file": out_path.name, "format": format, "customers": count}
    _record(database, actor, told if query is None else {**told, "query": query})
    return count


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` that takes its place when all went well."""
    draft: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(
            t(
                "{path} cannot be written: {reason}. Check the folder, the rights on it and the "
                "space left; nothing was exported.",
                path=path,
                reason=error.strerror or error,
            ),
            code="core.export.cannot_write",
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _record(database: Database, actor: Actor, told: Mapping[str, Any]) -> None:
    changes = {name: [None, value] for name, value in told.items()}
    with unit_of_work(database, actor=actor, write=True) as uow:
        row = audit_row(actor, "export", Customer.__entity__, "", None, changes)
        insert_rows(uow.connection(), AuditEntry, [row])
        uow.commit()


def _write_csv(path: Path, names: list[str], rows: Rows) -> None:
    # The byte order mark is what makes Excel read UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([guarded(name) for name in names])
        writer.writerows([guarded(cell) for cell in line_of(names, cells)] for _, cells in rows)


def _write_excel(path: Path, names: list[str], rows: Rows) -> None:
    from rustpy_xlsxwriter import write_worksheet

    def records() -> Iterator[dict[str, str | None]]:
        number = 0
        for number, (_, cells) in enumerate(rows, 1):
            if number > EXCEL_ROWS:
                raise InputError(
                    t(
                        "Excel holds {excel_rows:,} customers at most; export to CSV or fewer.",
                        excel_rows=EXCEL_ROWS,
                    ),
                    code="core.export.too_many",
                )
            yield {name: cells.get(name) for name in names}
        if not number:
            yield dict.fromkeys(names)

    try:
        with path.open("wb") as handle:
            write_worksheet(records(), handle, sheet_name="Customers", freeze_row=1)
    except RuntimeError as error:
        raise InputError(
            t(
                "The customers do not fit an Excel file: {error} Export to CSV instead.",
                error=error,
            ),
            code="core.export.excel",
        ) from error


def _write_vcards(path: Path, _names: list[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        for customer_id, cells in rows:
            handle.write(vcard(customer_id, cells))


_VCARD_POINTS: tuple[tuple[str, str, list[str]], ...] = (
    ("tel", "phone", ["VOICE"]),
    ("tel", "mobile", ["CELL"]),
    ("tel", "fax", ["FAX"]),
    ("email", "email", []),
    ("url", "website", []),
)
_VCARD_USES = (("", ["WORK"]), ("invoice_", ["POSTAL"]), ("delivery_", ["PARCEL"]))


def vcard(customer_id: UUID, cells: Row) -> str:
    """Return a customer's row as a vCard 3.0, which every address book reads."""
    import vobject  # type: ignore[import-untyped]

    card = vobject.vCard()
    card.add("uid").value = f"urn:uuid:{customer_id}"
    name = cells["name"]
    card.add("fn").value = name
    is_company = cells.get("kind") == "company"
    given, _, family = ("", "", "") if is_company else name.rpartition(" ")
    card.add("n").value = vobject.vcard.Name(family=family, given=given)
    organisation = name if is_company else cells.get("company")
    if organisation:
        card.add("org").value = [organisation]
    if cells.get("tags"):
        card.add("categories").value = cells["tags"].split(TAG_SEPARATOR)
    for item, column in (("title", "job_title"), ("note", "note")):
        if column in cells:
            card.add(item).value = cells[column]
    for item, kind, types in _VCARD_POINTS:
        for value in _all_of(cells, kind):
            point = card.add(item)
            point.value = value
            if types:
                point.type_param = types
    for prefix, types in _VCARD_USES:
        _add_address(card, vobject.vcard.Address, cells, prefix, types)
    text: str = card.serialize()
    return text


def _all_of(cells: Row, kind: str) -> list[str]:
    names = (contact_column(kind, place).name for place in range(MOST_OF_A_KIND))
    return [cells[name] for name in names if name in cells]


def _add_address(
    card: object, make: Callable[..., object], cells: Row, prefix: str, types: list[str]
) -> None:
    def part(name: str) -> str:
        return cells.get(prefix + name, "")

    address = make(
        street=part("street"),
        extended=part("street2"),
        city=part("city"),
        region=part("region"),
        code=part("postal_code"),
        country=part("country_code"),
    )
    if str(address).strip(" ,\n"):
        item = card.add("adr")  # type: ignore[attr-defined]
        item.value, item.type_param = address, types


_WRITERS: dict[str, Callable[[Path, list[str], Rows], None]] = {
    "csv": _write_csv,
    "xlsx": _write_excel,
    "vcf": _write_vcards,
}
