"""What needs a user today, and the customers around one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from crm_core.access import Reach
from crm_core.entities import Conflict, DeadLetter
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.activities import add_activity
from crm_core.services.backends import add_backend
from crm_core.services.customer_duplicates import say_distinct
from crm_core.services.home import my_day
from crm_core.services.network import customer_network
from crm_core.services.relationships import relate_customers
from crm_hooks.contributions import HomeCard

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def cards(company: Any, login: str) -> dict[str, HomeCard]:
    with company.acting(login) as uow:
        return {card.name: card for card in my_day(uow).cards}


def test_activities_of_today_and_before(company: Any) -> None:
    mine = company.customer("Μαρία", kind="person", owner="eva")
    with time_machine.travel(NOON, tick=False), company.writing("eva") as uow:
        for hours, summary in ((-30, "late"), (3, "today"), (11, "tonight"), (13, "tomorrow")):
            due_at = NOON + timedelta(hours=hours)
            add_activity(uow, mine, type="call", due_at=due_at, summary=summary)
        uow.flush()
        day = my_day(uow)
        assert [each["summary"] for each in day.activities] == ["late", "today", "tonight"]
        assert [each["is_overdue"] for each in day.activities] == [True, False, False]
        assert (day.overdue, day.due, day.cards) == (1, 2, [])
    with company.acting("tom") as uow:
        assert my_day(uow).activities == []
    with company.acting("nora") as uow, pytest.raises(PermissionDeniedError):
        my_day(uow)


def test_what_syncs_left_is_told_to_those_who_may_see_it(company: Any) -> None:
    with company.writing("anna") as uow:
        backend = add_backend(
            uow, name="main", type_name="files", config={"path": "/nowhere"}, secret_ref=None
        )
        uow.flush()
        uow.add(
            DeadLetter(
                backend_id=backend.id,
                entity="customer",
                remote_id="7",
                label="Zoë",
                code="core.x",
                reason="No name",
                first_at=NOON,
                last_at=NOON,
            )
        )
        uow.add(
            Conflict(
                backend_id=backend.id,
                entity="customer",
                local_id=new_id(),
                remote_id="8",
                label="Μαρία",
                field="name",
                state="open",
                opened_at=NOON,
            )
        )
    told = cards(company, "anna")
    assert [told[name].count for name in ("core.conflicts", "core.set_aside")] == [1, 1]
    assert told["core.set_aside"].items[0].detail == "No name"
    assert told["core.conflicts"].items[0].entity_type == "conflict"
    assert cards(company, "eva") == {}


def test_likely_duplicates_of_ones_own(company: Any) -> None:
    mail = [{"kind": "email", "value": "Maria@example.com"}]
    mine = company.customer("Μαρία", kind="person", owner="maria", contact_points=mail)
    other = company.customer("Maria P", kind="person", owner="olga", contact_points=mail)
    company.customer("Firm", kind="company", owner="olga", contact_points=mail)
    card = cards(company, "maria")["core.duplicates"]
    assert (card.count, card.items[0].entity_id) == (1, mine)
    assert card.items[0].title == "Μαρία and Maria P"
    assert cards(company, "eva") == {}
    with company.writing("maria") as uow:
        say_distinct(uow, mine, other)
    assert cards(company, "maria") == {}


@pytest.fixture
def ties(company: Any) -> dict[str, UUID]:
    """A holding, two firms under it, and three people; one of them knows nobody else."""
    owners = {"Holding": "eva", "Firm": "eva", "Sister": "olga", "Anna": "eva", "Bo": "olga"}
    ids = {
        name: company.customer(
            name, kind="person" if name in ("Anna", "Bo") else "company", owner=owner
        )
        for name, owner in owners.items()
    }
    with company.writing() as uow:
        for first, kind, second in (
            ("Firm", "subsidiary_of", "Holding"),
            ("Sister", "subsidiary_of", "Holding"),
            ("Anna", "contact_of", "Firm"),
            ("Bo", "contact_of", "Sister"),
        ):
            relate_customers(uow, ids[first], kind, ids[second])
    return ids


def test_the_customers_around_one(company: Any, ties: dict[str, UUID]) -> None:
    with company.acting("maria") as uow:
        found = customer_network(uow, ties["Firm"])
        depths = {node["name"]: node["depth"] for node in found.nodes}
        assert depths == {"Firm": 0, "Anna": 1, "Holding": 1, "Sister": 2}
        assert found.nodes[0]["name"] == "Firm"
        assert sorted(edge["type"] for edge in found.edges) == [
            "contact_of",
            "subsidiary_of",
            "subsidiary_of",
        ]
        assert not found.is_cut
        near = customer_network(uow, ties["Firm"], depth=1)
        assert {node["name"] for node in near.nodes} == {"Firm", "Anna", "Holding"}
        cut = customer_network(uow, ties["Firm"], most=2)
        assert (len(cut.nodes), len(cut.edges), cut.is_cut) == (2, 1, True)
        for wrong in (0, 3):
            with pytest.raises(InputError):
                customer_network(uow, ties["Firm"], depth=wrong)


def test_nobody_foreign_is_in_the_picture(company: Any, ties: dict[str, UUID]) -> None:
    eva = company.actor("eva")
    object.__setattr__(eva, "rights", {**eva.rights, "core.customer.view": Reach.OWN})
    with unit_of_work(company.database, actor=eva) as uow:
        found = customer_network(uow, ties["Holding"])
        assert {node["name"] for node in found.nodes} == {"Holding", "Firm", "Anna"}
        inside = {node["id"] for node in found.nodes}
        assert {edge[end] for edge in found.edges for end in ("from_id", "to_id")} <= inside
        with pytest.raises(NotFoundError):
            customer_network(uow, ties["Sister"])
