"""Every page and operation of the core, walked as every role, another team and nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from access_walk import *  # noqa: F403
from access_walk import foreign_in, taken
from crm_core.access import Reach
from crm_core.entities.conflict import Conflict
from crm_core.entities.sync import DeadLetter, PushItem, SyncRun
from crm_core.services.backends import add_backend
from crm_core.services.interactions import log_interaction
from crm_core.services.ownership import assign_owner
from crm_core.services.roles import set_rights
from crm_core.testing.factories import make_customer, make_invoice
from web_office import MARKS
from web_walk import steps


@pytest.fixture
def office(office):
    """With a conflict over each customer and its address; outsiders see to their own team's."""

    def fall_out(uow):
        rights = dict.fromkeys(("core.sync.view", "core.sync.resolve"), Reach.TEAM)
        set_rights(uow, "outsider", rights)
        backend = add_backend(uow, name="erp", type_name="files", config={}, secret_ref=None)
        told = {"backend_id": backend.id, "remote_id": "5", "state": "open", "opened_at": uow.now}
        found = {}
        for owner, mark in MARKS.items():
            known = office.known
            both = {"label": mark, "field": "city", "ours": f"{mark} here", "theirs": mark}
            places = {
                "customer": known.customers[owner],
                "address": known.records[owner]["address_id"],
            }
            for entity, local_id in places.items():
                conflict = Conflict(**told, **both, entity=entity, local_id=local_id)
                found[owner] = uow.add(conflict)
                late = {"queued_at": uow.now, "is_set_aside": True, "reason": mark}
                item = {"backend_id": backend.id, "entity": entity, "local_id": local_id}
                uow.add(PushItem(**item, **late, label=mark))
            moments = {"first_at": uow.now, "last_at": uow.now}
            unread = {"backend_id": backend.id, "entity": "customer", "remote_id": mark}
            uow.add(DeadLetter(**unread, **moments, label=mark, code="x", reason=mark))
        pushed = {"customer": {"created": 4, "examples": {"created": list(MARKS.values())}}}
        counts = {"entities": {}, "pushed": pushed, "warnings": list(MARKS.values())}
        run = {"state": "done", "started_at": uow.now, "finished_at": uow.now}
        uow.add(SyncRun(backend_id=backend.id, **run, counts=counts))
        uow.flush()
        return {owner: conflict.id for owner, conflict in found.items()}

    found = office.write(fall_out)
    records = {
        owner: {**each, "conflict_id": found[owner]} for owner, each in office.known.records.items()
    }
    return replace(office, known=replace(office.known, records=records))


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
