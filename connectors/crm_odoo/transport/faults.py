"""Turning what can go wrong with a call into the product's errors, in words that help.

Odoo's errors are told apart by the exception class it names, never by their text, which follows
the user's language.
"""

from __future__ import annotations

import http.client
import json
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError, URLError

from odoorpc.error import RPCError

from crm_core.errors import FatalSyncError, RecordSyncError, RetryableSyncError, SyncError
from crm_core.messages import n, t
from crm_core.sync.protocol import BUSY, RIGHT_MISSING
from crm_odoo.transport.opener import NotSentError, RedirectedError
from crm_odoo.transport.protocol import ConnectionSettings

NOT_DONE = "not_done"
"""A retryable error's ``outcome`` when the call cannot have taken effect."""
UNKNOWN = "unknown"

TOO_MANY = "odoo.too_many_calls"
ACCESS_ERROR = "odoo.exceptions.AccessError"
ACCESS_DENIED = "odoo.exceptions.AccessDenied"
DATABASE_ERROR = "psycopg2.OperationalError"
_ROLLED_BACK = frozenset(
    {
        "psycopg2.errors.SerializationFailure",
        "psycopg2.errors.DeadlockDetected",
        "psycopg2.errors.LockNotAvailable",
        "psycopg2.extensions.TransactionRollbackError",
    }
)
_NETWORK = (OSError, http.client.HTTPException)


class Faults:
    """Translates errors of one connection; knows its address, so that messages can name it."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings

    def translate(self, error: Exception, model: str, method: str) -> SyncError:
        """Return the product's error for one that a call raised."""
        if isinstance(error, SyncError):
            return error
        if isinstance(error, RPCError):
            return self._odoo(error, model, method)
        if isinstance(error, HTTPError):
            return self._status(error)
        if isinstance(error, _NETWORK):
            return self._network(error)
        if isinstance(error, json.JSONDecodeError) and error.doc.lstrip().startswith("{"):
            return self._network(http.client.IncompleteRead(b""))
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | KeyError | TypeError):
            return self.not_odoo(t("Its answer is not the JSON that Odoo sends"))
        return FatalSyncError(
            t(
                "{model}.{method} on {where} failed: {error}. Report this.",
                model=model,
                method=method,
                where=self._where,
                error=self._clean(repr(error)),
            ),
            code="odoo.unexpected",
        )

    def login_refused(self) -> FatalSyncError:
        """Return the error for a login or password that Odoo does not take."""
        settings = self._settings
        return FatalSyncError(
            t(
                "Odoo at {where} refuses the login {login!r} for database {database!r}: the "
                "login, password or API key is wrong. Correct the secret; it is not tried again "
                "by itself, so that the user is not locked out.",
                where=self._where,
                login=settings.login,
                database=settings.database,
            ),
            code="core.sync.login_refused",
            details=self._details(login=settings.login, database=settings.database),
        )

    def database_unknown(self) -> FatalSyncError:
        """Return the error for a database that the server does not have."""
        database = self._settings.database
        return FatalSyncError(
            t(
                "Odoo at {where} has no database {database!r} that can be opened. Check the name "
                "(upper and lower case count) in Odoo's database manager or with its operator.",
                where=self._where,
                database=database,
            ),
            code="odoo.database_unknown",
            details=self._details(database=database),
        )

    def not_odoo(self, why: str) -> FatalSyncError:
        """Return the error for a server that is something else."""
        return FatalSyncError(
            t(
                "{where} does not answer as Odoo does. {why}. Check the address: it is the one "
                "Odoo is opened with in a browser, without a path, and a proxy or login page "
                "before it has to let /jsonrpc through.",
                where=self._where,
                why=why,
            ),
            code="odoo.not_odoo",
            details=self._details(),
        )

    @property
    def _where(self) -> str:
        return self._settings.url

    def _details(self, **more: Any) -> dict[str, Any]:
        return {"url": self._settings.url, **more}

    def _clean(self, message: str) -> str:
        """Return a message that holds no secret, whatever a server put into it."""
        secret = self._settings.secret
        return message.replace(secret, "***") if secret else message

    def _network(self, error: Exception) -> SyncError:
        cause = error
        while isinstance(cause, NotSentError) and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        if isinstance(cause, URLError) and isinstance(cause.reason, Exception):
            cause = cause.reason
        if isinstance(cause, RedirectedError):
            return self._redirected(cause.location)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self._certificate(cause)
        sent = not isinstance(error, NotSentError)
        details = self._details(outcome=UNKNOWN if sent else NOT_DONE)
        if isinstance(cause, TimeoutError):
            seconds = self._settings.read_seconds if sent else self._settings.connect_seconds
            return RetryableSyncError(
                n(
                    "{where} did not answer within {count:g} second. Try again later; if Odoo "
                    "is slow, raise the backend's option timeout-seconds.",
                    "{where} did not answer within {count:g} seconds. Try again later; if "
                    "Odoo is slow, raise the backend's option timeout-seconds.",
                    seconds,
                    where=self._where,
                ),
                code="core.sync.timeout",
                details=details,
            )
        if isinstance(cause, ssl.SSLError):
            return RetryableSyncError(
                t(
                    "No encrypted connection to {where} came about ({reason}). If this port "
                    "speaks plain HTTP, correct the address; else try again later.",
                    where=self._where,
                    reason=cause.reason or cause,
                ),
                details=details,
            )
        return RetryableSyncError(
            t(
                "{where} cannot be reached ({cause}). Check the address, the network and that "
                "Odoo runs; then run again.",
                where=self._where,
                cause=_reason(cause),
            ),
            details=details,
        )

    def _redirected(self, location: str) -> FatalSyncError:
        target = location.partition("?")[0]
        return FatalSyncError(
            t(
                "{where} redirects to {target}, and passwords do not follow redirects. Remove the "
                "backend and add it with the address Odoo really has{scheme}.",
                where=self._where,
                target=target or t("another address"),
                scheme=" (https://)" if target.startswith("https:") else "",
            ),
            code="core.sync.redirected",
            details=self._details(location=target),
        )

    def _certificate(self, error: ssl.SSLCertVerificationError) -> FatalSyncError:
        return FatalSyncError(
            t(
                "The certificate of {where} is not trusted: {reason}. If the company signs its "
                "own certificates, name their CA file with the option ca-file, or install it on "
                "this machine; if not, somebody may be listening in.",
                where=self._where,
                reason=error.verify_message,
            ),
            code="core.sync.certificate",
            details=self._details(reason=error.verify_message),
        )

    def _status(self, error: HTTPError) -> SyncError:
        error.close()
        if error.code in (401, 403, 407):
            return FatalSyncError(
                t(
                    "{where} refuses us before Odoo is asked (HTTP {status}). A proxy or firewall "
                    "in front of Odoo has to let this machine reach /jsonrpc.",
                    where=self._where,
                    status=error.code,
                ),
                code="odoo.http_refused",
                details=self._details(status=error.code),
            )
        if error.code < 500 and error.code not in (408, 429):
            return self.not_odoo(t("It answers HTTP {status}", status=error.code))
        pause = _pause_asked_for(error)
        details = self._details(status=error.code, retry_after=pause)
        if error.code == 429:
            when = (
                n("in {count:g} second", "in {count:g} seconds", pause)
                if pause is not None
                else t("later")
            )
            return RetryableSyncError(
                t(
                    "{where} is called too often for its operator's limit (HTTP 429). Try again "
                    "{when}, or lower the backend's calls-per-second.",
                    where=self._where,
                    when=when,
                ),
                code=TOO_MANY,
                details={**details, "outcome": NOT_DONE},
            )
        return RetryableSyncError(
            t(
                "Odoo at {where} answers HTTP {status}: it is starting, overloaded, or failed "
                "inside. Try again later; its log tells more.",
                where=self._where,
                status=error.code,
            ),
            code="odoo.server_error",
            details={**details, "outcome": UNKNOWN},
        )

    def _forbidden(self, model: str, method: str) -> str:
        told = {"login": self._settings.login, "model": model}
        if method in ("create", "write", "load", "unlink"):
            return t(
                "The user {login!r} may not change {model} in Odoo. Give it a group that may; crm "
                "backend test names one for each model.",
                **told,
            )
        return t(
            "The user {login!r} may not read {model} in Odoo. Give it a group that may; crm "
            "backend test names one for each model.",
            **told,
        )

    def _odoo(self, error: RPCError, model: str, method: str) -> SyncError:
        name = error_name(error)
        if name is None:
            return self.login_refused()
        details = self._details(model=model, method=method, error=name)
        if name == ACCESS_DENIED:
            return self.login_refused()
        if name == ACCESS_ERROR:
            return FatalSyncError(
                self._forbidden(model, method), code=RIGHT_MISSING, details=details
            )
        if name in _ROLLED_BACK:
            return RetryableSyncError(
                t(
                    "Odoo at {where} was too busy with the same records ({model}). Run again.",
                    where=self._where,
                    model=model,
                ),
                code=BUSY,
                details={**details, "outcome": NOT_DONE},
            )
        if name.startswith("psycopg2.") and name.endswith(("OperationalError", "InterfaceError")):
            return RetryableSyncError(
                t(
                    "Odoo at {where} has trouble with its database ({name}). Try again later; its "
                    "log tells more.",
                    where=self._where,
                    name=name,
                ),
                code="odoo.server_error",
                details={**details, "outcome": UNKNOWN},
            )
        words = self._clean(_first_line(error))
        return RecordSyncError(
            t(
                "Odoo could not do {model}.{method}: {words} ({name}).",
                model=model,
                method=method,
                words=words,
                name=name,
            ),
            code="odoo.record",
            details={**details, "words": words},
        )


def error_name(error: RPCError) -> str | None:
    """Return the class of Odoo's exception; None for a login that was refused."""
    info = error.info
    data = info.get("data") if isinstance(info, dict) else None
    return str(data.get("name", "")) if isinstance(data, dict) else None


def _pause_asked_for(error: HTTPError) -> float | None:
    """Return how many seconds the server asks to be left alone: it tells a number or a date."""
    told = (error.headers.get("Retry-After") or "").strip()
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # nothing, nonsense, or a date without a zone
        return None


def _first_line(error: RPCError) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300].rstrip(".") if lines else t("it gave no reason")


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException):
        return t("the connection was closed half-way")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
