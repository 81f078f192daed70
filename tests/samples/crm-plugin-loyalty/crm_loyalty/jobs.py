"""What runs unattended, as the system: the caller commits."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage

from crm_loyalty import services


def welcome(uow: UnitOfWork, message: EventMessage) -> None:
    """Give new companies a card, unless their back office issues cards itself.

    Told of the same companies again it does nothing: each of them has had its card by then.
    """
    if not message.origin.startswith("sync:"):
        services.welcome_companies(uow, [UUID(key) for key in message.payload["customer_ids"]])


def expire(uow: UnitOfWork) -> None:
    """End cards whose last day has passed, some at a time."""
    services.expire_cards(uow)
