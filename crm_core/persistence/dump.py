"""A whole database in one file and back: SQLite's backup interface, PostgreSQL's own programs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import column, inspect, select, table
from sqlalchemy.exc import DBAPIError, OperationalError

from crm_core.errors import ConfigurationError, LockedError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import translated

RESTORED_AT = "restored_at"
"""Setting that a restored database bears until its back offices are confirmed."""
SIDECARS = ("-journal", "-wal", "-shm")
LOCK_TIMEOUT_SECONDS = 30

_MARK = (
    "INSERT INTO {schema}core_setting (key, value) VALUES ('{key}', '{value}')"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
# The clock may have been ahead when they were confirmed.
_UNCONFIRM = "UPDATE {schema}core_backend SET confirmed_at = NULL"
# All that is not an extension's; without CASCADE on the schema, which may belong to somebody else.
_CLEAR_POSTGRESQL = """
SET lock_timeout = '{seconds}s';
DO $$ DECLARE item record; BEGIN
  FOR item IN
    SELECT format('DROP %s IF EXISTS %s CASCADE',
      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass) AS statement
    FROM pg_class found
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = found.oid AND deptype = 'e')
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
    FROM pg_proc found
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = found.oid AND deptype = 'e')
  LOOP EXECUTE item.statement; END LOOP;
END $$;
"""


def dump(database: Database, target: Path) -> None:
    """Write one consistent state of the database to ``target`` while others go on working.

    Raises:
        ConfigurationError: The database is damaged or away, or PostgreSQL's client is missing.
        LockedError: SQLite's file stays locked.
    """
    if database.path is not None:
        _dump_sqlite(database, database.path, target)
    else:
        _run(
            database,
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            f"--file={target}",
            f"--dbname={_conninfo(database)}",
        )


def load(database: Database, source: Path) -> Path | None:
    """Put what :func:`dump` wrote in the place of all that is in the database, or change nothing.

    The restored database is marked (``RESTORED_AT``), and its back offices do not write until they
    are confirmed.

    Args:
        database: The target; its pooled connections are closed.
        source: The dump, which is used up.

    Returns:
        For SQLite, where the file that stood in the place was moved to; else None.
    """
    database.dispose()
    if database.path is not None:
        return _load_sqlite(database, database.path, source)
    _load_postgresql(database, source)
    return None


def is_empty(database: Database) -> bool:
    """Return whether the database holds no table, or does not exist yet (an SQLite file)."""
    if database.path is not None and not database.path.exists():
        return True
    try:
        return not inspect(database.engine).get_table_names()
    except DBAPIError as error:
        if database.is_sqlite:
            return False  # damaged, but not nothing
        raise translated(error, database) from error


def revisions(database: Database) -> dict[str, str]:
    """Return the revision each line of migrations is at, by the line's name."""
    prefix, found = "alembic_version_", {}
    with database.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            if name.startswith(prefix):
                versions = table(name, column("version_num"))
                revision = connection.scalar(select(versions.c.version_num))
                if revision is not None:
                    found[name.removeprefix(prefix)] = revision
    return found


def _marking(schema: str = "") -> tuple[str, str]:
    value = json.dumps(datetime.now(UTC).isoformat())
    mark = _MARK.format(schema=schema, key=RESTORED_AT, value=value)
    return mark, _UNCONFIRM.format(schema=schema)


@contextmanager
def _faults_translated(database: Database) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(OperationalError(None, None, error), database) from error


def _dump_sqlite(database: Database, path: Path, target: Path) -> None:
    if not path.exists():
        raise ConfigurationError(
            t("There is no database {path}: check the URL (crm doctor).", path=path),
            code="core.database.not_initialised",
        )
    patience = database.busy_timeout_ms / 1000
    deadline = time.monotonic() + patience

    def watch(status: int, _remaining: int, _total: int) -> None:
        # The driver would try for ever.
        if status == sqlite3.SQLITE_BUSY and time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")

    with (
        _faults_translated(database),
        closing(sqlite3.connect(path, timeout=patience)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy, progress=watch)
        copy.execute("PRAGMA journal_mode = DELETE")
        if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("database disk image is malformed")


def _load_sqlite(database: Database, path: Path, source: Path) -> Path | None:
    with _faults_translated(database):
        with closing(sqlite3.connect(source)) as restored, restored:
            for statement in _marking():
                restored.execute(statement)
        aside = path.with_name(f"{path.name}.before-restore")
        if path.exists():
            _refuse_in_use(path)
            for suffix in ("", *SIDECARS):
                Path(f"{aside}{suffix}").unlink(missing_ok=True)
            # The old file keeps its name until the new one takes it.
            aside.hardlink_to(path)
            shutil.copymode(path, source)
            for suffix in SIDECARS:
                if (sidecar := Path(f"{path}{suffix}")).exists():
                    sidecar.rename(f"{aside}{suffix}")
        source.replace(path)
    return aside if aside.exists() else None


def _refuse_in_use(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=1)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            # A damaged file is what restoring is for.
            if "locked" in str(error):
                raise


def _load_postgresql(database: Database, source: Path) -> None:
    # A file and not a pipe: were the dump cut short, its first half would be committed.
    with tempfile.TemporaryDirectory() as folder:
        clear, content, mark = (
            Path(folder) / f"{name}.sql" for name in ("clear", "content", "mark")
        )
        clear.write_text(_CLEAR_POSTGRESQL.format(seconds=LOCK_TIMEOUT_SECONDS))
        mark.write_text("".join(f"{statement};\n" for statement in _marking("public.")))
        _run(
            database,
            "pg_restore",
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            f"--file={content}",
            str(source),
        )
        _run(
            database,
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            *(f"--file={script}" for script in (clear, content, mark)),
            f"--dbname={_conninfo(database)}",
        )


def _conninfo(database: Database) -> str:
    """Return the connection in libpq's words, without the password: others see arguments."""
    from psycopg.conninfo import make_conninfo

    url = database.url
    words = {name: str(value) for name, value in url.query.items() if name != "password"}
    return make_conninfo(
        **words, host=url.host, port=url.port, user=url.username, dbname=url.database
    )


def _run(database: Database, program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise ConfigurationError(
            t(
                "{program} is not installed: install the Debian package postgresql-client, in the "
                "server's version or a later one.",
                program=program,
            ),
            code="core.backup.no_client",
        )
    environment = dict(os.environ)
    password = database.url.password or database.url.query.get("password")
    if password:
        environment["PGPASSWORD"] = str(password)
    done = subprocess.run(
        [path, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    reason = next((line for line in lines if "error" in line.lower()), "".join(lines[:1]))
    if "lock timeout" in reason:
        raise LockedError(
            t(
                "Another process works in {shown_url}: stop it and try again. Nothing was changed.",
                shown_url=database.shown_url,
            ),
            code="core.database.locked",
        )
    raise ConfigurationError(
        t(
            "{program} failed on {shown_url}, and nothing was changed: {reason}.",
            program=program,
            shown_url=database.shown_url,
            reason=reason,
        ),
        code="core.backup.client_failed",
    )
