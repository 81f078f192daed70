"""Whether a customer may be offered what they did not ask for; the hook is crm_check_offer."""

from __future__ import annotations

import pytest

from crm_core.access import Actor, Reach
from crm_core.errors import NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.consents import record_consent
from crm_core.services.offers import objections_to_offer
from crm_core.testing.factories import make_customer
from crm_hooks.contributions import Objection


class Asked:
    """Hooks that object, and remember what they were asked."""

    def __init__(self):
        self.asked = []

    def check(self, hook, **arguments):
        self.asked.append((hook, arguments["customer_id"], arguments["product_ids"]))
        return [Objection("A complaint is open.", "desk.complaint")]


def say(uow, customer_id, purpose, status, channel="any"):
    record_consent(
        uow, customer_id, purpose=purpose, channel=channel, status=status, evidence="letter"
    )
    uow.flush()


def codes(uow, customer_id, product_ids=()):
    return [each.code for each in objections_to_offer(uow, customer_id, product_ids)]


def test_what_customers_said_last_counts(sqlite_database, system):
    with unit_of_work(sqlite_database, actor=system, write=True) as uow:
        customer_id = make_customer(uow).id
        uow.flush()
        assert codes(uow, customer_id) == []
        say(uow, customer_id, "newsletter", "withdrawn")
        say(uow, customer_id, "marketing", "given")
        assert codes(uow, customer_id) == []
        say(uow, customer_id, "marketing", "withdrawn", "email")
        (only,) = objections_to_offer(uow, customer_id)
        assert (only.code, "marketing (email)" in only.message) == ("core.consent.withdrawn", True)
        say(uow, customer_id, "marketing", "given", "email")
        assert codes(uow, customer_id) == []


def test_modules_are_asked_of_customers_that_are_seen(sqlite_database, system, monkeypatch):
    with unit_of_work(sqlite_database, actor=system, write=True) as uow:
        customer_id = make_customer(uow).id
        uow.commit()
    hooks, product_id = Asked(), new_id()
    monkeypatch.setattr(sqlite_database, "hooks", hooks)
    with unit_of_work(sqlite_database, actor=system) as uow:
        assert codes(uow, customer_id, [product_id]) == ["desk.complaint"]
    assert hooks.asked == [("crm_check_offer", customer_id, (product_id,))]
    other = Actor(new_id(), "other", {"core.customer.view": Reach.OWN})
    with unit_of_work(sqlite_database, actor=other) as uow, pytest.raises(NotFoundError):
        codes(uow, customer_id)
    nobody = Actor(new_id(), "nobody")
    with unit_of_work(sqlite_database, actor=nobody) as uow, pytest.raises(PermissionDeniedError):
        codes(uow, customer_id)
    assert len(hooks.asked) == 1
