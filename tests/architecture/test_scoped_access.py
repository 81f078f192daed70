"""Raw SQL and tables slip past the access rules; they are for the places listed here alone."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

# Patterns, each with the reason why it may go behind the scope.
ALLOWED = {
    "crm_core/persistence/*": "it is the place that applies the scope",
    "crm_core/search/*": "the index is written for all; its queries join the scope",
    "crm_core/outbox/*": "hands on events of all, in batches",
    "crm_core/plugins/activation.py": "asks which tables there are, and locks its own",
    "crm_core/plugins/remains.py": "drops the tables of plugins that are off",
    "crm_core/sync/*": "jobs run as the system, in batches",
    "crm_core/services/search.py": "hands the connection to the index",
    "crm_core/services/*_bulk.py": "bulk writers; rights are checked before",
    "crm_core/services/customer_merge_sync.py": "has partners read again, whoever merges",
    "crm_core/services/customer_export.py": "records one audit row for a whole export",
    "crm_core/services/audit.py": "seals rows of all actors",
    "crm_core/services/installation.py": "asks the server about itself; reads no record",
    "crm_core/testing/*": "looks at tables from outside, to see what a plugin left in them",
    "crm_core/diagnosis/database.py": "asks the server about itself; reads no record",
    "plugins/crm_sales/services/scoring/*": "a score is the same whoever looks: numbers alone",
    "plugins/crm_sales/demo/*": "fills an empty module in batches, as the system",
    "plugins/crm_sales/services/order_backends.py": "names of back offices: sellers are told those",
    "plugins/crm_sales/services/probability.py": "writes scores in batches; rights asked before",
}
RAW_ATTRIBUTES = {"__table__", "local_table", "engine", "exec_driver_sql"}
RAW_NAMES = {"text", "Table", "table", "DDL", "MetaData"}
SESSIONS = {"uow", "session", "_uow", "_session"}


def _is_session(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return name in SESSIONS


def _raw_uses(module: ast.Module) -> list[tuple[int, str]]:
    uses: list[tuple[int, str]] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            is_connection = node.attr == "connection" and _is_session(node.value)
            if is_connection or node.attr in RAW_ATTRIBUTES:
                uses.append((node.lineno, node.attr))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            uses += [(node.lineno, a.name) for a in node.names if a.name in RAW_NAMES]
    return sorted(uses)


def test_raw_access_is_found_where_it_is():
    lines = ["from sqlalchemy import text", "self.uow.connection()", "Customer.__table__"]
    sample = ast.parse("\n".join(lines))
    assert _raw_uses(sample) == [(1, "text"), (2, "connection"), (3, "__table__")]


def test_nothing_else_goes_behind_the_scope(tree):
    found = [
        f"{path}:{line}: {what}"
        for path, module in tree.modules.items()
        if not any(fnmatch(path.as_posix(), pattern) for pattern in ALLOWED)
        for line, what in _raw_uses(module)
    ]
    assert found == []


def test_every_exception_is_there_and_used(tree):
    for pattern in ALLOWED:
        mine = [m for path, m in tree.modules.items() if fnmatch(path.as_posix(), pattern)]
        assert any(_raw_uses(module) for module in mine), f"{pattern} needs no exception"
