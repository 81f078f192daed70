"""The database as a server or a file: whether it answers, is whole, and has room."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from crm_core.bootstrap import Application, os_user
from crm_core.diagnosis.finding import FAIL, OK, WARN, Finding, clock_finding
from crm_core.errors import CrmError
from crm_core.messages import t

MEBIBYTE = 1 << 20
SPACE_FAIL, SPACE_WARN = 50 * MEBIBYTE, 500 * MEBIBYTE
QUICK_CHECK_LIMIT = 500 * MEBIBYTE
"""Larger SQLite files are not read through: it would take minutes."""
MOVE_SIZE = 2_048 * MEBIBYTE
"""From this size on an SQLite file had better become a PostgreSQL database."""


def database(application: Application) -> Iterator[Finding]:
    """Say whether the database answers, is whole, and is one that this program can work with."""
    database = application.unchecked_database
    if database.path is not None:
        yield from _sqlite_file(database.path)
        if not database.path.exists():
            return
    from crm_core.persistence.migrate import check_current, status

    found = status(database)
    try:
        check_current(database)
    except CrmError as error:
        yield Finding("database", FAIL, error.message)
        return
    where = database.shown_url
    yield Finding(
        "database",
        OK,
        t("{where} answers, at revision {current}", where=where, current=found.current),
    )
    if not database.is_sqlite:
        yield from _server(application)


def _sqlite_file(path: Path) -> Iterator[Finding]:
    folder = path.parent
    if not path.exists():
        advice = t("Run crm init here, or name the right database (--database-url).")
        yield Finding("database", FAIL, t("There is no file {path}.", path=path), advice)
        return
    for place in (path, folder):
        if not os.access(place, os.W_OK):
            advice = t("Give the account {os_user} the right to write there.", os_user=os_user())
            yield Finding(
                t("database file"), FAIL, t("{place} cannot be written.", place=place), advice
            )
    size = path.stat().st_size
    if size > MOVE_SIZE:
        advice = t("Move to PostgreSQL.")
        yield Finding(
            t("database size"),
            WARN,
            t("{size} MiB is much for SQLite.", size=size // MEBIBYTE),
            advice,
        )
    yield from _sqlite_engine(path, size)


def _sqlite_engine(path: Path, size: int) -> Iterator[Finding]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
        try:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
            problems = []
            if size <= QUICK_CHECK_LIMIT:
                problems = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        except sqlite3.OperationalError as error:
            yield Finding(
                "sqlite",
                WARN,
                t("{path}: {error}", path=path, error=error),
                t("Another process may hold it: wait."),
            )
            return
        except sqlite3.DatabaseError as error:
            advice = t("Restore the last backup: crm db restore FILE.")
            yield Finding(
                "sqlite", FAIL, t("{path} is damaged: {error}", path=path, error=error), advice
            )
            return
    if problems not in ([], ["ok"]):
        advice = t("Restore the last backup: crm db restore FILE.")
        yield Finding(
            "sqlite",
            FAIL,
            t("{path} is damaged: {problems}", path=path, problems="; ".join(problems)),
            advice,
        )
        return
    checked = t("sound") if problems else t("not read through, being large")
    message = t(
        "SQLite {version}, journal {journal}, {size} KiB, {checked}",
        version=sqlite3.sqlite_version,
        journal=journal,
        size=size // 1024,
        checked=checked,
    )
    yield Finding("sqlite", OK, message)


def _server(application: Application) -> Iterator[Finding]:
    from sqlalchemy import text

    from crm_core.services.installation import check_server

    check_server(application.database)
    with application.database.engine.connect() as connection:
        row = connection.execute(text("SELECT version() AS version, clock_timestamp() AS at")).one()
    yield Finding("server", OK, " ".join(row.version.split()[:2]))
    yield clock_finding(abs(row.at - datetime.now(UTC)), t("The database server's clock"))


def space(application: Application) -> Iterator[Finding]:
    """Say whether the disk has room."""
    path = application.unchecked_database.path
    folder = next(p for p in ((path or Path.cwd()).absolute()).parents if p.exists())
    free = shutil.disk_usage(folder).free
    needed = path.stat().st_size if path is not None and path.exists() else 0
    state = FAIL if free < SPACE_FAIL else WARN if free < max(SPACE_WARN, needed) else OK
    advice = "" if state == OK else t("Free some space; a backup needs as much as the database.")
    yield Finding(
        t("disk space"),
        state,
        t("{free} MiB free in {folder}", free=free // MEBIBYTE, folder=folder),
        advice,
    )
