"""A TCP proxy before an HTTP back office that spoils the exchanges it is told to spoil.

with FaultyProxy("http://127.0.0.1:8069") as proxy:
proxy.spoil('"search_read"', half_answer)
proxy.spoil('"load"', lost_reply)  # the next requests that hold these texts
...                                # give the connector proxy.url
assert proxy.spoilt == 2
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65_536
_STALL_SECONDS = 60.0


class Exchange:
    """One request with what its fault may do to it."""

    def __init__(self, request: bytes, client: socket.socket, server: socket.socket) -> None:
        self.request, self.client, self._server = request, client, server

    def forward(self) -> bytes:
        """Send the request on and return the whole answer: the work is done then."""
        self._server.sendall(self.request)
        return _message(self._server)


Fault = Callable[[Exchange], None]
"""Deals with an exchange; the connection ends where it raises OSError."""


def passed_on(exchange: Exchange) -> None:
    """No fault at all."""
    exchange.client.sendall(exchange.forward())


def late(seconds: float) -> Fault:
    """Return the fault of a slow network: whole, but later."""

    def wait(exchange: Exchange) -> None:
        time.sleep(seconds)
        passed_on(exchange)

    return wait


def lost_reply(exchange: Exchange) -> None:
    """The work is done, and the connection ends before any of the answer came."""
    exchange.forward()
    raise OSError("cut")


def half_answer(exchange: Exchange) -> None:
    """The work is done, and the connection ends in order after half of the answer."""
    _send_half(exchange)
    raise OSError("cut")


def reset(exchange: Exchange) -> None:
    """The work is done, and the connection is reset in the middle of the answer's body."""
    _send_half(exchange)
    exchange.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise OSError("reset")


def stalled(exchange: Exchange) -> None:
    """The work is done, and after half of the answer nothing comes any more."""
    _send_half(exchange)
    exchange.client.settimeout(_STALL_SECONDS)
    exchange.client.recv(1)  # until the client hangs up
    raise OSError("stalled")


def bad_gateway(exchange: Exchange) -> None:
    """A proxy answers in the server's place, in HTML; the request never arrives."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    _send(exchange, b"502 Bad Gateway", page, b"Content-Type: text/html\r\n")


def too_many(seconds: int) -> Fault:
    """Return the fault of a limit on calls: asked to come back later; nothing was done."""

    def refuse(exchange: Exchange) -> None:
        _send(exchange, b"429 Too Many Requests", b"", b"Retry-After: %d\r\n" % seconds)

    return refuse


class FaultyProxy:
    """Stands before an HTTP server; passes everything on until it is told otherwise.

    Args:
        url: The server's; plain HTTP.
    """

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self._server = (there.hostname or "127.0.0.1", there.port or 80)
        self._faults: list[tuple[bytes, Fault]] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.spoilt = 0
        """How many exchanges were spoilt so far."""
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def spoil(self, marker: str, fault: Fault, *, times: int = 1) -> None:
        """Spoil the next requests that hold this text; an empty one stands in every request."""
        with self._lock:
            self._faults += [(marker.encode(), fault)] * times

    def heal(self) -> None:
        """Forget faults that nothing met."""
        with self._lock:
            self._faults.clear()

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
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._server) as server:
            ends = {client, server}
            with self._lock:
                self._open |= ends
            for one in ends:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while request := _message(client):
                    self._fault_for(request)(Exchange(request, client, server))
            finally:
                with self._lock:
                    self._open -= ends
        client.close()

    def _fault_for(self, request: bytes) -> Fault:
        with self._lock:
            for place, (marker, fault) in enumerate(self._faults):
                if marker in request:
                    del self._faults[place]
                    self.spoilt += 1
                    return fault
        return passed_on


def _message(end: socket.socket) -> bytes:
    """Return a whole HTTP message, or nothing when the other end hung up before it."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := end.recv(_CHUNK)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    is_answer = head.startswith(b"HTTP/")
    length = fields.get(b"content-length")
    chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
    parts = [body]

    def is_whole() -> bool:
        if chunked:
            return b"".join(parts[-2:]).endswith(b"0\r\n\r\n")
        if length is not None:
            return sum(map(len, parts)) >= int(length)
        return not is_answer or head.split(b" ")[1] in (b"204", b"304")

    while not is_whole() and (more := end.recv(_CHUNK)):
        parts.append(more)
    return head + b"\r\n\r\n" + b"".join(parts)


def _send_half(exchange: Exchange) -> None:
    head, gap, body = exchange.forward().partition(b"\r\n\r\n")
    exchange.client.sendall(head + gap + body[: len(body) // 2])
    time.sleep(0.05)  # a reset would take along what has not left yet


def _send(exchange: Exchange, status: bytes, body: bytes, headers: bytes) -> None:
    length = b"Content-Length: %d\r\n" % len(body)
    exchange.client.sendall(b"HTTP/1.1 " + status + b"\r\n" + headers + length + b"\r\n" + body)


def _end(one: socket.socket) -> None:
    # Closing alone would not wake a thread that waits for this socket.
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
