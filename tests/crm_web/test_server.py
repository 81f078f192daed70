"""``crm serve``: ports, ending, slow clients, plugins that come and go, the demo."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from werkzeug.test import Client

from crm_core.errors import ConfigurationError
from crm_core.plugins.activation import disable_plugin
from crm_web.app import create_app
from crm_web.server import Listener, Server
from crm_web.services.api_tokens import add_token
from serving import served
from web_office import PASSWORD

CRM = Path(sys.executable).parent / "crm"
pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


class Slow:
    """Answers after a while, or when ``go_on`` is set; ``began`` is set when it is asked."""

    trusted_proxies = 0

    def __init__(self, seconds: float = 0, body: bytes = b"whole") -> None:
        self.seconds, self.body = seconds, body
        self.began, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, environ, start_response):
        self.began.set()
        time.sleep(self.seconds)
        assert self.go_on.wait(60)
        start_response("200 OK", [("Content-Length", str(len(self.body)))])
        return [self.body]

    def relay(self, stop):
        stop.wait()


def asked(port: int, path: str = "/", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Connection": "close", **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:
        return False
    return True


def wait_until_closed(port: int) -> None:
    deadline = time.monotonic() + 60
    while is_open(port):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_requests_under_way_are_answered_before_it_ends(kind):
    slow = Slow(body=b"x" * 3_000_000)
    slow.go_on.clear()
    with served(slow) as (port, stop), ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(asked, port)
        assert slow.began.wait(60)
        stop.set()
        wait_until_closed(port)
        slow.go_on.set()
        assert under_way.result() == (200, slow.body)


def test_what_waits_behind_it_is_answered_before_it_ends_too(kind):
    slow = Slow()
    slow.go_on.clear()
    with served(slow) as (port, stop), socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)  # in one piece: both are there
        assert slow.began.wait(60)
        stop.set()
        wait_until_closed(port)
        slow.go_on.set()
        told = b""
        while told.count(slow.body) < 2:
            piece = client.recv(65_536)
            assert piece, told
            told += piece


def test_who_goes_on_asking_does_not_keep_it_from_ending(kind):
    slow = Slow()
    asking = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(slow) as (port, stop), socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(asking)
        assert client.recv(65_536)
        stop.set()
        wait_until_closed(port)
        slow.began.clear()
        with suppress(ConnectionError):
            client.sendall(asking)
            time.sleep(0.5)
        assert not slow.began.is_set()


def test_clients_that_dawdle_hold_nobody_up(kind):
    with served(Slow()) as (port, _):
        dawdling = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for each in dawdling:
            each.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly so much")
        assert asked(port) == (200, b"whole")
        for each in dawdling:
            each.close()


def test_a_client_that_goes_away_or_talks_nonsense_breaks_nothing(kind):
    with served(Slow(0.2)) as (port, _):
        for nonsense in (
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"G" * 70_000,
            b"GET /\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(nonsense)
        assert asked(port)[0] == 200


def test_a_port_that_is_taken_or_no_address_of_ours_is_told_in_plain_words(kind):
    with served(Slow()) as (port, _):
        with pytest.raises(ConfigurationError, match=f"Port {port} .* is taken by another program"):
            Listener(Slow(), "127.0.0.1", port, threads=1)
    with pytest.raises(ConfigurationError, match="is no address of this machine"):
        Listener(Slow(), "203.0.113.7", 0, threads=1)
    with pytest.raises(ConfigurationError, match="is no address of this machine"):
        Listener(Slow(), "no.such.host.invalid", 0, threads=1)


@pytest.mark.parametrize(("proxies", "believed"), [(0, False), (1, True)])
def test_what_a_proxy_says_is_believed_where_it_is_declared(office, proxies, believed):
    server = Server(office.application.config, trusted_proxies=proxies)
    with served(server) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/account/sign-in", headers={"X-Forwarded-Proto": "https"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
    assert (answer.headers["Strict-Transport-Security"] is not None) is believed


def test_a_plugin_that_goes_is_gone_without_a_restart(office):
    server = Server(office.application.config)
    with served(server) as (port, _):
        cookie = f"crm_session={office.known.tokens['admin']}"
        assert asked(port, "/customers", Cookie=cookie)[0] == 200
        installed = office.application.installed_plugins
        office.write(lambda uow: disable_plugin(uow, installed, "web"))
        deadline = time.monotonic() + 60
        while (status := asked(port, "/customers", Cookie=cookie)[0]) == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert status in (404, 500, 503)


def test_a_program_sees_when_a_plugin_that_it_had_enabled_is_served(office):
    rights = ["core.plugin.manage"]
    token = office.write(lambda uow: add_token(uow, "Program", scope=rights)[0], "admin")

    def call(method, path):
        headers = {"Authorization": f"Bearer {token}", "Content-Length": "0"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, f"/api/v1/plugins/{path}", headers=headers)
        answer = connection.getresponse()
        told = answer.status, json.loads(answer.read())
        connection.close()
        return told

    with served(Server(office.application.config)) as (port, _):
        assert call("GET", "nothing")[0] == 404
        for act, state in (("disable", "disabled"), ("enable", "enabled")):
            is_on = act == "enable"
            status, told = call("POST", f"files/{act}")
            assert (status, told["state"], told["is_served"]) == (202, state, not is_on)
            deadline = time.monotonic() + 60
            while told["is_served"] is not is_on:
                assert time.monotonic() < deadline
                time.sleep(0.1)
                status, told = call("GET", "files")
                assert (status, told["state"], told["pages_left_out"]) == (200, state, None)


@pytest.fixture
def changing(office, monkeypatch):
    """A server that looks at each request; ``change`` has plugins have changed."""
    monkeypatch.setattr("crm_web.server.LOOK_SECONDS", 0.0)
    server, numbers = Server(office.application.config), [0]
    started = server._served.number
    monkeypatch.setattr("crm_web.server.activation_number", lambda uow: started + numbers[0])

    def change():
        numbers[0] += 1

    yield server, change
    server.hand_over()
    server._served.application.close()


def opened(server, path="/account/sign-in") -> int:
    return Client(server).get(path).status_code


def test_a_rebuild_that_failed_is_tried_again_and_the_pages_stay(changing, monkeypatch):
    server, change = changing
    before, real = server._served, create_app

    def breaks(*_args, **_options):
        raise RuntimeError("not now")

    monkeypatch.setattr("crm_web.server.create_app", breaks)
    change()
    for _ in range(2):
        assert opened(server) == 200
        assert server._served is before
    monkeypatch.setattr("crm_web.server.create_app", real)
    assert opened(server) == 200
    assert server._served is not before
    assert server._served.app.extensions["crm"].application is server._served.application


def test_what_was_replaced_is_closed_after_its_last_request(changing, office, monkeypatch):
    server, change = changing
    before, closed, handed = server._served, [], []
    began, go_on = threading.Event(), threading.Event()
    close = before.application.close

    def told(database, _handlers):
        if database.has_recorded:
            handed.append(database)
            database.has_recorded = False

    def slow():
        began.set()
        assert go_on.wait(60)
        before.application.database.has_recorded = True
        return "done"

    monkeypatch.setattr("crm_web.server.relay_recorded", told)
    monkeypatch.setattr("crm_core.outbox.inline.relay_recorded", told)
    monkeypatch.setattr(before.application, "close", lambda: (closed.append(1), close()))
    before.app.add_url_rule("/slow", "slow", slow)
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(opened, server, "/slow")
        assert began.wait(60)
        change()
        assert opened(server) == 200
        assert server._served is not before
        server.hand_over()
        assert closed == []
        go_on.set()
        assert under_way.result() == 200
    server.hand_over()
    assert (closed, handed) == ([1], [before.application.database])
    server.hand_over()
    assert closed == [1]


def typed(folder: Path, *words: str, **options) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    return subprocess.Popen(
        [str(CRM), *words],
        cwd=folder,
        env={
            **environment,
            "CRM_CONFIG_HOME": str(folder),
            "CRM_PLUGIN_SECONDS": "60",
            "HOME": str(folder),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_the_demo_opens_for_four_roles_and_ends_on_sigterm(kind, tmp_path):
    """Served from a folder where there is no database."""
    made = typed(tmp_path, "demo", "--path", "d", "--customers", "60")
    assert made.wait(300) == 0
    process = typed(tmp_path, "serve", "--demo", "--path", "d", "--port", "0")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Open http" in line:
            break
    told = "".join(lines)
    try:
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", told)[1])
        logins = re.findall(r"^ {2}(\w+) ", told, re.MULTILINE)
        password = re.search("“(.*?)”", told)[1]
        assert len(logins) >= 4
        for login in logins:
            assert signed_in(port, login, password), login
        assert not signed_in(port, "demo", PASSWORD)
        with closing(sqlite3.connect(tmp_path / "d" / "crm.sqlite", timeout=60)) as kept:
            found = kept.execute("SELECT value FROM core_setting WHERE key = 'web.base_url'")
            assert f"http://127.0.0.1:{port}" in str(found.fetchone())
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode in (0, 143, -signal.SIGTERM), rest
    assert "Traceback" not in told + rest
    refused = typed(tmp_path, "serve", "--demo", "--path", "d", "--host", "0.0.0.0")
    said, _ = refused.communicate(timeout=120)
    assert refused.returncode == 1
    assert "on this machine alone" in said


def signed_in(port: int, login: str, password: str) -> bool:
    from urllib.parse import urlencode

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/account/sign-in")
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    token = re.search(r'name="_csrf" value="([^"]+)"', answer.read().decode())[1]
    body = urlencode({"_csrf": token, "login": login, "password": password})
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/account/sign-in", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status == 303
