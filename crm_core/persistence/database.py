"""Engines for SQLite and PostgreSQL, set up so that both keep what they are given."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from crm_core.errors import ConfigurationError
from crm_core.hook_calls import HookCalls, NoHooks
from crm_core.messages import t

BUSY_TIMEOUT_MS = 10_000
SAFE_WAL_VERSION = (3, 51, 3)
"""Older SQLite can corrupt a write-ahead log under a rare race, so they keep a rollback journal."""
CACHE_KIB = 65_536


class Database:
    """One database: its engine, and what differs between the two kinds.

    Args:
        url: SQLAlchemy URL, ``sqlite:///PATH`` or ``postgresql+psycopg://…``.
        busy_timeout_ms: How long SQLite waits for another process's lock.
        key_file: Where the key lies that plugins encrypt secrets with; beside an SQLite file when
            None, nowhere for PostgreSQL.

    Attributes:
        hooks: The plugins in use on it, for services to ask.

    Attributes:
        has_recorded: Whether events were recorded here, by this process, since it was last reset.

    Raises:
        ConfigurationError: The URL is not understood or its driver is not installed.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        key_file: Path | None = None,
    ) -> None:
        self.url = _parsed(url)
        self.busy_timeout_ms = busy_timeout_ms
        self.hooks: HookCalls = NoHooks()
        self.has_recorded = False
        self.key_file = key_file or (self.path and self.path.with_suffix(".key"))
        self.engine = self._engine()
        self.write_engine = self.engine.execution_options(crm_write=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is an SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @property
    def shown_url(self) -> str:
        """The URL without its password, fit for people and logs."""
        return self.url.render_as_string(hide_password=True)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _engine(self) -> Engine:
        try:
            if not self.is_sqlite:
                return create_engine(self.url, pool_pre_ping=True, **_JSON)
            engine = create_engine(
                self.url, connect_args={"timeout": self.busy_timeout_ms / 1000}, **_JSON
            )
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                t(
                    "The driver for {shown_url} is not installed: pip install "
                    "'crm-front-office[postgres]'.",
                    shown_url=self.shown_url,
                ),
                code="core.database.driver_missing",
            ) from error
        event.listen(engine, "connect", self._prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _prepare_sqlite(self, connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own transaction handling starts too late for BEGIN IMMEDIATE.
        raw: Any = connection
        raw.isolation_level = None
        cursor = raw.cursor()
        wal = sqlite3.sqlite_version_info >= SAFE_WAL_VERSION
        for pragma in (
            "foreign_keys = ON",
            "synchronous = FULL",
            f"busy_timeout = {self.busy_timeout_ms}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
            *(("journal_mode = WAL",) if wal else ()),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number or a text beyond what orjson takes
        return json.dumps(value)


def _of_json(text: str | bytes) -> Any:
    """Read JSON; what orjson would round or refuse is left to the slower one."""
    if not isinstance(text, str | bytes):
        raise TypeError  # SQLite tells a number as one; SQLAlchemy then takes it as it is
    encoded = text.encode() if isinstance(text, str) else text
    if _LONG_NUMBER in encoded.translate(_DIGITS):
        return json.loads(encoded)
    try:
        return orjson.loads(encoded)
    except orjson.JSONDecodeError:
        return json.loads(encoded)


_DIGITS = bytes(
    b"0"[0] if chr(code).isascii() and chr(code).isdigit() else 32 for code in range(256)
)
_LONG_NUMBER = b"0" * 19
_JSON: dict[str, Any] = {"json_serializer": _json, "json_deserializer": _of_json}


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            t(
                "{url!r} is not a database URL; give sqlite:///PATH or postgresql+psycopg://….",
                url=url,
            ),
            code="core.database.url",
        ) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            t(
                "{backend} is not supported; use SQLite or PostgreSQL.",
                backend=parsed.get_backend_name(),
            ),
            code="core.database.kind",
        )
    return parsed


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes fails as busy when another wrote in between; taking
    # the write lock at the start makes it wait instead.
    writes = connection.get_execution_options().get("crm_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
