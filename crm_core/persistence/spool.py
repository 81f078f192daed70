"""A temporary SQLite file for what is too much to hold in memory."""

from __future__ import annotations

import sqlite3
from typing import ClassVar, Self

from crm_core.errors import ConfigurationError
from crm_core.messages import t


class Spool:
    """Tables that are gone with the process; the file has no name. Use it as a context manager.

    Attributes:
        tables: The statements that make them; every subclass gives its own.
        purpose: What is done with it, as a message tells it: ``import``.
        code: Code of the error when the file cannot be written.
    """

    tables: ClassVar[str]
    purpose: ClassVar[str]
    code: ClassVar[str]

    def __init__(self) -> None:
        # An empty name is SQLite's own temporary file, in memory until it grows.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(f"PRAGMA journal_mode = OFF; {self.tables}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise ConfigurationError(
                t(
                    "The temporary file of the {purpose} cannot be written ({error}): free some "
                    "space in the folder for temporary files, or name another one (SQLITE_TMPDIR).",
                    purpose=self.purpose,
                    error=error,
                ),
                code=self.code,
            ) from error
