"""A small urllib opener that keeps its connection open between requests.

Opening a connection for each call costs more than most calls. It follows no redirect: a request
that carries a password goes where it was meant to go, or nowhere.
"""

from __future__ import annotations

import http.client
import io
import select
import ssl
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

import truststore

from crm_core.messages import t
from crm_odoo.transport.protocol import ConnectionSettings


class RedirectedError(OSError):
    """The server sent us elsewhere; ``location`` says where."""

    def __init__(self, location: str) -> None:
        super().__init__(t("redirected to {location}", location=location))
        self.location = location


class NotSentError(OSError):
    """No connection came about, so the server knows nothing of the request."""


class Response(io.BytesIO):
    """A body that was read whole, with its status and headers."""

    def __init__(self, body: bytes, status: int, headers: Message) -> None:
        super().__init__(body)
        self.status = status
        self.headers = headers

    def info(self) -> Message:
        """Return the headers, as urllib's cookie jar asks for them."""
        return self.headers


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a verifying context: the system's certificates, or those of a file."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class KeepAliveOpener:
    """Sends requests to one host over one connection; not for use by two threads at once."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._context = tls_context(settings.ca_file) if settings.secure else None
        self._connection: http.client.HTTPConnection | None = None
        self._cookies = CookieJar()
        self.requests = 0
        self.last_date: str | None = None

    def open(self, request: Request, timeout: float | None = None) -> Response:
        """Send a request and return its answer, read to the end.

        Raises:
            NotSentError: No connection came about.
            RedirectedError: The server sent a POST request elsewhere.
            HTTPError: The status is 400 or more.
            OSError: The connection broke or timed out.
            http.client.HTTPException: The answer is no HTTP.
        """
        self._cookies.add_cookie_header(request)
        self.requests += 1
        if self._settings.pace is not None:
            self._settings.pace.wait()
        try:
            answer = self._exchange(request)
        except BaseException:
            self.close()
            raise
        self._cookies.extract_cookies(answer, request)  # type: ignore[arg-type]
        self.last_date = answer.headers.get("Date")
        if 300 <= answer.status < 400:
            location = answer.headers.get("Location", "")
            if request.get_method() != "GET" or not self._is_here(location):
                raise RedirectedError(location)
        if answer.status >= 400:
            raise HTTPError(request.full_url, answer.status, "", answer.headers, answer)
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, request: Request) -> Response:
        connection = self._connected()
        body: Any = request.data
        headers = {**request.headers, **request.unredirected_hdrs}
        connection.request(request.get_method(), request.selector, body, headers)
        raw = connection.getresponse()
        answer = Response(raw.read(), raw.status, raw.headers)
        if raw.will_close:
            self.close()
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None and not _hung_up(self._connection):
            return self._connection
        self.close()
        settings = self._settings
        if self._context is not None:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                settings.host,
                settings.port,
                timeout=settings.connect_seconds,
                context=self._context,
            )
        else:
            connection = http.client.HTTPConnection(
                settings.host, settings.port, timeout=settings.connect_seconds
            )
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotSentError(str(error)) from error
        connection.sock.settimeout(settings.read_seconds)
        self._connection = connection
        return connection

    def _is_here(self, location: str) -> bool:
        there = urlsplit(location)
        settings = self._settings
        if not there.netloc:
            return True
        port = there.port or (443 if there.scheme == "https" else 80)
        return (there.scheme == "https", there.hostname, port) == (
            settings.secure,
            settings.host.lower(),
            settings.port,
        )


def _hung_up(connection: http.client.HTTPConnection) -> bool:
    """Return whether the server has closed an idle connection: then there is something to read."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
