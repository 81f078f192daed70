"""What a plugin's source says: its modules, what they import, and the rights they ask for."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

LAYERS = (
    ("plugin", "public"),
    ("api", "pages", "cli", "sync", "jobs"),
    ("services",),
    ("schemas", "permissions"),
    ("models",),
    ("events", "errors"),
)
"""Modules of a plugin: each imports only from rows below its own."""
OF_THE_WEB = frozenset({"api", "pages"})
ENTRANCES = frozenset({"api", "pages", "cli", "jobs"})
"""Named in ``plugin.py`` as text, never imported there."""
HEAVY = ENTRANCES | {"services", "models", "schemas", "sync"}
"""What ``plugin.py`` may not import while it is loaded."""
ASKING = frozenset({"require", "may", "reach", "require_for_owner", "may_for_owner"})


@dataclass(frozen=True, slots=True)
class Import:
    """One import: where it stands, what it names, and whether loading the module runs it."""

    place: str
    importer: str
    target: str
    is_eager: bool


class PluginCode:
    """The package of a plugin, read and not run except where asked.

    Args:
        package: Its top-level package.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    @cached_property
    def folder(self) -> Path:
        """Where it lies."""
        spec = find_spec(self.package)
        assert spec is not None
        return Path(str(spec.origin)).parent

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Its modules, parsed, by dotted name; revisions left out."""
        found = {}
        for path in sorted(self.folder.rglob("*.py")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            if "migrations" not in parts:
                name = ".".join((self.package, *(part for part in parts if part != "__init__")))
                found[name] = ast.parse(path.read_text(encoding="utf-8"))
        return found

    def modules(self, topic: str) -> list[ModuleType]:
        """Import and return a module such as ``services`` and, if it is a package, all inside."""
        name = f"{self.package}.{topic}"
        if find_spec(name) is None:
            return []
        top = importlib.import_module(name)
        inner = pkgutil.walk_packages(getattr(top, "__path__", ()), f"{name}.")
        return [top, *(importlib.import_module(module.name) for module in inner)]

    def services(self) -> dict[str, Callable[..., Any]]:
        """Return the public functions of ``services`` that take ``uow`` first, by name."""
        return {
            name: function
            for module in self.modules("services")
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__
            and not name.startswith("_")
            and next(iter(inspect.signature(function).parameters), "") == "uow"
        }

    def imports(self) -> Iterator[Import]:
        """Go through all imports but those for type checkers."""
        for name, tree in self.trees.items():
            is_package = (self.folder / "/".join(name.split(".")[1:])).is_dir()
            for node, is_eager in _statements(tree, is_eager=True):
                for target in _targets(node, name if is_package else name.rpartition(".")[0]):
                    line = f"{name}, line {node.lineno}"
                    yield Import(line, name, target, is_eager)

    def rights(self) -> set[str]:
        """Return the rights that the code asks for, as far as they are literals or constants.

        What needs the web plugin is left out where that is not installed.
        """
        found = set()
        has_web = find_spec("crm_web") is not None
        for name, tree in self.trees.items():
            if not has_web and self.topic(name) in OF_THE_WEB:
                continue
            for node in ast.walk(tree):
                is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                if is_call and node.func.attr in ASKING and node.args:  # type: ignore[attr-defined]
                    right = self._value(name, node.args[0])  # type: ignore[attr-defined]
                    if isinstance(right, str):
                        found.add(right)
        return found

    def _value(self, module: str, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return getattr(importlib.import_module(module), node.id, None)
        if isinstance(node, ast.Attribute):
            return getattr(self._value(module, node.value), node.attr, None)
        return None

    def is_allowed(self, each: Import) -> bool:
        """Return whether an import from the plugin itself names the same file or one below."""
        importer, target = self.topic(each.importer), self.topic(each.target)
        mine, theirs = _row(importer), _row(target)
        return importer == target or mine is None or theirs is None or mine < theirs

    def topic(self, module: str) -> str:
        """Return which of its files a module belongs to: ``services``."""
        inside = module.removeprefix(f"{self.package}.")
        return "" if inside == module else inside.partition(".")[0]


def _row(topic: str) -> int | None:
    return next((row for row, names in enumerate(LAYERS) if topic in names), None)


def _statements(node: ast.AST, *, is_eager: bool) -> Iterator[tuple[Any, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, is_eager
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from _statements(ast.Module(child.orelse, []), is_eager=is_eager)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _statements(child, is_eager=is_eager and not is_function)


def _targets(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [f"{base}.{alias.name}" for alias in node.names]
