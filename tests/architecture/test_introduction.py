"""The page that plugins are written from shows code that works, and names what is there."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins.scaffold import rendered
from crm_core.testing import factories, fixtures

SHOWN = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
OFFERED = re.compile(r"^\| `(crm_core\.[\w.]+)` \| (.*) \|$", re.MULTILINE)
CALL = re.compile(r"`(\w+)\(([\w, ]*)\)`")


@pytest.fixture(scope="module")
def introduction(tree) -> str:
    return (tree.root / "hooks" / "crm_hooks" / "introduction.txt").read_text(encoding="utf-8")


def test_all_code_shown_is_that_of_the_template(introduction):
    template = {str(place): text for place, text in rendered("notes")}
    shown = SHOWN.findall(introduction)
    assert len(shown) == introduction.count("\n```python") + introduction.count("\n```toml")
    assert {place for place, code in shown if code not in template.get(place, "")} == set()
    assert len({place for place, _ in shown}) > 10


def test_what_the_core_offers_is_there_with_these_arguments(introduction):
    wrong = []
    offered = [
        (m, *call) for m, calls in OFFERED.findall(introduction) for call in CALL.findall(calls)
    ]
    for module, name, given in offered:
        function = getattr(importlib.import_module(module), name)
        parameters = inspect.signature(function).parameters.values()
        needed = [
            p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD
        ]
        if given.split(", ") != needed:
            wrong.append((name, given, needed))
    assert len(offered) > 12
    assert wrong == []


def test_a_unit_of_work_can_do_what_is_said(introduction):
    said = set(re.findall(r"`uow\.(\w+)", introduction))
    assert {"actor", "now", "execute", "record", "commit"} <= said
    assert {name for name in said if not hasattr(UnitOfWork, name)} == set()


def test_fixtures_and_factories_named_are_there(introduction):
    text = introduction[introduction.index("## Tests") :]
    named = set(re.findall(r"`((?:crm|make)_\w+)", text)) - {"crm_core", "crm_notes"}
    assert len(named) > 12
    assert {n for n in named if not hasattr(fixtures, n) and not hasattr(factories, n)} == set()


def test_errors_named_are_there_with_their_exit_codes(introduction):
    errors = importlib.import_module("crm_core.errors")
    rows = re.findall(r"^\| `(\w+Error)` \| .* \| (\d) \|$", introduction, re.MULTILINE)
    assert len(rows) > 5
    assert {name: int(code) for name, code in rows} == {
        name: getattr(errors, name).exit_code for name, _ in rows
    }


def test_columns_of_the_core_named_are_there(introduction):
    entities = importlib.import_module("crm_core.entities")
    text = introduction[introduction.index("Mapped classes of the core") :].partition("\n\n")[0]
    for name in re.findall(r"`([A-Z]\w+)`", text):
        assert hasattr(entities, name)
    said = re.findall(r"`([A-Z]\w+)`\s\(([^)]*)\)", text)
    assert {name for name, _ in said} >= {"Customer", "Transaction", "User", "Tag", "CustomerTag"}
    for name, columns in said:
        known = getattr(entities, name).__table__.columns.keys()
        assert set(re.findall(r"`([a-z_]+)`", columns)) - set(known) == set(), name
