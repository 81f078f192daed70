"""A plugin of this project is nothing special: taken out and published by itself, it works too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from crm_core.plugins.scaffold import rendered
from crm_core.plugins.trial import SUITE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
POINTS = PROJECT["project"]["entry-points"]["crm.plugins"]
COMMANDS = PROJECT["project"]["entry-points"].get("crm.commands", {})
CORE = ("crm_core", "crm_hooks")


def package_of(point: str) -> str:
    return point.partition(":")[0].partition(".")[0]


def build(source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def core_wheel(tmp_path_factory) -> Path:
    """The product without any plugin of its own."""
    source = tmp_path_factory.mktemp("core")
    for place in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        if place.rpartition("/")[2] in CORE:
            shutil.copytree(
                ROOT / place, source / place, ignore=shutil.ignore_patterns("__pycache__")
            )
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name, point in POINTS.items():
        text = text.replace(f'{name} = "{point}"\n', "")
    for name, point in COMMANDS.items():
        text = text.replace(f'{name} = "{point}"\n', "")
    for place in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        if place.rpartition("/")[2] not in CORE:
            text = text.replace(f'    "{place}",\n', "")
    (source / "pyproject.toml").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "README.md", source)
    return build(source, tmp_path_factory.mktemp("core_wheel"))


@pytest.fixture(scope="session")
def environment(core_wheel: Path, tmp_path_factory) -> Path:
    """Another environment: the core's wheel and the libraries of this one, nothing of the tree."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    unpack(core_wheel, site)
    here = Path(sysconfig.get_path("purelib"))
    ours = distribution("crm-front-office")
    editable = {str(file) for file in ours.files or () if str(file).endswith(".pth")}
    # Links instead of a path: this environment's .pth file would lead back into the tree.
    for entry in here.iterdir():
        is_ours = entry.name in editable or entry.name.startswith(
            ("crm_front_office-", "_virtualenv")
        )
        if not is_ours and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def unpack(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def lifted_out(name: str, folder: Path) -> Path:
    """Give a plugin the files that a stranger's has."""
    package = package_of(POINTS[name])
    place = next(
        place
        for place in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        if place.rpartition("/")[2] == package
    )
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / place, folder / package, ignore=ignored)
    template = {str(path): text for path, text in rendered(name)}
    text = template["pyproject.toml"]
    assert f'{name} = "{POINTS[name]}"' in text
    commands = [f'{k} = "{v}"' for k, v in COMMANDS.items() if package_of(v) == package]
    head, _, rest = text.partition('[project.entry-points."crm.commands"]\n')
    after = rest.partition("\n\n")[2]
    section = '[project.entry-points."crm.commands"]\n' + "\n".join(commands) + "\n\n"
    (folder / "pyproject.toml").write_text(head + section + after, encoding="utf-8")
    (folder / "README.md").write_text(template["README.md"], encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", POINTS)
def test_lifted_out_it_passes_the_suite(name, environment, tmp_path):
    source = lifted_out(name, tmp_path / "source")
    site = tmp_path / "site"
    unpack(build(source, tmp_path / "dist"), site)
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_suite.py").write_text(SUITE.format(name=name), encoding="utf-8")
    command = [str(environment), "-m", "pytest", "-q", "-p", "crm_core.testing.fixtures", "."]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "PYTHON", "PYTEST"))}
    done = subprocess.run(
        command,
        cwd=tests,
        env={**env, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_nothing_of_the_tree_is_seen_there(environment):
    script = """
import importlib.metadata, importlib.util, crm_core
print(crm_core.__file__)
print([p.name for p in importlib.metadata.entry_points(group="crm.plugins")])
print([n for n in PACKAGES if importlib.util.find_spec(n)])
""".replace("PACKAGES", repr([package_of(point) for point in POINTS.values()]))
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [environment, "-c", script], capture_output=True, text=True, check=True, env=env, cwd="/"
    )
    place, points, packages = done.stdout.splitlines()
    assert not Path(place).is_relative_to(ROOT)
    assert (points, packages) == ("[]", "[]")
