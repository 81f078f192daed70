"""An in-memory back office reached from another process, so that it outlives one that is killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from crm_core.errors import CrmError
from crm_core.testing.memory_backend import Door, MemoryBackend

_AWAY = (EOFError, OSError)


@contextmanager
def served(office: Door, socket: Path) -> Iterator[None]:
    """Let processes of this machine reach an office while the context lasts.

    A call whose caller dies is done to its end, as by a server whose reply is lost.
    """
    listener = Listener(str(socket), "AF_UNIX")
    is_over = threading.Event()

    def accept() -> None:
        with suppress(*_AWAY):
            while True:
                caller = listener.accept()
                if is_over.is_set():
                    caller.close()
                    return
                threading.Thread(target=_answer, args=(office, caller), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield
    finally:
        is_over.set()
        with suppress(*_AWAY):
            Client(str(socket), "AF_UNIX").close()  # wakes the one that waits for callers
            accepting.join()  # or it might wait on a number that by then is another socket's
        listener.close()


def connect_to(socket: Path) -> MemoryBackend:
    """Return a connection to an office that another process serves."""
    return MemoryBackend(_FarDoor(Client(str(socket), "AF_UNIX")))


class _FarDoor:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def ask(self, method: str, *arguments: Any) -> Any:
        with self._lock:
            self._connection.send((method, arguments))
            answer, error = self._connection.recv()
        if error is not None:
            kind, message, code, details = error
            raise kind(message, code=code, details=details)
        return answer


def _answer(office: Door, caller: Connection[Any, Any]) -> None:
    with suppress(*_AWAY):
        while True:
            method, arguments = caller.recv()
            told: tuple[Any, Any]
            try:
                told = (office.ask(method, *arguments), None)
            except CrmError as error:
                told = (None, (type(error), error.message, error.code, dict(error.details)))
            caller.send(told)
