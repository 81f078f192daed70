from __future__ import annotations

import json
import sqlite3
import tomllib
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, text

from crm_core.access import system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services import installation
from crm_core.services.settings import load_settings
from crm_core.services.users import list_users


def test_yes_takes_flags_and_defaults_and_the_next_command_works(bare_crm):
    data = bare_crm.json(
        "init", "--yes", "--company", "Ελιά ΑΕ", "--currency", "usd", "--phone-region", "gr"
    )
    assert data["created"] is True
    assert data["settings"]["company"] == "Ελιά ΑΕ"
    assert data["settings"]["base_currency"] == "USD"
    assert data["settings"]["phone_region"] == "GR"
    assert data["config_file"] == str(bare_crm.folder / "crm.toml")
    assert bare_crm("backend", "list").exit_code == 0

    with unit_of_work(bare_crm.database, actor=system_actor("test")) as uow:
        settings = load_settings(uow)
        (user,) = list_users(uow).items
    assert settings.installation_id == data["settings"]["installation_id"]
    assert user["roles"] == ["admin"]


def test_the_settings_file_leads_to_the_database_even_after_moving_the_folder(
    bare_crm, monkeypatch
):
    bare_crm("init", "--yes")
    moved = bare_crm.folder.with_name("moved")
    bare_crm.folder.rename(moved)
    monkeypatch.chdir(moved)
    assert bare_crm("backend", "list").exit_code == 0
    assert tomllib.loads((moved / "crm.toml").read_text()) == {
        "database_url": "sqlite:///crm.sqlite"
    }


def test_a_settings_file_that_is_there_stays_as_it_is(bare_crm):
    path = bare_crm.folder / "crm.toml"
    path.write_text("sync_minutes = 9\n")
    assert bare_crm.json("init", "--yes")["config_file"] is None
    assert path.read_text() == "sync_minutes = 9\n"


def test_a_second_init_changes_nothing(bare_crm):
    bare_crm("init", "--yes", "--company", "First")
    before = (bare_crm.folder / "crm.sqlite").read_bytes()
    result = bare_crm("init", "--yes", "--company", "Second", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["data"]["created"] is False
    assert (bare_crm.folder / "crm.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--currency", "XQQ"),
        ("--time-zone", "Mars/Olympus"),
        ("--time-zone", "../../etc/passwd"),
        ("--language", "klingonese-!"),
        ("--phone-region", "Greece"),
        ("--admin", "a b"),
    ],
)
def test_a_wrong_answer_is_exit_2_and_a_right_one_then_works(bare_crm, flag, value):
    error = bare_crm.error("init", "--yes", flag, value, code=2)
    assert value in error["message"]
    assert bare_crm.json("init", "--yes")["created"] is True


def test_an_init_that_was_stopped_half_way_is_gone_on_with(bare_crm, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(installation, "add_user", lambda *_, **__: 1 / 0)
        assert bare_crm("init", "--yes").exit_code == 1
    assert (bare_crm.folder / "crm.sqlite").exists()
    assert bare_crm.json("init", "--yes")["created"] is True
    assert bare_crm("backend", "list").exit_code == 0


def test_it_asks_on_a_terminal(bare_crm, monkeypatch):
    monkeypatch.setattr("crm_core.cli.init.on_terminal", lambda: True)
    answers = "Κατάστημα\nCHF\nEurope/Zurich\nde-CH\n-\nboss\n"
    result = bare_crm("init", "--json", input=answers)
    assert result.exit_code == 0, result.output
    settings = json.loads(result.stdout)["data"]["settings"]
    assert settings["company"] == "Κατάστημα"
    assert settings["language"] == "de-CH"
    assert settings["phone_region"] is None
    assert "Base currency" in result.stderr


def test_a_folder_that_cannot_be_written_is_told(bare_crm):
    error = bare_crm.error(
        "init", "--yes", "--database-url", "sqlite:////proc/x/crm.sqlite", code=1
    )
    assert "/proc/x/crm.sqlite" in error["message"]


def test_a_newer_database_is_refused_and_left_alone(bare_crm):
    bare_crm("init", "--yes")
    with sqlite3.connect(bare_crm.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE alembic_version_core SET version_num = '9999'")
    error = bare_crm.error("init", "--yes", code=1)
    assert error["code"] == "core.database.newer"
    assert bare_crm.error("backend", "list", code=1)["code"] == "core.database.newer"


@pytest.mark.parametrize(
    ("setting", "wanted", "here", "expected"),
    [
        (
            "time_zone",
            "Europe/Athens",
            {"TZ": "Europe/Athens"},
            {"phone_region": "GR", "base_currency": "EUR"},
        ),
        (
            "time_zone",
            "Asia/Tehran",
            {"TZ": ":Asia/Tehran"},
            {"phone_region": "IR", "base_currency": "IRR"},
        ),
        ("time_zone", "UTC", {"TZ": "UTC", "LANG": "C"}, {"phone_region": None, "language": "en"}),
        ("language", "pl-PL", {"TZ": "UTC", "LC_ALL": "pl_PL.UTF-8"}, {"base_currency": "PLN"}),
    ],
)
def test_the_machine_suggests_the_answers(monkeypatch, setting, wanted, here, expected):
    for name in ("LANGUAGE", "LC_ALL", "LC_CTYPE", "LANG", "TZ"):
        monkeypatch.delenv(name, raising=False)
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    guessed = installation.guessed_answers("boss")
    assert guessed.admin == "boss"
    for name, value in {setting: wanted, **expected}.items():
        assert getattr(guessed, name) == value


def test_a_postgresql_database_works_and_its_password_is_not_written(bare_crm, postgres_database):
    url = postgres_database.url.render_as_string(hide_password=False)
    assert bare_crm.json("init", "--yes", "--database-url", url)["created"] is True
    listed = bare_crm("backend", "list", "--database-url", url)
    assert listed.exit_code == 0, listed.output

    with_password = postgres_database.url.set(
        password="s3cret", username=postgres_database.url.username
    )
    from crm_core.cli.init import write_config
    from crm_core.config import load_config

    (bare_crm.folder / "crm.toml").unlink(missing_ok=True)
    flags = {"database_url": with_password.render_as_string(hide_password=False)}
    path = write_config(load_config(flags, {}, bare_crm.folder), bare_crm.folder)
    assert "s3cret" not in path.read_text()
    assert "CRM_DATABASE_URL" in path.read_text()


@pytest.fixture
def blind_postgres(postgres_server: URL):
    """A PostgreSQL database that knows only ASCII letters."""
    name = f"crm_blind_{uuid4().hex[:12]}"
    server = create_engine(
        postgres_server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.execute(
            text(f"CREATE DATABASE {name} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        )
    database = Database(postgres_server.set(database=name))
    yield database
    database.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def test_a_postgresql_database_that_cannot_find_greek_is_refused(bare_crm, blind_postgres):
    url = blind_postgres.url.render_as_string(hide_password=False)
    error = bare_crm.error("init", "--yes", "--database-url", url, code=1)
    assert error["code"] == "core.database.locale"
    assert "LC_CTYPE C" in error["message"]
    assert "createdb" in error["message"]
