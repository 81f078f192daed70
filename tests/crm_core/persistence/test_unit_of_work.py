"""Leaving without commit changes nothing; faults of the database come in the product's words."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import event, func, select, text

from crm_core.access import Actor
from crm_core.entities import Customer, Setting, Tag
from crm_core.errors import ConfigurationError, CrmError, DuplicateError, LockedError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work

NOBODY = 65534
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def write_setting(database: Database, actor: Actor, key: str = "probe", size: int = 1) -> None:
    with unit_of_work(database, actor=actor, write=True) as uow:
        uow.add(Setting(key=key, value="x" * size))
        uow.commit()


def count(database: Database, actor: Actor, model: type[Setting | Customer | Tag]) -> int:
    with unit_of_work(database, actor=actor) as uow:
        return int(uow.scalar(select(func.count()).select_from(model)))


def fault(database: Database, actor: Actor, *, write: bool) -> CrmError:
    """Return the error that reading or writing raises."""
    with pytest.raises(CrmError) as raised:
        if write:
            write_setting(database, actor)
        else:
            count(database, actor, Setting)
    assert raised.value.message.endswith((".", ")."))
    return raised.value


def test_leaving_without_commit_rolls_back(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.add(Setting(key="kept", value=1))
        uow.commit()
        uow.add(Setting(key="left", value=1))
        uow.flush()
    assert count(database, system, Setting) == 1


def test_an_exception_rolls_back(database: Database, system: Actor) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(database, actor=system, write=True) as uow:
        uow.add(Setting(key="left", value=1))
        uow.flush()
        raise ZeroDivisionError
    assert count(database, system, Setting) == 0


def test_a_taken_value_is_a_duplicate(database: Database, system: Actor) -> None:
    write_setting(database, system)
    with pytest.raises(DuplicateError):
        write_setting(database, system)


@contextmanager
def another_process_writing(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate("")


def test_a_lock_held_by_another_process(sqlite_database: Database, system: Actor) -> None:
    assert sqlite_database.path is not None
    hasty = Database(sqlite_database.url, busy_timeout_ms=100)
    with another_process_writing(sqlite_database.path):
        found = fault(hasty, system, write=True)
        assert count(hasty, system, Setting) == 0, "reading goes on"
    assert isinstance(found, LockedError)
    assert (found.code, found.exit_code) == ("core.database.locked", 5)
    assert str(sqlite_database.path) in found.message
    write_setting(hasty, system)
    hasty.dispose()


def test_a_short_lock_is_waited_for(sqlite_database: Database, system: Actor) -> None:
    with unit_of_work(sqlite_database, actor=system, write=True) as uow:
        uow.add(Setting(key="first", value=1))
        uow.commit()
        write_setting(sqlite_database, system, "second")
    assert count(sqlite_database, system, Setting) == 2


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Act as somebody whom rights on files bind, which they do not bind root."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, NOBODY, -1)
    for file in folder.iterdir():
        os.chown(file, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "code"),
    [
        (0o500, 0o400, "core.database.read_only"),
        (0o700, 0o400, "core.database.read_only"),
        (0o500, 0o600, "core.database.read_only"),
        (0o700, 0o000, "core.database.cannot_open"),
    ],
)
def test_rights_that_are_missing(
    sqlite_template: Path, system: Actor, folder_mode: int, file_mode: int, code: str
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "crm.sqlite"
        path.write_bytes(sqlite_template.read_bytes())
        path.chmod(file_mode)
        folder.chmod(folder_mode)
        database = Database(f"sqlite:///{path}")
        with unprivileged(folder):
            found = fault(database, system, write=True)
            database.dispose()
        folder.chmod(0o700)
    assert isinstance(found, ConfigurationError)
    assert found.code == code
    assert str(path) in found.message


def test_a_folder_that_is_missing(tmp_path: Path, system: Actor) -> None:
    found = fault(Database(f"sqlite:///{tmp_path}/no/crm.sqlite"), system, write=False)
    assert found.code == "core.database.cannot_open"


def test_a_full_disk(sqlite_database: Database, system: Actor) -> None:
    full = Database(sqlite_database.url)

    @event.listens_for(full.engine, "connect")
    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(ConfigurationError, match="Nothing was saved") as found:
        write_setting(full, system, size=1_000_000)
    assert found.value.code == "core.database.disk_full"
    assert count(full, system, Setting) == 0
    full.dispose()
    write_setting(sqlite_database, system, size=1_000_000)


def test_a_damaged_file(sqlite_database: Database, system: Actor) -> None:
    assert sqlite_database.path is not None
    sqlite_database.dispose()
    with sqlite_database.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 400_000)
    found = fault(sqlite_database, system, write=False)
    assert isinstance(found, ConfigurationError)
    assert found.code == "core.database.damaged"
    assert "crm db restore" in found.message


def test_a_file_that_is_no_database(tmp_path: Path, system: Actor) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear customer, " * 1000)
    found = fault(Database(f"sqlite:///{path}"), system, write=False)
    assert found.code == "core.database.not_a_database"
    assert path.read_text().startswith("Dear customer")


@pytest.mark.parametrize("write", [True, False])
def test_a_database_without_tables(database: Database, system: Actor, write: bool) -> None:
    with database.write_engine.begin() as connection:
        connection.execute(text("DROP TABLE core_setting"))
    found = fault(database, system, write=write)
    assert found.code == "core.database.not_initialised"
    assert "crm init" in found.message


def test_a_server_that_is_away(system: Actor) -> None:
    database = Database("postgresql+psycopg://crm:s3cret-word@127.0.0.1:1/crm?connect_timeout=2")
    found = fault(database, system, write=False)
    assert isinstance(found, ConfigurationError)
    assert found.code == "core.database.unavailable"
    assert "s3cret-word" not in found.message


def test_a_database_that_the_server_lacks(postgres_database: Database, system: Actor) -> None:
    missing = Database(postgres_database.url.set(database="crm_no_such_database"))
    found = fault(missing, system, write=False)
    assert found.code == "core.database.unavailable"
    assert "crm_no_such_database" in found.message


@pytest.mark.parametrize("url", ["", "not a url", "mysql://localhost/crm", "sqlite"])
def test_a_url_that_is_not_understood(url: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        Database(url)
    assert found.value.code in ("core.database.url", "core.database.kind")


def test_sqlite_keeps_foreign_keys_and_full_synchronisation(sqlite_database: Database) -> None:
    with sqlite_database.engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA synchronous")) == 2


def test_reading_does_not_wait_for_a_writer(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as writer:
        writer.add(Customer(name="new", created_at=datetime.now(UTC), updated_at=datetime.now(UTC)))
        writer.flush()
        assert count(database, system, Customer) == 0
        writer.commit()
    assert count(database, system, Customer) == 1
