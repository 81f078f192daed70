"""An employee with customers, deals, leads and things to do, who leaves."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from crm_core.services.contact_details import add_address
from crm_core.services.ownership import assign_owner
from crm_core.testing.factories import make_customer
from crm_sales.models import Lead
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunities import add_opportunity

COUNTRIES = ("GR", "GR", "IR", None)


@pytest.fixture
def work(office) -> SimpleNamespace:
    """Four more ``customers`` of the employee's, a deal and a step of each, a ``lead``."""

    def act(uow):
        user_id = office.known.users["employee"]
        customers = []
        for place, country in enumerate(COUNTRIES):
            customer = make_customer(uow, f"Κήπος {place}")
            assign_owner(uow, customer.id, user_id)
            if country:
                add_address(uow, customer.id, {"use": "main", "country_code": country})
            customers.append(customer.id)
        deals = [
            add_opportunity(
                uow,
                customer_id,
                f"Deal {place}",
                owner_id=user_id,
                stage_code="negotiation" if place == 3 else "new",
            ).id
            for place, customer_id in enumerate(customers)
        ]
        steps = [
            plan_step(
                uow, deal_id, type="call", due_at=uow.now + timedelta(days=1), summary=f"Call {i}"
            ).id
            for i, deal_id in enumerate(deals)
        ]
        lead = uow.add(
            Lead(
                name="قرارداد",
                country_code="IR",
                currency_code="EUR",
                owner_id=user_id,
                created_at=uow.now,
                updated_at=uow.now,
            )
        )
        uow.flush()
        own = UUID(office.customer("employee"))
        return SimpleNamespace(
            customers=customers, deals=deals, steps=steps, lead=lead.id, first=own
        )

    return office.write(act)
