"""Raw SQL and tables slip past the access rules; they are for the places listed here alone."""

from __future__ import annotations

import ast

# Folders and files, each with the reason why it may go behind the scope.
ALLOWED = {
    "crm_core/persistence/": "it is the place that applies the scope",
    "crm_core/search/": "the index is written for all; queries join the scope",
    "crm_core/sync/": "jobs run as the system, in batches",
    "crm_core/services/customer_bulk.py": "bulk writer; rights are checked before",
    "crm_core/services/audit.py": "seals rows of all actors",
    "crm_core/services/backup.py": "copies the whole database",
}
RAW_ATTRIBUTES = {"__table__", "local_table", "connection", "exec_driver_sql"}
RAW_NAMES = {"text", "Table", "table", "DDL", "MetaData"}


def _raw_uses(module: ast.Module) -> list[tuple[int, str]]:
    uses: list[tuple[int, str]] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and node.attr in RAW_ATTRIBUTES:
            uses.append((node.lineno, node.attr))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            uses += [(node.lineno, a.name) for a in node.names if a.name in RAW_NAMES]
    return sorted(uses)


def test_raw_access_is_found_where_it_is():
    sample = ast.parse("from sqlalchemy import text\nuow.connection()\nCustomer.__table__")
    assert _raw_uses(sample) == [(1, "text"), (2, "connection"), (3, "__table__")]


def test_nothing_else_goes_behind_the_scope(tree):
    found = [
        f"{path}:{line}: {what}"
        for path, module in tree.modules.items()
        if not path.as_posix().startswith(tuple(ALLOWED))
        for line, what in _raw_uses(module)
    ]
    assert found == []


def test_every_exception_is_there_and_used(tree):
    for allowed in ALLOWED:
        mine = [m for path, m in tree.modules.items() if path.as_posix().startswith(allowed)]
        assert any(_raw_uses(module) for module in mine), f"{allowed} needs no exception"
