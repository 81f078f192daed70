"""Hooks about work that is done unattended."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import Job
from crm_hooks.markers import hookspec


@hookspec
def crm_register_jobs() -> Sequence[Job]:
    """Name the jobs that ``crm worker`` does for this plugin at intervals.

    Called once, at bootstrap, outside any transaction; the implementation must be pure.

    Returns:
        A sequence of ``Job``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: jobs of one round are done by name; two jobs of one name quarantine the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Job
        >>> @hookimpl
        ... def crm_register_jobs():
        ...     return [Job("paper.shred", "crm_paper.jobs:shred", every_minutes=1440)]
        >>> crm_register_jobs()[0].every_minutes
        1440
    """
    raise NotImplementedError
