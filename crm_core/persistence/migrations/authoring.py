"""For developers: comparing mapped classes with revisions, and writing revisions.

Run as ``python -m crm_core.persistence.migrations.authoring``; see the package's own text.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic import autogenerate, command
from alembic.config import Config
from alembic.operations import MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

import crm_core.entities  # noqa: F401  maps the core's classes
from crm_core.persistence import types
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import (
    CORE,
    REVISIONS,
    MigrationLine,
    alembic_config,
    upgrade,
)

SEARCH_TABLES = "core_search"
"""What the names of the search structures begin with; ``crm_core.search.index`` makes them."""


class SearchStructures(MigrateOperation):
    """In a revision: the search tables, which are no mapped classes."""

    def __init__(self, verb: str) -> None:
        self.verb = verb


@autogenerate.renderers.dispatch_for(SearchStructures)
def _render_search(context: Any, operation: SearchStructures) -> str:
    context.imports.add("from crm_core.search import index")
    return f"index.{operation.verb}(op.get_bind())"


def differences(database: Database, line: MigrationLine = CORE) -> list[Any]:
    """Return what would have to change in an upgraded database to match the mapped classes."""
    with database.engine.connect() as connection:
        options = alembic_config(line, connection, **_comparison(line)).attributes["options"]
        metadata = options.pop("target_metadata")
        context = MigrationContext.configure(connection, opts=options)
        found: list[Any] = autogenerate.compare_metadata(context, metadata)
    return found


def write_revision(line: MigrationLine, message: str, known: Sequence[MigrationLine] = ()) -> Path:
    """Write a line's next revision from what its mapped classes changed, and return the file.

    Args:
        line: The core or a plugin, whose mapped classes are imported.
        message: What it does, in a few words.
        known: The plugins to upgrade first, ``line`` itself included.
    """
    number = len(line.revisions) + 1
    is_core = line.name == CORE.name
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/crm.sqlite")
        if not is_core or number > 1:
            upgrade(database, known)
        with database.write_engine.connect() as connection:
            options = _comparison(line) | {"render_as_batch": number > 1}
            if is_core and number == 1:
                options["process_revision_directives"] = _add_search
            config = alembic_config(line, connection, **options)
            _format_with_ruff(config)
            script = command.revision(
                config, message=message, autogenerate=True, rev_id=f"{number:04}"
            )
        database.dispose()
    assert isinstance(script, Script)
    return Path(script.path)


def write_initial(line: MigrationLine, message: str) -> Path:
    """Write a line's first revision anew from its mapped classes, and return the file.

    It takes the place of all that were there; where it cannot be written they stay.
    """
    line.folder.mkdir(parents=True, exist_ok=True)
    # Beside them, so that ruff finds the project's settings.
    with tempfile.TemporaryDirectory(dir=line.folder) as folder:
        written = write_revision(replace(line, folder=Path(folder)), message)
        for file in line.folder.glob(REVISIONS):
            file.unlink()
        return written.rename(line.folder / written.name)


def _format_with_ruff(config: Config) -> None:
    if find_spec("ruff") is None:  # an author of plugins may do without
        return
    options = {"hooks": "fix,format"}
    for hook in ("fix", "format"):
        command_line = "check --fix-only -q" if hook == "fix" else "format -q"
        options |= {
            f"{hook}.type": "module",
            f"{hook}.module": "ruff",
            f"{hook}.options": f"{command_line} REVISION_SCRIPT_FILENAME",
        }
    for name, value in options.items():
        config.set_section_option("post_write_hooks", name, value)


def _comparison(line: MigrationLine) -> dict[str, Any]:
    def belongs(name: str | None, kind: str) -> bool:
        if kind != "table":
            return True
        return str(name).startswith(line.prefix) and not str(name).startswith(SEARCH_TABLES)

    return {
        "include_name": lambda name, kind, _parents: belongs(name, kind),
        "include_object": lambda _object, name, kind, _reflected, _other: belongs(name, kind),
        "render_item": _render_type,
    }


def _render_type(kind: str, item: Any, context: Any) -> str | bool:
    if kind != "type":
        return False
    if item is types.JsonValue:
        name = "JsonValue"
    elif type(item).__module__ == types.__name__:
        name = f"{type(item).__name__}()"
    else:
        return False
    context.imports.add("from crm_core.persistence import types")
    return f"types.{name}"


def _add_search(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
    for up, down in zip(scripts[0].upgrade_ops_list, scripts[0].downgrade_ops_list, strict=True):
        up.ops.append(SearchStructures("create"))
        down.ops.insert(0, SearchStructures("drop"))


def main(arguments: Sequence[str] | None = None) -> Path:
    """Write a revision as the command line asks, and return its file."""
    parser = argparse.ArgumentParser(prog="authoring", description=__doc__)
    parser.add_argument("what", choices=("initial", "revision"))
    parser.add_argument("-m", "--message", default="initial")
    parser.add_argument("--plugin", help="name of the plugin whose tables changed")
    parser.add_argument("--prefix", help="what its table names begin with")
    parser.add_argument("--folder", type=Path, help="where its revisions lie")
    parser.add_argument("--models", help="module that maps its classes")
    given = parser.parse_args(arguments)
    line = CORE
    if given.plugin:
        importlib.import_module(given.models)
        line = MigrationLine(given.plugin, given.prefix, given.folder.resolve())
    if given.what == "initial":
        return write_initial(line, given.message)
    has_any = bool(given.plugin and line.revisions)
    return write_revision(line, given.message, (line,) if has_any else ())


if __name__ == "__main__":
    main()
