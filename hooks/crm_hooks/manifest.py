"""What a plugin says about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PluginManifest:
    """A plugin's name card; ``plugin.py`` holds it as ``manifest``.

    Attributes:
        name: Unique short name of lower-case letters, digits and ``_``; also the entry point's.
        title: What people read.
        version: The plugin's own version.
        requires: Names of plugins that must be enabled first.
        hooks_api: Range of hook versions it works with, such as ``>=1,<2``.
        table_prefix: Prefix of its tables, ending in an underscore; empty if it has none. With one,
            its revisions lie in the folder ``migrations`` beside ``plugin.py``.
        on_by_default: Whether it is in use on a database where nobody said otherwise; for plugins
            without tables only, such as connectors.
        rebuild: ``"module:attribute"`` of ``rebuild(uow) -> None``, called when it is enabled: it
            makes up for what happened while the plugin was off. Empty for nothing.
        demo: ``"module:attribute"`` of ``prepare(application) -> list[str]``, by which it is part
            of the demo company (``crm demo``): enabled there, filled, and told of in these lines;
            called again on a demo that is there already. Empty for a plugin that is no part of it.
        commands_anywhere: Those of its commands that run also where it is off or there is no
            database yet, and check by themselves what they need.
    """

    name: str
    title: str
    version: str
    requires: tuple[str, ...] = ()
    hooks_api: str = ">=1,<2"
    table_prefix: str = ""
    on_by_default: bool = False
    rebuild: str = ""
    demo: str = ""
    commands_anywhere: tuple[str, ...] = ()
