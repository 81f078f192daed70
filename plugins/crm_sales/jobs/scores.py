"""Scores, unattended: open deals are scored again since others were closed."""

from __future__ import annotations

from uuid import UUID

from crm_core.access import system_actor
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_hooks.events import EventMessage
from crm_sales.services.probability import rescore_deals, rescore_deals_of

JOB = "sales.rescore"


def rescore(database: Database) -> None:
    """Score all open deals again, some thousands a transaction."""
    after: UUID | None = None
    while True:
        with unit_of_work(database, actor=system_actor(JOB), write=True) as uow:
            _, after = rescore_deals(uow, after=after)
            uow.commit()
        if after is None:
            return


def rescore_of_customers(uow: UnitOfWork, message: EventMessage) -> None:
    """Score the deals of customers who changed: they may be reached otherwise now."""
    rescore_deals_of(uow, [UUID(each) for each in message.payload["customer_ids"]])
