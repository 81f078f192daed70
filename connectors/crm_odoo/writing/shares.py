"""Sharing differing records among connections: whole families, by the way that proves faster."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from crm_odoo.writing.loading import BATCH

Way = Literal["write", "load"]
TRIAL_WRITES = 5
TRIAL_LOAD = 20
_SMALLEST = 25
"""Records a batch, where several connections share what is left and should end together."""
_CLEARLY = 1.5
"""So many times faster has writing one by one to be: a handful tried says little."""


Seconds = dict[Way, float]
"""What a record takes by each way on one server, as far as it was tried."""
_TRIALS: tuple[tuple[Way, int], ...] = (("write", TRIAL_WRITES), ("load", TRIAL_LOAD))


class Shares:
    """Records that are still to be written; each connection that is free takes some of them.

    Two that are of one family are never written by two connections at once.

    Args:
        families: The records.
        lanes: How many connections take from them.
        seconds: What is known of the server; what is learnt is added.
    """

    def __init__(self, families: Iterable[Sequence[int]], lanes: int, seconds: Seconds) -> None:
        self._families = deque(sorted(families, key=len, reverse=True))
        self._left = sum(map(len, self._families))
        self._lanes = lanes
        self._seconds = seconds
        self._under_trial: set[Way] = set()
        self._lock = threading.Lock()

    def work_off(self, write: Callable[[Way, list[int]], None]) -> None:
        """Take and write until nothing is left; what fails here ends the others' work too."""
        try:
            while True:
                with self._lock:
                    way, taken = self._take()
                if not taken:
                    return
                begin = time.monotonic()
                write(way, taken)
                if len(taken) >= TRIAL_WRITES:
                    self._seconds[way] = (time.monotonic() - begin) / len(taken)
        except BaseException:
            with self._lock:
                self._families.clear()
            raise

    def _take(self) -> tuple[Way, list[int]]:
        way, most = self._next()
        is_trial = most < BATCH
        if self._lanes > 1:
            # Ever fewer, so that all connections end at the same time.
            most = min(most, max(_SMALLEST, self._left * 3 // (4 * self._lanes)))
        taken: list[int] = []
        while self._families and len(taken) < most:
            taken += self._families.pop() if is_trial else self._families.popleft()
        self._left -= len(taken)
        return way, taken

    def _next(self) -> tuple[Way, int]:
        """Return how to write the next ones, and how many: first some either way, to compare."""
        if self._left < TRIAL_WRITES:
            return "write", self._left
        for way, count in _TRIALS:
            if way not in self._seconds and way not in self._under_trial:
                self._under_trial.add(way)
                return way, count
        if len(self._seconds) < len(_TRIALS):
            return "load", TRIAL_LOAD  # another connection is still trying
        is_slow = self._seconds["load"] > _CLEARLY * self._seconds["write"]
        return "write" if is_slow else "load", BATCH
