"""``crm plugins new`` and ``crm plugins test``: the template works as it is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crm_core.errors import ConfigurationError, InputError
from crm_core.plugins import trial
from crm_core.plugins.scaffold import MOST_CHARACTERS, new_plugin, rendered


@pytest.mark.parametrize("name", ["loyalty", "a" * 9 + "_" + "b" * 10, "x2"])
def test_what_is_made_is_clean(tmp_path, name):
    folder = new_plugin(name, tmp_path)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_what_is_made_holds_the_files_of_every_plugin(tmp_path):
    folder = new_plugin("loyalty", tmp_path)
    assert folder.name == "crm-plugin-loyalty"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    package = "plugin models events errors services schemas permissions cli jobs sync"
    assert made == {
        *(f"crm_loyalty/{name}.py" for name in ("__init__", *package.split())),
        *("crm_loyalty/py.typed", "crm_loyalty/migrations/0001_initial.py"),
        *("pyproject.toml", "README.md", "tests/conftest.py", "tests/test_plugin.py"),
    }
    assert [str(place) for place, text in rendered("loyalty") if "$" in text] == []


@pytest.mark.slow
def test_what_is_made_passes_its_tests_untouched(desk, tmp_path):
    desk("plugins", "new", "loyalty", "--path", str(tmp_path))
    said = desk("plugins", "test", str(tmp_path / "crm-plugin-loyalty"))
    assert "loyalty passes" in said
    assert "passed" in said
    assert "warning" not in said


@pytest.mark.slow
def test_a_plugin_that_does_not_pass(desk, tmp_path):
    folder = new_plugin("loyalty", tmp_path)
    services = folder / "crm_loyalty" / "services.py"
    text = services.read_text().replace("uow.actor.require(VIEW)", "")
    services.write_text(text)
    data = desk.json("plugins", "test", str(folder), code=1)
    assert data == {"id": str(folder), "passed": False}


@pytest.mark.slow
def test_an_installed_plugin_without_tests_takes_the_suite(desk):
    assert "good passes" in desk("plugins", "test", "good")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Loyalty", "lower-case letters"),
        ("9lives", "lower-case letters"),
        ("a__b", "lower-case letters"),
        ("a-b", "lower-case letters"),
        ("x" * (MOST_CHARACTERS + 1), "lower-case letters"),
        ("core", "the product itself has it"),
        ("customer", "the product itself has it"),
        ("files", "an installed plugin has it"),
    ],
)
def test_names_that_will_not_do(tmp_path, name, says):
    with pytest.raises(InputError, match=says):
        new_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    folder = tmp_path / "crm-plugin-loyalty"
    folder.mkdir()
    with pytest.raises(InputError, match="is there already"):
        new_plugin("loyalty", tmp_path)
    assert list(folder.iterdir()) == []


def test_testing_without_pytest_says_what_to_install(monkeypatch):
    monkeypatch.setattr(trial, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'crm-front-office\[testing\]'"):
        trial.passes_suite("files")


@pytest.mark.parametrize(
    ("project", "says"),
    [
        (None, "neither an installed plugin nor a folder"),
        ("[project]\nname = 'x'\n", "has to name one plugin"),
        ("[project", "cannot be read"),
    ],
)
def test_what_is_no_plugin_cannot_be_tested(tmp_path: Path, project, says):
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project)
    with pytest.raises(InputError, match=says):
        trial.passes_suite(str(tmp_path))


def author(folder: Path, what: str) -> subprocess.CompletedProcess[str]:
    """Write a revision as the folder's README says."""
    readme = (folder / "README.md").read_text().replace("\\\n", " ")
    line = next(line for line in readme.splitlines() if line.startswith("python -m"))
    return subprocess.run(
        [sys.executable, *shlex.split(line.replace(" revision ", f" {what} "))[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def changed(tmp_path):
    """A plugin with one more column in its models than its revision makes."""
    folder = new_plugin("loyalty", tmp_path)
    models = folder / "crm_loyalty" / "models.py"
    models.write_text(models.read_text() + "    colour: Mapped[str | None]\n")
    return folder


@pytest.mark.slow
def test_a_changed_model_gets_a_revision_as_the_readme_says(desk, changed):
    done = author(changed, "revision")
    assert done.returncode == 0, done.stderr
    (revision,) = (changed / "crm_loyalty" / "migrations").glob("0002_*.py")
    assert "colour" in revision.read_text()
    desk("plugins", "test", str(changed))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "exists"), [("initial", True), ("initial", False), ("revision", False)]
)
def test_the_first_revision_is_made_anew(changed, what, exists):
    revisions = changed / "crm_loyalty" / "migrations"
    if not exists:
        shutil.rmtree(revisions)
    done = author(changed, what)
    assert done.returncode == 0, done.stderr
    (revision,) = revisions.glob("*.py")
    assert revision.name.startswith("0001_")
    assert "colour" in revision.read_text()
    assert [each.name for each in revisions.iterdir() if each.is_dir()] in ([], ["__pycache__"])


@pytest.mark.slow
def test_the_first_revision_stays_until_there_is_another(changed):
    models = changed / "crm_loyalty" / "models.py"
    models.write_text(models.read_text() + "    size: Mapped[object]\n")
    assert author(changed, "initial").returncode != 0
    assert list((changed / "crm_loyalty" / "migrations").glob("0001_*.py")) != []


@pytest.mark.slow
def test_what_is_made_works_with_everything_else(desk, tmp_path):
    desk.install_built(new_plugin("loyalty", tmp_path))
    desk("plugins", "enable", "loyalty")
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "customers.csv").write_text("id,name,kind\nC1,Anna Nowak,person\n")
    (folder / "loyalty_remark.csv").write_text("id,customer_ref,text\nR1,C1,Prefers tea\n")
    desk("backend", "add", "files", "shop", "--path", str(folder))
    desk("sync", "run", "shop", "--without-plan")  # of another customer
    assert "Prefers tea" in desk("customer", "show", "shop:C1")

    desk("loyalty", "add", "shop:C1", "Likes blue")
    card = desk("customer", "show", "shop:C1")
    assert card.count("Likes blue") == 2  # in the panel, and logged by the handler of its event
    assert desk.json("loyalty", "list", "shop:C1", "--limit", "1")["next_cursor"]
    desk("user", "add", "eva", "--role", "employee")
    assert "Prefers tea" in desk("loyalty", "list", "shop:C1", "--as", "eva")
    desk("worker", "--once")

    (folder / "loyalty_remark.csv").write_text("id,customer_ref,text\nR1,C1,Prefers coffee\n")
    desk("sync", "run", "shop")
    assert "Prefers coffee" in desk("customer", "show", "shop:C1")
    desk("plugins", "disable", "loyalty")
    desk("sync", "run", "shop")
    assert "coffee" not in desk("customer", "show", "shop:C1")
    purged = desk.json("plugins", "purge", "loyalty", "--confirm", "loyalty")
    assert purged["dropped"] == ["loyalty_remark"]
    desk("sync", "run", "shop")
