"""Mail and webhooks: whom they connect to, what they tell, and how long they take."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_core import channels
from crm_core.channels import (
    FAILURES,
    Mail,
    MailServer,
    NotDeliveredError,
    checked_url,
    post_webhook,
    reason_of,
    send_mail,
)
from crm_core.errors import ConfigurationError, InputError

MAIL = Mail("1", "ops@example.com", "A test", "It works.", datetime(2026, 5, 1, tzinfo=UTC))


@contextmanager
def dripping(begin: bytes) -> Iterator[int]:
    """A server that answers with some bytes, and then one every tenth of a second."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer, suppress(OSError):
            peer.sendall(begin)
            while not over.wait(0.1):
                peer.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join(60)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "0.0.0.0", "[fe80::1]", "224.0.0.1", "[::ffff:169.254.169.254]"],
)
def test_addresses_where_no_receiver_can_be_are_not_connected_to(address: str) -> None:
    with pytest.raises(NotDeliveredError, match="no address that may be connected to"):
        post_webhook(f"https://{address}/latest/meta-data", None, {})


def test_a_name_that_leads_there_is_not_connected_to_either(monkeypatch: Any) -> None:
    found = [(2, 1, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(channels.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotDeliveredError, match="no address"):
        post_webhook("https://inside.example.com/", None, {})


@pytest.mark.parametrize("answer", [b"HTTP/1.1 2", b"", b"HTTP/1.1 500 No\r\nX: "])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(
    monkeypatch: Any, scheme: str, answer: bytes
) -> None:
    monkeypatch.setattr(channels, "WHOLE_SECONDS", 0.6)
    began = time.monotonic()
    begin = b"\x16\x03\x03\x3f\xff" if scheme == "https" else answer
    with dripping(begin) as port, pytest.raises(FAILURES) as caught:
        post_webhook(f"{scheme}://127.0.0.1:{port}/", None, {})
    told = reason_of(caught.value)
    assert told in ("It took longer than 0.6 seconds.", "It answered 500.")
    assert time.monotonic() - began < 60, "it goes on for as long as it is listened to"


@pytest.mark.parametrize("tls", ["off", "tls", "starttls"])
def test_a_mail_server_that_answers_drop_by_drop_is_not_waited_for(
    monkeypatch: Any, tls: str
) -> None:
    monkeypatch.setattr(channels, "WHOLE_SECONDS", 0.6)
    began = time.monotonic()
    with dripping(b"\x16\x03\x03\x3f\xff" if tls == "tls" else b"220 ") as port:
        server = MailServer("127.0.0.1", port, None, None, tls, "a@example.com")
        with pytest.raises(NotDeliveredError, match=r"longer than 0\.6 seconds"):
            send_mail(server, MAIL)
    assert time.monotonic() - began < 60, "it goes on for as long as it is listened to"


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.7"])
def test_a_password_is_not_sent_in_clear_to_another_machine(monkeypatch: Any, host: str) -> None:
    asked: list[Any] = []

    def connect(address: Any, *_: Any) -> Any:
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(channels.socket, "create_connection", connect)
    monkeypatch.setenv("MAIL_PASSWORD", "s3cret")

    def send(to: str, user: str | None) -> None:
        reference = "env:MAIL_PASSWORD" if user else None
        server = MailServer(to, 25, user, reference, "off", "a@example.com")
        send_mail(server, MAIL)

    with pytest.raises(ConfigurationError, match="smtp_tls"):
        send(host, "crm")
    assert asked == []
    for to, user in ((host, None), ("localhost", "crm"), ("127.0.0.1", "crm")):
        with pytest.raises(ConnectionRefusedError):
            send(to, user)
    assert [address[0] for address in asked] == [host, "localhost", "127.0.0.1"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("https://x/KEY"), "ValueError"),
        (channels.HTTPException("KEY"), "HTTPException"),
        (OSError("KEY"), "OSError"),
        (ConnectionRefusedError(111, "Connection refused"), None),
        (channels.smtplib.SMTPAuthenticationError(535, b"KEY"), "SMTPAuthenticationError: 535"),
        (channels.smtplib.SMTPServerDisconnected("KEY"), "SMTPServerDisconnected"),
        (NotDeliveredError("It answered 500."), "It answered 500."),
    ],
)
def test_what_others_say_of_a_fault_is_not_told(error: Exception, told: str | None) -> None:
    assert reason_of(error) == (told or "ConnectionRefusedError: Connection refused")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "ftp://hooks.example.com/x",
        "https://user:pass@hooks.example.com/",
        "https:///x",
        "https://hooks.example.com:99999/",
        "hooks.example.com",
        "https://hooks.example.com/KEY with blanks",
        "https://hooks.example.com/KEY\r\nX: y",
        "https://hooks.example.com/KEY\tz",
        "https://hooks.example.com/κλειδί",
        "https://[KEY/",
    ],
)
def test_an_address_that_will_not_do_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_url(url)
    assert caught.value.code == "core.alert.webhook"
    assert "pass@" not in caught.value.message
    assert "KEY" not in caught.value.message
