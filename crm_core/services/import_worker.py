"""The worker's part of imports: taking one up, running it, and telling how far it is."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from crm_core.access import system_actor
from crm_core.entities.import_job import ImportJob, ImportState
from crm_core.entities.system import AuditEntry
from crm_core.entities.user import User
from crm_core.errors import CrmError, InputError
from crm_core.messages import in_language, t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.attachments import keep_bytes, path_of
from crm_core.services.customer_import import (
    IMPORTED,
    ImportReport,
    ImportStoppedError,
    import_customers,
)
from crm_core.services.settings import load_settings
from crm_core.services.users import actor_for_login

SYSTEM = system_actor("imports")
NOTED_SECONDS = 1.0
"""Between two notes on the progress of an import."""
GIVEN_UP = timedelta(hours=1)
"""After so long without a sign of a worker another one takes an import up."""
FAULTS_TOLD = 100


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
        owner = uow.get(User, job.owner_id)
        actor = actor_for_login(uow, owner.login, origin=origin_of(job_id))
        language = owner.language or load_settings(uow).language
    watch = _Watch(database, job, is_stopped)
    # The file of faults is for them to read; all else that is told is said when it is read.
    with _file_of(folder, job) as path, in_language(language):
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
            first = [fault._asdict() for fault in report.faults[:FAULTS_TOLD]]
            job.result = {**told, "faults": first}
        uow.commit()


def _state_of(report: ImportReport | None, message: str | None) -> str:
    if report is None or message is not None:
        return ImportState.FAILED.value
    return (ImportState.STOPPED if report.is_stopped else ImportState.DONE).value


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
