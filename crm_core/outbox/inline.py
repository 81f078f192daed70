"""The relay for commands: what they recorded is handed over before they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from crm_core.outbox.relay import relay
from crm_core.persistence.database import Database
from crm_core.plugins.discovery import FAILURES, described
from crm_hooks.contributions import EventHandler

log = structlog.get_logger(__name__)

SECONDS = 5.0
"""How long a command may be kept from ending; what is left waits for the worker."""


def relay_recorded(database: Database, handlers: Callable[[], Sequence[EventHandler]]) -> None:
    """Hand over what this process recorded, if it did; what goes wrong is logged and waits.

    Args:
        database: Where the command worked.
        handlers: Returns the handlers of the plugins in use; called only when there is work.
    """
    if not database.has_recorded:
        return
    database.has_recorded = False
    try:
        relay(database, handlers(), limit_seconds=SECONDS)
    except FAILURES as error:
        log.warning("events wait for the worker", reason=described(error))
