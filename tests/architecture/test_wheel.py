"""What lands on an integrator's machine."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel_names(tree, tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        [*command, str(tree.root)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_holds_the_packages_by_their_own_names_and_nothing_else(tree, wheel_names):
    tops = {name.split("/")[0] for name in wheel_names}
    assert {name for name in tops if not name.endswith(".dist-info")} == set(tree.packages)


def test_holds_every_file_of_the_packages(tree, wheel_names):
    expected = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in tree.packages.items()
        for path in tree.files
        if path.is_relative_to(folder)
    }
    assert expected - wheel_names == set()
    for name in tree.packages:
        assert f"{name}/py.typed" in wheel_names


@pytest.mark.parametrize(
    "wanted",
    [
        r"crm_core/persistence/migrations/versions/\w+\.py",
        r"crm_core/persistence/migrations/env\.py",
        r"crm_files/demo/names_\w+\.py",
        r"crm_core/locales/el/LC_MESSAGES/crm_core\.mo",
        r"crm_odoo/locales/fa/LC_MESSAGES/crm_odoo\.mo",
    ],
)
def test_holds_what_is_needed_at_run_time(wheel_names, wanted):
    assert [name for name in wheel_names if re.fullmatch(wanted, name)]


def test_names_its_command_and_plugins(tree):
    project = tree.project["project"]
    assert project["scripts"] == {"crm": "crm_core.cli.main:main"}
    plugins = project["entry-points"]["crm.plugins"]
    on_disk = {name for name, folder in tree.packages.items() if (folder / "plugin.py").exists()}
    assert {target.split(".")[0] for target in plugins.values()} == on_disk
