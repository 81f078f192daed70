"""Webhooks: signed, retried, and only to where they may go."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import time_machine
from sqlalchemy import select

from crm_core import channels
from crm_core.access import system_actor
from crm_core.channels import is_public
from crm_core.entities.system import AuditEntry, Setting
from crm_core.errors import DuplicateError, InputError, NotFoundError, PermissionDeniedError
from crm_core.outbox.relay import relay
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customers import create_customer
from crm_core.services.users import disable_user
from crm_web import posting
from crm_web.models import WebhookPost
from crm_web.plugin import crm_register_event_handlers
from crm_web.posting import send_posts, send_test_post
from crm_web.services.sessions import session_for
from crm_web.services.sweeping import sweep_accounts
from crm_web.services.webhooks import (
    add_webhook,
    list_posts,
    list_webhooks,
    remove_webhook,
    send_again,
    switch_webhook,
)
from crm_web.sign_in import sign_in

SYSTEM = system_actor("test")


class Receiver:
    """A web server on this machine that keeps what is posted to it."""

    def __init__(self):
        self.got, self.status, self.headers = [], 200, {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"<script>secret of the receiver</script>")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,)
        )  # ends at once
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def allowed(office):
    _write(office, lambda uow: uow.add(Setting(key="web.webhook_hosts", value=["127.0.0.1"])))
    return office


def _write(database, act, actor=SYSTEM):
    with unit_of_work(database, actor=actor, write=True) as uow:
        result = act(uow)
        uow.commit()
    return result


def _add(database, url, events=("core.*",), **options):
    return _write(database, lambda uow: add_webhook(uow, "desk", url, events, **options))[1]


def _happen(database, name="Άννα"):
    _write(database, lambda uow: create_customer(uow, {"kind": "person", "name": name}))
    relay(database, crm_register_event_handlers())


def _posts(database):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return list_posts(uow).items


def test_an_event_arrives_signed(allowed, receiver):
    secret = _add(allowed, receiver.url)
    _happen(allowed)
    assert send_posts(allowed) == 1
    assert send_posts(allowed) == 0
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert told["event"] == "core.customer.created"
    assert len(told["payload"]["customer_ids"]) == 1
    assert "Άννα" not in body.decode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-CRM-Signature"] == f"sha256={signature}"
    (post,) = _posts(allowed)
    assert (post["status"], post["error"], post["attempts"]) == (200, None, 1)
    assert "secret of the receiver" not in str(post)


@pytest.mark.parametrize(
    ("events", "count"),
    [(["*"], 1), (["core.customer.created"], 1), (["core.customer.changed"], 0), (["sales.*"], 0)],
)
def test_only_events_that_were_asked_for(allowed, receiver, events, count):
    _add(allowed, receiver.url, events)
    _happen(allowed)
    assert len(_posts(allowed)) == count


def test_what_fails_is_tried_again_and_at_last_given_up(allowed, receiver):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        _add(allowed, receiver.url)
        receiver.status = 503
        _happen(allowed)
        send_posts(allowed)
        assert _posts(allowed)[0]["status"] == 503
        assert send_posts(allowed) == 0
        assert len(receiver.got) == 1
        clock.shift(timedelta(minutes=2))
        receiver.status = 204
        assert send_posts(allowed) == 1
        _write(allowed, lambda uow: send_again(uow, _posts(allowed)[0]["id"]))
        receiver.status = 500
        clock.shift(timedelta(days=4))
        send_posts(allowed)
        assert _posts(allowed)[0]["next_at"] is None
        clock.shift(timedelta(days=31))
        _write(allowed, sweep_accounts)
        assert _posts(allowed) == []


def test_no_redirect_is_followed(allowed, receiver):
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    _add(allowed, receiver.url)
    _happen(allowed)
    assert send_posts(allowed) == 0
    assert len(receiver.got) == 1
    assert _posts(allowed)[0]["error"] == "It answered 302."


def test_this_machine_is_refused_unless_named(office, receiver):
    _add(office, receiver.url)
    _happen(office)
    assert send_posts(office) == 0
    assert send_test_post(office, SYSTEM, "desk").error
    assert receiver.got == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "127.0.0.2",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ],
)
def test_a_name_that_leads_inside_is_refused(office, monkeypatch, address):
    connected = []
    found = [(2, 1, 6, "", (address, 443))]
    monkeypatch.setattr(channels.socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(channels.socket, "create_connection", lambda *a, **_: connected.append(a))
    _add(office, "https://hooks.example.com/x")
    assert "no address" in send_test_post(office, SYSTEM, "desk").error
    assert connected == []


def test_a_name_is_looked_up_once_and_that_address_connected_to(office, monkeypatch):
    answers = iter([[(2, 1, 6, "", ("93.184.216.34", 443))], [(2, 1, 6, "", ("127.0.0.1", 443))]])
    connected = []

    def connect(address, *_, **__):
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(channels.socket, "getaddrinfo", lambda *_, **__: next(answers))
    monkeypatch.setattr(channels.socket, "create_connection", connect)
    _add(office, "https://hooks.example.com/x")
    assert send_test_post(office, SYSTEM, "desk").error
    assert connected == [("93.184.216.34", 443)]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_reached(address):
    assert is_public(channels._address_of(address))


@pytest.mark.parametrize(
    ("url", "events", "options"),
    [
        ("ftp://hooks.example.com/", ["*"], {}),
        ("http://hooks.example.com/", ["*"], {}),
        ("https://u:p@hooks.example.com/", ["*"], {}),
        ("https://hooks.example.com/", [], {}),
        ("https://hooks.example.com/", ["Not an event"], {}),
        ("https://hooks.example.com/", ["*"], {"secret_ref": "the secret"}),
    ],
)
def test_what_will_not_do(office, url, events, options):
    with pytest.raises(InputError):
        _add(office, url, events, **options)


def test_others_may_do_nothing_and_nothing_leaves(allowed, receiver, acting):
    _add(allowed, receiver.url)
    eleni = acting("eleni")
    with pytest.raises(PermissionDeniedError):
        send_test_post(allowed, eleni, "desk")
    for act in (
        list_webhooks,
        list_posts,
        lambda uow: remove_webhook(uow, "desk"),
        lambda uow: add_webhook(uow, "x", "https://hooks.example.com/", ["*"]),
    ):
        with pytest.raises(PermissionDeniedError):
            _write(allowed, act, eleni)
    assert receiver.got == []


def test_secret_and_address_stay_inside(allowed, receiver, monkeypatch):
    secret = _add(allowed, receiver.url)
    with unit_of_work(allowed, actor=SYSTEM) as uow:
        told = str(list(uow.scalars(select(AuditEntry.changes))))
        (shown,) = list_webhooks(uow)
    assert secret not in told
    assert "/hook" not in told
    assert shown["url"].endswith("/…")
    with pytest.raises(DuplicateError):
        _add(allowed, receiver.url)


def test_a_webhook_that_is_off_hears_nothing(allowed, receiver):
    _add(allowed, receiver.url)
    _happen(allowed)
    _write(allowed, lambda uow: switch_webhook(uow, "desk", on=False))
    _happen(allowed, "Νίκος")
    send_posts(allowed)
    assert receiver.got == []
    assert len(_posts(allowed)) == 1
    _write(allowed, lambda uow: remove_webhook(uow, "desk"))
    assert _posts(allowed) == []
    with pytest.raises(NotFoundError):
        _write(allowed, lambda uow: remove_webhook(uow, "desk"))


def test_a_round_ends_in_time_and_puts_back_the_rest(allowed, receiver, monkeypatch):
    _add(allowed, receiver.url)
    for name in ("a", "b", "c"):
        _happen(allowed, name)
    with monkeypatch.context() as patch:
        patch.setattr(posting, "SECONDS", 0.0)
        assert send_posts(allowed) == 0
    assert send_posts(allowed) == 3


def test_a_user_who_was_disabled_is_signed_out_for_good(office):
    token = sign_in(office, "eleni", "seventeen blue herons")
    _write(office, lambda uow: disable_user(uow, "eleni"))
    relay(office, crm_register_event_handlers())
    from crm_core.services.users import enable_user

    _write(office, lambda uow: enable_user(uow, "eleni"))
    with unit_of_work(office, actor=SYSTEM) as uow:
        assert session_for(uow, token) is None
        assert list(uow.scalars(select(WebhookPost.id))) == []


def test_an_unreachable_host_is_told_in_our_words(office, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(channels.socket, "getaddrinfo", fail)
    _add(office, "https://hooks.example.com/KEY")
    assert "KEY" not in send_test_post(office, SYSTEM, "desk").error
