"""Everything in one file: the database, the attachments, and a manifest that says what it is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from crm_core.errors import ConfigurationError, InputError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence import dump
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import CORE
from crm_core.services.attachments import keep_bytes

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database"
ATTACHMENTS = "attachments/"
BLOCK_BYTES = 1 << 20
MANIFEST_LIMIT_BYTES = 256 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAMAGE = (
    BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What reading a damaged archive raises."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was backed up.

    Attributes:
        file: The backup.
        size_bytes: Its size.
        attachments: Number of attached files in it.
    """

    file: Path
    size_bytes: int
    attachments: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored.

    Attributes:
        created_at: When the backup was made.
        attachments: Number of attached files in it.
        needs_upgrade: Whether it is from an older version: ``crm db upgrade`` comes next.
        previous: The SQLite file that stood in the place before, kept under this name.
    """

    created_at: datetime
    attachments: int
    needs_upgrade: bool
    previous: Path | None


@dataclass(frozen=True, slots=True)
class _Manifest:
    kind: str
    created_at: datetime
    revisions: Mapping[str, str]
    files: Mapping[str, tuple[int, str]]
    """Name in the archive to size and SHA-256."""


def backup(database: Database, attachments_dir: Path, out_file: Path) -> BackupReport:
    """Write database and attachments to one new file; others may go on working.

    The file appears under its name only when it is complete, readable by its owner alone.

    Args:
        database: What to back up.
        attachments_dir: The folder that holds the bytes of attachments.
        out_file: A file that does not exist yet.

    Raises:
        InputError: ``out_file`` exists already.
        ConfigurationError: The database is damaged or away, PostgreSQL's client is missing, or the
            file cannot be written.
        LockedError: SQLite's file stays locked.
    """
    if out_file.exists():
        raise InputError(
            t(
                "{out_file} exists already: name another file, or remove it first.",
                out_file=out_file,
            ),
            code="core.backup.exists",
        )
    with (
        _write_faults(out_file),
        tempfile.TemporaryDirectory(dir=out_file.parent, prefix=".backup-") as folder,
    ):
        copy, archive = Path(folder) / DATABASE, Path(folder) / "archive"
        dump.dump(database, copy)
        files = {}
        with ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=1) as target:
            files[DATABASE] = _add(target, DATABASE, copy)
            # After the database, so that no file named there is missed.
            for path in sorted(attachments_dir.glob("??/*")):
                if _SHA256.fullmatch(path.name):
                    files[ATTACHMENTS + path.name] = _add(target, ATTACHMENTS + path.name, path)
            target.writestr(MANIFEST, json.dumps(_manifest(database, files), indent=1))
        archive.chmod(0o600)
        with archive.open("rb+") as complete:
            os.fsync(complete.fileno())
        archive.replace(out_file)
    return BackupReport(out_file, out_file.stat().st_size, len(files) - 1)


def restore(
    file: Path, database: Database, attachments_dir: Path, *, force: bool = False
) -> RestoreReport:
    """Put a backup in the place of a database, after checking all of it.

    Attachments are added to what the folder holds. The database is replaced in one step and marked
    as restored: its back offices do not write until each is confirmed, because the records they
    would write may be newer over there.

    Args:
        file: What :func:`backup` wrote.
        database: The target; nobody else may work in it.
        attachments_dir: The folder for the bytes of attachments.
        force: Whether to replace a database that holds tables.

    Raises:
        InputError: The file is no backup, is damaged, or is of the other kind of database.
        ConfigurationError: It is from a newer version, or the target cannot be written.
        RuleViolationError: The target holds tables and ``force`` is not given.
        LockedError: Another process works in the target.
    """
    with _read_faults(file), ZipFile(file) as archive:
        manifest = _checked_manifest(archive, file)
        _refuse_misfit(manifest, file, database)
        if not force and not dump.is_empty(database):
            raise RuleViolationError(
                t(
                    "{shown_url} is not empty. To replace all that is in it, make a backup of it "
                    "and repeat with --force.",
                    shown_url=database.shown_url,
                ),
                code="core.backup.target_not_empty",
            )
        beside = database.path.parent if database.path is not None else None
        with tempfile.TemporaryDirectory(dir=beside, prefix=".restore-") as folder:
            copy = Path(folder) / DATABASE
            _check_contents(archive, manifest, file, copy)
            names = [name for name in manifest.files if name != DATABASE]
            for name in names:
                with archive.open(name) as stream:
                    keep_bytes(attachments_dir, cast("BinaryIO", stream))
            previous = dump.load(database, copy)
    older = manifest.revisions["core"] != CORE.revisions[-1]
    return RestoreReport(manifest.created_at, len(names), older, previous)


def _add(archive: ZipFile, name: str, path: Path) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        while block := source.read(BLOCK_BYTES):
            size += target.write(block)
            digest.update(block)
    return size, digest.hexdigest()


def _manifest(database: Database, files: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "product": version("crm-front-office"),
        "created_at": datetime.now(UTC).isoformat(),
        "kind": database.url.get_backend_name(),
        "revisions": dump.revisions(database),
        "files": {name: {"size": size, "sha256": sha} for name, (size, sha) in files.items()},
    }


def _checked_manifest(archive: ZipFile, file: Path) -> _Manifest:
    names = archive.namelist()
    try:
        if archive.getinfo(MANIFEST).file_size > MANIFEST_LIMIT_BYTES:
            raise _damaged(file, t("its manifest is too large"))
        content = json.loads(archive.read(MANIFEST))
        if content["format"] > FORMAT:
            raise _newer(file, content["product"])
        manifest = _Manifest(
            kind=content["kind"],
            created_at=datetime.fromisoformat(content["created_at"]),
            revisions={"core": content["revisions"]["core"], **content["revisions"]},
            files={
                name: (int(entry["size"]), str(entry["sha256"]))
                for name, entry in content["files"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            t(
                "{file} is no backup of this product: name a file that crm db backup wrote.",
                file=file,
            ),
            code="core.backup.not_a_backup",
        ) from error
    if sorted(names) != sorted([MANIFEST, *manifest.files]) or DATABASE not in manifest.files:
        raise _damaged(file, t("it does not hold the files its manifest lists"))
    for name, (_size, sha256) in manifest.files.items():
        if name != DATABASE and name != ATTACHMENTS + sha256:
            raise _damaged(file, t("it holds {name!r}, which no backup does", name=name))
        if not _SHA256.fullmatch(sha256):
            raise _damaged(file, t("{name!r} has no checksum", name=name))
    return manifest


def _refuse_misfit(manifest: _Manifest, file: Path, database: Database) -> None:
    if manifest.kind != database.url.get_backend_name():
        raise InputError(
            t(
                "{file} is a backup of a {kind} database and does not fit into {shown_url}: give "
                "--database-url of that kind.",
                file=file,
                kind=manifest.kind,
                shown_url=database.shown_url,
            ),
            code="core.backup.other_kind",
        )
    if manifest.revisions["core"] not in CORE.revisions:
        raise _newer(file, t("core revision {core}", core=manifest.revisions["core"]))


def _check_contents(archive: ZipFile, manifest: _Manifest, file: Path, copy: Path) -> None:
    """Read every file in the archive; write the database to ``copy`` on the way."""
    for name, (size, sha256) in manifest.files.items():
        target = copy if name == DATABASE else Path(os.devnull)
        with archive.open(name) as stream, target.open("wb") as out:
            if _copied(stream, out, size) != sha256:
                raise _damaged(file, t("{name} is not what was backed up", name=name))


def _copied(stream: IO[bytes], out: IO[bytes], size: int) -> str:
    """Copy ``size`` bytes and return their SHA-256; nothing fits if there are more."""
    digest, left = hashlib.sha256(), size
    while block := stream.read(BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            return ""
        out.write(block)
        digest.update(block)
    return digest.hexdigest() if left == 0 else ""


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(
        t(
            "{file} is damaged ({reason}): take another backup. Nothing was changed.",
            file=file,
            reason=reason,
        ),
        code="core.backup.damaged",
    )


def _newer(file: Path, found: str) -> ConfigurationError:
    return ConfigurationError(
        t(
            "{file} was made by a newer version ({found}): install that version, then restore. "
            "Nothing was changed.",
            file=file,
            found=found,
        ),
        code="core.backup.newer",
    )


@contextmanager
def _read_faults(file: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(file, str(error) or type(error).__name__) from error
    except OSError as error:
        raise ConfigurationError(
            t(
                "Restoring {file} failed: {filename} {reason}. Check the path, its rights and the "
                "free space.",
                file=file,
                filename=error.filename or "",
                reason=error.strerror,
            ),
            code="core.backup.cannot_read",
        ) from error


@contextmanager
def _write_faults(out_file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            t(
                "The backup {out_file} cannot be written ({reason}): check that its folder "
                "exists, may be written and has enough free space.",
                out_file=out_file,
                reason=error.strerror,
            ),
            code="core.backup.cannot_write",
        ) from error
