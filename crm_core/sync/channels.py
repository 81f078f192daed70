"""Mail and webhooks, over which the worker tells people outside of trouble.

What is sent holds numbers, names of entities and codes; no customer's data and no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

from crm_core.config import Config
from crm_core.errors import ConfigurationError, CrmError, InputError
from crm_core.secret_refs import is_reference, read_secret

SECONDS = 10.0
"""For each step of sending."""
WHOLE_SECONDS = 20.0
"""For all of one notice: an answer that comes drop by drop never takes too long for a step."""
SIGNATURE = "X-CRM-Signature"
_PORTS = {"starttls": 587, "tls": 465, "off": 25}
_SEEN = re.compile(r"[!-~]+")
_HERE = ("localhost", "127.0.0.1", "::1")
FAILURES = (OSError, ValueError, smtplib.SMTPException, HTTPException, CrmError)
"""All that may go wrong with sending; whatever it is, it is tried again later."""


class NotDeliveredError(CrmError):
    """A notice did not arrive, in our own words; ``missed`` are those whom a mail did not reach."""

    def __init__(self, message: str, missed: Sequence[str] = ()) -> None:
        super().__init__(message, code="core.alert.not_delivered")
        self.missed = missed


def reason_of(error: BaseException) -> str:
    """Return what went wrong without any text of others, which may name addresses and keys."""
    if isinstance(error, CrmError):
        return error.message
    told: Any = None
    if isinstance(error, smtplib.SMTPResponseException):
        told = error.smtp_code
    elif isinstance(error, ssl.SSLError):
        told = error.reason
    elif isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        told = error.strerror
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes out, as the settings say; ``tls`` is ``starttls``, ``tls`` or ``off``."""

    host: str | None
    port: int | None
    user: str | None
    secret_ref: str | None
    tls: str
    sender: str | None


def mail_server(config: Config) -> MailServer:
    """Return where mail goes out."""
    return MailServer(
        config.smtp_host,
        config.smtp_port,
        config.smtp_user,
        config.smtp_secret_ref,
        config.smtp_tls,
        config.mail_from,
    )


def send_mail(server: MailServer, to: str, notice_id: str, content: dict[str, Any]) -> None:
    """Send one notice as mail; raises one of ``FAILURES``."""
    if not server.host or not server.sender:
        raise ConfigurationError(
            "Mail cannot be sent: set smtp_host and mail_from in crm.toml.", code="core.mail.unset"
        )
    if server.tls == "off" and server.user and server.host not in _HERE:
        raise ConfigurationError(
            f"The password for {server.host} would go there in clear: set smtp_tls to starttls or "
            "tls in crm.toml, or leave smtp_user out.",
            code="core.mail.unencrypted",
        )
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, to, subject_of(content)
    message["Date"] = format_datetime(datetime.fromisoformat(content["at"]))
    message["Message-ID"] = f"<{notice_id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text_of(content))
    password = read_secret(server.secret_ref, "the mail server")
    with _deadline() as watch, _connected(server, watch) as client:
        if server.user:
            client.login(server.user, password or "")
        refused = client.send_message(message)
    if refused:
        codes = sorted({code for code, _ in refused.values()})
        raise NotDeliveredError(
            f"The mail server refused {len(refused)} of the addresses (SMTP "
            f"{', '.join(map(str, codes))}); the others have it.",
            missed=list(refused),
        )


def _connected(server: MailServer, watch: Watch) -> smtplib.SMTP:
    assert server.host is not None
    context, port = ssl.create_default_context(), server.port or _PORTS[server.tls]

    class Client(smtplib.SMTP):
        """Is watched from before the first word of the server."""

        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            plain = watch(socket.create_connection((host, port), timeout))
            if server.tls == "tls":
                return context.wrap_socket(plain, server_hostname=host)
            return plain

    client = Client(server.host, port, timeout=SECONDS)
    try:
        if server.tls == "starttls":
            client.starttls(context=context)
    except smtplib.SMTPNotSupportedError:
        client.close()
        raise NotDeliveredError("The mail server offers no encryption (STARTTLS).") from None
    except BaseException:
        client.close()
        raise
    return client


Watch = Callable[[socket.socket], socket.socket]


@contextmanager
def _deadline() -> Iterator[Watch]:
    """Give a function that a new connection is handed to, so that it ends in time."""
    over = threading.Event()
    watched: list[socket.socket] = []

    def end() -> None:
        over.set()
        for each in watched:
            with suppress(OSError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)

    def watch(plain: socket.socket) -> socket.socket:
        watched.append(plain.dup())  # which stays ours when the connection becomes encrypted
        if over.is_set():
            end()
        return plain

    timer = threading.Timer(WHOLE_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    except FAILURES:
        if over.is_set():
            raise NotDeliveredError(f"It took longer than {WHOLE_SECONDS:g} seconds.") from None
        raise
    finally:
        timer.cancel()
        for each in watched:
            each.close()


def post_webhook(url: str, secret: str | None, content: dict[str, Any]) -> None:
    """Post one notice as JSON, signed where there is a secret; raises one of ``FAILURES``.

    No redirect is followed, and the address that was checked is the one that is connected to.
    """
    parts = checked_url(url)
    body = json.dumps(content, sort_keys=True).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "crm-front-office"}
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    connection = HTTPConnection(parts.hostname or "", _port(parts), timeout=SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _deadline() as watch, closing(connection):
        connection.sock = _socket(parts, watch)
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    if not 200 <= status < 300:
        raise NotDeliveredError(f"It answered {status}.")


def checked_url(url: str) -> SplitResult:
    """Return the parts of a webhook's address.

    Raises:
        InputError: It is none, or would carry the notice unencrypted to another machine.
    """
    parts = _parts(url)
    if parts is None or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    ):
        raise InputError(
            "The webhook's address will not do: it has to begin with https:// (http:// only to "
            "this machine itself), hold no user or password, and neither blanks nor letters beyond "
            "ASCII.",
            code="core.alert.webhook",
        )
    return parts


def _parts(url: str) -> SplitResult | None:
    if not _SEEN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and (parts.port or 1) > 0 and parts.username is None
    except ValueError:
        return None
    return parts if is_whole else None


def _socket(parts: SplitResult, watch: Watch) -> socket.socket:
    host, port = parts.hostname or "", _port(parts)
    last: Exception = NotDeliveredError(
        "The webhook's name leads to no address that may be connected to."
    )
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not _is_fit(str(address[0])):
            continue
        try:
            plain = watch(socket.create_connection((str(address[0]), port), timeout=SECONDS))
        except OSError as error:
            last = error
            continue
        if parts.scheme == "http":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    raise last


def _is_fit(address: str) -> bool:
    """Refuse addresses where no receiver is, but the machines' own services (169.254.169.254)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return not (found.is_link_local or found.is_multicast or found.is_unspecified)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def webhook_of(url: str, secret_ref: str | None) -> tuple[str, str | None]:
    """Return a webhook's address and secret, read from where they are kept."""
    address = read_secret(url, "the webhook's address") if is_reference(url) else url
    return address or "", read_secret(secret_ref, "the webhook")


def subject_of(content: dict[str, Any]) -> str:
    """Return a mail's subject."""
    if content.get("is_test"):
        return f"CRM: test of the alerts of {content['backend']}"
    if content["began"]:
        return f"CRM: {_words(content['began'][0])} ({content['backend']})"
    return f"CRM: {content['backend']} has recovered"


def text_of(content: dict[str, Any]) -> str:
    """Return a mail's text."""
    name = content["backend"]
    lines = [f"Back office {name}, {content['at'][:16].replace('T', ' ')} UTC", ""]
    for heading, key in (("New:", "began"), ("Over:", "ended"), ("Still:", "standing")):
        lines += [f"{heading} {_words(each)}" for each in content[key]]
    if content.get("is_test"):
        lines.append("This is a test: alerts of this back office arrive here.")
    return "\n".join([*lines, "", f"See: crm sync status {name}", ""])


_TROUBLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "failed": lambda each: f"a sync failed with {each['code']}",
    "conflicts": lambda each: f"{each['count']} open conflicts, alert from {each['limit']} on",
    "set_aside": lambda each: f"{each['count']} records set aside, alert from {each['limit']} on",
}


def _words(trouble: dict[str, Any]) -> str:
    return _TROUBLES[trouble["trouble"]](trouble)
