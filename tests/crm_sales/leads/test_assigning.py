"""Who gets a lead, by which rule, who was passed over and why; nothing that waits is lost."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from crm_core.entities.commerce import Product
from crm_core.entities.user import User
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    StaleVersionError,
)
from crm_core.services.currencies import RateTable, set_rate
from crm_sales.models import AssignmentRule, Lead, Way
from crm_sales.services.assignment.assigning import (
    ask_assignment,
    assign_by_rules,
    assign_lead,
    release_lead,
)
from crm_sales.services.assignment.choosing import Facts, Person, choose, misfit
from crm_sales.services.assignment.explaining import list_decisions
from crm_sales.services.assignment.people import (
    add_absence,
    list_absences,
    list_sellers,
    remove_absence,
    set_seller,
)
from crm_sales.services.assignment.rules import import_rules, list_rules, set_rule
from crm_sales.services.leads.closing import qualify_lead
from crm_sales.services.leads.reading import list_leads

NORTH = {"name": "North", "targets": [{"team": "North"}]}
EMPLOYEE = {"name": "All", "targets": [{"user": "employee"}]}


def lines(office, lead_id, login=None) -> list[str]:
    """Return the latest decision in words."""
    decision = office.read(lambda uow: list_decisions(uow, lead_id), login)[0]
    return [str(decision["summary"]), *map(str, decision["lines"])]


def test_the_minute_it_is_enabled_leads_go_to_who_has_fewest(office, lead, heard, owner):
    ids = [lead(f"Lead {number}") for number in range(6)]
    heard()
    assert Counter(map(owner, ids)) == {"manager": 2, "employee": 2, "outsider": 2}
    assert "Everybody" in lines(office, ids[0])[0]


def test_the_first_rule_that_fits_decides_and_all_are_explained(office, lead, heard, rules, owner):
    boat = {"name": "Boat", "reference": "BOAT", "category": "All / Boats / Small"}
    office.write(lambda uow: uow.add(Product(**boat, refreshed_at=uow.now)))
    office.write(lambda uow: set_rate(uow, "PLN", "EUR", uow.now.date(), Decimal(4)))
    rules(
        {"name": "Greek", "countries": ["GR"], "targets": [{"user": "employee"}]},
        {"name": "Athens", "postal_prefixes": ["10 4"], "targets": [{"user": "employee"}]},
        {"name": "Polish", "languages": ["pl"], "targets": [{"user": "employee"}]},
        {"name": "Big boats", "categories": ["All / Boats"], "least_amount": 1000,
         "targets": [{"user": "manager"}]},
        {"name": "Fair", "sources": ["Fair"], "targets": [{"user": "outsider"}]},
    )  # fmt: skip
    told = {
        "boat": lead("A", product="BOAT", expected_amount="4400", currency_code="PLN"),
        "cheap": lead("B", product="BOAT", expected_amount="3600", currency_code="PLN"),
        "code": lead("C", postal_code="104 32", country_code="CY"),
        "language": lead("D", language="pl-PL"),
        "source": lead("E", source="fair"),
        "none": lead("F", country_code="DE", source="mail"),
    }
    heard()
    assert {name: owner(key) for name, key in told.items()} == {
        "boat": "manager",
        "cheap": None,
        "code": "employee",
        "language": "employee",
        "source": "outsider",
        "none": None,
    }
    assert lines(office, told["none"]) == [
        "No rule fits",
        "Greek: does not fit, the country is DE.",
        "Athens: does not fit, the postal code is not said.",
        "Polish: does not fit, the language is not said.",
        "Big boats: does not fit, the category is not said.",
        "Fair: does not fit, the source is mail.",
    ]
    assert lines(office, told["cheap"])[4].startswith("Big boats: does not fit, the expected")
    assert lines(office, told["source"])[-1] == "Oskar Outsider gets it."


@pytest.mark.usefixtures("noon")
def test_who_is_away_full_or_wants_none_is_passed_over(office, lead, heard, rules, owner):
    rules(NORTH, person=({"login": "employee", "daily_leads": 1},))
    known = office.known.users

    def away(uow):
        today = uow.now.date()
        add_absence(uow, known["manager"], today, today, stand_in_id=known["employee"])

    office.write(away)
    first, second = lead("First"), lead("Second")
    heard()
    assert owner(first) == "employee"
    assert owner(second) is None
    told = lines(office, second)
    assert told[0] == "Nobody is free by the rule North"
    assert "Eleni Employee has had 1 today." in told
    assert any("Mara Manager is away" in line and "Eleni" in line for line in told)
    assert "Rod Readonly may not work on leads." in told
    office.write(lambda uow: set_seller(uow, known["employee"], takes_leads=False), "employee")
    office.write(ask_assignment, "manager")
    heard()
    decisions = office.read(lambda uow: list_decisions(uow, second), "manager")
    assert [(each["outcome"], each["tries"]) for each in decisions] == [("waiting", 2)]
    assert "Eleni Employee takes no leads." in decisions[0]["lines"]
    absence = office.read(list_absences)[0]["id"]
    office.write(lambda uow: remove_absence(uow, absence), "manager")
    office.write(lambda uow: assign_by_rules(uow, [second]))
    assert owner(second) == "manager"


def test_a_disabled_person_gets_none_and_the_next_rule_is_tried(office, lead, heard, rules, owner):
    rules(EMPLOYEE, {"name": "Else", "targets": [{"user": "manager"}]})
    office.write(
        lambda uow: uow.execute(
            update(User).where(User.login == "employee").values(is_enabled=False)
        )
    )
    lead_id = lead()
    heard()
    assert owner(lead_id) == "manager"
    assert "Eleni Employee is disabled." in lines(office, lead_id)


def test_a_known_customer_goes_to_who_answers_for_them(office, lead, heard, rules, owner):
    rules({"name": "Others", "targets": [{"user": "outsider"}]})
    told = {"company": "Northquux Παπαδόπουλος & Sons", "email": "northquux@example.com"}
    lead_id = lead("Petra", **told)
    heard()
    assert owner(lead_id) == "employee"
    assert lines(office, lead_id)[0] == "Eleni Employee, for the customer"
    row = office.read(lambda uow: list_leads(uow).items, "employee")[0]
    assert str(row["customer_id"]) == office.customer("employee")
    office.write(lambda uow: qualify_lead(uow, lead_id), "employee")  # the customer is known
    office.write(lambda uow: set_seller(uow, office.known.users["employee"], takes_leads=False))
    other = lead("Pavel", **told)
    heard()
    assert owner(other) == "outsider"
    seen = office.read(lambda uow: list_leads(uow).items, "outsider")
    assert [row["customer_name"] for row in seen] == [None]  # not theirs to see


def test_by_hand_released_and_stale(office, lead, heard, rules, owner):
    rules(NORTH)
    lead_id = lead(owner="employee")
    with pytest.raises(PermissionDeniedError):
        office.write(
            lambda uow: assign_lead(uow, lead_id, office.known.users["manager"]), "employee"
        )
    with pytest.raises(NotFoundError):
        office.write(
            lambda uow: assign_lead(uow, lead_id, office.known.users["outsider"]), "outsider"
        )
    version = office.read(lambda uow: uow.get(Lead, lead_id).version)

    def give(uow):
        assign_lead(uow, lead_id, office.known.users["manager"], expected_version=version)

    office.write(give, "manager")
    assert lines(office, lead_id, "manager") == ["Mara Manager, by hand"]
    with pytest.raises(StaleVersionError):
        office.write(give, "manager")
    office.write(lambda uow: release_lead(uow, lead_id), "manager")
    heard()
    assert owner(lead_id) == "employee"
    assert "Mara Manager gave it back." in lines(office, lead_id)
    office.write(lambda uow: release_lead(uow, lead_id), "employee")
    heard()
    assert owner(lead_id) is None  # both gave it back: it waits, and is not lost
    waiting = office.read(lambda uow: list_leads(uow, waiting=True).items, "manager")
    assert [row["id"] for row in waiting] == [lead_id]


@pytest.mark.usefixtures("noon")
def test_two_that_assign_at_once_give_a_lead_once_and_nobody_too_many(office, lead, rules, owner):
    rules(
        NORTH,
        person=({"login": "employee", "daily_leads": 2}, {"login": "manager", "daily_leads": 2}),
    )
    ids = [lead(f"Lead {number}") for number in range(6)]
    with ThreadPoolExecutor(3) as at_once:
        work = [at_once.submit(office.write, lambda uow: assign_by_rules(uow, ids)) for _ in "abc"]
    assert sum(bool(each.result()) for each in work) >= 1
    assert Counter(map(owner, ids)) == {"employee": 2, "manager": 2, None: 2}
    for lead_id in ids:
        assert len(office.read(lambda uow, key=lead_id: list_decisions(uow, key))) == 1


def test_rules_are_set_by_who_assigns_for_all_and_files_are_taken_whole(office, rules):
    done = rules(NORTH, {"name": "Big", "least_amount": "10.5", "currency_code": "eur"})
    assert (done.added, done.removed) == (("North", "Big"), ("Everybody",))
    again = rules(NORTH, {"name": "Big", "least_amount": "10.5", "currency_code": "EUR"})
    assert (again.added, again.changed, again.removed) == ((), (), ())
    big = office.read(list_rules, "employee")[1]
    assert (big["least_amount"], big["position"], big["currency_code"]) == (
        Decimal("10.5"),
        20,
        "EUR",
    )
    for login in ("employee", "outsider", "readonly"):  # theirs does not reach everybody
        with pytest.raises(PermissionDeniedError):
            office.write(lambda uow: set_rule(uow, {"name": "Mine"}), login)
    with pytest.raises(StaleVersionError):
        office.write(
            lambda uow: set_rule(
                uow, {"name": "Big"}, rule_id=big["id"], expected_version=big["version"] - 1
            )
        )
    with pytest.raises(DuplicateError):
        office.write(lambda uow: set_rule(uow, {"name": "North"}, rule_id=big["id"]))


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"name": "X", "way": "by_luck"},
        {"name": "X", "countries": ["Atlantis"]},
        {"name": "X", "least_amount": 5, "most_amount": 4},
        {"name": "X", "least_amount": -5},
        {"name": "X", "targets": [{"weight": 2}]},
        {"name": "X", "targets": [{"user": "employee", "weight": 0}]},
        {"name": "X", "targets": [{"user": "nobody"}]},
        {"name": "X", "targets": [{"team": "Nowhere"}]},
        {"name": "X", "luck": 7},
    ],
)
def test_a_file_with_a_fault_changes_nothing(office, rule):
    with pytest.raises((InputError, NotFoundError)):
        office.write(lambda uow: import_rules(uow, {"rule": [{"name": "Good"}, rule]}))
    assert [each["name"] for each in office.read(list_rules)] == ["Everybody"]


@pytest.mark.usefixtures("noon")
def test_people_say_what_they_take_on(office):
    known = office.known.users
    office.write(lambda uow: set_seller(uow, known["employee"], daily_leads=3), "employee")
    told = {each["login"]: each["daily_leads"] for each in office.read(list_sellers, "manager")}
    assert told == {"employee": 3, "manager": None, "outsider": None}
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: set_seller(uow, known["manager"]), "employee")
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: set_seller(uow, known["manager"]), "outsider")

    def away(since, until, login="employee", **more):
        today = office.read(lambda uow: uow.now.date())
        days = (today + timedelta(days=since), today + timedelta(days=until))
        return office.write(
            lambda uow: add_absence(uow, known["employee"], *days, **more).id, login
        )

    first = away(1, 3)
    with pytest.raises(DuplicateError):
        away(3, 5)
    with pytest.raises(InputError):
        away(9, 8)
    with pytest.raises(InputError):
        away(7, 8, stand_in_id=known["employee"])
    with pytest.raises(NotFoundError):
        away(7, 8, stand_in_id=uuid4())
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: remove_absence(uow, first), "outsider")
    away(7, 8, "manager")
    assert len(office.read(list_absences, "readonly")) == 2


def test_an_absence_is_over_at_the_companys_midnight(office, athens_day):
    user_id = office.known.users["employee"]
    for day in (athens_day - timedelta(days=1), athens_day):
        office.write(lambda uow, day=day: add_absence(uow, user_id, day, day))
    assert [each["until_on"] for each in office.read(list_absences)] == [athens_day]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 3))
def test_everybody_gets_as_many_as_their_weight(weights, rounds):
    people = [Person(uuid4(), weight) for weight in weights]
    got = Counter(choose(Way.WEIGHTED, people).user_id for _ in range(rounds * sum(weights)))
    assert [got[person.user_id] for person in people] == [rounds * w for w in weights]


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=60))
def test_in_turn_nobody_waits_while_others_get_many(who_is_there):
    people = [Person(uuid4()) for _ in range(4)]
    for here in who_is_there:
        free = [person for person, is_free in zip(people, here, strict=True) if is_free]
        if free:
            taker = choose(Way.ROUND_ROBIN, free)
            assert taker in free
    assert sum(person.credit for person in people) == 0
    turns = [choose(Way.ROUND_ROBIN, people).user_id for _ in range(400)]
    assert max(Counter(turns).values()) - min(Counter(turns).values()) <= 2 * len(who_is_there) + 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_whoever_has_fewest_is_next(loads):
    people = [Person(uuid4(), load=load) for load in loads]
    assert choose(Way.LEAST_LOADED, people).load == min(loads)


@pytest.mark.parametrize(
    ("wanted", "code", "fits"),
    [
        (["104"], "10432", True),
        (["104"], "104 32", True),
        (["SW1A 1"], "sw1a1aa", True),
        (["104"], "11043", False),
        (["104"], None, False),
        ([], None, True),
    ],
)
def test_postal_codes_are_compared_without_their_blanks(wanted, code, fits):
    rule = AssignmentRule(
        name="X", countries=[], postal_prefixes=wanted, products=[], categories=[],
        languages=[], sources=[], least_amount=None, most_amount=None,
    )  # fmt: skip
    rates = RateTable(date(2026, 1, 1), {})
    assert (misfit(rule, Facts(postal_code=code), rates) is None) == fits
