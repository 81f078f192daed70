"""Mail and webhooks, over which the worker tells people outside of trouble.

What is sent holds numbers, names of entities and codes; no customer's data and no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import smtplib
import socket
import ssl
from collections.abc import Callable
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
SIGNATURE = "X-CRM-Signature"
_PORTS = {"starttls": 587, "tls": 465, "off": 25}
FAILURES = (OSError, ValueError, smtplib.SMTPException, HTTPException, CrmError)
"""All that may go wrong with sending; whatever it is, it is tried again later."""


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
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, to, subject_of(content)
    message["Date"] = format_datetime(datetime.fromisoformat(content["at"]))
    message["Message-ID"] = f"<{notice_id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text_of(content))
    password = read_secret(server.secret_ref, "the mail server")
    with _connected(server) as client:
        if server.user:
            client.login(server.user, password or "")
        client.send_message(message)


def _connected(server: MailServer) -> smtplib.SMTP:
    assert server.host is not None
    context, port = ssl.create_default_context(), server.port or _PORTS[server.tls]
    if server.tls == "tls":
        return smtplib.SMTP_SSL(server.host, port, timeout=SECONDS, context=context)
    client = smtplib.SMTP(server.host, port, timeout=SECONDS)
    try:
        if server.tls == "starttls":
            client.starttls(context=context)
    except BaseException:
        client.close()
        raise
    return client


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
    connection.sock = _socket(parts)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise HTTPException(f"it answered {status}")


def checked_url(url: str) -> SplitResult:
    """Return the parts of a webhook's address.

    Raises:
        InputError: It is none, or would carry the notice unencrypted to another machine.
    """
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    try:
        is_whole = bool(parts.hostname) and (parts.port or 1) > 0 and parts.username is None
    except ValueError:
        is_whole = False
    if not is_whole or not (parts.scheme == "https" or is_local):
        raise InputError(
            "The webhook's address will not do: it has to begin with https:// and hold no user or "
            "password (http:// only to this machine itself).",
            code="core.alert.webhook",
        )
    return parts


def _socket(parts: SplitResult) -> socket.socket:
    host, port = parts.hostname or "", _port(parts)
    last: OSError = OSError("its name leads to no address that may be connected to")
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not _is_fit(str(address[0])):
            continue
        try:
            plain = socket.create_connection((str(address[0]), port), timeout=SECONDS)
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
