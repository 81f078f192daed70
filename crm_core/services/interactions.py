"""What happened with customers: an append-only log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.interaction import Channel, Direction, Interaction
from crm_core.entities.user import User
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled, one_of, optional, past
from crm_core.services.lookup import permitted_customer
from crm_core.services.settings import said_for

LOG = "core.interaction.log"


def log_interaction(
    uow: UnitOfWork,
    customer_id: UUID,
    *,
    channel: str,
    direction: str,
    subject: str,
    body: str | None = None,
    at: datetime | None = None,
    about: tuple[str, UUID] | None = None,
) -> Interaction:
    """Log something that happened with a customer; it can never be changed or removed.

    Args:
        uow: The unit of work.
        customer_id: With whom.
        channel: A value of ``Channel``.
        direction: ``inbound``, ``outbound`` or ``internal``.
        subject: One line.
        body: The rest; both are said in the company's language, where they are messages.
        at: When it happened, aware; None for now.
        about: Entity name and id of another record it is about.
    """
    customer = permitted_customer(uow, customer_id, LOG)
    about_type, about_id = about or (None, None)
    return uow.add(
        Interaction(
            customer_id=customer.id,
            at=past(at, uow.now, "at"),
            channel=one_of(Channel, channel, "channel"),
            direction=one_of(Direction, direction, "direction"),
            subject=filled(said_for(uow, subject), "subject"),
            body=optional(said_for(uow, body), "body"),
            user_id=uow.actor.user_id,
            about_type=about_type,
            about_id=about_id,
            recorded_at=uow.now,
        )
    )


def list_interactions(
    uow: UnitOfWork, customer_id: UUID, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a customer's interactions, newest first.

    A dict holds ``id, at, channel, direction, subject, body, user_name, about_type, about_id``.
    """
    statement = (
        select(
            Interaction.id,
            Interaction.at,
            Interaction.channel,
            Interaction.direction,
            Interaction.subject,
            Interaction.body,
            User.name.label("user_name"),
            Interaction.about_type,
            Interaction.about_id,
        )
        .outerjoin(User, User.id == Interaction.user_id)
        .where(Interaction.customer_id == customer_id)
    )
    return page_of(
        uow,
        statement,
        keys=(Interaction.at, Interaction.id),
        limit=limit,
        cursor=cursor,
        descending=True,
    )
