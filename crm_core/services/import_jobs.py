"""Imports in the background: asked for by a person, run by the worker, watched meanwhile."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from crm_core.access import system_actor
from crm_core.entities.import_job import IMPORT, ImportJob, ImportMapping, ImportState
from crm_core.entities.system import AuditEntry
from crm_core.entities.user import User
from crm_core.errors import CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.attachments import KeptBytes, keep_bytes, path_of
from crm_core.services.checks import filled
from crm_core.services.customer_columns import column_named
from crm_core.services.customer_import import (
    IMPORTED,
    ImportReport,
    ImportStoppedError,
    import_customers,
)
from crm_core.services.customer_matching import MATCH_KEYS, checked_match
from crm_core.services.import_rows import checked_columns
from crm_core.services.table_files import read_table
from crm_core.services.users import actor_for_login

SAMPLE_ROWS = 5
SYSTEM = system_actor("imports")
NOTED_SECONDS = 1.0
"""Between two notes on the progress of an import."""
GIVEN_UP = timedelta(hours=1)
"""After so long without a sign of a worker another one takes an import up."""
SHOWN = (
    "id",
    "file_name",
    "size_bytes",
    "is_dry_run",
    "state",
    "created_at",
    "began_at",
    "ended_at",
    "progress",
    "result",
    "message",
    "undo",
)


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """A file before it is imported.

    Attributes:
        headings: Of its columns.
        columns: What each heading would mean: as it was mapped the last time, else what it says;
            blank where nothing is known.
        rows: The first few rows.
    """

    headings: list[str]
    columns: dict[str, str]
    rows: list[list[str]]


def preview_import(uow: UnitOfWork, path: Path) -> ImportPreview:
    """Return the headings and first rows of a file, and what its columns seem to mean.

    Raises:
        InputError: The file cannot be read as a table.
        PermissionDeniedError: The actor may not import.
    """
    uow.actor.require(IMPORT)
    lines = read_table(path, is_known=lambda header: column_named(header) is not None)
    _, headings = next(lines)
    rows = [list(cells) for _, (_, cells) in zip(range(SAMPLE_ROWS), lines, strict=False)]
    kept = uow.find(ImportMapping, _hash_of(headings))
    known = kept.columns if kept is not None else {}
    columns = {heading: known.get(heading, _meaning(heading)) for heading in headings}
    return ImportPreview(list(headings), columns, rows)


def queue_import(
    uow: UnitOfWork,
    kept: KeptBytes,
    file_name: str,
    *,
    columns: Mapping[str, str] | None = None,
    match: Sequence[str] = MATCH_KEYS,
    dry_run: bool = False,
) -> ImportJob:
    """Ask the worker to import a file whose bytes were kept before (``keep_bytes``).

    The mapping is remembered for the next file with the same headings.

    Args:
        uow: A writing unit of work.
        kept: The bytes.
        file_name: What people call the file; its ending tells spreadsheets from CSV.
        columns: Heading to the column that it means, blank to leave it out.
        match: Keys that tell which customer a row means.
        dry_run: Only find out what would be done.

    Raises:
        InputError: A heading is mapped to no column, two are mapped to one, or a key is none.
        PermissionDeniedError: The actor may not import.
        RuleViolationError: The actor is no user.
    """
    uow.actor.require(IMPORT)
    if uow.actor.user_id is None:
        raise RuleViolationError(
            t("An import belongs to a user: name one (--as USER)."), code="core.import.no_owner"
        )
    mapped = dict(columns or {})
    checked_columns([column for column in mapped.values() if column])
    if mapped:
        _remember(uow, mapped)
    return uow.add(
        ImportJob(
            owner_id=uow.actor.user_id,
            file_name=filled(PurePosixPath(PureWindowsPath(file_name).name).name, "file_name"),
            sha256=kept.sha256,
            size_bytes=kept.size_bytes,
            match=list(checked_match(match)),
            columns=mapped,
            is_dry_run=dry_run,
            created_at=uow.now,
            updated_at=uow.now,
        )
    )


def list_imports(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return the imports that the actor may see, the latest first; see ``SHOWN`` and ``owner``."""
    uow.actor.require(IMPORT)
    return page_of(uow, _jobs(), keys=[ImportJob.id], limit=limit, cursor=cursor, descending=True)


def show_import(uow: UnitOfWork, job_id: UUID) -> dict[str, Any]:
    """Return one import as the list does, with ``columns``, ``match`` and ``has_faults``.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(IMPORT)
    more = (ImportJob.columns, ImportJob.match, ImportJob.faults_sha256)
    row = uow.execute(_jobs().add_columns(*more).where(ImportJob.id == job_id)).first()
    if row is None:
        raise NotFoundError(
            t("There is no import {id} that {login} may see.", id=job_id, login=uow.actor.login),
            code="core.import_job.not_found",
        )
    found = dict(row._mapping)
    found["has_faults"] = found.pop("faults_sha256") is not None
    return found


def stop_import(uow: UnitOfWork, job_id: UUID) -> ImportJob:
    """Stop an import at its next batch, or before it began; what was written until then stays.

    Raises:
        NotFoundError: There is none that the actor may see.
        RuleViolationError: It has ended.
    """
    uow.actor.require(IMPORT)
    job = uow.get(ImportJob, job_id)
    if job.state == ImportState.WAITING:
        job.state, job.ended_at = ImportState.STOPPED.value, uow.now
    elif job.state != ImportState.RUNNING:
        raise RuleViolationError(
            t("The import of {file} has ended: there is nothing to stop.", file=job.file_name),
            code="core.import.ended",
        )
    job.is_stop_asked, job.updated_at = True, uow.now
    uow.flush()
    return job


def faults_path(uow: UnitOfWork, folder: Path, job_id: UUID) -> Path:
    """Return the CSV file with all faults of an import.

    Raises:
        NotFoundError: There is no such import that the actor may see, or it had no faults.
    """
    uow.actor.require(IMPORT)
    job = uow.get(ImportJob, job_id)
    if job.faults_sha256 is None:
        raise NotFoundError(
            t("The import of {file} has no file of faults.", file=job.file_name),
            code="core.import.no_faults",
        )
    return path_of(folder, job.faults_sha256)


def is_import_waiting(uow: UnitOfWork) -> bool:
    """Whether there is an import to begin, or one to undo."""
    return uow.scalar(select(ImportJob.id).where(_is_to_do(uow)).limit(1)) is not None


class ClaimedImport(NamedTuple):
    """An import that a worker has taken, to run it or to undo it for ``login``."""

    job_id: UUID
    file_name: str
    is_undo: bool
    login: str


def claim_import(database: Database) -> ClaimedImport | None:
    """Take the oldest import to be run or undone, so that nobody else does.

    One whose worker gave no sign for long is taken again: both can be done twice over.
    """
    with unit_of_work(database, actor=SYSTEM, write=True) as uow:
        job: ImportJob | None = uow.scalar(
            select(ImportJob)
            .where(_is_to_do(uow))
            .order_by(ImportJob.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if job is None:
            return None
        is_undo = job.state in (ImportState.TO_UNDO, ImportState.UNDOING)
        job.state = (ImportState.UNDOING if is_undo else ImportState.RUNNING).value
        job.seen_at = job.updated_at = uow.now
        if not is_undo:
            job.began_at = uow.now
            if job.first_audit_id is None:
                job.first_audit_id = uow.scalar(select(func.max(AuditEntry.id))) or 0
        login = (job.undo or {}).get("by") if is_undo else None
        login = login or uow.get(User, job.owner_id).login
        uow.commit()
        return ClaimedImport(job.id, job.file_name, is_undo, login)


def _is_to_do(uow: UnitOfWork) -> ColumnElement[bool]:
    asked = ImportJob.state.in_([ImportState.WAITING.value, ImportState.TO_UNDO.value])
    begun = ImportJob.state.in_([ImportState.RUNNING.value, ImportState.UNDOING.value])
    return or_(asked, and_(begun, ImportJob.seen_at < uow.now - GIVEN_UP))


def run_import(
    database: Database,
    folder: Path,
    job_id: UUID,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> str:
    """Run a claimed import on behalf of who asked for it; return the state that it ended in.

    Args:
        database: Where.
        folder: Where the bytes of attachments lie.
        job_id: Which.
        is_stopped: Whether the worker has to end.

    Raises:
        CrmError: It could not be done; that stands on the import too.
    """
    report: ImportReport | None = None
    faults: str | None = None
    message: str | None = t("Something broke; it was written to the log.")
    try:
        report, faults = _imported(database, folder, job_id, is_stopped)
        message = None
    except CrmError as error:
        message = error.message
        raise
    finally:
        _end(database, job_id, report, faults, message)
    return _state_of(report, message)


def _imported(
    database: Database, folder: Path, job_id: UUID, is_stopped: Callable[[], bool]
) -> tuple[ImportReport, str | None]:
    with unit_of_work(database, actor=SYSTEM) as uow:
        job = uow.get(ImportJob, job_id)
        login = uow.get(User, job.owner_id).login
        actor = actor_for_login(uow, login, origin=origin_of(job_id))
    watch = _Watch(database, job, is_stopped)
    with _file_of(folder, job) as path:
        errors = path.with_name("faults.csv")
        report = import_customers(
            database,
            actor,
            path,
            match=job.match,
            dry_run=job.is_dry_run,
            columns=job.columns,
            errors_path=errors,
            on_progress=watch.note,
        )
        if not report.fault_count:
            return report, None
        with errors.open("rb") as stream:
            return report, keep_bytes(folder, stream).sha256


def origin_of(job_id: UUID) -> str:
    """Return what the audit calls an import."""
    return f"{IMPORTED}{job_id}"


class _Watch:
    """Notes about once a second how far an import is, and ends it when somebody asked for that."""

    def __init__(self, database: Database, job: ImportJob, is_stopped: Callable[[], bool]) -> None:
        self.database, self.job_id, self.is_stopped = database, job.id, is_stopped
        # On SQLite the one writer is then the import itself.
        self.is_silent = job.is_dry_run and database.is_sqlite
        self.noted_at = 0.0

    def note(self, stage: str, done: int, total: int | None) -> None:
        """Write the progress down, unless that was done a moment ago.

        Raises:
            ImportStoppedError: Somebody asked for the end.
        """
        if self.is_stopped():
            raise ImportStoppedError
        if time.monotonic() - self.noted_at < NOTED_SECONDS:
            return
        self.noted_at = time.monotonic()
        is_held = self.is_silent and stage != "check"
        with unit_of_work(self.database, actor=SYSTEM, write=not is_held) as uow:
            job = uow.get(ImportJob, self.job_id)
            if job.is_stop_asked:
                raise ImportStoppedError
            if not is_held:
                job.progress = {"stage": stage, "done": done, "total": total}
                job.seen_at = job.updated_at = uow.now
                uow.commit()


def _end(
    database: Database,
    job_id: UUID,
    report: ImportReport | None,
    faults: str | None,
    message: str | None,
) -> None:
    with unit_of_work(database, actor=SYSTEM, write=True) as uow:
        job = uow.get(ImportJob, job_id)
        job.state = _state_of(report, message)
        job.message, job.faults_sha256 = message, faults
        job.ended_at = job.updated_at = uow.now
        job.last_audit_id = uow.scalar(select(func.max(AuditEntry.id)))
        if report is not None:
            told = {name: each for name, each in asdict(report).items() if name != "faults"}
            job.result = {**told, "faults": [fault._asdict() for fault in report.faults[:100]]}
        uow.commit()


def _state_of(report: ImportReport | None, message: str | None) -> str:
    if report is None or message is not None:
        return ImportState.FAILED.value
    return (ImportState.STOPPED if report.is_stopped else ImportState.DONE).value


def _jobs() -> Any:
    columns = [getattr(ImportJob, name) for name in SHOWN]
    return select(*columns, User.login.label("owner")).join(User, User.id == ImportJob.owner_id)


@contextmanager
def _file_of(folder: Path, job: ImportJob) -> Iterator[Path]:
    """Give the file under its own name: its ending tells what it is."""
    kept = path_of(folder, job.sha256)
    if not kept.is_file():
        raise InputError(
            t("The bytes of {file} are gone: upload it again.", file=job.file_name),
            code="core.import.file_gone",
        )
    with tempfile.TemporaryDirectory(prefix="crm-import-") as name:
        path = Path(name) / f"file{Path(job.file_name).suffix}"
        shutil.copyfile(kept, path)
        yield path


def _hash_of(headings: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(headings)).encode()).hexdigest()


def _meaning(heading: str) -> str:
    column = column_named(heading)
    return column.name if column else ""


def _remember(uow: UnitOfWork, columns: dict[str, str]) -> None:
    key = _hash_of(list(columns))
    kept = uow.find(ImportMapping, key)
    if kept is None:
        uow.add(ImportMapping(headings_hash=key, columns=columns, used_at=uow.now))
    else:
        kept.columns, kept.used_at = columns, uow.now
