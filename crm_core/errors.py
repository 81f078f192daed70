"""Every error the product raises on purpose, grouped by what the catcher should do.

::

    CrmError(code, message, details)
    ├ InputError            correct the request        422  exit 2
    ├ NotFoundError         name another record        404  exit 2
    ├ PermissionDeniedError ask for the right          403  exit 1
    ├ ConflictError         reload and retry           409  exit 1
    │ ├ StaleVersionError                              412
    │ ├ DuplicateError
    │ └ LockedError         another run holds it            exit 5
    ├ RuleViolationError    change the state first     409  exit 1
    ├ ConfigurationError    an operator must act       500  exit 1
    │ └ PluginLoadError, PluginFailedError
    └ SyncError
      ├ RetryableSyncError  try again later                 exit 4
      ├ RecordSyncError     skip the record, report it      exit 3
      └ FatalSyncError      stop this run                   exit 4

``code`` is a stable string such as ``core.customer.not_found``: scripts and translations key on
it. ``message`` says what happened, to which record, and what to do next. ``details`` holds plain
values (str, int, list, dict) and never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CrmError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: What happened, to which record, and what to do next; shown to people as it is.
        code: Stable, dotted identifier; defaults to the class's own.
        details: Plain values that a program can act on.
    """

    default_code: ClassVar[str] = "core.error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details: dict[str, Any] = dict(details or {})


class InputError(CrmError):
    """The request itself is wrong; correct it and send it again."""

    default_code = "core.input"
    exit_code = 2
    http_status = 422


class NotFoundError(CrmError):
    """No such record, or none that this actor may see."""

    default_code = "core.not_found"
    exit_code = 2
    http_status = 404


class PermissionDeniedError(CrmError):
    """The actor lacks a right."""

    default_code = "core.permission_denied"
    http_status = 403


class ConflictError(CrmError):
    """Somebody else changed the same thing; reload and retry."""

    default_code = "core.conflict"
    http_status = 409


class StaleVersionError(ConflictError):
    """The record has moved on since it was read."""

    default_code = "core.stale_version"
    http_status = 412


class DuplicateError(ConflictError):
    """A record with the same identity exists already."""

    default_code = "core.duplicate"


class LockedError(ConflictError):
    """Another process holds what this one needs; try again when it is done."""

    default_code = "core.locked"
    exit_code = 5


class RuleViolationError(CrmError):
    """The record's state does not allow this; change the state first."""

    default_code = "core.rule_violation"
    http_status = 409


class ConfigurationError(CrmError):
    """An operator must act: a setting, a file, a service or a right is missing."""

    default_code = "core.configuration"


class PluginLoadError(ConfigurationError):
    """A plugin cannot be loaded; all others go on."""

    default_code = "core.plugin_load"


class PluginFailedError(ConfigurationError):
    """A plugin failed while something depended on its answer."""

    default_code = "core.plugin_failed"


class SyncError(CrmError):
    """Something between the front office and an ERP went wrong."""

    default_code = "core.sync"


class RetryableSyncError(SyncError):
    """The ERP could not be reached or was busy; the same call may work later."""

    default_code = "core.sync.unreachable"
    exit_code = 4


class RecordSyncError(SyncError):
    """One record cannot be synced; it is set aside with the reason and the rest goes on."""

    default_code = "core.sync.record"
    exit_code = 3


class FatalSyncError(SyncError):
    """The ERP refused us, or going on would do harm; the run stops."""

    default_code = "core.sync.refused"
    exit_code = 4
