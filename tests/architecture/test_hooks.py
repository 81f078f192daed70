"""Every hook is documented, used by the core, implemented here, and tested."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from crm_hooks import catalogue, specs

SAMPLES = Path(__file__).parents[1] / "samples"
"""Plugins that show a stranger's work, until one of ours needs the same hooks."""
HOOKS = [hook for module in specs.modules() for hook in catalogue.hooks_of(module)]
each_hook = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)


def test_there_are_hooks():
    assert HOOKS


@each_hook
def test_name_begins_with_a_verb_of_the_contract(hook):
    assert re.match(r"crm_(register|collect|decide|check)_[a-z_]+$", hook.__name__)


@each_hook
def test_docstring_tells_everything(hook):
    found = catalogue.sections(hook)
    one_line, _, rest = found[""].partition("\n\n")
    assert one_line.endswith(".")
    assert "\n" not in one_line
    assert "Called" in rest
    assert "transaction" in rest
    assert {"Returns", "Raises", "Ordering", "Since", "Example"} <= set(found)
    assert "None" in found["Returns"]
    assert re.fullmatch(r"\d+\.\d+", found["Since"])
    for name in inspect.signature(hook).parameters:
        assert re.search(rf"^{name}: ", found["Args"], re.MULTILINE), f"{name} is not described"


@pytest.mark.parametrize("module", specs.modules(), ids=lambda module: module.__name__)
def test_examples_run(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert outcome.failed == 0


@each_hook
def test_is_called_by_the_core(tree, hook):
    names = {
        node.value if isinstance(node, ast.Constant) else node.attr
        for path, module in tree.modules.items()
        if tree.package_of(path) == "crm_core"
        for node in ast.walk(module)
        if isinstance(node, ast.Constant | ast.Attribute)
    }
    assert hook.__name__ in names


@each_hook
def test_is_implemented_by_a_plugin_of_ours(hook):
    plugins = [point.load() for point in entry_points(group="crm.plugins")]
    samples = [path.read_text(encoding="utf-8") for path in SAMPLES.glob("*/*/plugin.py")]
    in_ours = [plugin for plugin in plugins if hasattr(plugin, hook.__name__)]
    assert in_ours or [code for code in samples if f"def {hook.__name__}(" in code]


@each_hook
def test_is_tested(tree, hook):
    tests = [
        path
        for path in tree.files
        if path.is_relative_to(tree.root / "tests") and path.name.startswith("test_")
    ]
    assert [path for path in tests if hook.__name__ in path.read_text(encoding="utf-8")]


def test_catalogue_is_current(tree):
    path = tree.root / "hooks" / "README.md"
    assert path.read_text(encoding="utf-8") == catalogue.catalogue(), "run make docs"


def test_catalogue_check_notices_a_change(tmp_path):
    path = tmp_path / "README.md"
    command = [sys.executable, "-m", "crm_hooks.catalogue"]
    assert subprocess.run([*command, "--write", path], check=False).returncode == 0
    assert subprocess.run([*command, "--check", path], check=False).returncode == 0
    path.write_text(path.read_text(encoding="utf-8").replace("Since", "From"), encoding="utf-8")
    done = subprocess.run([*command, "--check", path], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "run make docs" in done.stderr
