"""Plugins built into wheels and installed beside the product, and commands run in processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from warm import run_warm

CRM = Path(sysconfig.get_path("scripts"), "crm")
PLUGIN = """
import sys, time
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import CardPanel, Job, Objection, Right

manifest = PluginManifest(name={name!r}, title={title!r}, version="1.0"{more})

{body}
"""


@dataclass(frozen=True)
class Package:
    """A plugin as its author would publish it.

    Attributes:
        name: Of the plugin; the distribution is ``crm-plugin-NAME``, the package ``crm_NAME``.
        body: What follows the manifest in ``plugin.py``.
        more: Further arguments of the manifest, with a comma before.
        files: Further files of the package.
        commands: Command to attribute of ``cli.py``.
        extras: Extra to requirements.
    """

    name: str
    body: str = ""
    more: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def distribution(self) -> str:
        return f"crm-plugin-{self.name.replace('_', '-')}"

    def build(self, folder: Path) -> Path:
        """Build the wheel and return it."""
        source = folder / self.name
        package = source / f"crm_{self.name}"
        text = PLUGIN.format(
            name=self.name, title=self.name.title(), more=self.more, body=self.body
        )
        for place, content in {"__init__.py": "", "plugin.py": text, **self.files}.items():
            file = package / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        lines = [
            f'[project]\nname = "{self.distribution}"\nversion = "1.0"',
            "[project.optional-dependencies]",
            *(f"{extra} = {json.dumps(wanted)}" for extra, wanted in self.extras.items()),
            f'[project.entry-points."crm.plugins"]\n{self.name} = "crm_{self.name}.plugin"',
            '[project.entry-points."crm.commands"]',
            *(f'{name} = "crm_{self.name}.cli:{place}"' for name, place in self.commands.items()),
            f'[tool.hatch.build.targets.wheel]\npackages = ["crm_{self.name}"]',
        ]
        (source / "pyproject.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return built(source, folder / "dist")


def built(source: Path, folder: Path) -> Path:
    """Build a project's wheel and return it."""
    (wheel,) = WheelBuilder(str(source)).build(directory=str(folder), versions=["standard"])
    return Path(wheel)


COMMAND = """
import click
from crm_core.cli.context import pass_context
from crm_core.cli.grammar import CrmCommand

@click.command(cls=CrmCommand)
@pass_context
def run(context):
    "Say something."
    {does}
"""


def command(does: str) -> dict[str, str]:
    """Return a ``cli.py`` whose ``run`` does this."""
    return {"cli.py": COMMAND.format(does=does)}


GOOD = Package(
    "good",
    "@hookimpl\ndef crm_collect_card_panels(uow, customer_id):\n"
    "    return [CardPanel('Good panel', fields=(('Mood', 'splendid'),))]\n",
    more=", table_prefix='good_'",
    files={
        **command("context.output.line('good morning')"),
        "models.py": """
from uuid import UUID
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
from crm_core.persistence.base import Keyed
from crm_core.persistence.scope import ThroughCustomer

class Mood(Keyed):
    __tablename__ = "good_mood"
    __entity__ = "good_mood"
    __scope__ = ThroughCustomer()
    __personal__ = ()
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    mood: Mapped[str]
""",
        "migrations/0001_initial.py": """
import sqlalchemy as sa
from alembic import op
from crm_core.persistence import types
revision, down_revision = "0001", None

def upgrade():
    op.create_table(
        "good_mood",
        sa.Column("id", types.Key(), primary_key=True),
        sa.Column(
            "customer_id", types.Key(), sa.ForeignKey("core_customer.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("mood", sa.Text(), nullable=False),
    )

def downgrade():
    op.drop_table("good_mood")
""",
    },
    commands={"good": "run"},
)


class Desk:
    """A folder with a database, an environment with plugins, and commands typed there."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder, self.wheels = folder, wheels
        self.site = folder / "site"
        self.site.mkdir(parents=True, exist_ok=True)
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CRM_")},
            "PYTHONPATH": str(self.site),
            "CRM_CONFIG_HOME": str(folder),
            "CRM_LOG_FILE": str(folder / "crm.log"),
            "CRM_DATABASE_URL": f"sqlite:///{folder / 'crm.sqlite'}",
        }

    def install(self, *packages: Package) -> None:
        """Do what pip does with a wheel of pure Python: unpack it."""
        for package in packages:
            self._unpack(package.build(self.wheels))

    def install_built(self, source: Path) -> None:
        """Build and install a project."""
        self._unpack(built(source, self.wheels))

    def _unpack(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.site)

    def uninstall(self, package: Package) -> None:
        """Remove a plugin's package."""
        shutil.rmtree(self.site / f"crm_{package.name}")
        shutil.rmtree(next(self.site.glob(f"{package.distribution.replace('-', '_')}-*")))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command in a process that imports all itself, as outside of tests."""
        return subprocess.Popen(
            [sys.executable, CRM, *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command that has to end with this code; return all that it printed."""
        ended, out, err = run_warm(arguments, self.folder, self.env, seconds=300)
        assert ended == code, f"{arguments}: {ended}\n{out}\n{err}"
        assert "Traceback" not in out, out
        return out + err

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command and return its data."""
        ended, out, err = run_warm([*arguments, "--json"], self.folder, self.env, seconds=300)
        assert ended == code, f"{arguments}: {ended}\n{out}\n{err}"
        document = json.loads(out)
        return document["data"] if "data" in document else document["error"]

    def plugin(self, name: str) -> dict[str, Any]:
        """Return what ``crm plugins list`` tells of one."""
        items = self.json("plugins", "list")["items"]
        return next(item for item in items if item["id"] == name)

    def copied(self, folder: Path) -> Desk:
        """Return another desk with the same database and plugins."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Desk(folder, self.wheels)


@pytest.fixture(scope="session")
def set_up_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An installation with one customer, where the plugin ``good`` is in use."""
    desk = Desk(tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("wheels"))
    desk.install(GOOD)
    desk("init", "--yes", "--company", "Test & Sons", "--currency", "EUR")
    desk("customer", "add", "Maria Kowalska", "--kind", "person", "--reference", "MARIA")
    desk("plugins", "enable", "good")
    return desk


@pytest.fixture
def desk(set_up_desk: Desk, tmp_path: Path) -> Desk:
    """That installation, of this test's own."""
    return set_up_desk.copied(tmp_path / "desk")


@pytest.fixture(scope="session")
def make_package() -> type[Package]:
    """Describe a plugin."""
    return Package


@pytest.fixture(scope="session", name="command")
def command_fixture() -> Any:
    """Write a ``cli.py``."""
    return command


@pytest.fixture(scope="session")
def good_package() -> Package:
    """The plugin that is in use at every desk."""
    return GOOD
