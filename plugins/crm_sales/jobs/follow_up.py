"""Keeping what is planned for a deal in line with where it stands."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage
from crm_sales.services.sequences import follow_sequences, hand_steps_on


def follow(uow: UnitOfWork, message: EventMessage) -> None:
    """Begin and end sequences for a deal that was added, moved, closed or reopened."""
    follow_sequences(uow, UUID(message.payload["opportunity_id"]))


def hand_on(uow: UnitOfWork, message: EventMessage) -> None:
    """Let what was planned for a deal follow it to another person."""
    if "owner_id" in message.payload["fields"]:
        hand_steps_on(uow, UUID(message.payload["opportunity_id"]))
