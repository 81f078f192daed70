"""Hooks about settings."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import PluginSetting
from crm_hooks.markers import hookspec


@hookspec
def crm_register_settings() -> Sequence[PluginSetting]:
    """Name the settings of this plugin that administrators may change while it is in use.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. Values are
    kept in the database, shown and changed with the company's own settings, and read by the plugin
    with ``crm_core.services.plugin_settings.values_of``.

    Returns:
        A sequence of ``PluginSetting``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: settings are shown by plugin, in the order given; a name that another plugin has
    quarantines the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import PluginSetting
        >>> @hookimpl
        ... def crm_register_settings():
        ...     return [PluginSetting("paper.copies", "Copies", "whole", default=2, most=9)]
        >>> crm_register_settings()[0].default
        2
    """
    raise NotImplementedError
