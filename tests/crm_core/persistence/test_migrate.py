"""Upgrading keeps every row, key and trigger, or changes nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from crm_core.errors import ConfigurationError, LockedError
from crm_core.persistence import migrate
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import MigrationLine
from crm_core.persistence.migrations import authoring

from .conftest import ROWS, all_rows, fill_database

PLUGIN_TABLES = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "fake_visit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid, sa.ForeignKey("core_customer.id", ondelete="CASCADE")),
    )
    op.create_table("fake_log", sa.Column("note", sa.Text))
    op.execute("INSERT INTO fake_visit SELECT version, name, id FROM core_customer")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER fake_renamed AFTER UPDATE OF name ON core_customer BEGIN"
            " INSERT INTO fake_log VALUES (new.name); END"
        )
        op.execute(
            "CREATE TRIGGER fake_visited AFTER INSERT ON fake_visit BEGIN"
            " INSERT INTO fake_log SELECT name FROM core_customer WHERE id = new.customer_id; END"
        )
        op.execute("CREATE VIEW fake_named AS SELECT id, name FROM core_customer")
        return
    op.execute(
        "CREATE FUNCTION fake_log_name() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO fake_log VALUES (new.name); RETURN new; END $$"
    )
    op.execute(
        "CREATE TRIGGER fake_renamed AFTER UPDATE OF name ON core_customer"
        " FOR EACH ROW EXECUTE FUNCTION fake_log_name()"
    )


def downgrade() -> None:
    raise NotImplementedError
"""
ALTERED_CUSTOMER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    with op.batch_alter_table("core_customer") as batch:
        batch.add_column(sa.Column("nickname", sa.Text, nullable=False, server_default="-"))
        batch.alter_column("note", new_column_name="remark", existing_type=sa.Text())
    with op.batch_alter_table("core_relationship") as batch:
        batch.alter_column("note", new_column_name="remark", existing_type=sa.Text())


def downgrade() -> None:
    with op.batch_alter_table("core_customer") as batch:
        batch.drop_column("nickname")
        batch.alter_column("remark", new_column_name="note", existing_type=sa.Text())
    with op.batch_alter_table("core_relationship") as batch:
        batch.alter_column("remark", new_column_name="note", existing_type=sa.Text())
"""
BROKEN = ALTERED_CUSTOMER.replace(
    "\n\ndef downgrade",
    '\n    op.execute("INSERT INTO no_such_table VALUES (1)")\n\n\ndef downgrade',
)
ORPHANING = """
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("DELETE FROM core_customer")
"""

CoreRevision = Callable[[str], None]


@pytest.fixture
def next_core_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CoreRevision:
    """Give the core a second revision for this test, with the body passed in."""

    def give(body: str) -> None:
        folder = tmp_path / "core versions, 100%"
        folder.mkdir()
        for file in migrate.CORE.folder.glob("0001_*.py"):
            shutil.copy(file, folder)
        (folder / "0002_next.py").write_text(body)
        monkeypatch.setattr(migrate, "CORE", MigrationLine("core", "core_", folder))

    return give


@pytest.fixture
def fake_plugin(tmp_path: Path) -> MigrationLine:
    """A plugin whose tables hang on the core's customers."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "0001_tables.py").write_text(PLUGIN_TABLES)
    return MigrationLine("fake", "fake_", folder)


def triggers(database: Database) -> list[tuple[Any, ...]]:
    """Return every trigger and view by name and text."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"
    if not database.is_sqlite:
        query = "SELECT tgrelid::regclass::text, tgname, tgtype FROM pg_trigger"
    with database.engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(text(query)))


def schema(database: Database) -> Any:
    """Return all there is to know of the tables' structure."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
            return connection.execute(text(query)).all()
        inspector = inspect(connection)
        columns, indexes = inspector.get_multi_columns(), inspector.get_multi_indexes()
        # PostgreSQL lists the indexes of a table in no fixed order.
        return {
            table: (repr(columns[table]), sorted(repr(index) for index in indexes.get(table, ())))
            for table in columns
        }


def set_version(database: Database, revision: str) -> None:
    with database.write_engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version_core SET version_num = '{revision}'"))


def test_a_rebuilt_parent_keeps_rows_children_and_triggers(
    filled_database: Database, fake_plugin: MigrationLine, next_core_revision: CoreRevision
) -> None:
    database = filled_database
    migrate.upgrade(database, [fake_plugin])
    rows, made = all_rows(database), triggers(database)
    assert len(rows["fake_visit"]) == ROWS
    assert any("fake_renamed" in trigger for trigger in made)

    next_core_revision(ALTERED_CUSTOMER)
    migrate.upgrade(database, [fake_plugin])

    now = all_rows(database)
    assert triggers(database) == made
    for row in rows["core_customer"]:
        row["remark"], row["nickname"] = row.pop("note"), "-"
    for row in rows["core_relationship"]:
        row["remark"] = row.pop("note")
    rows["alembic_version_core"] = [{"version_num": "0002"}]
    for table, expected in rows.items():
        assert sorted(map(_by_column, now[table])) == sorted(map(_by_column, expected)), table

    with database.write_engine.begin() as connection:
        connection.execute(text("UPDATE core_customer SET name = 'renamed' WHERE version = 1"))
    assert {"note": "renamed"} in all_rows(database)["fake_log"]
    with database.write_engine.begin() as connection:
        connection.execute(text("DELETE FROM core_customer WHERE version = 1"))
    assert len(all_rows(database)["fake_visit"]) == ROWS - 1, "foreign keys are enforced again"


def _by_column(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


def test_a_rebuild_keeps_indexes_keys_and_checks(
    filled_database: Database, next_core_revision: CoreRevision
) -> None:
    def told(item: Any) -> str:
        options = {key: str(value) for key, value in item.get("dialect_options", {}).items()}
        return repr({**item, "dialect_options": options})

    def structure() -> dict[str, Any]:
        found = inspect(filled_database.engine)
        return {
            f"{table}.{what}": sorted(told(item) for item in getattr(found, what)(table))
            for table in ("core_customer", "core_relationship")
            for what in ("get_indexes", "get_foreign_keys", "get_check_constraints")
        } | {"keys": found.get_pk_constraint("core_customer")}

    before = structure()
    assert before["core_relationship.get_check_constraints"]
    next_core_revision(ALTERED_CUSTOMER)
    migrate.upgrade(filled_database)
    assert structure() == before


def test_a_failed_migration_leaves_the_old_state(
    filled_database: Database, next_core_revision: CoreRevision
) -> None:
    next_core_revision(BROKEN)
    _fails_and_changes_nothing(filled_database, "no_such_table")


def test_a_migration_that_orphans_rows_is_undone(
    sqlite_database: Database, next_core_revision: CoreRevision
) -> None:
    fill_database(sqlite_database)
    next_core_revision(ORPHANING)
    _fails_and_changes_nothing(sqlite_database, "missing row of core_customer")


def _fails_and_changes_nothing(database: Database, reason: str) -> None:
    rows, tables = all_rows(database), schema(database)
    with pytest.raises(ConfigurationError, match=reason) as failed:
        migrate.upgrade(database)
    assert failed.value.code == "core.database.migration_failed"
    assert schema(database) == tables
    assert all_rows(database) == rows
    assert migrate.status(database, migrate.CORE).pending == ("0002",)
    with pytest.raises(IntegrityError), database.write_engine.begin() as connection:
        connection.execute(text("UPDATE core_address SET customer_id = :v"), {"v": "f" * 32})


def test_models_and_migrations_agree(database: Database) -> None:
    assert authoring.differences(database) == []


def test_a_missing_column_is_a_difference(sqlite_database: Database) -> None:
    with sqlite_database.write_engine.begin() as connection:
        connection.execute(text("ALTER TABLE core_customer DROP COLUMN job_title"))
    [found] = authoring.differences(sqlite_database)
    assert found[0] == "add_column"
    assert found[3].name == "job_title"


def test_up_down_up(database: Database) -> None:
    tables = schema(database)
    migrate.downgrade(database, "base")
    left = set(inspect(database.engine).get_table_names())
    assert left == {"alembic_version_core"}
    assert migrate.status(database).pending == migrate.CORE.revisions
    migrate.upgrade(database)
    assert schema(database) == tables
    migrate.check_current(database)


def test_upgrading_an_upgraded_database_does_nothing(filled_database: Database) -> None:
    rows = all_rows(filled_database)
    migrate.upgrade(filled_database)
    assert all_rows(filled_database) == rows


def test_a_database_from_a_newer_version_is_refused(filled_database: Database) -> None:
    set_version(filled_database, "9999")
    rows = all_rows(filled_database)
    assert migrate.status(filled_database).newer
    for work in (
        migrate.check_current,
        migrate.upgrade,
        lambda database: migrate.downgrade(database, "base"),
    ):
        with pytest.raises(ConfigurationError, match=r"newer version.*9999") as refused:
            work(filled_database)
        assert refused.value.code == "core.database.newer"
    assert all_rows(filled_database) == rows


def test_an_older_database_is_asked_to_upgrade(
    database: Database, next_core_revision: CoreRevision
) -> None:
    next_core_revision(ALTERED_CUSTOMER)
    with pytest.raises(ConfigurationError, match="crm db upgrade") as refused:
        migrate.check_current(database)
    assert refused.value.code == "core.database.outdated"
    assert refused.value.details == {"line": "core", "pending": ["0002"]}
    migrate.upgrade(database)
    migrate.check_current(database)


def test_a_database_without_tables_is_asked_to_init(database: Database) -> None:
    migrate.downgrade(database, "base")
    with database.write_engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version_core"))
    with pytest.raises(ConfigurationError, match="crm init") as refused:
        migrate.check_current(database)
    assert refused.value.code == "core.database.not_initialised"


def test_checking_a_missing_file_does_not_make_it(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with pytest.raises(ConfigurationError, match="crm init"):
        migrate.check_current(Database(f"sqlite:///{path}"))
    assert not path.exists()


def test_a_plugin_whose_files_are_gone_does_not_hinder_the_core(
    filled_database: Database, fake_plugin: MigrationLine, next_core_revision: CoreRevision
) -> None:
    migrate.upgrade(filled_database, [fake_plugin])
    shutil.rmtree(fake_plugin.folder)
    next_core_revision(ALTERED_CUSTOMER)
    migrate.upgrade(filled_database)
    migrate.check_current(filled_database)


def test_two_processes_upgrading_at_once_take_turns(database: Database) -> None:
    migrate.downgrade(database, "base")
    # How long the first of them needs says how busy the machine is.
    others = [Database(database.url, busy_timeout_ms=120_000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, others))
    for other in others:
        migrate.check_current(other)
        other.dispose()
    assert authoring.differences(database) == []


def test_upgrading_while_another_process_writes_says_so(
    sqlite_database: Database, next_core_revision: CoreRevision
) -> None:
    next_core_revision(ALTERED_CUSTOMER)
    hasty = Database(sqlite_database.url, busy_timeout_ms=50)
    with sqlite_database.write_engine.begin(), pytest.raises(LockedError):
        migrate.upgrade(hasty)
    hasty.dispose()


def test_a_fresh_file_is_ready_in_half_a_second(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/fresh.sqlite")
    began = time.thread_time()
    migrate.upgrade(database)
    # Processor time of this thread, doubled, because others work on the same machine.
    assert time.thread_time() - began < 1.0
    database.dispose()


def test_a_revision_is_written_from_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "versions"
    folder.mkdir()
    monkeypatch.setattr(authoring, "CORE", line := MigrationLine("core", "core_", folder))
    monkeypatch.setattr(migrate, "CORE", line)
    script = authoring.main(["initial"])
    assert script == folder / "0001_initial.py"
    [committed] = (migrate.ENVIRONMENT / "versions").glob("0001_*.py")
    assert _operations(script) == _operations(committed), "run the command that makes it anew"


def _operations(script: Path) -> list[str]:
    # Autogenerate orders equal things as it likes.
    return sorted(script.read_text().split())
