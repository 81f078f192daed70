"""Bringing a database's tables up to date: one line of revisions for the core, one per plugin.

Each line has a version table of its own, so that a plugin whose files are gone hinders nobody else.
A line's pending revisions run in one transaction, tables and version row alike: they all go through
or nothing happened. How revisions are made is told in ``crm_core.persistence.migrations``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import translated

if TYPE_CHECKING:
    from alembic.config import Config

ENVIRONMENT = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 0x63726D_6D6967
"""Held on PostgreSQL while tables change, so that two upgrading processes take turns."""

REVISIONS = "[0-9]*_*.py"
"""What a line's files are called."""
CIRCUMSTANCES = frozenset(
    f"core.database.{fault}"
    for fault in (
        *("locked", "read_only", "disk_full", "disk_error", "cannot_open"),
        *("damaged", "not_a_database"),
    )
)
"""Faults of the database's surroundings; any other is the migration's own."""


@dataclass(frozen=True, slots=True)
class MigrationLine:
    """The revisions of the core or of one plugin.

    Attributes:
        name: ``core`` or the plugin's name; names the version table.
        prefix: What the names of all its tables begin with.
        folder: Where its revision files lie.
    """

    name: str
    prefix: str
    folder: Path

    @property
    def version_table(self) -> str:
        """The table that holds the revision a database is at."""
        return f"alembic_version_{self.name}"

    @property
    def revisions(self) -> tuple[str, ...]:
        """Ids of the revisions known to this version of the product, oldest first."""
        return tuple(sorted(file.name.split("_")[0] for file in self.folder.glob(REVISIONS)))


CORE = MigrationLine("core", "core_", ENVIRONMENT / "versions")


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where a database stands in one line.

    Attributes:
        current: The revision it is at; None where the line never ran.
        head: The last revision this version of the product knows.
        pending: Revisions still to run, oldest first.
        newer: Whether a newer version of the product upgraded it: ``current`` is unknown here.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    newer: bool

    @property
    def is_current(self) -> bool:
        """Whether the database is exactly what this version expects."""
        return self.current == self.head


def status(database: Database, line: MigrationLine = CORE) -> MigrationStatus:
    """Return where a database stands.

    Raises:
        ConfigurationError: It does not answer, or is no database.
    """
    with _faults_translated(database), database.engine.connect() as connection:
        return _status(connection, line)


def check_current(database: Database, plugins: Sequence[MigrationLine] = ()) -> None:
    """Make sure that this version of the product can work with a database; one select a line.

    Raises:
        ConfigurationError: It is empty (``core.database.not_initialised``), still to be upgraded
            (``core.database.outdated``) or from a newer version (``core.database.newer``).
    """
    where = database.shown_url
    for line in (CORE, *plugins):
        # Opening a missing SQLite file would make one.
        absent = database.path is not None and not database.path.exists()
        found = None if absent else status(database, line)
        if found is None or (found.current is None and line is CORE):
            raise ConfigurationError(
                t("{where} has no tables of this product: run crm init.", where=where),
                code="core.database.not_initialised",
            )
        _refuse_newer(database, line, found)
        if found.pending:
            raise ConfigurationError(
                t(
                    "{where} is from an older version ({line} is at revision {current}, this "
                    "version needs {head}): make a backup and run crm db upgrade.",
                    where=where,
                    line=line.name,
                    current=found.current,
                    head=found.head,
                ),
                code="core.database.outdated",
                details={"line": line.name, "pending": list(found.pending)},
            )


def upgrade(database: Database, plugins: Sequence[MigrationLine] = ()) -> None:
    """Run what is pending: the core's revisions first, then each plugin's, in the order given.

    Raises:
        ConfigurationError: The database is from a newer version, or a revision failed; the line it
            belongs to is left as it was.
        LockedError: Another process holds SQLite's lock.
    """
    for line in (CORE, *plugins):
        if status(database, line).is_current:
            continue
        from alembic import command

        with changing_tables(database, line.name, line.prefix) as connection:
            found = _status(connection, line)
            _refuse_newer(database, line, found)
            if found.pending:
                command.upgrade(alembic_config(line, connection), "head")


def downgrade(database: Database, target: str, line: MigrationLine = CORE) -> None:
    """Undo the revisions after ``target``; ``base`` undoes them all, tables and data included.

    Raises:
        ConfigurationError: As for :func:`upgrade`.
    """
    from alembic import command

    with changing_tables(database, line.name, line.prefix) as connection:
        _refuse_newer(database, line, _status(connection, line))
        command.downgrade(alembic_config(line, connection), target)


def _status(connection: Connection, line: MigrationLine) -> MigrationStatus:
    known = line.revisions
    current = None
    if connection.dialect.has_table(connection, line.version_table):
        version_table = table(line.version_table, column("version_num"))
        current = connection.scalar(select(version_table.c.version_num))
    newer = current is not None and current not in known
    pending = () if newer else tuple(r for r in known if current is None or r > current)
    return MigrationStatus(current, known[-1], pending, newer)


def _refuse_newer(database: Database, line: MigrationLine, found: MigrationStatus) -> None:
    if found.newer:
        raise ConfigurationError(
            t(
                "{shown_url} was upgraded by a newer version ({line} is at revision {current}, "
                "this version knows up to {head}): install that version, or restore a backup made "
                "with this one.",
                shown_url=database.shown_url,
                line=line.name,
                current=found.current,
                head=found.head,
            ),
            code="core.database.newer",
            details={"line": line.name, "current": found.current, "known": found.head},
        )


@contextmanager
def _faults_translated(database: Database) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translated(error, database) from error


@contextmanager
def changing_tables(database: Database, name: str, prefix: str) -> Iterator[Connection]:
    """Open the one transaction in which tables of the core or of the plugin ``name`` change.

    On SQLite the foreign keys of the tables whose names begin with ``prefix`` are checked
    afterwards; of the core, which others refer to, those of all tables.

    Raises:
        ConfigurationError: It failed and was undone.
        LockedError: Another process holds SQLite's lock.
    """
    try:
        with database.write_engine.connect() as connection:
            if database.is_sqlite:
                with _unenforced_foreign_keys(connection), connection.begin():
                    yield connection
                    _check_foreign_keys(connection, "" if prefix == CORE.prefix else prefix)
            else:
                with connection.begin():
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
                    yield connection
    except DBAPIError as error:
        fault = translated(error, database)
        if fault.code in CIRCUMSTANCES:
            raise fault from error
        raise ConfigurationError(
            t(
                "Upgrading {name} in {shown_url} failed and was undone: {orig}. Report this with "
                "the versions before and after.",
                name=name,
                shown_url=database.shown_url,
                orig=str(error.orig).splitlines()[0],
            ),
            code="core.database.migration_failed",
        ) from error


@contextmanager
def _unenforced_foreign_keys(connection: Connection) -> Iterator[None]:
    # Within a transaction the pragma does nothing, and with keys enforced rebuilding a table
    # would empty the tables that refer to it.
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")


def _check_foreign_keys(connection: Connection, prefix: str) -> None:
    tables = [name for name in inspect(connection).get_table_names() if name.startswith(prefix)]
    each = [f'PRAGMA foreign_key_check("{name}")' for name in tables]
    for check in each if prefix else ["PRAGMA foreign_key_check"]:
        broken = connection.exec_driver_sql(check).first()
        if broken is None:
            continue
        raise ConfigurationError(
            t(
                "After the upgrade a row of {table} would refer to a missing row of {target}; "
                "nothing was changed. Report this with the versions before and after.",
                table=broken[0],
                target=broken[2],
            ),
            code="core.database.migration_failed",
        )


def alembic_config(line: MigrationLine, connection: Connection, **options: Any) -> Config:
    """Return Alembic's configuration for a line; ``options`` go to its environment."""
    from alembic.config import Config

    from crm_core.persistence.base import Base

    config = Config()
    for name, value in (
        ("script_location", str(ENVIRONMENT)),
        ("version_locations", str(line.folder)),
        ("path_separator", "newline"),
    ):
        config.set_main_option(name, value.replace("%", "%%"))
    config.attributes["options"] = {
        "connection": connection,
        "target_metadata": Base.metadata,
        "version_table": line.version_table,
        **options,
    }
    return config
