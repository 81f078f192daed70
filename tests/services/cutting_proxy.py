"""A TCP proxy that loses replies: the server has done its work, the client never hears of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

_LONGEST_MARKER = 200


class CuttingProxy:
    """Stands before an HTTP server; forwards everything until it is told to cut.

    ::

        with CuttingProxy(odoo_db.url) as proxy:
            proxy.cut_reply('"load"')  # the next request that holds this text
            ...                        # use proxy.url instead of odoo_db.url
            assert proxy.cuts == 1
    """

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self._server = (there.hostname or "127.0.0.1", there.port or 80)
        self._markers: list[bytes] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cuts = 0
        """How many replies were lost so far."""
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_reply(self, marker: str, times: int = 1) -> None:
        """Lose the replies to the next requests that hold this text.

        The connection is closed once the server begins to answer: Odoo has committed by then.
        """
        with self._lock:
            self._markers += [marker.encode()] * times

    def close(self) -> None:
        """Stop listening and end all connections."""
        with self._lock:
            opened = [self._listener, *self._open]
        for one in opened:
            _end(one)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {client, server}
                cut = threading.Event()
                for pump in (self._requests, self._replies):
                    threading.Thread(target=pump, args=(client, server, cut), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        seen = b""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                seen = seen[-_LONGEST_MARKER:] + data
                with self._lock:
                    met = next((marker for marker in self._markers if marker in seen), None)
                    if met is not None:
                        self._markers.remove(met)
                        cut.set()
                        seen = b""
                server.sendall(data)
        self._part(client, server)

    def _replies(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if cut.is_set():
                    self.cuts += 1
                    break
                client.sendall(data)
        self._part(client, server)

    def _part(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for one in ends:
            _end(one)


def _end(one: socket.socket) -> None:
    # Closing alone would not wake a thread that waits for this socket.
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
