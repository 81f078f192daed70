"""Ties between customers."""

from __future__ import annotations

from datetime import date

import pytest

from crm_core.access import Actor, Reach
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.relationships import (
    end_relationship,
    list_relationships,
    relate_customers,
    seed_relationship_types,
    unrelate_customers,
)


@pytest.fixture
def trio(company):
    return {
        "acme": company.customer("Acme"),
        "holding": company.customer("Holding"),
        "anna": company.customer("Άννα", kind="person"),
    }


def seen(company, customer_id, login="rita"):
    with company.acting(login) as uow:
        return [(r["label"], r["other_name"]) for r in list_relationships(uow, customer_id)]


def test_a_tie_reads_from_both_sides(company, trio):
    with company.writing("maria") as uow:
        relate_customers(uow, trio["anna"], "contact_of", trio["acme"], note="CFO")
        relate_customers(uow, trio["holding"], "Parent of", trio["acme"])
    assert seen(company, trio["anna"]) == [("contact of", "Acme")]
    assert seen(company, trio["acme"]) == [("has contact", "Άννα"), ("subsidiary of", "Holding")]
    assert seen(company, trio["holding"]) == [("parent of", "Acme")]


def test_seeding_twice_adds_nothing(company):
    with company.writing() as uow:
        seed_relationship_types(uow)


def test_hierarchies_have_no_circles(company, trio):
    third = company.customer("Third")
    with company.writing("maria") as uow:
        relate_customers(uow, trio["acme"], "subsidiary_of", trio["holding"])
        second = relate_customers(uow, trio["holding"], "subsidiary_of", third)
        with pytest.raises(RuleViolationError) as caught:
            relate_customers(uow, third, "subsidiary_of", trio["acme"])
        assert caught.value.code == "core.relationship.circle"
        end_relationship(uow, second.id, date(2026, 1, 1))
        relate_customers(uow, third, "subsidiary_of", trio["acme"])
        relate_customers(uow, trio["acme"], "partner_of", trio["holding"])
        relate_customers(uow, trio["holding"], "partner_of", trio["acme"])


@pytest.mark.parametrize(
    ("first", "kind", "second", "error"),
    [
        ("acme", "partner_of", "acme", InputError),
        ("acme", "contact_of", "holding", InputError),
        ("anna", "subsidiary_of", "acme", InputError),
        ("anna", "cousin_of", "acme", NotFoundError),
    ],
)
def test_wrong_ties_are_refused(company, trio, first, kind, second, error):
    with company.writing("maria") as uow, pytest.raises(error):
        relate_customers(uow, trio[first], kind, trio[second])


def test_the_same_tie_twice_is_refused_until_the_first_ended(company, trio):
    with company.writing("maria") as uow:
        tie = relate_customers(
            uow, trio["anna"], "contact_of", trio["acme"], started_on=date(2025, 5, 1)
        )
        uow.flush()
        with pytest.raises(DuplicateError):
            relate_customers(uow, trio["anna"], "contact_of", trio["acme"])
        with pytest.raises(InputError):
            end_relationship(uow, tie.id, date(2025, 4, 30))
        end_relationship(uow, tie.id, date(2025, 6, 1))
        with pytest.raises(RuleViolationError):
            end_relationship(uow, tie.id, date(2025, 6, 2))
        again = relate_customers(uow, trio["anna"], "contact_of", trio["acme"])
        uow.flush()
        unrelate_customers(uow, again.id)
        uow.flush()
        assert len(list_relationships(uow, trio["anna"])) == 1
        assert list_relationships(uow, trio["anna"], with_ended=False) == []


def test_either_side_may_be_ones_own(company):
    mine = company.customer("Mine", owner="eva")
    theirs = company.customer("Theirs", owner="olga")
    others = company.customer("Others", owner="olga")
    with company.writing("eva") as uow:
        relate_customers(uow, theirs, "partner_of", mine)
        with pytest.raises(PermissionDeniedError):
            relate_customers(uow, theirs, "partner_of", others)


def test_ties_to_customers_out_of_sight_are_left_out_but_still_close_circles(company):
    mine = company.customer("Mine", owner="eva")
    theirs = company.customer("Theirs", owner="olga")
    again = company.customer("Mine too", owner="eva")
    with company.writing("maria") as uow:
        relate_customers(uow, mine, "subsidiary_of", theirs)
        relate_customers(uow, theirs, "subsidiary_of", again)
    rights = {"core.customer.view": Reach.OWN, "core.customer.edit": Reach.OWN}
    eva = Actor(company.user_id("eva"), "eva", rights)
    with unit_of_work(company.database, actor=eva, write=True) as uow:
        assert list_relationships(uow, mine) == []
        with pytest.raises(RuleViolationError):
            relate_customers(uow, again, "subsidiary_of", mine)
