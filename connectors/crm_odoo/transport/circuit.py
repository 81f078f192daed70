"""Leaving a server alone that has failed several times in a row."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from crm_core.errors import RetryableSyncError
from crm_core.messages import t

CIRCUIT_OPEN = "core.sync.circuit_open"
FAILURES = 8
"""Two calls, each tried as often as it is."""
FIRST_REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 300.0


class Circuit:
    """Opens after failures in a row; then one call at a time tries whether the server is back.

    Shared by all connections of this process to one server. It rests longer after each try that
    fails.

    Args:
        url: The server's address, for messages.
        failures: How many in a row open it.
        rest_seconds: How long it rests at first.
    """

    def __init__(
        self, url: str, *, failures: int = FAILURES, rest_seconds: float = FIRST_REST_SECONDS
    ) -> None:
        self._url, self._failures, self._first_rest = url, failures, rest_seconds
        self._failed = 0
        self._rest = rest_seconds
        self._closed_until: float | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Let a call through, or fail at once.

        Raises:
            RetryableSyncError: The server is being left alone; says until when.
        """
        with self._lock:
            if self._closed_until is None:
                return
            left = self._closed_until - time.monotonic()
            if left <= 0:
                self._closed_until = time.monotonic() + self._rest  # this call tries, no other
                return
        until = datetime.now(UTC) + timedelta(seconds=left)
        raise RetryableSyncError(
            t(
                "{url} failed {failed} times in a row and is left alone until {until:%H:%M:%S} "
                "UTC. Look whether Odoo runs; then run again.",
                url=self._url,
                failed=self._failed,
                until=until,
            ),
            code=CIRCUIT_OPEN,
            details={"url": self._url, "until": until.isoformat(timespec="seconds")},
        )

    def failed(self) -> None:
        """Say that a call got no sound answer."""
        with self._lock:
            self._failed += 1
            if self._closed_until is not None:
                self._rest = min(LONGEST_REST_SECONDS, self._rest * 2)
            if self._closed_until is not None or self._failed >= self._failures:
                self._closed_until = time.monotonic() + self._rest

    def answered(self) -> None:
        """Say that the server answered, be it with a refusal."""
        with self._lock:
            self._failed, self._rest, self._closed_until = 0, self._first_rest, None


_circuits: dict[str, Circuit] = {}


def circuit_of(url: str) -> Circuit:
    """Return the circuit that all connections of this process to a server share."""
    return _circuits.setdefault(url, Circuit(url))
