"""Leads unattended: taken in when other modules tell of them, and given to people."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage
from crm_sales.services.assignment.assigning import A_ROUND, assign_by_rules, waiting_ids
from crm_sales.services.leads.arriving import take_lead


def take_asked(uow: UnitOfWork, message: EventMessage) -> None:
    """Take in a lead that another module tells of (``sales.lead.asked``)."""
    key = message.payload.get("arrival_key") or f"event:{message.id}"
    take_lead(uow, {**message.payload, "arrival_key": key})


def assign_some(uow: UnitOfWork, message: EventMessage) -> None:
    """Try the rules on leads that came in, or that somebody asks it for."""
    assign_by_rules(uow, [UUID(text) for text in message.payload["lead_ids"]])


def assign_waiting(uow: UnitOfWork) -> None:
    """Try the rules again on leads that wait, those tried longest ago first."""
    assign_by_rules(uow, waiting_ids(uow, limit=A_ROUND))
