"""Where the log goes when a person runs a command."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from crm_core.cli.failures import write_log
from crm_core.cli.output import json_text


def send_logs_to_stderr(level: int, shape: str = "text") -> None:
    """Write log lines to stderr, with values quoted so that none of them reaches the terminal raw.

    Tracebacks go to the log file, and only from ``logging.DEBUG`` on to stderr too.

    Args:
        level: The least that is written, one of ``logging``'s.
        shape: ``text``, or ``json`` for one object a line.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if level <= logging.DEBUG else _traceback_to_file,
            _as_json if shape == "json" else _AS_TEXT,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


_AS_TEXT = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return json_text(dict(event))


def _traceback_to_file(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["logged_in"] = str(write_log(error))
    return event
