"""Hooks about what is wrong with an installation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crm_hooks.contributions import Lack
from crm_hooks.markers import hookspec


@hookspec
def crm_collect_lacks(uow: Any) -> Sequence[Lack]:
    """Name what this machine or set-up lacks for the plugin to do all that it can.

    Called by ``crm doctor``, as the system, in a reading transaction.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.

    Returns:
        A sequence of ``Lack``; empty or None for nothing.

    Raises:
        Anything raised is logged, and the rest of the report goes on.

    Ordering: by the position of the implementations, then by plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Lack
        >>> @hookimpl
        ... def crm_collect_lacks(uow):
        ...     return [Lack("Letters", "There is no printer.", "Plug one in.")]
        >>> crm_collect_lacks(None)[0].what
        'Letters'
    """
    raise NotImplementedError
