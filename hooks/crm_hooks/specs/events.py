"""Hooks about hearing of what happened."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import EventHandler
from crm_hooks.markers import hookspec


@hookspec
def crm_register_event_handlers() -> Sequence[EventHandler]:
    """Name the handlers of this plugin and the events each of them hears of.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. The
    handlers themselves are called after the commit that made the event, at least once each, in a
    transaction of their own; see docs/events.md.

    Returns:
        A sequence of ``EventHandler``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: of no effect; each handler hears the events of one record in the order in which they
    happened, whatever others do. Two handlers of one name quarantine the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import EventHandler
        >>> @hookimpl
        ... def crm_register_event_handlers():
        ...     events = ("core.customer.created",)
        ...     return [EventHandler("paper.welcome", events, "crm_paper.jobs:welcome")]
        >>> crm_register_event_handlers()[0].events
        ('core.customer.created',)
    """
    raise NotImplementedError
