"""An open port for as long as a test needs it, by the product's own server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crm_web.server import Listener


@contextmanager
def served(server: Any, *, threads: int = 2) -> Iterator[tuple[int, threading.Event]]:
    """Answer requests; gives the port and what ends it, which the end of the block sets too."""
    listener = Listener(server, "127.0.0.1", 0, threads=threads)
    stop = threading.Event()
    thread = threading.Thread(target=listener.serve, args=(stop,))
    thread.start()
    try:
        yield listener.port, stop
    finally:
        stop.set()
        thread.join(120)
        assert not thread.is_alive()
