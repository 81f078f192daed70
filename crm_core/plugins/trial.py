"""Running the suite that every plugin passes, for one that is installed or lies in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import t
from crm_core.plugins.discovery import (
    COMMAND_GROUP,
    DISABLE_VARIABLE,
    PLUGIN_GROUP,
    installed_points,
    package_of,
)

PROJECT, TESTS = "pyproject.toml", "tests"
FIXTURES = "crm_core.testing.fixtures"
NEEDED = ("pytest", "time_machine")
STDERR = 2
SUITE = """\
from crm_core.testing.plugin_suite import PluginSuite


class TestPlugin(PluginSuite):
    plugin = {name!r}
"""


def passes_suite(target: str) -> bool:
    """Run a plugin's own tests, else the suite alone; pytest's words go to stderr.

    Args:
        target: Name of an installed plugin, or the folder of one, installed or not.

    Raises:
        ConfigurationError: pytest is not installed.
        InputError: There is no such plugin.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            t(
                "Testing plugins needs {missing}, which is not installed: pip install "
                "'crm-front-office[testing]'.",
                missing=" and ".join(missing),
            ),
            code="core.plugin.no_pytest",
        )
    folder = Path(target).resolve()
    if (folder / PROJECT).is_file():
        return _passes_in(folder)
    points = installed_points()
    if target not in points:
        raise InputError(
            t(
                "{target} is neither an installed plugin nor a folder with a {project}; installed "
                "are: {points}.",
                target=target,
                project=PROJECT,
                points=", ".join(points) or t("none"),
            ),
            code="core.plugin.not_found",
        )
    source = _source_of(package_of(points[target][0]))
    return _passes_in(source) if source else _passes_alone(target, [])


def _source_of(package: str) -> Path | None:
    """Return the project folder of a package that was installed from one, with tests."""
    spec = find_spec(package)
    origin = Path(str(spec.origin)).parent if spec else Path()
    for folder in (origin.parent, origin.parent.parent):
        if (folder / TESTS).is_dir() and _points_in(folder).get(PLUGIN_GROUP):
            named = _points_in(folder)[PLUGIN_GROUP].values()
            if [value.partition(".")[0] for value in named] == [package]:
                return folder
    return None


def _points_in(folder: Path) -> dict[str, dict[str, str]]:
    """Return the entry points that a project's file declares."""
    if not (folder / PROJECT).is_file():
        return {}
    project = _read(folder)
    found: dict[str, dict[str, str]] = project.get("entry-points", {})
    return found


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads((folder / PROJECT).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            t("{folder} cannot be read: {error}.", folder=folder / PROJECT, error=error),
            code="core.plugin.project",
        ) from error
    project: dict[str, Any] = content.get("project", {})
    return project


def _passes_in(folder: Path) -> bool:
    names = list(_points_in(folder).get(PLUGIN_GROUP, {}))
    if len(names) != 1:
        raise InputError(
            t(
                '{folder} has to name one plugin under [project.entry-points."{plugin_group}"].',
                folder=folder / PROJECT,
                plugin_group=PLUGIN_GROUP,
            ),
            code="core.plugin.project",
        )
    with _as_installed(folder) as places:
        if not (folder / TESTS).is_dir():
            return _passes_alone(names[0], places)
        return _pytest(folder, [TESTS], places)


def _passes_alone(name: str, places: list[Path]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "test_suite.py")
        file.write_text(SUITE.format(name=name), encoding="utf-8")
        return _pytest(Path(folder), [file.name], places)


@contextmanager
def _as_installed(folder: Path) -> Iterator[list[Path]]:
    """Give places on the path from which the folder's plugin is found as if installed."""
    project = _read(folder)
    with tempfile.TemporaryDirectory() as place:
        name, version = project.get("name", folder.name), project.get("version", "0")
        info = Path(place, f"{str(name).replace('-', '_')}-{version}.dist-info")
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(head, encoding="utf-8")
        lines = []
        for group in (PLUGIN_GROUP, COMMAND_GROUP):
            lines += [f"[{group}]"]
            lines += [
                f"{key} = {value}" for key, value in _points_in(folder).get(group, {}).items()
            ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield [Path(place), folder, *(p for p in [folder / "src"] if p.is_dir())]


def _pytest(folder: Path, arguments: list[str], places: list[Path]) -> bool:
    path = [*map(str, places), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {k: v for k, v in os.environ.items() if k != DISABLE_VARIABLE}
    options = ["-q", "-p", FIXTURES, "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=folder,
        env={**env, "PYTHONPATH": os.pathsep.join(path)},
        stdout=STDERR,
        check=False,
    )
    return done.returncode == 0
