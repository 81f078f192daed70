"""A plugin of this project is nothing special: taken out and published by itself, it works too."""

from __future__ import annotations

import csv
import json
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
OTHERWISE = {
    # What carries the pages of others has layers of its own, told in pyproject.toml; and nobody
    # needs a right for their own password, sessions and second factor.
    "web": """
    test_imports_only_what_it_may = None
    test_services_ask_for_a_right = None
""",
    # Some of its services are given the right to ask by.
    "sales": """
    def arguments(self, service, uow):
        return {"right": "sales.lead.edit"} if service.startswith("permitted_") else {}
""",
}


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
    for name in ("README.md", "hatch_build.py"):
        shutil.copy(ROOT / name, source)
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
    suite = SUITE.format(name=name) + OTHERWISE.get(name, "")
    (tests / "test_suite.py").write_text(suite, encoding="utf-8")
    words = ("-m", "pytest", "-q", "-p", "crm_core.testing.fixtures", ".")
    done = in_environment(environment, site, tests, *words)
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


SAMPLE = ROOT / "tests" / "samples" / "crm-plugin-loyalty"


@pytest.fixture(scope="module")
def sample_site(tmp_path_factory) -> Path:
    """The sample plugin, the connector for folders and the web, installed side by side."""
    folder = tmp_path_factory.mktemp("sample")
    site = folder / "site"
    unpack(build(SAMPLE, folder / "sample"), site)
    for name in ("files", "web"):
        unpack(build(lifted_out(name, folder / name), folder / f"{name}_wheel"), site)
    return site


def test_the_sample_passes_its_own_tests(environment, sample_site, tmp_path):
    shutil.copytree(SAMPLE / "tests", tmp_path / "tests")
    done = in_environment(
        environment, sample_site, tmp_path / "tests",
        "-m", "pytest", "-q", "-p", "crm_core.testing.fixtures", ".",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_the_sample_is_enabled_used_disabled_and_purged(environment, sample_site, tmp_path):
    def crm(*words: str, code: int = 0) -> str:
        main = "from crm_core.cli.main import main; main()"
        done = in_environment(environment, sample_site, tmp_path, "-c", main, *words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def data(*words: str):
        return json.loads(crm(*words, "--json"))["data"]

    crm("init", "--yes")
    assert "loyalty" in crm("--help")
    assert "crm plugins enable loyalty" in crm("loyalty", "list", code=1)
    crm("plugins", "enable", "loyalty")
    crm("customer", "add", "Φούρνος Ήλιος", "--kind", "company")
    (card,) = data("loyalty", "list")["items"]
    crm("loyalty", "credit", card["number"], "1200", "--reason", "Order 7")
    assert data("loyalty", "show", card["number"])["tier"] == "silver"
    (customer,) = data("customer", "search", "Φούρνος")["items"]
    assert "1200" in crm("customer", "show", customer["id"])
    refused = crm("customer", "archive", customer["id"], code=1)
    assert "has 1200 points" in refused

    folder = tmp_path / "office"
    folder.mkdir()
    crm("backend", "add", "files", "main", "--path", str(folder))
    crm("sync", "plan", "main")
    crm("sync", "run", "main", "--accept-plan")
    (row,) = read_rows(folder / "loyalty_card.csv")
    assert row["points"] == "1200", "what was there before the plan was accepted goes too"
    crm("loyalty", "redeem", card["number"], "200", "--reason", "A kettle")
    crm("sync", "run", "main")
    path = folder / "loyalty_card.csv"
    (row,) = read_rows(path)
    assert (row["number"], row["points"]) == (card["number"], "1000")
    path.write_text(path.read_text(encoding="utf-8").replace("1000", "1500"), encoding="utf-8")
    crm("sync", "run", "main")
    assert data("loyalty", "show", card["number"])["points"] == 1500
    crm("worker", "--once")
    assert "plugin loyalty" in crm("doctor")

    crm("plugins", "disable", "loyalty")
    assert "1500" not in crm("customer", "show", customer["id"])
    assert "crm plugins enable loyalty" in crm("loyalty", "list", code=1)
    crm("plugins", "enable", "loyalty")
    assert data("loyalty", "show", card["number"])["points"] == 1500
    crm("plugins", "disable", "loyalty")
    assert "Nothing was dropped" in crm("plugins", "purge", "loyalty", code=2)
    dropped = data("plugins", "purge", "loyalty", "--confirm", "loyalty")["dropped"]
    assert "loyalty_card" in dropped
    assert len(data("customer", "list")["items"]) == 1
    crm("customer", "archive", customer["id"])


def in_environment(python: Path, site: Path, folder: Path, *words: str):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "PYTHON", "PYTEST"))}
    env |= {"PYTHONPATH": str(site), "HOME": str(folder), "CRM_CONFIG_HOME": str(folder)}
    return subprocess.run(
        [str(python), *words],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
