"""The forecast's own work: noting what is expected of deals, and keeping each day's figures."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage
from crm_sales.services.forecast.history import note_expectations
from crm_sales.services.forecast.snapshots import take_snapshot


def note_deal(uow: UnitOfWork, message: EventMessage) -> None:
    """Note what is expected of a deal that was added or changed; it may be gone by now."""
    note_expectations(uow, [UUID(message.payload["opportunity_id"])])


def keep_forecast(uow: UnitOfWork) -> None:
    """Note what no event told of, and keep the day's forecast, once a day."""
    note_expectations(uow)
    take_snapshot(uow)
