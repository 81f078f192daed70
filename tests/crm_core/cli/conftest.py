"""A command line on a fresh, initialised base."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from crm_core.cli.main import crm as command
from crm_core.persistence.database import Database
from crm_core.plugins import discovery
from crm_core.plugins.discovery import PLUGIN_GROUP
from crm_core.sync.protocol import (
    CheckResult,
    RemoteEntity,
    RemoteFault,
    RemotePage,
    RemoteRecord,
)
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import BackendOption, BackendType


class Shell:
    """Types commands on one database, in a folder of its own, as its administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database_url = f"sqlite:///{folder / 'crm.sqlite'}"

    def __call__(self, *arguments: str, input: str | None = None) -> Result:  # noqa: A002
        """Run one command and return its result, whatever it is."""
        return CliRunner().invoke(command, list(arguments), input=input, catch_exceptions=False)

    def json(self, *arguments: str) -> Any:
        """Run one command that has to succeed and return its ``data``."""
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["data"]

    def error(self, *arguments: str, code: int) -> dict[str, Any]:
        """Run one command that has to fail with this exit code and return its error."""
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        document = json.loads(result.stdout)
        assert document["schema"] == "error/1"
        assert document["error"]["message"] in result.stderr
        error: dict[str, Any] = document["error"]
        return error

    @property
    def database(self) -> Database:
        """The database the commands work on."""
        return Database(self.database_url)


@pytest.fixture
def bare_crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A command line in an empty folder, with no database and no settings of the developer's."""
    folder = tmp_path / "office"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in ("CRM_USER", "CRM_DATABASE_URL", "CRM_SAFE_MODE", "CRM_DISABLE_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("CRM_LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))
    return Shell(folder)


@pytest.fixture(scope="session")
def set_up_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``crm init`` leaves it, for tests to copy."""
    folder = tmp_path_factory.mktemp("set-up")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRM_CONFIG_HOME", str(folder))
        result = Shell(folder)("init", "--yes", "--company", "Test & Sons", "--currency", "EUR")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def crm(bare_crm: Shell, set_up_folder: Path) -> Shell:
    """A command line on an initialised base, whose administrator is this OS user."""
    shutil.copytree(set_up_folder, bare_crm.folder, dirs_exist_ok=True)
    return bare_crm


class PaperRemote:
    """A remote that holds tags on paper; a test says how it shall behave."""

    def __init__(self, config: dict[str, str], secret: str | None) -> None:
        self.config, self.secret, self.calls = config, secret, 0
        Paper.opened.append(self)

    def _call(self) -> None:
        self.calls += 1
        if Paper.trouble is not None:
            raise Paper.trouble

    def entities(self) -> list[RemoteEntity]:
        self._call()
        return [RemoteEntity("tag", "1", warnings=tuple(Paper.warnings))]

    def server_time(self) -> datetime:
        return datetime.now(UTC)

    def pages(self, entity: str, *, since: Any, after: str | None, size: int) -> Any:
        self._call()
        records = [RemoteRecord(key, name, {"name": name}) for key, name in Paper.tags.items()]
        yield RemotePage(records, last_id=max(Paper.tags, default=""), faults=tuple(Paper.faults))

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        return next(self.pages(entity, since=None, after=None, size=100))

    def ids(self, entity: str) -> Any:
        yield [*Paper.tags, *(fault.remote_id for fault in Paper.faults)]

    def fates(self, entity: str, remote_ids: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(remote_ids, "deleted")

    def link_sets(self, entity: str) -> tuple[()]:
        return ()

    def check(self) -> list[CheckResult]:
        self._call()
        return list(Paper.checks)

    def close(self) -> None:
        Paper.closed += 1


class Paper:
    """What every paper remote of a test shares."""

    tags: ClassVar[dict[str, str]]
    faults: ClassVar[list[RemoteFault]]
    warnings: ClassVar[list[str]]
    checks: ClassVar[list[CheckResult]]
    trouble: ClassVar[Exception | None]
    opened: ClassVar[list[PaperRemote]]
    closed: ClassVar[int]

    manifest = PluginManifest(name="paper", title="Paper", version="1.0", on_by_default=True)

    @staticmethod
    @hookimpl
    def crm_register_backend_types() -> list[BackendType]:
        options = (
            BackendOption("place", "Where it lies"),
            BackendOption("copies", "How many", required=False, default="1"),
            BackendOption("folder", "Folder here", required=False, is_path=True),
        )
        open_, safe = "paper_remote:PaperRemote", "paper_safe"
        return [
            BackendType("paper", "Paper", open_, options),
            BackendType(safe, "Paper in a safe", open_, options[:1], needs_secret=True),
            BackendType("stone", "Stone", "no_such_chisel.backend:open", extra="stone"),
        ]


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> type[Paper]:
    """Offer the backend types ``paper``, ``paper_safe`` and ``stone``, and no other."""
    Paper.tags, Paper.faults, Paper.warnings = {"1": "Hotel", "2": "Café"}, [], []
    Paper.checks = [CheckResult("sign in", True, "as clerk")]
    Paper.trouble, Paper.opened, Paper.closed = None, [], 0
    module = ModuleType("paper_remote")
    module.PaperRemote = PaperRemote  # type: ignore[attr-defined]
    module.manifest = Paper.manifest  # type: ignore[attr-defined]
    module.crm_register_backend_types = Paper.crm_register_backend_types  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paper_remote", module)

    point = EntryPoint("paper", "paper_remote", PLUGIN_GROUP)
    monkeypatch.setattr(discovery, "installed_points", lambda: {"paper": [point]})
    return Paper


@pytest.fixture
def paper_remote(paper: type[Paper]) -> type[PaperRemote]:
    """The class of paper remotes, for a test to change."""
    return PaperRemote
