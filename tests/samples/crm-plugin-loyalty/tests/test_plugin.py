"""What every plugin has to be, and what this one does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from crm_core.access import Reach
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_list import list_page
from crm_core.services.customer_list_query import parse_list_query
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.customers import create_customer
from crm_core.services.home import my_day
from crm_core.services.interactions import log_interaction
from crm_core.services.timeline import customer_timeline
from crm_core.testing.factories import make_actor, make_company, make_customer, make_user
from crm_core.testing.plugin_suite import PluginSuite
from crm_hooks.contributions import IncomingRecord, NewCustomer, TimelineRequest
from crm_hooks.events import EventMessage
from sqlalchemy import func, select

from crm_loyalty import plugin
from crm_loyalty.errors import CardEndedError, CardHeldError, NumberTakenError, TooFewPointsError
from crm_loyalty.jobs import expire, welcome
from crm_loyalty.models import LoyaltyCard, LoyaltyEntry
from crm_loyalty.permissions import CREDIT, ISSUE, REDEEM, VIEW
from crm_loyalty.services import (
    appoint_steward,
    credit_points,
    end_card,
    find_card,
    issue_card,
    list_cards,
    list_entries,
    redeem_points,
)
from crm_loyalty.sync import apply, read, vanish


class TestPlugin(PluginSuite):
    plugin = "loyalty"

    def use(self, uow):
        card = issue_card(uow, make_customer(uow).id)
        credit_points(uow, card.id, 10, reason="Welcome")
        appoint_steward(uow, "VIP", make_user(uow).login)


@pytest.fixture
def writing(crm_database, crm_system):
    return lambda actor=crm_system: unit_of_work(crm_database, actor=actor, write=True)


@pytest.fixture
def customer_id(writing):
    with writing() as uow:
        customer = make_customer(uow)
        uow.commit()
    return customer.id


@pytest.fixture
def card_id(writing, customer_id):
    with writing() as uow:
        card = issue_card(uow, customer_id, number="L-0001")
        credit_points(uow, card.id, 100, reason="First order")
        uow.commit()
    return card.id


def created(*customer_ids, origin="cli"):
    payload = {"customer_ids": [str(key) for key in customer_ids]}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return EventMessage(1, "core.customer.created", 1, payload, at, None, "system", origin)


def test_nobody_has_two_cards_and_no_number_is_on_two(writing, customer_id, card_id):
    with writing() as uow:
        with pytest.raises(CardHeldError):
            issue_card(uow, customer_id)
        with pytest.raises(NumberTakenError):
            issue_card(uow, make_customer(uow).id, number=" l-0001 ")
        end_card(uow, card_id)
        assert issue_card(uow, customer_id, tier="gold").tier == "gold"


@pytest.mark.parametrize(
    "wrong",
    [{"number": "?"}, {"tier": "tin"}, {"expires_on": "soon"}, {"expires_on": "2001-01-01"}],
)
def test_a_card_is_checked(writing, customer_id, wrong):
    with writing() as uow, pytest.raises(InputError):
        issue_card(uow, customer_id, **wrong)


def test_made_up_numbers_differ(writing):
    with writing() as uow:
        numbers = {issue_card(uow, make_customer(uow).id).number for _ in range(20)}
    assert len(numbers) == 20


def test_points_come_and_go_and_raise_the_tier(writing, card_id):
    with writing() as uow:
        assert credit_points(uow, card_id, 900).tier == "silver"
        card = redeem_points(uow, card_id, 950, reason="A kettle")
        assert (card.points, card.tier) == (50, "silver")
        entries = list_entries(uow, card_id).items
        assert [entry["points"] for entry in entries] == [-950, 900, 100]


@pytest.mark.parametrize("points", [0, -5, 10**9])
def test_points_are_above_zero(writing, card_id, points):
    for change in (credit_points, redeem_points):
        with writing() as uow, pytest.raises(InputError):
            change(uow, card_id, points)


def test_no_more_is_redeemed_than_there_is(writing, card_id):
    with writing() as uow:
        with pytest.raises(TooFewPointsError):
            redeem_points(uow, card_id, 101)
        end_card(uow, card_id)
        with pytest.raises(CardEndedError):
            redeem_points(uow, card_id, 1)


def test_two_who_redeem_at_once_take_no_more_than_there_is(writing, card_id):
    together = Barrier(2)

    def spend(_):
        together.wait()
        try:
            with writing() as uow:
                redeem_points(uow, card_id, 60)
                uow.commit()
        except TooFewPointsError:
            return 0
        return 60

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(spend, range(2))) == [0, 60]
    with writing() as uow:
        assert uow.get(LoyaltyCard, card_id).points == 40
        assert uow.scalar(select(func.sum(LoyaltyEntry.points))) == 40


def test_rights_and_their_reach_are_heeded(writing, crm_actor, customer_id, card_id):
    with writing(crm_actor(VIEW, "core.customer.view")) as uow:
        assert find_card(uow, "l-0001").id == card_id
        with pytest.raises(PermissionDeniedError):
            credit_points(uow, card_id, 1)
    own = crm_actor(ISSUE, CREDIT, REDEEM, VIEW, "core.customer.view", reach=Reach.OWN)
    with writing(own) as uow:
        assert list_cards(uow).items == []
        with pytest.raises(NotFoundError):
            credit_points(uow, card_id, 1)
        with pytest.raises(NotFoundError):
            issue_card(uow, customer_id)


def test_cards_are_listed_in_pages(writing):
    with writing() as uow:
        cards = [issue_card(uow, make_customer(uow).id, tier=t) for t in ("gold", "bronze", "gold")]
        first = list_cards(uow, tier="gold", limit=1)
        second = list_cards(uow, tier="gold", limit=1, cursor=first.next_cursor)
    assert [item["id"] for item in first.items + second.items] == [cards[2].id, cards[0].id]
    assert second.next_cursor is None


def test_companies_are_welcomed_once(writing):
    with writing() as uow:
        company, (person,) = make_company(uow, contacts=1)
        message = created(company.id, person.id)
        welcome(uow, created(company.id, origin="sync:books"))
        assert list_cards(uow).items == []
        for _ in range(2):
            welcome(uow, message)
        (item,) = list_cards(uow).items
        assert item["customer_id"] == company.id
        end_card(uow, item["id"])
        welcome(uow, message)
        assert list_cards(uow).items == []


def test_a_company_that_is_added_has_its_card(crm_command):
    assert crm_command("customer", "add", "Λάδι ΑΕ", "--kind", "company").exit_code == 0
    (item,) = json.loads(crm_command("loyalty", "list", "--json").stdout)["data"]["items"]
    assert (item["customer"], item["tier"], item["points"]) == ("Λάδι ΑΕ", "bronze", 0)


def test_cards_expire_the_day_after_their_last(writing, crm_clock, card_id):
    with writing() as uow:
        today = uow.now.date()
        issue_card(uow, make_customer(uow).id, expires_on=today + timedelta(days=9), number="LAST")
        uow.commit()
    crm_clock.shift(timedelta(days=8))
    with writing() as uow:
        expire(uow)
        assert len(list_cards(uow).items) == 2
    crm_clock.shift(timedelta(days=3))
    with writing() as uow:
        expire(uow)
        assert [item["id"] for item in list_cards(uow).items] == [card_id]
        assert find_card(uow, "LAST").ended_at == uow.now


def test_tagged_customers_go_to_their_steward(writing, crm_command):
    with writing() as uow:
        user = make_user(uow)
        appoint_steward(uow, "VIP", user.login)
        uow.flush()
        vip = NewCustomer("person", "Eleni", "prospect", tags=("new", "vip"))
        assert plugin.crm_decide_customer_owner(uow, vip) == user.id
        assert plugin.crm_decide_customer_owner(uow, NewCustomer("person", "E", "active")) is None
        customer = create_customer(uow, {"name": "Eleni", "kind": "person", "tags": ["VIP"]})
        assert customer.owner_id == user.id


def test_a_customer_with_points_is_not_archived(crm_command, customer_id, card_id):
    refused = crm_command("customer", "archive", customer_id)
    assert refused.exit_code == 1
    assert "100 points" in refused.stderr
    assert crm_command("loyalty", "redeem", "L-0001", "100").exit_code == 0
    assert crm_command("customer", "archive", customer_id).exit_code == 0


def test_the_commands_and_the_panel(crm_command, customer_id):
    def data(*arguments):
        done = crm_command("loyalty", *arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)["data"]

    assert data("issue", customer_id, "--number", "L-77", "--tier", "silver")["number"] == "L-77"
    assert data("credit", "L-77", "30", "--reason", "A fair")["points"] == 30
    assert data("redeem", "L-77", "10")["points"] == 20
    assert [entry["points"] for entry in data("show", "L-77")["entries"]] == [-10, 30]
    panel = crm_command("customer", "show", customer_id).stdout
    assert "L-77" in panel
    assert "A fair" in panel
    assert crm_command("loyalty", "redeem", "L-77", "21").exit_code == 1
    assert crm_command("loyalty", "credit", "L-78", "1").exit_code == 2
    assert data("end", "L-77", "--yes")["points"] == 0
    assert data("list")["items"] == []


def test_the_sync_makes_corrects_and_ends_cards(writing, customer_id):
    values = {
        "customer_ref": customer_id,
        "number": "ERP-1",
        "tier": "gold",
        "points": 70,
        "issued_on": "2025-05-01",
    }
    with writing() as uow:
        (card_id,) = apply(uow, [IncomingRecord(None, values)])
        assert read(uow, [card_id]) == {card_id: values}
        assert apply(uow, [IncomingRecord(card_id, {"points": 65})]) == [card_id]
        assert read(uow, [card_id])[card_id] == values | {"points": 65}
        assert [entry["points"] for entry in list_entries(uow, card_id).items] == [-5, 70]
        vanish(uow, [card_id])
        card = uow.get(LoyaltyCard, card_id)
        assert (card.points, card.ended_at is not None, card.issued_on) == (
            0,
            True,
            date(2025, 5, 1),
        )


def test_the_sync_adopts_a_card_of_the_same_number(writing, customer_id, card_id):
    values = {"customer_ref": customer_id, "number": "L-0001", "points": 40}
    other = values | {"number": "L-0002"}
    with writing() as uow:
        assert apply(uow, [IncomingRecord(None, values)]) == [card_id]
        with pytest.raises(CardHeldError):
            apply(uow, [IncomingRecord(None, other)])


def test_tier_and_points_stand_in_the_list_of_customers(writing, crm_actor, customer_id, card_id):
    with writing() as uow:
        make_customer(uow, "Zoë")
        issue_card(uow, make_customer(uow, "Adam").id, tier="gold")
        uow.commit()
    columns = "columns=name,loyalty.tier,loyalty.points"
    with writing() as uow:

        def listed(text):
            return [
                (item["name"], item["loyalty.tier"], item["loyalty.points"])
                for item in list_page(uow, parse_list_query(f"{columns}&{text}")).items
            ]

        maria, adam, zoe = (
            ("Maria Kowalska", "bronze", 100),
            ("Adam", "gold", 0),
            ("Zoë", None, None),
        )
        names = [column.name for column in plugin.crm_register_list_columns()]
        assert names == ["loyalty.tier", "loyalty.points"]
        assert listed("sort=name") == [adam, maria, zoe]
        assert listed("sort=-loyalty.points") == [maria, adam, zoe]
        assert listed("loyalty.tier=Gold") == [adam]
        assert listed("loyalty.tier=is_not:gold&sort=name") == [maria, zoe]
        assert listed("loyalty.points=more_than:99") == [maria]
        assert listed("loyalty.tier=empty:") == [zoe]
        with pytest.raises(InputError, match="bronze"):
            listed("loyalty.tier=tin")
    with writing(crm_actor("core.customer.view")) as uow, pytest.raises(InputError):
        list_page(uow, parse_list_query(columns))


def test_points_stand_on_the_timeline(writing, crm_actor, customer_id, card_id):
    with writing() as uow:
        redeem_points(uow, card_id, 30, reason="A kettle")
        log_interaction(uow, customer_id, channel="phone", direction="inbound", subject="Thanks")
        uow.commit()
    with writing() as uow:

        def told(**wanted):
            page = customer_timeline(uow, customer_id, TimelineRequest(**wanted), limit=1)
            found = list(page.items)
            while page.next_cursor:
                page = customer_timeline(
                    uow,
                    customer_id,
                    TimelineRequest(**wanted),
                    limit=1,
                    cursor=page.next_cursor,
                )
                found += page.items
            return [(entry.title, entry.detail) for entry in found]

        points = [("A kettle", "-30"), ("First order", "+100")]
        assert told() == [("Thanks", ""), *points]
        assert told(modules=frozenset({"loyalty"})) == points
        assert told(text="KETTLE") == points[:1]
        assert told(channels=frozenset({"phone"})) == [("Thanks", "")]
        assert told(until=uow.now - timedelta(days=1)) == []
    with writing(crm_actor("core.customer.view")) as uow:
        assert len(customer_timeline(uow, customer_id).items) == 1


def test_cards_that_expire_soon_are_told_on_the_first_page(writing):
    with writing() as uow:
        user = make_user(uow)
        mine = make_customer(uow, "Mine", owner=user.login)
        today = uow.now.date()
        for customer, days in ((mine, 3), (make_customer(uow, "Not mine"), 3)):
            card = issue_card(uow, customer.id, expires_on=today + timedelta(days=days))
            credit_points(uow, card.id, 5)
        uow.commit()
    with writing(make_actor(VIEW, "core.customer.view", user=user)) as uow:
        (card,) = [card for card in my_day(uow).cards if card.name == "loyalty.expiring"]
        assert card.count == 1
        assert (card.items[0].title, card.items[0].entity_id) == ("Mine", mine.id)
        assert plugin.crm_collect_home_cards(uow) == [card]
    with writing(make_actor("core.customer.view", user=user)) as uow:
        assert "loyalty.expiring" not in {card.name for card in my_day(uow).cards}


def test_a_batch_with_one_number_twice_is_refused(writing):
    with writing() as uow:
        refs = [make_customer(uow).id for _ in range(2)]
        batch = [IncomingRecord(None, {"customer_ref": ref, "number": "TWICE"}) for ref in refs]
        with pytest.raises(NumberTakenError):
            apply(uow, batch)


def test_a_card_follows_its_customer_and_nobody_gets_two(writing, customer_id, card_id):
    with writing() as uow:
        other = make_customer(uow, "Maria Kowalska-Nowak").id
        merge_id = merge_customers(uow, other, customer_id).id
        assert uow.get(LoyaltyCard, card_id).customer_id == other
        assert unmerge_customers(uow, merge_id).left == []
        assert uow.get(LoyaltyCard, card_id).customer_id == customer_id
        issue_card(uow, other, number="L-0002")
        with pytest.raises(RuleViolationError, match="L-0001 and L-0002"):
            merge_customers(uow, other, customer_id)
        end_card(uow, card_id)
        merge_customers(uow, other, customer_id)
        uow.commit()
