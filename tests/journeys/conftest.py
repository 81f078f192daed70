"""A desk to work at: a folder, a database, and commands typed as people type them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, inspect, text

from crm_core.cli.main import crm as command
from crm_core.persistence.database import Database


class Desk:
    """Types commands in one folder, on one database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url

    def __call__(self, *words: object, code: int = 0, stdin: str | None = None) -> Result:
        """Type one command, which has to end with ``code``, and return what it printed."""
        typed = [str(word) for word in words]
        os.chdir(self.folder)
        os.environ["CRM_DATABASE_URL"] = self.database_url
        result = CliRunner().invoke(command, typed, input=stdin, catch_exceptions=False)
        assert result.exit_code == code, f"crm {typed!r:.300}\n{result.output[:3000]}"
        assert "Traceback" not in result.output
        assert "Something unexpected" not in result.output
        return result

    def json(self, *words: object, code: int = 0) -> Any:
        """Type one command with ``--json`` and return its ``data``."""
        return json.loads(self(*words, "--json", code=code).stdout)["data"]

    def refused(self, *words: object, code: int, says: tuple[str, ...] = ()) -> dict[str, Any]:
        """Type a command that has to be refused: told once for people, once for programs, and done
        not even by half. ``says`` has to stand in the message.
        """
        before = self.rows()
        result = self(*words, "--json", code=code)
        assert self.rows() == before
        document = json.loads(result.stdout)
        assert document["schema"] == "error/1"
        error: dict[str, Any] = document["error"]
        assert set(error) == {"code", "message", "details"}
        assert "Error: " in result.stderr
        for word in says:
            assert word in error["message"], error["message"]
            assert word in result.stderr
        return error

    def process(
        self, *words: object, before: tuple[str, ...] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Type one command in a process of its own; ``before`` stands in front of it."""
        environment = {**os.environ, "CRM_DATABASE_URL": self.database_url, "CRM_USER": ""}
        done = subprocess.run(
            [*before, str(Path(sys.executable).parent / "crm"), *map(str, words)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            **options,
        )
        assert "Traceback" not in done.stderr
        assert "Something unexpected" not in done.stderr
        return done

    def rows(self) -> dict[str, int]:
        """How many rows each table holds; nothing where there is no database.

        Who hears of events is noted by whichever command comes first, and left out.
        """
        database = Database(self.database_url)
        if database.path is not None and not database.path.exists():
            return {}
        with database.engine.connect() as connection:
            counted = {
                table: connection.scalar(text(f'SELECT count(*) FROM "{table}"'))
                for table in inspect(connection).get_table_names()
                if table != "core_subscription"
            }
        database.dispose()
        return counted

    def write(self, name: str, content: str | bytes) -> Path:
        """Put a file into the folder."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without any setting of the developer's, the current one until the test ends."""
    for variable in ("CRM_USER", "CRM_DATABASE_URL", "CRM_SAFE_MODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CRM_DATABASE_URL", "")
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))
    folder = tmp_path / "office"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def set_up(desk: Desk) -> Desk:
    """Have the desk's database set up for a company in Greece."""
    desk(
        *("init", "--yes", "--company", "Test & Sons", "--currency", "EUR", "--admin", "boss"),
        *("--phone-region", "GR", "--time-zone", "Europe/Athens", "--language", "en"),
    )
    return desk


@pytest.fixture(scope="session")
def set_up_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file that ``crm init`` leaves, for desks to copy."""
    with _elsewhere(tmp_path_factory.mktemp("set-up")) as desk:
        set_up(desk)
    return desk.folder / "crm.sqlite"


@pytest.fixture(scope="session")
def file_with_ann(set_up_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That file with Ann, reference A, Acme, reference C, and attributes of four types."""
    with _elsewhere(tmp_path_factory.mktemp("ann")) as desk:
        shutil.copyfile(set_up_file, desk.folder / "crm.sqlite")
        desk("customer", "add", "Ann", "--kind", "person", "--reference", "A")
        desk("customer", "add", "Acme", "--kind", "company", "--reference", "C")
        for kind in ("money", "date", "number", "boolean"):
            desk("customer", "define", kind, "--type", kind)
    return desk.folder / "crm.sqlite"


@contextmanager
def _elsewhere(folder: Path) -> Iterator[Desk]:
    """A desk for what outlives a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRM_CONFIG_HOME", str(folder))
        patch.setenv("CRM_LOG_FILE", str(folder / "crm.log"))
        patch.setenv("CRM_DATABASE_URL", "")
        patch.delenv("CRM_USER", raising=False)
        yield Desk(folder, f"sqlite:///{folder / 'crm.sqlite'}")


@pytest.fixture
def desk(surroundings: Path, set_up_file: Path) -> Desk:
    """A desk on an SQLite database that was set up."""
    shutil.copyfile(set_up_file, surroundings / "crm.sqlite")
    return Desk(surroundings, f"sqlite:///{surroundings / 'crm.sqlite'}")


@pytest.fixture
def ann(desk: Desk, file_with_ann: Path) -> Desk:
    """A desk that knows Ann, reference A, and how to fill her profile."""
    shutil.copyfile(file_with_ann, desk.folder / "crm.sqlite")
    return desk


@pytest.fixture(params=["sqlite", "postgresql"])
def new_desk(request: pytest.FixtureRequest, surroundings: Path) -> Iterator[Callable[..., Desk]]:
    """A function that gives one more desk with a folder and an empty database of its own."""
    made: list[str] = []
    server: URL | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server").set(drivername="postgresql")

    def make(*, ready: bool = True) -> Desk:
        name = f"crm_desk_{uuid4().hex[:12]}"
        folder = surroundings / name
        folder.mkdir()
        url = f"sqlite:///{folder / 'crm.sqlite'}"
        if server is not None:
            _on_server(server, f'CREATE DATABASE "{name}"')
            made.append(name)
            url = server.set(database=name).render_as_string(hide_password=False)
        one = Desk(folder, url)
        return set_up(one) if ready else one

    yield make
    for name in made:
        assert server is not None
        _on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(server: URL, statement: str) -> None:
    address = server.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
