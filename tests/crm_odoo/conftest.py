"""A server that speaks as much JSON-RPC as a login needs and misbehaves on demand."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crm_odoo.transport import ConnectionSettings, circuit
from crm_odoo.transport.odoorpc_transport import OdooRpcTransport

SECRET = "hunter2-π-secret"


@dataclass
class OdooFault:
    """An error as Odoo answers it."""

    name: str
    message: str = "a message in somebody's language"


@dataclass
class Raw:
    """Any HTTP answer."""

    status: int = 200
    body: str = ""
    content_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)


HANG = object()
DROP = object()


class FakeOdoo:
    """What the server is to do next, and what it was asked."""

    def __init__(self) -> None:
        self.next: deque[Any] = deque()
        self.every_post: Raw | None = None
        self.every_get: Raw | None = None
        self.login: Any = 7
        self.database_exists = True
        self.keeps_alive = True
        self.asked: list[tuple[str, str]] = []
        self.connections = 0
        self.bound = 0
        self.is_over = threading.Event()
        fake = self

        class Handler(_Handler):
            odoo = fake
            protocol_version = "HTTP/1.1"

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self._serve()

    def _serve(self) -> None:
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.01,), daemon=True).start()  # ends at once

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.server.shutdown()  # the thread that serves would find a socket without a number
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self._serve()

    def asked_so_far(self, number: int) -> list[tuple[str, str]]:
        """What was asked, once it is so many calls: who gave up may have done so before we read."""
        end = time.monotonic() + 60
        while len(self.asked) < number and time.monotonic() < end:
            time.sleep(0.01)
        return self.asked

    def answer(self, params: dict[str, Any]) -> Any:
        service, method, args = params["service"], params["method"], params["args"]
        if (service, method) == ("common", "login"):
            return self.login if args[2] == SECRET else False
        if (service, method) == ("db", "db_exist"):
            return self.database_exists
        if method == "execute":
            return {"lang": "el_GR", "tz": "Europe/Athens"}
        self.asked.append((args[3], args[4]))
        return self.next.popleft() if self.next else [1, 2, 3]


class _Handler(BaseHTTPRequestHandler):
    odoo: FakeOdoo

    def setup(self) -> None:
        super().setup()
        self.odoo.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.odoo.bound += 1
        self._send(self.odoo.every_get or Raw(302, headers={"Location": self.path}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.odoo.every_post:
            self._send(self.odoo.every_post)
        elif self.path == "/web/webclient/version_info":
            self._result({"server_version": "14.0"})
        else:
            self._do(self.odoo.answer(body["params"]))

    def _do(self, answer: Any) -> None:
        if answer is HANG:
            self.odoo.is_over.wait(60)
            self.close_connection = True
        elif answer is DROP:
            self.close_connection = True
        elif isinstance(answer, Raw):
            self._send(answer)
        elif isinstance(answer, OdooFault):
            data = {"name": answer.name, "message": answer.message, "debug": "Traceback"}
            self._json({"error": {"code": 200, "message": "Odoo Server Error", "data": data}})
        else:
            self._result(answer)

    def _result(self, value: Any) -> None:
        self._json({"result": value})

    def _json(self, value: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, **value})
        self._send(Raw(200, body, "application/json"))

    def _send(self, raw: Raw) -> None:
        body = raw.body.encode()
        self.send_response(raw.status)
        for name, value in raw.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", raw.content_type)
        self.send_header("Content-Length", str(len(body)))
        if not self.odoo.keeps_alive:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def fake_odoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOdoo]:
    """A server on loopback that misbehaves on demand."""
    monkeypatch.setattr(circuit, "_circuits", {})  # a port may be another test's again
    fake = FakeOdoo()
    yield fake
    fake.is_over.set()
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def connect(fake_odoo: FakeOdoo) -> Iterator[Callable[..., OdooRpcTransport]]:
    """Open transports to it, with short pauses; they are closed afterwards."""
    opened: list[OdooRpcTransport] = []

    def open_transport(**changes: Any) -> OdooRpcTransport:
        settings = {
            "url": f"http://127.0.0.1:{fake_odoo.port}",
            "database": "shop",
            "login": "bot",
            "secret": SECRET,
            "read_seconds": 60.0,
            "connect_seconds": 60.0,
            "attempts": 3,
            "longest_pause_seconds": 0.01,
        }
        opened.append(OdooRpcTransport(ConnectionSettings(**{**settings, **changes})))
        return opened[-1]

    yield open_transport
    for transport in opened:
        transport.close()


@pytest.fixture
def secret() -> str:
    """The password that the server takes."""
    return SECRET


@pytest.fixture
def misbehaviour() -> Any:
    """The kinds of answers, by name."""

    class Kinds:
        fault = OdooFault
        raw = Raw
        hang = HANG
        drop = DROP

    return Kinds
