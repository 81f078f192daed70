"""Serving the pages: one process, several threads, and a new application when plugins change."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from flask import Flask

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.config import Config
from crm_core.errors import ConfigurationError
from crm_core.messages import Message, t
from crm_core.outbox.inline import relay_recorded
from crm_core.plugins.activation import activation_number
from crm_web.app import MOST_BYTES, create_app

log = structlog.get_logger(__name__)
LOOK_SECONDS = 0.5
"""How long a change of plugins may stay unseen."""
RELAY_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""How long requests under way may take when it ends; then they are cut off."""


class Server:
    """A WSGI application that is built anew when a plugin was enabled or disabled.

    Args:
        config: The settings.
        trusted_proxies: See ``create_app``.
    """

    def __init__(self, config: Config, *, trusted_proxies: int = 0) -> None:
        self._config, self.trusted_proxies = config, trusted_proxies
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._number = -1
        self._application = Application(config)
        self._app = self._built()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        return self._current()(environ, start_response)

    def _current(self) -> Flask:
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return self._app
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                if self._present_number() != self._number:
                    former, self._application = self._application, Application(self._config)
                    self._app = self._built()
                    former.close()
                    log.info("plugins changed")
                self._looked_at = time.monotonic()
            return self._app

    def _built(self) -> Flask:
        self._number = self._present_number()
        self._looked_at = time.monotonic()
        return create_app(self._application, trusted_proxies=self.trusted_proxies)

    def _present_number(self) -> int:
        with self._application.unit_of_work(system_actor("web")) as uow:
            return activation_number(uow)

    def relay(self, stop: threading.Event) -> None:
        """Hand over events that pages recorded, until told to stop."""
        while not stop.wait(RELAY_SECONDS):
            application = self._application
            relay_recorded(application.database, application.event_handlers)


class Listener:
    """An open port and what answers there.

    Args:
        server: What answers.
        host: Address of this machine.
        port: Its port; 0 for any that is free.
        threads: How many requests are answered at once.

    Raises:
        ConfigurationError: There is no such address here, or its port is taken or forbidden.
    """

    def __init__(self, server: Server, host: str, port: int, *, threads: int) -> None:
        from waitress.server import create_server

        self._server = server
        try:
            self._waitress: Any = create_server(
                server,
                host=host,
                port=port,
                threads=threads,
                ident=None,
                max_request_body_size=MOST_BYTES,
                # Those of declared proxies are read by the application, others nobody sees.
                clear_untrusted_proxy_headers=not server.trusted_proxies,
            )
        except (OSError, ValueError) as error:  # the latter for a name that nobody knows
            raise ConfigurationError(_why_not(error, host, port), code="web.port") from None
        if not hasattr(self._waitress, "effective_port"):  # a name with several addresses
            self._waitress.close()
            raise ConfigurationError(
                t("{host} stands for several addresses: give one as a number.", host=host),
                code="web.port",
            )

    @property
    def port(self) -> int:
        """The port that is open."""
        return int(self._waitress.effective_port)

    def serve(self, stop: threading.Event) -> None:
        """Answer requests until told to stop, and those that are under way still."""
        relay = threading.Thread(target=self._server.relay, args=(stop,), name="relay", daemon=True)
        relay.start()
        threading.Thread(target=self._waitress.run, name="listening", daemon=True).start()
        stop.wait()
        # In its own thread, since a port must not close under whoever waits for it.
        self._waitress.trigger.pull_trigger(self._close_port)
        self._waitress.task_dispatcher.shutdown(cancel_pending=False, timeout=PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._is_sending() and time.monotonic() < deadline:
            time.sleep(0.02)
        relay.join(RELAY_SECONDS * 2)

    def _close_port(self) -> None:
        self._waitress.del_channel()
        self._waitress.socket.close()

    def _is_sending(self) -> bool:
        channels = list(self._waitress.active_channels.values())
        return any(channel.total_outbufs_len or channel.requests for channel in channels)


def _why_not(error: OSError | ValueError, host: str, port: int) -> Message:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return t(
            "Port {port} of {host} is taken by another program, maybe by crm serve itself: end "
            "that, or name another port with --port.",
            port=port,
            host=host,
        )
    if number == errno.EACCES:
        return t(
            "Port {port} may be opened by the system's administrator alone: name one above 1023 "
            "with --port, and put a proxy before it.",
            port=port,
        )
    return t(
        "{host} is no address of this machine: name one with --host, such as 127.0.0.1.", host=host
    )
