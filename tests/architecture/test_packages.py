"""Every package stands in the project file, and imports what it may."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def test_every_package_on_disk_is_shipped_checked_and_under_contract(tree):
    folders = {folder.relative_to(tree.root).as_posix() for folder in tree.packages.values()}
    tool = tree.project["tool"]
    contracts = {contract["id"]: contract for contract in tool["importlinter"]["contracts"]}
    layered = {
        name.strip() for layer in contracts["product"]["layers"] for name in layer.split("|")
    }
    inner = {name for contract in contracts.values() for name in contract.get("containers", ())}

    assert {"crm_core", "crm_hooks", "crm_odoo", "crm_files"} <= set(tree.packages)
    assert set(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == folders
    assert set(tool["mypy"]["files"]) == folders
    assert set(tool["importlinter"]["root_packages"]) == set(tree.packages)
    assert set(tool["ruff"]["lint"]["isort"]["known-first-party"]) == set(tree.packages)
    assert layered == set(tree.packages)
    assert inner == set(tree.packages) - {"crm_hooks"}


def test_every_package_says_that_it_is_typed(tree):
    assert [
        name for name, folder in tree.packages.items() if not (folder / "py.typed").exists()
    ] == []


def test_contracts_over_inner_layers_are_exhaustive(tree):
    contracts = tree.project["tool"]["importlinter"]["contracts"]
    assert [c["id"] for c in contracts if "containers" in c and not c.get("exhaustive")] == []


def _imported(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def _foreign_imports(tree) -> dict[str, set[str]]:
    """Top-level names from elsewhere that each package imports."""
    found: dict[str, set[str]] = {name: set() for name in tree.packages}
    for path, module in tree.modules.items():
        found[tree.package_of(path)] |= _imported(module) - set(tree.packages)
    return {name: names - sys.stdlib_module_names for name, names in found.items()}


def test_hooks_import_pluggy_and_the_standard_library_only(tree):
    assert _foreign_imports(tree)["crm_hooks"] == {"pluggy"}


def test_every_import_is_a_declared_dependency(tree):
    declared = tree.project["project"]["dependencies"] + [
        line
        for extra, lines in tree.project["project"]["optional-dependencies"].items()
        if extra != "dev"
        for line in lines
    ]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    providers = packages_distributions()
    undeclared = {
        imported
        for imports in _foreign_imports(tree).values()
        for imported in imports
        if not names & {canonicalize_name(name) for name in providers.get(imported, ())}
    }
    assert undeclared == set()


def test_help_imports_neither_the_database_nor_a_client(tree):
    script = """
import sys
from crm_core.cli.main import main
sys.argv = ["crm", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {"sqlalchemy", "alembic", "psycopg", "marshmallow", "rich", "odoorpc", "crm_odoo"}
print("LOADED", sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: crm")
    assert re.search(r"LOADED (.*)", done.stderr)[1] == "[]"
