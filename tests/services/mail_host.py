"""A mail server on this machine, on a port that is nobody else's from the first moment on."""

from __future__ import annotations

from typing import Any

from aiosmtpd.controller import Controller

PATIENCE_SECONDS = 60.0
"""However busy the machine is; aiosmtpd itself waits for 5."""


class MailHost(Controller):
    """Hands mails to ``handler``; ``port`` is known when it was started."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(
            handler, hostname="127.0.0.1", port=0, ready_timeout=PATIENCE_SECONDS, **options
        )

    def _trigger_server(self) -> None:
        """Connect for the first time, as the start ends; learn the port before."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
