"""Backups bring back every row and file, and a bad one touches nothing."""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select, text

from crm_core.access import Actor
from crm_core.entities import Attachment, Customer, Setting, Tag
from crm_core.errors import (
    ConfigurationError,
    CrmError,
    InputError,
    LockedError,
    RuleViolationError,
)
from crm_core.ids import new_id
from crm_core.persistence import dump, migrate
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.attachments import attach_file, keep_bytes, read_attachment
from crm_core.services.audit import seal, verify
from crm_core.services.backup import backup, restore
from crm_core.services.search import search_customers

from .bad_backups import BAD_FILES

NOW = datetime(2024, 5, 1, tzinfo=UTC)
PHOTO = b"\x89PNG" + bytes(range(256)) * 5000


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of attachments."""
    return tmp_path / "attachments"


@pytest.fixture
def lived_in(database: Database, system: Actor, files: Path) -> Database:
    """A database of each kind with customers, a sealed audit and two attachments."""
    with unit_of_work(database, actor=system, write=True) as uow:
        for name in ("Αθηνά", "O'Brien 😀", "Жанна"):
            uow.add(Customer(name=name, created_at=NOW, updated_at=NOW))
        uow.flush()
        customer_id = uow.scalar(select(Customer.id).where(Customer.name == "Жанна"))
        for content in (PHOTO, b"letter"):
            kept = keep_bytes(files, io.BytesIO(content))
            attach_file(uow, customer_id, kept, file_name="file.bin")
        uow.commit()
    seal(database)
    return database


@pytest.fixture
def saved(lived_in: Database, files: Path, tmp_path: Path) -> Path:
    file = tmp_path / "saved.crmbackup"
    report = backup(lived_in, files, file)
    assert report.attachments == 2
    assert report.size_bytes == file.stat().st_size
    return file


def content(database: Database) -> dict[str, Any]:
    """Return every row of every table, but for the mark of a restored database."""
    metadata = MetaData()
    with database.engine.connect() as connection:
        metadata.reflect(connection, only=lambda name, _: not name.startswith("core_search_"))
        rows = {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }
    rows["core_setting"] = [row for row in rows["core_setting"] if dump.RESTORED_AT not in row]
    return rows


def restored_at(database: Database, actor: Actor) -> Any:
    with unit_of_work(database, actor=actor) as uow:
        return uow.scalar(select(Setting.value).where(Setting.key == dump.RESTORED_AT))


def spoil(database: Database, actor: Actor) -> None:
    """Change a database after it was backed up."""
    with unit_of_work(database, actor=actor, write=True) as uow:
        for customer in uow.scalars(select(Customer)).all():
            customer.name = "spoilt"
        uow.add(Tag(id=new_id(), name="later"))
        uow.commit()


def empty_again(database: Database) -> None:
    """Take every table out of a database."""
    if database.path is not None:
        database.dispose()
        database.path.unlink()
        return
    with database.write_engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def test_a_backup_comes_back_whole(
    lived_in: Database, saved: Path, files: Path, system: Actor
) -> None:
    before = content(lived_in)
    assert len(before["core_customer"]) == 3
    empty_again(lived_in)
    shutil.rmtree(files)

    report = restore(saved, lived_in, files)

    assert content(lived_in) == before
    assert (report.attachments, report.needs_upgrade, report.previous) == (2, False, None)
    assert datetime.fromisoformat(restored_at(lived_in, system)) > report.created_at
    migrate.check_current(lived_in)
    assert verify(lived_in).first_break is None
    with unit_of_work(lived_in, actor=system) as uow:
        keys = uow.scalars(select(Attachment.id)).all()
        kept = [read_attachment(uow, files, key).read_bytes() for key in keys]
    assert sorted(kept) == sorted([PHOTO, b"letter"])


def test_a_full_target_needs_force(
    lived_in: Database, saved: Path, files: Path, system: Actor
) -> None:
    before = content(lived_in)
    spoil(lived_in, system)
    spoilt = content(lived_in)
    with pytest.raises(RuleViolationError, match="--force") as refused:
        restore(saved, lived_in, files)
    assert refused.value.code == "core.backup.target_not_empty"
    assert content(lived_in) == spoilt
    assert restored_at(lived_in, system) is None

    with lived_in.write_engine.begin() as connection:
        connection.execute(text("CREATE TABLE plugin_left_over (id INTEGER PRIMARY KEY)"))
    report = restore(saved, lived_in, files, force=True)
    assert content(lived_in) == before
    if lived_in.is_sqlite:
        assert report.previous is not None
        with sqlite3.connect(report.previous) as previous:
            names = previous.execute("SELECT DISTINCT name FROM core_customer").fetchall()
        assert names == [("spoilt",)]
    again = restore(saved, lived_in, files, force=True)
    assert again.attachments == 2
    spoil(lived_in, system)


def test_searching_works_after_a_restore(
    lived_in: Database, saved: Path, files: Path, system: Actor
) -> None:
    empty_again(lived_in)
    restore(saved, lived_in, files)
    with unit_of_work(lived_in, actor=system) as uow:
        assert len(search_customers(uow, "αθηνα").items) == 1


def test_a_backup_is_private_and_new(lived_in: Database, saved: Path, files: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    first = saved.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        backup(lived_in, files, saved)
    assert saved.read_bytes() == first
    assert not list(saved.parent.glob(".backup-*"))


def test_a_backup_that_cannot_be_written_leaves_nothing(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        backup(sqlite_database, tmp_path, tmp_path / "no" / "folder" / "file")


def around(folder: Path) -> set[Path]:
    """All in a test's folder, and what is smuggled above it; what else is there is other tests'."""
    return {
        *folder.rglob("*"),
        *(each / "evil" for each in folder.parents if (each / "evil").exists()),
    }


def test_a_bad_backup_touches_nothing(
    lived_in: Database, saved: Path, files: Path, tmp_path: Path
) -> None:
    shutil.rmtree(files)
    before = content(lived_in)
    for what, (break_it, code) in BAD_FILES.items():
        bad = tmp_path / "bad"
        shutil.copy(saved, bad)
        break_it(bad)
        outside = around(tmp_path)
        with pytest.raises(CrmError) as refused:
            restore(bad, lived_in, files, force=True)
        assert refused.value.code == f"core.backup.{code}", what
        assert str(bad) in refused.value.message, what
        assert around(tmp_path) == outside, what
    assert content(lived_in) == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_any_damaged_byte_is_found_or_harmless(
    lived_in: Database, saved: Path, files: Path, tmp_path: Path
) -> None:
    before = content(lived_in)
    good, refused = saved.read_bytes(), 0
    chance = random.Random(7)
    for _ in range(20):
        bad = tmp_path / "bad"
        data = bytearray(good)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        bad.write_bytes(data)
        try:
            restore(bad, lived_in, files, force=True)
        except CrmError:
            refused += 1
        assert content(lived_in) == before
    assert refused > 10


def test_a_missing_backup_file(sqlite_database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        restore(tmp_path / "none", sqlite_database, tmp_path)


def test_an_older_backup_asks_for_an_upgrade(
    lived_in: Database,
    saved: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "versions"
    shutil.copytree(migrate.CORE.folder, folder)
    (folder / "0002_next.py").write_text('revision, down_revision = "0002", "0001"\n')
    core = migrate.MigrationLine("core", "core_", folder)
    monkeypatch.setattr("crm_core.services.backup.CORE", core)
    assert restore(saved, lived_in, files, force=True).needs_upgrade


def test_backing_up_while_others_write(
    lived_in: Database, files: Path, tmp_path: Path, system: Actor
) -> None:
    stop = threading.Event()

    def write() -> None:
        other, number = Database(lived_in.url), 0
        while not stop.is_set():
            number += 1
            with unit_of_work(other, actor=system, write=True) as uow:
                uow.add(Tag(id=new_id(), name=f"one {number}"))
                uow.add(Tag(id=new_id(), name=f"two {number}"))
                uow.commit()
        other.dispose()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup(lived_in, files, tmp_path / "busy")
    finally:
        stop.set()
        writer.join()
    restore(tmp_path / "busy", lived_in, files, force=True)
    with unit_of_work(lived_in, actor=system) as uow:
        names = list(uow.scalars(select(Tag.name)))
    first, second = ({n[4:] for n in names if n.startswith(s)} for s in ("one", "two"))
    assert first == second, "a moment between transactions"


def test_a_target_in_use_is_not_replaced(
    lived_in: Database, saved: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "LOCK_TIMEOUT_SECONDS", 1)
    before = content(lived_in)
    other = Database(lived_in.url)
    with other.write_engine.begin() as connection:
        connection.execute(text("SELECT * FROM core_customer")).all()
        with pytest.raises(LockedError):
            restore(saved, lived_in, files, force=True)
    other.dispose()
    assert content(lived_in) == before


def test_a_damaged_database_is_not_backed_up_but_can_be_restored(
    sqlite_database: Database, files: Path, tmp_path: Path, system: Actor
) -> None:
    path = sqlite_database.path
    assert path is not None
    spoil(sqlite_database, system)
    backup(sqlite_database, files, tmp_path / "good")
    before = content(sqlite_database)
    sqlite_database.dispose()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 300_000)
    with pytest.raises(ConfigurationError) as refused:
        backup(sqlite_database, files, tmp_path / "bad")
    assert refused.value.code == "core.database.damaged"
    assert not (tmp_path / "bad").exists()
    with pytest.raises(RuleViolationError):
        restore(tmp_path / "good", sqlite_database, files)
    restore(tmp_path / "good", sqlite_database, files, force=True)
    assert content(sqlite_database) == before
    path.write_bytes(b"nothing like a database" * 1000)
    restore(tmp_path / "good", sqlite_database, files, force=True)
    assert content(sqlite_database) == before


def test_a_backup_locked_out_says_so(sqlite_database: Database, tmp_path: Path) -> None:
    hasty = Database(sqlite_database.url, busy_timeout_ms=100)
    with sqlite_database.engine.connect() as holder:
        holder.exec_driver_sql("COMMIT")
        holder.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(LockedError):
            backup(hasty, tmp_path, tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.fixture
def argument_spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    seen: list[Any] = []
    real = subprocess.run

    def run(arguments: list[str], **options: Any) -> Any:
        seen.append((arguments, options.get("env")))
        return real(arguments, **options)

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_the_password_is_passed_by_environment(
    postgres_database: Database, files: Path, tmp_path: Path, argument_spy: list[Any]
) -> None:
    database = Database(postgres_database.url.set(password="s3cret-word"))
    backup(database, files, tmp_path / "file")
    restore(tmp_path / "file", database, files, force=True)
    database.dispose()
    assert len(argument_spy) == 3
    for arguments, environment in argument_spy:
        assert "s3cret-word" not in " ".join(arguments)
        assert environment["PGPASSWORD"] == "s3cret-word"


def test_without_the_client_the_package_is_named(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="postgresql-client"):
        backup(postgres_database, tmp_path, tmp_path / "file")


def test_a_server_that_is_away(tmp_path: Path) -> None:
    away = Database("postgresql+psycopg://crm:s3cret-word@127.0.0.1:1/crm")
    with pytest.raises(ConfigurationError) as refused:
        backup(away, tmp_path, tmp_path / "file")
    assert "s3cret-word" not in refused.value.message
    assert "refused" in refused.value.message
