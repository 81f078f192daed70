"""Whether a customer may be offered something: what they said to that, and what modules object."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from crm_core.entities.consent import ConsentStatus
from crm_core.entities.customer import Customer
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.consents import current_consents
from crm_hooks.contributions import Objection

PURPOSES = frozenset({"marketing", "profiling"})


def objections_to_offer(
    uow: UnitOfWork, customer_id: UUID, product_ids: Sequence[UUID] = ()
) -> list[Objection]:
    """Return why a customer should not be offered what they did not ask for; empty for no reason.

    Args:
        uow: The unit of work.
        customer_id: To whom.
        product_ids: What; empty while nothing is chosen yet.

    Raises:
        NotFoundError: There is no such customer that the actor may see.
    """
    uow.actor.require(CUSTOMER_VIEW)
    uow.get(Customer, customer_id)
    said = [
        Objection(
            t(
                "They withdrew their consent to {purpose} ({channel}): ask before you offer "
                "anything.",
                purpose=each["purpose"],
                channel=each["channel"],
            ),
            code="core.consent.withdrawn",
        )
        for each in current_consents(uow, customer_id)
        if each["purpose"] in PURPOSES and each["status"] == ConsentStatus.WITHDRAWN
    ]
    told = {"customer_id": customer_id, "product_ids": tuple(product_ids)}
    return said + uow.hooks.check("crm_check_offer", uow=uow, **told)
