"""What a handler of events is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventMessage:
    """Something that happened.

    Attributes:
        id: Its number, the same at every attempt.
        name: What happened: ``core.customer.changed``.
        version: Version of the payload; raised when a field changes its meaning or goes.
        payload: Its fields as plain values: ids, decimals, days and moments as text.
        at: When it happened, in UTC.
        actor_id: The user who did it; None for the system.
        actor_login: Login of who did it.
        origin: Where it was done: ``cli``, ``web``, ``import``, ``sync:NAME``, or ``event:NAME``
            when a handler did it.
    """

    id: int
    name: str
    version: int
    payload: Mapping[str, Any]
    at: datetime
    actor_id: UUID | None
    actor_login: str
    origin: str
