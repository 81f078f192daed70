"""Mail and webhooks: how what is told to the world outside gets there.

Nothing of what others answer is kept or told, which may name addresses and keys.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from crm_core.messages import n, t
from crm_core.secret_refs import is_reference, read_secret

SECONDS = 10.0
"""For each step of sending."""
WHOLE_SECONDS = 20.0
"""For all of one notice: an answer that comes drop by drop never takes too long for a step."""
SIGNATURE = "X-CRM-Signature"
_PORTS = {"starttls": 587, "tls": 465, "off": 25}
_SEEN = re.compile(r"[!-~]+")
_HERE = ("localhost", "127.0.0.1", "::1")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FAILURES = (OSError, ValueError, smtplib.SMTPException, HTTPException, CrmError)
"""All that may go wrong with sending; whatever it is, it is tried again later."""


class NotDeliveredError(CrmError):
    """It did not arrive, in our own words.

    Attributes:
        missed: Those whom a mail did not reach although it reached others.
        status: What a webhook answered.
    """

    def __init__(self, message: str, missed: Sequence[str] = (), status: int | None = None) -> None:
        super().__init__(message, code="core.alert.not_delivered")
        self.missed = missed
        self.status = status


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


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file that goes with a mail: what it is called, its media type, and its bytes."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail.

    Attributes:
        id: The same at every attempt, so that receivers know one they have.
        to: Addresses, with commas between them.
        subject: One line.
        text: What it says.
        at: When it was written.
        files: What goes with it.
    """

    id: str
    to: str
    subject: str
    text: str
    at: datetime
    files: tuple[MailFile, ...] = ()


def send_mail(server: MailServer, mail: Mail) -> None:
    """Send one mail; raises one of ``FAILURES``."""
    if not server.host or not server.sender:
        raise ConfigurationError(
            t("Mail cannot be sent: set smtp_host and mail_from in crm.toml."),
            code="core.mail.unset",
        )
    if server.tls == "off" and server.user and server.host not in _HERE:
        raise ConfigurationError(
            t(
                "The password for {host} would go there in clear: set smtp_tls to starttls or tls "
                "in crm.toml, or leave smtp_user out.",
                host=server.host,
            ),
            code="core.mail.unencrypted",
        )
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, mail.to, mail.subject
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    for file in mail.files:
        main, _, sub = file.content_type.partition("/")
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
    password = read_secret(server.secret_ref, t("the mail server"))
    with _deadline() as watch, _connected(server, watch) as client:
        if server.user:
            client.login(server.user, password or "")
        refused = client.send_message(message)
    if refused:
        codes = sorted({code for code, _ in refused.values()})
        raise NotDeliveredError(
            n(
                "The mail server refused {count} of the addresses (SMTP {codes}); the others have "
                "it.",
                "The mail server refused {count} of the addresses (SMTP {codes}); the others have "
                "it.",
                len(refused),
                codes=", ".join(map(str, codes)),
            ),
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
        raise NotDeliveredError(t("The mail server offers no encryption (STARTTLS).")) from None
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
            raise NotDeliveredError(
                n(
                    "It took longer than {count:g} second.",
                    "It took longer than {count:g} seconds.",
                    WHOLE_SECONDS,
                )
            ) from None
        raise
    finally:
        timer.cancel()
        for each in watched:
            each.close()


def post_webhook(
    url: str,
    secret: str | None,
    content: Mapping[str, Any],
    *,
    may_reach: Callable[[Address], bool] | None = None,
) -> int:
    """Post something as JSON, signed where there is a secret; raises one of ``FAILURES``.

    No redirect is followed, and the address that was checked is the one that is connected to.

    Args:
        url: Where.
        secret: What it is signed with.
        content: What JSON can hold.
        may_reach: Which addresses may be connected to; by default all where a receiver can be.

    Returns:
        The status of the answer.
    """
    parts = checked_url(url)
    body = json.dumps(content, sort_keys=True).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "crm-front-office"}
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    connection = HTTPConnection(parts.hostname or "", _port(parts), timeout=SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _deadline() as watch, closing(connection):
        connection.sock = _socket(parts, watch, may_reach or _is_fit)
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    if not 200 <= status < 300:
        raise NotDeliveredError(t("It answered {status}.", status=status), status=status)
    return status


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
            t(
                "The webhook's address will not do: it has to begin with https:// (http:// only to "
                "this machine itself), hold no user or password, and neither blanks nor letters "
                "beyond ASCII."
            ),
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


def _socket(
    parts: SplitResult, watch: Watch, may_reach: Callable[[Address], bool]
) -> socket.socket:
    host, port = parts.hostname or "", _port(parts)
    last: Exception = NotDeliveredError(
        t("The webhook's name leads to no address that may be connected to.")
    )
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not may_reach(_address_of(str(address[0]))):
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


def _address_of(text: str) -> Address:
    found = ipaddress.ip_address(text.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def _is_fit(address: Address) -> bool:
    """Refuse addresses where no receiver is, but the machines' own services (169.254.169.254)."""
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def is_public(address: Address) -> bool:
    """Return whether an address is one of the internet, also the one that it stands for."""
    inner = getattr(address, "sixtofour", None) or (getattr(address, "teredo", None) or (None,))[-1]
    if address.version == 6 and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    known = address.is_global and not address.is_multicast
    return known and (inner is None or is_public(inner))


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def webhook_of(url: str, secret_ref: str | None) -> tuple[str, str | None]:
    """Return a webhook's address and secret, read from where they are kept."""
    address = read_secret(url, t("the webhook's address")) if is_reference(url) else url
    return address or "", read_secret(secret_ref, t("the webhook"))
