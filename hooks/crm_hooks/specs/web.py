"""Hooks about the web: pages and the REST API."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import WebModule
from crm_hooks.markers import hookspec


@hookspec
def crm_register_web() -> Sequence[WebModule]:
    """Name the pages and API resources that this plugin adds to the web.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. What it
    names is imported when the web is started, never by a command.

    Returns:
        A sequence of ``WebModule``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: menus follow the order of plugins; two modules of one name quarantine the later
    plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import WebModule
        >>> @hookimpl
        ... def crm_register_web():
        ...     return [WebModule("paper.web", pages="crm_paper.pages:pages")]
        >>> crm_register_web()[0].pages
        'crm_paper.pages:pages'
    """
    raise NotImplementedError
