"""How fast long work goes on, and how long it will take."""

from __future__ import annotations

import time
from collections import deque

from crm_core.messages import t

SECONDS = 30.0
"""The rate is that of so much time before: work gets slower and faster."""


class Pace:
    """Told how far work is, says how fast it goes; each stage of the work has its own pace."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._told: deque[tuple[float, int]] = deque()

    def words(self, done: int, total: int | None, stage: str = "") -> str:
        """Return ``850/s, 2 min left``; empty where nothing can be said yet."""
        now = time.monotonic()
        if stage != self._stage or (self._told and done < self._told[-1][1]):
            self._stage = stage
            self._told.clear()
        self._told.append((now, done))
        while len(self._told) > 2 and now - self._told[0][0] > SECONDS:
            self._told.popleft()
        began, before = self._told[0]
        if now - began < 0.5 or done <= before:
            return ""
        rate = (done - before) / (now - began)
        words = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        if total is None:
            return words
        return t("{pace}, {time} left", pace=words, time=left((total - done) / rate))


def left(seconds: float) -> str:
    """Return a time to wait in words, no more precise than it can be known."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    if seconds < 90 * 60:
        return t("{seconds} min", seconds=round(seconds / 60))
    return f"{seconds / 3_600:.1f} h"
