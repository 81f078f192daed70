"""What a plugin says about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PluginManifest:
    """A plugin's name card; ``plugin.py`` holds it as ``manifest``.

    Attributes:
        name: Unique short name, also the entry point's name.
        title: What people read.
        version: The plugin's own version.
        requires: Names of plugins that must be enabled first.
        hooks_api: Range of hook versions it works with, such as ``>=1,<2``.
        table_prefix: Prefix of its tables, ending in an underscore; empty if it has none.
    """

    name: str
    title: str
    version: str
    requires: tuple[str, ...] = ()
    hooks_api: str = ">=1,<2"
    table_prefix: str = ""
