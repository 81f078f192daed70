"""Not calling a server more often than it was agreed."""

from __future__ import annotations

import threading
import time


class Pace:
    """A bucket of calls that fills steadily, shared by all connections to one server.

    After a rest a second's worth of calls may go at once.

    Args:
        calls_per_second: How fast it fills.
    """

    def __init__(self, calls_per_second: float) -> None:
        self._rate = calls_per_second
        self._most = max(1.0, calls_per_second)
        self._left = self._most
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until one more call may be made, and take it."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._filled_at) * self._rate)
            self._filled_at = now
            self._left -= 1
            seconds = -self._left / self._rate
        if seconds > 0:
            time.sleep(seconds)
