"""Serving the pages: one process, several threads, and a new application when plugins change."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.config import Config
from crm_core.errors import ConfigurationError
from crm_core.messages import Message, t
from crm_core.outbox.inline import relay_recorded
from crm_core.persistence.bulk import rare_collections
from crm_core.plugins.activation import activation_number
from crm_core.plugins.discovery import FAILURES, described
from crm_web.app import MOST_BYTES, create_app

log = structlog.get_logger(__name__)
LOOK_SECONDS = 0.5
"""How long a change of plugins may stay unseen."""
RELAY_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""How long requests under way may take when it ends; then they are cut off."""


@dataclass(eq=False, slots=True)
class _Served:
    """An application and its pages, as plugins were when it was built.

    Attributes:
        number: The activation that it was built for.
        under_way: How many requests it is answering.
    """

    number: int
    application: Application
    app: Flask
    under_way: int = 0


class Server:
    """A WSGI application that is built anew when a plugin was enabled or disabled.

    Args:
        config: The settings.
        trusted_proxies: See ``create_app``.
    """

    def __init__(self, config: Config, *, trusted_proxies: int = 0) -> None:
        self._config, self.trusted_proxies = config, trusted_proxies
        self._building, self._counting = threading.Lock(), threading.Lock()
        self._former: list[_Served] = []
        self._served = self._built()
        self._looked_at = time.monotonic()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        self._look()
        with self._counting:
            served = self._served
            served.under_way += 1
        try:
            return served.app(environ, start_response)
        finally:
            with self._counting:
                served.under_way -= 1

    def _look(self) -> None:
        """Take up a change of plugins; what cannot be built now is tried again at the next look."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        with self._building:
            if time.monotonic() - self._looked_at < LOOK_SECONDS:
                return
            try:
                if _present_number(self._served.application) != self._served.number:
                    served = self._built()
                    with self._counting:
                        self._former.append(self._served)
                        self._served = served
                    log.info("plugins changed")
            except FAILURES as error:
                log.warning("a change of plugins waits", reason=described(error), exc_info=True)
            self._looked_at = time.monotonic()

    def _built(self) -> _Served:
        application = Application(self._config)
        try:
            number = _present_number(application)
            app = create_app(application, trusted_proxies=self.trusted_proxies)
        except BaseException:
            application.close()
            raise
        return _Served(number, application, app)

    def relay(self, stop: threading.Event) -> None:
        """Hand over events that pages recorded, until told to stop."""
        while not stop.wait(RELAY_SECONDS):
            self.hand_over()

    def hand_over(self) -> None:
        """Hand over what was recorded, and close what was replaced and answers nothing any more."""
        with self._counting:
            ended = [each for each in self._former if not each.under_way]
            self._former = [each for each in self._former if each.under_way]
            open_ones = [*self._former, self._served]
        for each in ended:
            each.application.close()  # which hands over what its last requests recorded
        for each in open_ones:
            relay_recorded(each.application.database, each.application.event_handlers)


def _present_number(application: Application) -> int:
    with application.unit_of_work(system_actor("web")) as uow:
        return activation_number(uow)


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
        with rare_collections():  # a request makes thousands of objects, and next to no cycles
            self._serve(stop)

    def _serve(self, stop: threading.Event) -> None:
        relay = threading.Thread(target=self._server.relay, args=(stop,), name="relay", daemon=True)
        relay.start()
        threading.Thread(target=self._waitress.run, name="listening", daemon=True).start()
        stop.wait()
        # In its own thread, since a port must not close under whoever waits for it.
        self._waitress.trigger.pull_trigger(self._close_port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        # Threads that are told to end leave what waits for them unanswered: so that comes first.
        while (self._is_asked() or self._is_sending()) and time.monotonic() < deadline:
            time.sleep(0.02)
        left = max(deadline - time.monotonic(), 0)
        self._waitress.task_dispatcher.shutdown(cancel_pending=False, timeout=left)
        while self._is_sending() and time.monotonic() < deadline:  # what came in between
            time.sleep(0.02)
        relay.join(RELAY_SECONDS * 2)

    def _close_port(self) -> None:
        # Nor is more read from who is here already, or busy clients would never let it end.
        self._waitress.adj.channel_request_lookahead = -1
        self._waitress.del_channel()
        self._waitress.socket.close()

    def _is_asked(self) -> bool:
        # A request is over when its whole answer lies in the buffers: look at them only then.
        return any(channel.requests for channel in self._channels())

    def _is_sending(self) -> bool:
        return any(channel.total_outbufs_len for channel in self._channels())

    def _channels(self) -> list[Any]:
        return list(self._waitress.active_channels.values())


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
