"""The fixtures and records that plugins' tests are given."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities import Customer, Relationship, Transaction
from crm_core.errors import PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.settings import load_settings
from crm_core.testing.factories import (
    make_actor,
    make_company,
    make_customer,
    make_invoice,
    make_order,
    make_user,
)
from crm_core.testing.fixtures import BEGINNING


def test_the_database_is_set_up(crm_database, crm_system):
    with unit_of_work(crm_database, actor=crm_system) as uow:
        assert load_settings(uow).company == "Test company"


def test_records_are_made(crm_database, crm_system):
    with unit_of_work(crm_database, actor=crm_system, write=True) as uow:
        user = make_user(uow, role="manager")
        company, people = make_company(uow, contacts=3, owner=user.login)
        order = make_order(uow, company.id, total="99.50")
        invoice = make_invoice(uow, company.id, open_amount="20", currency="USD")
        uow.commit()
    with unit_of_work(crm_database, actor=crm_system) as uow:
        ties = list(uow.scalars(select(Relationship.to_customer_id)))
        assert ties == [company.id] * len(people) == [company.id] * 3
        assert uow.get(Customer, company.id).owner_id == user.id
        found = {row.id: row for row in uow.scalars(select(Transaction))}
    assert (found[order.id].total_amount, found[order.id].is_open) == (Decimal("99.5"), False)
    assert (found[invoice.id].open_amount, found[invoice.id].is_open) == (Decimal(20), True)


def test_an_actor_has_the_rights_named_and_no_other(crm_database, crm_system, crm_actor):
    assert crm_actor is make_actor
    with unit_of_work(crm_database, actor=crm_system, write=True) as uow:
        user = make_user(uow, "eva")
        mine, other = make_customer(uow, "Mine", owner="eva"), make_customer(uow, "Other")
        uow.commit()
    eva = crm_actor("core.customer.view", reach=Reach.OWN, user=user)
    with unit_of_work(crm_database, actor=eva, write=True) as uow:
        assert list(uow.scalars(select(Customer.id))) == [mine.id]
        assert uow.find(Customer, other.id) is None
        with pytest.raises(PermissionDeniedError):
            make_customer(uow)


def test_keys_and_time_repeat(crm_ids, crm_clock, crm_sqlite_url, crm_database, crm_system):
    made = [new_id(), new_id()]
    assert made[1].int - made[0].int == 1
    assert crm_ids(1).version == 7
    with unit_of_work(crm_database, actor=crm_system, write=True) as uow:
        assert uow.now == BEGINNING
        crm_clock.shift(timedelta(hours=1))
        assert make_customer(uow).created_at == BEGINNING + timedelta(hours=1)


def test_commands_are_typed_as_the_administrator(crm_command, crm_database, crm_system):
    assert crm_command("customer", "add", "Анна").exit_code == 0
    listed = json.loads(crm_command("customer", "list", "--json").stdout)
    assert [item["name"] for item in listed["data"]["items"]] == ["Анна"]
