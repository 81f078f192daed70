"""What runs unattended, as the system: the caller commits."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage


def sign_out(uow: UnitOfWork, message: EventMessage) -> None:
    """End the sessions of a user who was disabled: enabled again, they sign in anew."""
    from crm_web.services.sessions import close_sessions_of

    close_sessions_of(uow, UUID(message.payload["user_id"]))


def tell_webhooks(uow: UnitOfWork, message: EventMessage) -> None:
    """Queue an event for the webhooks that want to hear of it."""
    from crm_web.services.webhooks import queue_posts

    queue_posts(uow, message)


def sweep(uow: UnitOfWork) -> None:
    """Forget what is over."""
    from crm_web.services.sweeping import sweep_accounts

    sweep_accounts(uow)


def post(database: Database) -> None:
    """Post what waits for webhooks."""
    from crm_web.posting import send_posts

    send_posts(database)
