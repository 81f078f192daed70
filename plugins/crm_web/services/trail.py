"""What the audit tells of signing in: told by the user it concerns, in words of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.access import Actor
from crm_core.entities.system import AuditEntry
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import UnitOfWork

ORIGIN = "web"


def note(uow: UnitOfWork, actor: Actor, action: str, user_id: UUID, **facts: Any) -> None:
    """Write one audit row about a user's way of signing in; ``facts`` never hold a secret."""
    changes = {name: [None, value] for name, value in facts.items()}
    uow.add(AuditEntry(**audit_row(actor, action, "web_account", user_id, None, changes)))


def themselves(user_id: UUID, login: str, origin: str = ORIGIN) -> Actor:
    """Return a user as the actor of what they do while signing in; it has no right at all."""
    return Actor(user_id, login, origin=origin)
