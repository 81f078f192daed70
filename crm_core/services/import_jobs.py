"""Imports in the background: asked for by a person, run by the worker, watched meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.import_job import IMPORT, ImportJob, ImportMapping, ImportState
from crm_core.entities.user import User
from crm_core.errors import NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.attachments import KeptBytes, path_of
from crm_core.services.checks import filled
from crm_core.services.customer_columns import column_named
from crm_core.services.customer_matching import MATCH_KEYS, checked_match
from crm_core.services.import_rows import checked_columns
from crm_core.services.lookup import ids_by_digits, only_one
from crm_core.services.table_files import read_table

SAMPLE_ROWS = 5
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


def queue_again(uow: UnitOfWork, job_id: UUID) -> ImportJob:
    """Ask the worker to import what an earlier job only tried, with the same columns and keys.

    Raises:
        NotFoundError: There is none that the actor may see.
        RuleViolationError: It was no try.
    """
    uow.actor.require(IMPORT)
    tried = uow.get(ImportJob, job_id)
    if not tried.is_dry_run or tried.state != ImportState.DONE:
        raise RuleViolationError(
            t("Only a file that was tried to its end can be imported like that."),
            code="core.import.not_tried",
        )
    kept = KeptBytes(tried.sha256, tried.size_bytes)
    return queue_import(uow, kept, tried.file_name, columns=tried.columns, match=tried.match)


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


def resolve_import_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the import that an id, or its first eight or more digits, names.

    Raises:
        NotFoundError: No such import, or none that the actor may see.
        InputError: More than one fits.
    """
    return only_one(
        ids_by_digits(uow, ImportJob.id, text),
        text,
        code="core.import_job",
        several=t("{text!r} fits several imports; give more of the id.", text=text),
        missing=t(
            "There is no import {text!r} that {login} may see. See crm customer imports list.",
            text=text,
            login=uow.actor.login,
        ),
    )


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


def _jobs() -> Any:
    columns = [getattr(ImportJob, name) for name in SHOWN]
    return select(*columns, User.login.label("owner")).join(User, User.id == ImportJob.owner_id)


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
