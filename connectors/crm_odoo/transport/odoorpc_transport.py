"""OdooRPC as a transport: its client, our connections, time-outs, retries and errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode

import odoorpc
from odoorpc.error import RPCError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from crm_core.errors import RetryableSyncError
from crm_core.sync.protocol import BUSY
from crm_odoo.transport.circuit import CIRCUIT_OPEN, circuit_of
from crm_odoo.transport.faults import (
    DATABASE_ERROR,
    NOT_DONE,
    TOO_MANY,
    Faults,
    error_name,
)
from crm_odoo.transport.opener import KeepAliveOpener
from crm_odoo.transport.protocol import ConnectionSettings

READ_METHODS = frozenset(
    {
        "check_access_rights",
        "check_object_reference",
        "context_get",
        "default_get",
        "exists",
        "fields_get",
        "get_external_id",
        "get_metadata",
        "has_access",
        "name_search",
        "read",
        "read_group",
        "search",
        "search_count",
        "search_read",
    }
)
"""Methods that change nothing: they can be tried again whatever became of the first try."""

T = TypeVar("T")


def _keep_quiet() -> None:
    """Silence OdooRPC's own log: at DEBUG it writes the password of every call."""
    for name in ("odoorpc", "odoorpc.rpc.jsonrpclib"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if _is_serious not in logger.filters:
            logger.addFilter(_is_serious)


def _is_serious(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


class OdooRpcTransport:
    """An ``OdooTransport`` over JSON-RPC; one a thread."""

    def __init__(self, settings: ConnectionSettings) -> None:
        _keep_quiet()
        self._settings = settings
        self._faults = Faults(settings)
        self._circuit = circuit_of(settings.url)
        self._opener = KeepAliveOpener(settings)
        self._client: odoorpc.ODOO | None = None
        self._others: list[OdooRpcTransport] = []

    @property
    def calls(self) -> int:
        """How many requests were sent so far, retries included."""
        return self._opener.requests + sum(other.calls for other in self._others)

    def connections(self) -> Sequence[OdooRpcTransport]:
        """Return this client and as many more as the settings allow, each for a thread."""
        while len(self._others) < self._settings.connections - 1:
            self._others.append(OdooRpcTransport(self._settings))
        return (self, *self._others)

    @property
    def server_version(self) -> str:
        """The server's version."""
        return str(self._connected().version)

    @property
    def user_id(self) -> int:
        """Odoo's id of the user we log in as."""
        return int(self._connected().env.uid)

    @property
    def user_language(self) -> str:
        """Odoo's code of that user's language."""
        return str(self._connected().env.context.get("lang") or "en_US")

    @property
    def server_date(self) -> datetime | None:
        """The moment that the last answer bears."""
        if self._opener.last_date is None:
            return None
        return parsedate_to_datetime(self._opener.last_date).astimezone(UTC)

    def execute(self, model: str, method: str, *args: Any, **keywords: Any) -> Any:
        """Call ``model.method(*args, **keywords)``."""
        client = self._connected()

        def call() -> Any:
            try:
                return client.execute_kw(model, method, args, keywords)
            except HTTPError as error:
                # Odoo 14 tells every error so to a session that is bound to no database.
                if error.code != 500:
                    raise
                self._bind(client)
                return client.execute_kw(model, method, args, keywords)

        return self._retried(call, model, method)

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._opener.close()
        self._client = None
        for other in self._others:
            other.close()

    def _connected(self) -> odoorpc.ODOO:
        if self._client is None:
            self._client = self._retried(self._connect, "common", "read")
        return self._client

    def _connect(self) -> odoorpc.ODOO:
        settings = self._settings
        client = odoorpc.ODOO(
            settings.host if ":" not in settings.host else f"[{settings.host}]",
            protocol="jsonrpc+ssl" if settings.secure else "jsonrpc",
            port=settings.port,
            timeout=settings.read_seconds,
            opener=self._opener,
        )
        self._bind(client)
        try:
            client.login(settings.database, settings.login, settings.secret)
        except HTTPError as error:
            if error.code == 500 and not self._has_database(client):
                raise self._faults.database_unknown() from None
            raise
        except RPCError as error:
            if error_name(error) == DATABASE_ERROR:
                raise self._faults.database_unknown() from None
            raise
        return client

    def _bind(self, client: odoorpc.ODOO) -> None:
        query = urlencode({"db": self._settings.database})
        client.http(f"web/login?{query}").close()

    def _has_database(self, client: odoorpc.ODOO) -> bool:
        question = {
            "service": "db",
            "method": "db_exist",
            "args": [self._settings.database],
        }
        try:
            return bool(client.json("/jsonrpc", question)["result"])
        except (RPCError, HTTPError):
            return True  # it does not say

    def _retried(self, call: Callable[[], T], model: str, method: str) -> T:
        """Run a call, again where that may help and can do no harm."""

        def attempt() -> T:
            self._circuit.check()
            try:
                found = call()
            except Exception as error:  # noqa: BLE001 - whatever it is, it gets a code and a message
                # OdooRPC's errors hold the whole request; what they say is in ours.
                told = self._faults.translate(error, model, method)
                is_down = isinstance(told, RetryableSyncError) and told.code not in (BUSY, TOO_MANY)
                (self._circuit.failed if is_down else self._circuit.answered)()
                raise told from None
            self._circuit.answered()
            return found

        def helps(error: BaseException) -> bool:
            if not isinstance(error, RetryableSyncError) or error.code == CIRCUIT_OPEN:
                return False
            if _pause_asked(error) > self._settings.longest_wait_seconds:
                return False
            return method in READ_METHODS or error.details.get("outcome") == NOT_DONE

        jitter = wait_random_exponential(multiplier=0.3, max=self._settings.longest_pause_seconds)

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(jitter(state), _pause_asked(error))

        retrying = Retrying(
            retry=retry_if_exception(helps),
            stop=stop_after_attempt(self._settings.attempts),
            wait=pause,
            reraise=True,
        )
        found: T = retrying(attempt)
        return found


def _pause_asked(error: BaseException | None) -> float:
    details = error.details if isinstance(error, RetryableSyncError) else {}
    return float(details.get("retry_after") or 0)
