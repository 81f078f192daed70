"""Hooks about remotes that the front office can be in step with."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import BackendType
from crm_hooks.markers import hookspec


@hookspec
def crm_register_backend_types() -> Sequence[BackendType]:
    """Name the kinds of remote this plugin can talk to.

    Called once, at bootstrap, outside any transaction; the implementation must be pure.

    Returns:
        A sequence of ``BackendType``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: by plugin name; two types of one name quarantine the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import BackendOption, BackendType
        >>> @hookimpl
        ... def crm_register_backend_types():
        ...     folder = BackendOption("path", "Folder with the files")
        ...     return [BackendType("paper", "Paper", "crm_paper.backend:open", (folder,))]
        >>> crm_register_backend_types()[0].options[0].name
        'path'
    """
    raise NotImplementedError
