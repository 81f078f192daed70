"""Importing customers from a CSV or Excel file.

The first pass reads and checks the whole file and keeps the good rows in a temporary file; a file
that is broken as such stops there, with nothing written. The second pass matches 2,000 rows at a
time against existing customers and writes them in one transaction. Rows that cannot be taken are
set aside with line, column and reason, and all others go on. Killed and run again, the same file
ends in the same state: rows find what they made before.

A blank cell leaves what is there. A filled one replaces it: ``email2`` the second e-mail, the cells
of an address those of the first address for that use. Columns are those of
``crm_core.services.customer_columns``; matching is told in ``crm_core.services.customer_matching``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from crm_core.access import Actor
from crm_core.errors import ConfigurationError
from crm_core.messages import say, t
from crm_core.normalize import shortened
from crm_core.persistence.bulk import rare_collections
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.customer_bulk import save_customers
from crm_core.services.customer_columns import COMPANY, Column, column_named, guarded
from crm_core.services.customer_matching import MATCH_KEYS, Matcher, RowError, checked_match
from crm_core.services.import_drafts import DraftMaker
from crm_core.services.import_rows import (
    ImportFault,
    RowCheck,
    SetAside,
    checked_columns,
    read_known,
)
from crm_core.services.import_spool import ImportSpool
from crm_core.services.profile_bulk import save_profile_values
from crm_core.services.relationship_bulk import relate_contacts
from crm_core.services.table_files import SPREADSHEETS, read_table

__all__ = ["ImportFault", "ImportReport", "ImportStoppedError", "import_customers"]

IMPORT = "core.customer.import"
FAULTS_KEPT = 1_000
"""Faults a report holds; a file of errors holds them all."""
PROGRESS_EVERY = 1_000
IMPORTED = "import:"
"""What the origin of an import that can be undone begins with; its id follows."""

Progress = Callable[[str, int, int | None], None]


class ImportStoppedError(Exception):
    """Raised by who hears of the progress, to end an import between two batches."""


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
        is_stopped: Whether it was stopped before its end; what was written until then is kept.
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
    is_stopped: bool = False


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
    columns: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import a file of customers; see the module for how.

    Args:
        database: Into which.
        actor: Whose rights and scope count. Its origin stands in the audit if it is that of an
            import, ``import:…``.
        path: A CSV file or a spreadsheet.
        match: Keys that tell which customer a row means.
        dry_run: Do everything in one transaction and take it back.
        encoding: Of a CSV file; None finds out between UTF-8 and UTF-16.
        delimiter: Of a CSV file; None finds out.
        errors_path: A CSV file to write all faults to.
        on_progress: Called with a stage (``check``, ``write``, ``relate``), rows done, rows in all
            (None while they are being counted). It may raise ImportStoppedError: what was written
            until then is kept.
        columns: Heading of the file to the column that it means, blank to leave it out; headings
            that are not named mean what they say.

    Raises:
        InputError: The file as such is wrong; nothing was written.
        PermissionDeniedError: The actor may not import.
    """
    actor.require(IMPORT)
    keys = checked_match(match)
    mapped = columns or {}
    report = ImportReport(is_dry_run=dry_run)
    with (
        ImportSpool() as spool,
        fault_sink(report, errors_path) as set_aside,
        rare_collections(),
    ):
        lines = read_table(
            path,
            encoding=encoding,
            delimiter=delimiter,
            is_known=lambda header: header in mapped or column_named(header) is not None,
        )
        _, header = next(lines)
        places = [n for n, label in enumerate(header) if mapped.get(label, "kept")]
        found = checked_columns([mapped.get(header[n], header[n]) for n in places])
        check = RowCheck(
            found,
            read_known(database, actor, found),
            is_guarded=path.suffix.lower() not in SPREADSHEETS,
        )
        if not actor.origin.startswith(IMPORTED):
            actor = replace(actor, origin="import")
        importer = _Importer(database, actor, found, keys, spool, set_aside)
        try:
            for line, cells in lines:
                report.rows += 1
                check.row(line, _kept(cells, places), spool, set_aside)
                if report.rows % PROGRESS_EVERY == 0:
                    on_progress("check", report.rows, None)
            spool.finish()
            on_progress("check", report.rows, report.rows)
            importer.run(report, on_progress)
        except ImportStoppedError:
            report.is_stopped = True
    return report


def _kept(cells: Sequence[str], places: Sequence[int]) -> list[str]:
    return [cells[place] for place in places if place < len(cells)]


@contextmanager
def fault_sink(report: ImportReport, errors_path: Path | None) -> Iterator[SetAside]:
    """Give what counts the rows set aside, and writes them to a CSV file where there is one.

    Raises:
        ConfigurationError: The file cannot be written.
    """
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
            t(
                "The file for errors {errors_path} cannot be written: {reason}. Name another one. "
                "Nothing was imported.",
                errors_path=errors_path,
                reason=error.strerror,
            ),
            code="core.import.errors_file",
        ) from error
    with handle:
        writer = csv.writer(handle)
        writer.writerow(ImportFault._fields)

        def count_and_write(fault: ImportFault) -> None:
            count(fault)
            told = (fault.column, fault.value, say(fault.message))
            writer.writerow((fault.line, *map(guarded, told)))

        yield count_and_write


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
            except RowError as fault:
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
