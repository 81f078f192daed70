"""An in-memory back office reached from another process, so that it outlives one that is killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from crm_core.testing.memory_backend import Door, MemoryBackend

_KEY = b"tests"


class _Far(BaseManager):
    """Calls the office's one door over a local socket."""


_Far.register("office")


@contextmanager
def served(office: Door, socket: Path) -> Iterator[None]:
    """Let processes of this machine reach an office while the context lasts.

    A call whose caller dies is done to its end, as by a server whose reply is lost.
    """

    class Near(BaseManager):
        """The same, on this side."""

    Near.register("office", callable=lambda: office, exposed=["ask"])
    server = Near(address=str(socket), authkey=_KEY).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.stop_event.set()  # type: ignore[attr-defined]


def connect_to(socket: Path) -> MemoryBackend:
    """Return a connection to an office that another process serves."""
    manager: Any = _Far(address=str(socket), authkey=_KEY)
    manager.connect()
    return MemoryBackend(manager.office())
