"""Serving the pages: one process, several threads, and a new application when plugins change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from flask import Flask

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.config import Config
from crm_core.outbox.inline import relay_recorded
from crm_core.plugins.activation import activation_number
from crm_web.app import create_app

log = structlog.get_logger(__name__)
LOOK_SECONDS = 0.5
"""How long a change of plugins may stay unseen."""
RELAY_SECONDS = 1.0


class Server:
    """A WSGI application that is built anew when a plugin was enabled or disabled.

    Args:
        config: The settings.
        trusted_proxies: See ``create_app``.
    """

    def __init__(self, config: Config, *, trusted_proxies: int = 0) -> None:
        self._config, self._trusted_proxies = config, trusted_proxies
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
        return create_app(self._application, trusted_proxies=self._trusted_proxies)

    def _present_number(self) -> int:
        with self._application.unit_of_work(system_actor("web")) as uow:
            return activation_number(uow)

    def relay(self, stop: threading.Event) -> None:
        """Hand over events that pages recorded, until told to stop."""
        while not stop.wait(RELAY_SECONDS):
            application = self._application
            relay_recorded(application.database, application.event_handlers)


def serve(server: Server, host: str, port: int, *, threads: int, stop: threading.Event) -> None:
    """Answer requests until told to stop.

    Args:
        server: What answers.
        host: Address of this machine.
        port: Its port.
        threads: How many requests are answered at once.
        stop: Set when it shall end; requests under way are answered still.
    """
    from waitress.server import create_server

    listening = create_server(
        server,
        host=host,
        port=port,
        threads=threads,
        ident=None,
        clear_untrusted_proxy_headers=False,
    )
    relay = threading.Thread(target=server.relay, args=(stop,), name="relay", daemon=True)
    relay.start()
    threading.Thread(target=listening.run, name="listening", daemon=True).start()
    stop.wait()
    listening.close()
    relay.join(RELAY_SECONDS * 2)
