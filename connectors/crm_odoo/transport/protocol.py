"""What the connector asks of a transport, whichever of Odoo's interfaces it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from crm_odoo.transport.pace import Pace


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where an Odoo is and how patient to be with it.

    Attributes:
        url: ``https://erp.example.com`` or with a port; without a path.
        database: Name of the database.
        login: The user's login.
        secret: Password or API key; never shown.
        ca_file: Certificates to trust instead of the system's.
        connect_seconds: How long a connection may take to open.
        read_seconds: How long an answer may take to go on.
        attempts: How often a call is tried in all.
        longest_pause_seconds: The longest wait between two tries.
        longest_wait_seconds: The longest wait between two tries that a server may ask for.
        pace: How often it may be called, by all connections together; None for no limit.
        connections: How many connections may be open at once.
    """

    url: str
    database: str
    login: str
    secret: str = field(repr=False)
    ca_file: str | None = None
    connect_seconds: float = 10.0
    read_seconds: float = 120.0
    attempts: int = 4
    longest_pause_seconds: float = 8.0
    longest_wait_seconds: float = 60.0
    pace: Pace | None = None
    connections: int = 1

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "https"

    @property
    def host(self) -> str:
        """Host name or address, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Port, the scheme's own by default."""
        return urlsplit(self.url).port or (443 if self.secure else 80)


class OdooTransport(Protocol):
    """A logged-in client of one database, for one thread at a time; connects when first used.

    Errors are RetryableSyncError (retries are used up), FatalSyncError (with the code
    ``core.sync.right_missing`` when a right is missing) or RecordSyncError (Odoo could not do it
    for these records). None of them ever holds the secret.
    """

    @property
    def calls(self) -> int:
        """How many requests were sent so far, retries included."""
        ...

    @property
    def server_version(self) -> str:
        """The server's version as it tells it, such as ``14.0`` or ``saas~17.2``."""
        ...

    @property
    def user_id(self) -> int:
        """Odoo's id of the user we log in as."""
        ...

    @property
    def user_language(self) -> str:
        """Odoo's code of that user's language, such as ``el_GR``."""
        ...

    @property
    def server_date(self) -> datetime | None:
        """The moment that the last answer bears, by the server's clock; None without one."""
        ...

    def connections(self) -> Sequence[OdooTransport]:
        """Return this client and as many more as may be open at once, each for a thread."""
        ...

    def execute(self, model: str, method: str, *args: Any, **keywords: Any) -> Any:
        """Call ``model.method(*args, **keywords)`` and return what it gives, as plain values.

        Calls that only read are tried again after a network error or a time-out; others only when
        they cannot have taken effect.
        """
        ...

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        ...
