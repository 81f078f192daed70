"""Every page and operation of the core, walked as every role, another team and nobody."""

from __future__ import annotations

import pytest

from access_walk import *  # noqa: F403
from access_walk import foreign_in, taken
from crm_core.services.interactions import log_interaction
from crm_core.services.ownership import assign_owner
from crm_core.testing.factories import make_customer, make_invoice
from web_walk import steps


@pytest.fixture
def area() -> str:
    """All routes."""
    return ""


@pytest.fixture
def happens(office):
    """Others get customers, invoices and calls."""

    def happens(uow):
        for owner in ("employee", "manager", None):
            customer = make_customer(uow, f"Northquux more {owner}", kind="company")
            assign_owner(uow, customer.id, office.known.users.get(owner))
            make_invoice(uow, customer.id, total="9999.00", number=f"INV-Northquux-{owner}")
            log_interaction(
                uow,
                customer.id,
                channel="phone",
                direction="inbound",
                subject="Northquux again",
            )

    return happens


@pytest.mark.parametrize(("login", "owner"), [("readonly", "employee"), ("outsider", "employee")])
def test_what_names_a_customer_in_its_body_is_held_to_the_same(office, web, login, owner):
    """Bulk edits and exports change and give away nothing foreign, nor tell that it is there."""
    browser, before = web(login), office.rows()
    for endpoint in ("customers.change_many", "customers.export", "api-lists.bulk_edit"):
        step = next(s for s in steps(office.app) if s.endpoint == endpoint)
        path = step.path(office.app, {})
        page = taken(browser, step, path, office.known, owner)
        if login == "outsider":
            assert not foreign_in(page.html), step
    after = office.rows()
    for name in ("core_customer", "core_audit_entry", "core_activity"):
        assert after.get(name) == before.get(name), name
