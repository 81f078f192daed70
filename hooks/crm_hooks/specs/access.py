"""Hooks about what people may do."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import Right
from crm_hooks.markers import hookspec


@hookspec
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that this plugin's services ask for.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. When the
    plugin is enabled for the first time, the built-in roles named get them.

    Returns:
        A sequence of ``Right``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: of no effect; a code that another plugin has quarantines the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Right
        >>> @hookimpl
        ... def crm_register_rights():
        ...     return [Right("paper.letter.send", "Send letters", (("employee", "team"),))]
        >>> crm_register_rights()[0].code
        'paper.letter.send'
    """
    raise NotImplementedError
