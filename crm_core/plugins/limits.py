"""A limit on how long a plugin may take: one that hangs must not hold up the rest."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from crm_core.messages import t


class PluginTimeoutError(BaseException):
    """A plugin took too long; no ``except Exception`` of its own catches this."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise PluginTimeoutError in the block when it takes longer.

    In the main thread a timer signal interrupts sleeping and waiting too. Elsewhere Python code is
    interrupted between two steps, but not a single call that never returns to Python.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with _by_signal(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise PluginTimeoutError(t("it took longer than {seconds:g} s", seconds=seconds))

    began = time.monotonic()
    former = signal.signal(signal.SIGALRM, stop)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    if left and left < seconds:  # within an outer limit that ends sooner
        signal.setitimer(signal.ITIMER_REAL, left)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        if left:  # an outer limit goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-6))


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    identity = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    done = False

    def stop() -> None:
        with lock:
            if not done:
                raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
                raise_in(identity, ctypes.py_object(PluginTimeoutError))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            done = True
        timer.cancel()
