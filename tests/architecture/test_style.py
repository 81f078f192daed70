"""Rules about files and names that no linter knows."""

from __future__ import annotations

import ast
import re

import pytest

MOST_LINES_IN_A_FILE = 450
MOST_LINES_IN_A_FUNCTION = 50
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}

# Pieces, so that this file does not name what it forbids.
FORBIDDEN = {
    "a registry's host": r"\b(?:pypi|pythonhosted|npmjs|golang|debian|crates)\.(?:org|com|io)\b",
    "a workplace's path": r"(?<![\w.])/work" + r"/(?:main|shared|\.)|/opt" + r"/(?:pypi|wheels)\b",
    "how the work was done": r"\bhelper [A-H]\b|\bissue #?\d|\bfiled by a " + "session",
}


def _python_files(tree) -> list:
    """All but migrations: each of those lists what it creates, however much that is."""
    return [p for p in tree.files if p.suffix == ".py" and not _is_revision(p)]


def _is_revision(path) -> bool:
    return re.match(r"\d{4}_", path.name) is not None


def test_files_are_short(tree):
    lengths = {
        path.relative_to(tree.root).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in _python_files(tree)
    }
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_IN_A_FILE} == {}


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begin = (first.end_lineno or 0) + 1 if is_docstring else first.lineno
    return (function.end_lineno or 0) - begin + 1


def test_functions_are_short(tree):
    lengths = {
        f"{path}:{node.name}": _body_lines(node)
        for path, module in tree.modules.items()
        if not _is_revision(path)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_IN_A_FUNCTION} == {}


def test_no_file_has_an_empty_name(tree):
    assert [path for path in _python_files(tree) if path.stem in EMPTY_NAMES] == []


def test_no_class_is_a_manager(tree):
    classes = [
        f"{path}:{node.name}"
        for path, module in tree.modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Manager")
    ]
    assert classes == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(tree, what):
    found = []
    for path in tree.files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(tree.root)}: {match[0]}"
            for match in re.finditer(FORBIDDEN[what], text, re.IGNORECASE)
        ]
    assert found == []
