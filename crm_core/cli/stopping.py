"""Ending long work when asked to: SIGTERM and SIGINT."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop(threading.Event):
    """Set when somebody asked to stop; ``number`` is the signal by which."""

    number: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yield what the first signal sets; a second one ends the process at once."""
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.number = number
        stop.set()
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
