"""Offers follow the deals that they are of."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage
from crm_sales.services.quotes.editing import follow_owner as follow


def follow_owner(uow: UnitOfWork, message: EventMessage) -> None:
    """Let the offers of a deal that went to somebody else go with it."""
    if "owner_id" in message.payload["fields"]:
        follow(uow, UUID(message.payload["opportunity_id"]))
