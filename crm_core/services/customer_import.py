"""Importing customers from a CSV or Excel file.

The first pass reads and checks the whole file and keeps the good rows in a temporary file; a file
that is broken as such stops there, with nothing written. The second pass matches 1,000 rows at a
time against existing customers and writes them in one transaction. Rows that cannot be taken are
set aside with line, column and reason, and all others go on. Killed and run again, the same file
ends in the same state: rows find what they made before.

A blank cell leaves what is there. A filled one replaces it: ``email2`` the second e-mail, the cells
of an address those of the first address for that use. Columns are those of
``crm_core.services.customer_columns``; matching is told in ``crm_core.services.customer_matching``.
"""

from __future__ import annotations

import csv
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities.consent import ProfileAttribute
from crm_core.entities.user import User
from crm_core.errors import ConfigurationError, InputError
from crm_core.normalize import shortened
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.schemas.customer import read_customer
from crm_core.services.customer_bulk import save_customers
from crm_core.services.customer_columns import (
    COMPANY,
    OWNER,
    TAGS,
    Column,
    column_at,
    column_named,
    known_columns,
    record_of,
    unguarded,
)
from crm_core.services.customer_matching import MATCH_KEYS, Matcher, RowFault, checked_match
from crm_core.services.import_drafts import DraftMaker
from crm_core.services.import_spool import ImportSpool
from crm_core.services.profile import canonical_value
from crm_core.services.profile_bulk import save_profile_values
from crm_core.services.relationship_bulk import relate_contacts
from crm_core.services.settings import load_settings
from crm_core.services.table_files import SPREADSHEETS, read_table

IMPORT = "core.customer.import"
PROFILE_EDIT = "core.profile.edit"
FAULTS_KEPT = 1_000
"""Faults a report holds; a file of errors holds them all."""
PROGRESS_EVERY = 1_000
OBJECTS_BETWEEN_COLLECTIONS = 50_000

Progress = Callable[[str, int, int | None], None]


class ImportFault(NamedTuple):
    """Why one row was set aside: where, what stood there (cut where long), what to do."""

    line: int
    column: str
    value: str
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        rows: Rows in the file, blank ones not counted.
        created: Customers made.
        updated: Customers changed.
        unchanged: Customers that were like their rows already.
        related: Persons newly tied to their companies.
        fault_count: Faults in all; a row may have several.
        faulty_rows: Rows set aside, or taken without the part at fault (the company).
        faults: The first 1,000 of them.
        is_dry_run: Whether nothing was kept.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    related: int = 0
    fault_count: int = 0
    faulty_rows: int = 0
    faults: list[ImportFault] = field(default_factory=list)
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What rows are checked against, read once."""

    owners: dict[str, UUID]
    attributes: dict[str, ProfileAttribute]
    region: str | None


def import_customers(
    database: Database,
    actor: Actor,
    path: Path,
    *,
    match: Sequence[str] = MATCH_KEYS,
    dry_run: bool = False,
    encoding: str | None = None,
    delimiter: str | None = None,
    errors_path: Path | None = None,
    on_progress: Progress = lambda stage, done, total: None,
) -> ImportReport:
    """Import a file of customers; see the module for how.

    Args:
        database: Into which.
        actor: Whose rights and scope count.
        path: A CSV file or a spreadsheet.
        match: Keys that tell which customer a row means.
        dry_run: Do everything in one transaction and take it back.
        encoding: Of a CSV file; None finds out between UTF-8 and UTF-16.
        delimiter: Of a CSV file; None finds out.
        errors_path: A CSV file to write all faults to.
        on_progress: Called with a stage (``check``, ``write``, ``relate``), rows done, rows in all
            (None while they are being counted).

    Raises:
        InputError: The file as such is wrong; nothing was written.
        PermissionDeniedError: The actor may not import.
    """
    actor.require(IMPORT)
    keys = checked_match(match)
    report = ImportReport(is_dry_run=dry_run)
    with (
        ImportSpool() as spool,
        _fault_sink(report, errors_path) as set_aside,
        _rare_collections(),
    ):
        lines = read_table(
            path,
            encoding=encoding,
            delimiter=delimiter,
            is_known=lambda header: column_named(header) is not None,
        )
        _, header = next(lines)
        columns = _columns(header)
        known = _known(database, actor, columns)
        check = _RowCheck(columns, known, is_guarded=path.suffix.lower() not in SPREADSHEETS)
        for line, cells in lines:
            report.rows += 1
            check.row(line, cells, spool, set_aside)
            if report.rows % PROGRESS_EVERY == 0:
                on_progress("check", report.rows, None)
        spool.finish()
        on_progress("check", report.rows, report.rows)
        importer = _Importer(
            database, replace(actor, origin="import"), columns, keys, spool, set_aside
        )
        importer.run(report, on_progress)
    return report


@contextmanager
def _rare_collections() -> Iterator[None]:
    # A chunk of rows makes a hundred thousand objects without a cycle among them; looking for some
    # every 700 objects takes a tenth of the whole time.
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


SetAside = Callable[[ImportFault], None]


@contextmanager
def _fault_sink(report: ImportReport, errors_path: Path | None) -> Iterator[SetAside]:
    lines_seen = 0
    last_line = 0

    def count(fault: ImportFault) -> None:
        nonlocal lines_seen, last_line
        lines_seen += fault.line != last_line
        last_line = fault.line
        report.fault_count += 1
        report.faulty_rows = lines_seen
        if len(report.faults) < FAULTS_KEPT:
            report.faults.append(fault)

    if errors_path is None:
        yield count
        return
    try:
        handle = errors_path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(
            f"The file for errors {errors_path} cannot be written: {error.strerror}. Name another "
            "one. Nothing was imported.",
            code="core.import.errors_file",
        ) from error
    with handle:
        writer = csv.writer(handle)
        writer.writerow(ImportFault._fields)

        def count_and_write(fault: ImportFault) -> None:
            count(fault)
            writer.writerow(fault)

        yield count_and_write


def _columns(header: Sequence[str]) -> list[Column]:
    columns, unknown = [], []
    for position, label in enumerate(header, 1):
        column = column_named(label)
        if column is None:
            unknown.append(repr(shortened(label)) if label.strip() else f"no name (no. {position})")
        else:
            columns.append(column)
    if unknown:
        raise InputError(
            f"Unknown columns: {', '.join(unknown)}. Rename or remove them. Known are: "
            f"{known_columns()}. Nothing was written.",
            code="core.import.columns_unknown",
            details={"unknown": unknown},
        )
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Columns given twice: {', '.join(twice)}. Keep one of each. Nothing was written.",
            code="core.import.columns_twice",
            details={"twice": twice},
        )
    return columns


def _known(database: Database, actor: Actor, columns: Sequence[Column]) -> _Known:
    with unit_of_work(database, actor=actor) as uow:
        owners: dict[str, UUID] = {}
        if any(column.group == OWNER for column in columns):
            owners = {row.login: row.id for row in uow.execute(select(User.login, User.id))}
        codes = {column.key for column in columns if column.group == "profile"}
        attributes: dict[str, ProfileAttribute] = {}
        if codes:
            actor.require(PROFILE_EDIT)
            attributes = {a.code: a for a in uow.scalars(select(ProfileAttribute))}
            if missing := sorted(codes - set(attributes)):
                raise InputError(
                    f"There are no profile attributes {', '.join(missing)}; known are: "
                    f"{', '.join(sorted(attributes)) or 'none yet'}. Nothing was written.",
                    code="core.import.attributes_unknown",
                    details={"unknown": missing},
                )
        return _Known(owners, attributes, load_settings(uow).phone_region)


class _RowCheck:
    """Checks rows one by one and keeps the good ones."""

    def __init__(self, columns: list[Column], known: _Known, *, is_guarded: bool) -> None:
        self.columns = columns
        self.known = known
        self.is_guarded = is_guarded
        self.company_at = next((i for i, c in enumerate(columns) if c.group == COMPANY), None)

    def row(self, line: int, cells: list[str], spool: ImportSpool, set_aside: SetAside) -> None:
        """Check one row."""
        if len(cells) < len(self.columns):
            message = (
                f"has {len(cells)} values where the header has {len(self.columns)}. Fill the row "
                "up, or check whether the file was cut off."
            )
            set_aside(ImportFault(line, "", shortened(cells[-1]), message))
            return
        if self.is_guarded:
            cells = [unguarded(cell) if cell[:1] == "'" else cell for cell in cells]
        cells = [cell.strip() for cell in cells]
        values, faults = read_customer(
            record_of(self.columns, cells), partial=True, region=self.known.region, is_clean=True
        )
        found = [(*column_at(path, self.columns, cells), message) for path, message in faults]
        record = {} if faults else self._record(values, cells, found)
        if found:
            for name, cell, message in found:
                set_aside(ImportFault(line, name, shortened(cell), message))
        else:
            spool.add(line, record)

    def _record(
        self, values: dict[str, Any], cells: list[str], found: list[tuple[str, str, str]]
    ) -> dict[str, Any]:
        """Return the row as it is spooled: columns of the customer apart from what hangs on it."""
        points = values.pop("contact_points", [])
        if points:
            filled = [
                column.part
                for column, cell in zip(self.columns, cells, strict=False)
                if column.group == "contact" and cell
            ]
            for point, place in zip(points, filled, strict=True):
                point["place"] = place
        record: dict[str, Any] = {
            "points": points,
            "addresses": values.pop("addresses", []),
            "tags": values.pop(TAGS, None),
            "profile": self._profile(values.pop("profile", {}), found),
            "values": values,
        }
        login = values.pop(OWNER, None)
        if login is not None:
            owner_id = self.known.owners.get(login)
            if owner_id is None:
                found.append((OWNER, login, "is not the login of a user. See crm user list."))
            else:
                values["owner_id"] = str(owner_id)
        if self.company_at is not None and (company := cells[self.company_at]):
            record[COMPANY] = company
        return record

    def _profile(
        self, profile: dict[str, str], found: list[tuple[str, str, str]]
    ) -> dict[str, str]:
        values = {}
        for code, text in profile.items():
            attribute = self.known.attributes[code]
            try:
                values[str(attribute.id)] = canonical_value(attribute, text)
            except InputError as error:
                found.append((f"profile:{code}", text, error.message))
        return values


class _Importer:
    """The second pass: matches and writes chunk by chunk."""

    def __init__(
        self,
        database: Database,
        actor: Actor,
        columns: Sequence[Column],
        match: Sequence[str],
        spool: ImportSpool,
        set_aside: SetAside,
    ) -> None:
        self.database = database
        self.actor = actor
        self.match = match
        self.spool = spool
        self.set_aside = set_aside
        self.address_uses = frozenset(c.key for c in columns if c.group == "address")

    def run(self, report: ImportReport, on_progress: Progress) -> None:
        """Write all spooled rows, then tie persons to their companies."""
        with self._transactions(report.is_dry_run) as transaction:
            done = 0
            for chunk in self.spool.chunks():
                with transaction() as uow:
                    self._save(uow, chunk, report)
                done += len(chunk)
                on_progress("write", done, self.spool.rows)
            for contacts in self.spool.contacts():
                with transaction() as uow:
                    report.related += relate_contacts(uow, contacts, self._contact_fault)
                on_progress("relate", report.related, None)

    @contextmanager
    def _transactions(self, dry_run: bool) -> Iterator[Any]:
        @contextmanager
        def committed() -> Iterator[UnitOfWork]:
            with unit_of_work(self.database, actor=self.actor, write=True) as uow:
                yield uow
                uow.commit()

        if not dry_run:
            yield committed
            return
        with unit_of_work(self.database, actor=self.actor, write=True) as whole:

            @contextmanager
            def within() -> Iterator[UnitOfWork]:
                yield whole

            yield within

    def _contact_fault(self, line: int, company: str, message: str) -> None:
        self.set_aside(ImportFault(line, COMPANY, shortened(company), message))

    def _save(
        self, uow: UnitOfWork, chunk: list[tuple[int, dict[str, Any]]], report: ImportReport
    ) -> None:
        matcher = Matcher(uow, self.match, self.spool, (record for _, record in chunk))
        taken = []
        maker = DraftMaker(uow, self.address_uses)
        for line, record in chunk:
            try:
                candidate = matcher.take(line, record)
                maker.check_rights(candidate, record)
            except RowFault as fault:
                cell = record["values"].get(fault.column)
                self.set_aside(
                    ImportFault(line, fault.column, shortened(cell or ""), fault.message)
                )
            else:
                taken.append((line, record, candidate))
        drafts = maker.drafts([(record, candidate) for _, record, candidate in taken])
        result = save_customers(uow, drafts, address_uses=self.address_uses)
        profile = save_profile_values(
            uow,
            [
                (customer_id, UUID(attribute_id), value)
                for customer_id, (_, record, _) in zip(result.ids, taken, strict=True)
                for attribute_id, value in record["profile"].items()
            ],
        )
        only_profile = len(profile - result.changed)
        report.created += result.created
        report.updated += result.updated + only_profile
        report.unchanged += result.unchanged - only_profile
        lines = [line for line, _, _ in taken]
        self.spool.mark_done(zip(result.ids, lines, strict=True))
        self.spool.add_contacts(
            (line, key, record["values"].get("kind") or candidate.kind, record[COMPANY])
            for key, (line, record, candidate) in zip(result.ids, taken, strict=True)
            if COMPANY in record
        )
