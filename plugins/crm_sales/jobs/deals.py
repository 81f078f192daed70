"""What becomes of deals when others change what they stand on."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.events import EventMessage
from crm_sales.services.moves import resettle_opportunities


def resettle_deals(uow: UnitOfWork, message: EventMessage) -> None:
    """Bring open deals from stages that a pipeline lost to where its design sends them."""
    for left, entered in message.payload["resettled"].items():
        while resettle_opportunities(uow, UUID(left), UUID(entered)):
            pass
