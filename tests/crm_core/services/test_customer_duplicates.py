"""Suggesting customers that stand here twice."""

from __future__ import annotations

import tracemalloc

import pytest

from crm_core.access import Reach
from crm_core.entities import Customer
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.search.index import rebuild
from crm_core.services.customer_duplicates import (
    customers_like,
    duplicates_of,
    find_duplicates,
    say_distinct,
    unsay_distinct,
)
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customers import archive_customer
from crm_core.services.users import user_named
from crm_core.testing.factories import make_actor

EMAIL = {"kind": "email", "value": "info@aigaio.gr"}


def found(company, login="maria", **options):
    pairs = find_duplicates(company.database, company.actor(login), **options).suggestions
    return [{each.customer_id, each.other_id} for each in pairs]


def found_for(company, customer_id, login="maria", **options):
    with company.acting(login) as uow:
        return duplicates_of(uow, customer_id, **options)


@pytest.fixture
def pair(company):
    one = company.customer("Ξενοδοχείο Αιγαίο Α.Ε.", kind="company", contact_points=[EMAIL])
    other = company.customer("Ξενοδοχείο Αιγαίο", kind="company", contact_points=[EMAIL])
    company.customer("Gostilna Pri Žogi d.o.o.", kind="company")
    return one, other


def test_alike_customers_are_suggested_with_a_reason(company, pair):
    [suggestion] = find_duplicates(company.database, company.actor("maria")).suggestions
    assert {suggestion.customer_id, suggestion.other_id} == set(pair)
    assert suggestion.verdict == "sure"
    assert "same e-mail address (info@aigaio.gr)" in suggestion.reasons
    for one, other in (pair, pair[::-1]):
        [alone] = found_for(company, one)
        assert (alone.customer_id, alone.other_id) == (one, other)
        assert (alone.score, alone.reasons) == (suggestion.score, suggestion.reasons)


def test_whom_a_record_means_that_is_no_customer(company, pair):
    firm = {"kind": "company", "name": "Xenodocheio Aigaio", "contact_points": [EMAIL]}
    person = {"kind": "person", "name": "Anna", "parent": firm["name"], "contact_points": [EMAIL]}
    with company.acting("maria") as uow:
        like = customers_like(uow, [person, firm])
        assert {each.customer_id for each in like} == set(pair)  # each once, as it fits best
        assert {each.verdict for each in like} == {"sure"}
        assert "same e-mail address (info@aigaio.gr)" in like[0].reasons
        assert len(customers_like(uow, [firm], limit=1)) == 1
        assert customers_like(uow, [{"kind": "company", "name": "Nobody here"}]) == []
        with pytest.raises(InputError):
            customers_like(uow, [firm], min_score=1)
    with company.acting("nora") as uow, pytest.raises(PermissionDeniedError):
        customers_like(uow, [firm])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"vat": "EL094014201"}, {"vat": "EL094014201"}),
        ({"reference": "K-17"}, {"reference": "K-17"}),
        (
            {"contact_points": [{"kind": "phone", "value": "+30 210 1234567"}]},
            {"contact_points": [{"kind": "mobile", "value": "+302101234567"}]},
        ),
        (
            {"addresses": [{"street": "Ermou 1", "postal_code": "10563", "country_code": "GR"}]},
            {"addresses": [{"street": "Ermou 1", "postal_code": "105 63", "country_code": "GR"}]},
        ),
    ],
)
def test_any_of_these_makes_namesakes_one(company, one, other):
    first = company.customer("O'Neil Trading Ltd", kind="company", **one)
    second = company.customer("ONeil Trading", kind="company", **other)
    assert found(company) == [{first, second}]
    assert [each.other_id for each in found_for(company, first)] == [second]


def test_a_pair_that_is_two_is_not_suggested_again(company, pair):
    with company.writing("maria") as uow:
        say_distinct(uow, *pair)
        say_distinct(uow, *pair[::-1])
    assert found(company) == []
    assert found_for(company, pair[0]) == []
    with company.writing("maria") as uow:
        unsay_distinct(uow, *pair[::-1])
    assert found(company) == [set(pair)]


def test_who_is_not_the_one_is_not_who_it_went_into(company, pair):
    third = company.customer("Ξενοδοχείο Αιγαίο ΑΕ", kind="company", contact_points=[EMAIL])
    with company.writing("maria") as uow:
        say_distinct(uow, pair[1], third)
        merge_customers(uow, pair[0], pair[1])
    assert found(company) == []


def test_archived_and_merged_customers_are_not_suggested(company, pair):
    with company.writing("maria") as uow:
        archive_customer(uow, pair[1])
    assert found(company) == []
    assert found_for(company, pair[0]) == []


def test_only_what_one_may_see_is_suggested(company, pair):
    mine = company.customer(
        "Αιγαίο Ξενοδοχείο", kind="company", contact_points=[EMAIL], owner="eva"
    )
    also = company.customer(
        "Ξενοδοχείο Αιγαίο", kind="company", contact_points=[EMAIL], owner="olga"
    )
    assert len(found(company)) == 6
    for login, own in (("eva", mine), ("olga", also)):
        with company.acting(login) as uow:
            user = user_named(uow, login)
        actor = make_actor(CUSTOMER_VIEW, reach=Reach.OWN, user=user)
        assert find_duplicates(company.database, actor).customers == 1
        with unit_of_work(company.database, actor=actor) as uow:
            assert duplicates_of(uow, own) == []
            with pytest.raises(NotFoundError):
                duplicates_of(uow, pair[0])
    with company.acting("nora") as uow:
        with pytest.raises(PermissionDeniedError):
            duplicates_of(uow, mine)
    with pytest.raises(PermissionDeniedError):
        found(company, "nora")


def test_scores_and_limits_are_checked(company, pair):
    assert found(company, min_score=100) in ([], [set(pair)])
    for options in ({"min_score": 101}, {"limit": 0}):
        with pytest.raises(InputError):
            found(company, **options)
        with pytest.raises(InputError):
            found_for(company, pair[0], **options)
    with pytest.raises(NotFoundError):
        found_for(company, new_id())
    with pytest.raises(InputError):
        with company.writing("maria") as uow:
            say_distinct(uow, pair[0], pair[0])


def fill(company, many):
    with unit_of_work(company.database, actor=company.system, write=True) as uow:
        stamps = {"version": 1, "created_at": uow.now, "updated_at": uow.now}
        rows = [
            {
                "id": new_id(),
                "kind": "company",
                "stage": "prospect",
                "name": f"Firm {number // 2:06} of {number // 2 % 977:04}",
                "vat": f"GR{number // 2:09}",
                **stamps,
            }
            for number in range(many)
        ]
        insert_rows(uow.connection(), Customer, rows)
        rebuild(uow.connection())
        uow.commit()


def peak(company):
    tracemalloc.start()
    pairs = found(company, limit=10)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(pairs) == 10
    return most


@pytest.mark.slow
def test_memory_is_the_same_for_many(sqlite_company):
    fill(sqlite_company, 4_000)
    few = peak(sqlite_company)
    fill(sqlite_company, 16_000)
    assert peak(sqlite_company) < 1.3 * few
