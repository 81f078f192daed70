"""The list of customers: columns, filters, text, order, pages, counts, and whose customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from crm_core.access import Reach
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services import customer_list, customer_list_conditions
from crm_core.services.activities import add_activity
from crm_core.services.customer_list import (
    count_listed,
    list_columns,
    list_options,
    list_page,
    listed_ids,
)
from crm_core.services.customer_list_fields import CORE_FIELDS
from crm_core.services.customer_list_query import ListFilter, ListQuery, parse_list_query
from crm_core.services.customers import archive_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.profile import define_attribute
from crm_core.services.settings import set_setting
from crm_core.testing.factories import make_invoice

LONG_AGO = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> Iterator[None]:
    """Hours before what was added "today" is of yesterday."""
    with time_machine.travel(NOON, tick=True):
        yield


@pytest.fixture
def filled(company: Any, noon: None) -> Any:
    """Five customers: two of eva's, one of olga's, one nobody's, one archived."""
    with company.writing("anna") as uow:
        define_attribute(uow, "age", title="Age", type="number")
        define_attribute(uow, "mood", title="Mood", type="choice", choices=["calm", "loud"])
        define_attribute(uow, "since", title="Since", type="date")
        define_attribute(uow, "nice", title="Nice", type="boolean")
    acme = company.customer(
        "Acme",
        kind="company",
        stage="active",
        reference="C-1",
        owner="eva",
        tags=["VIP", "Export"],
        contact_points=[
            {"kind": "phone", "value": "+30 210 1234567"},
            {"kind": "email", "value": "Info@Acme.example.com"},
        ],
        addresses=[{"city": "Athens", "country_code": "GR"}],
        profile={"age": "9", "mood": "calm"},
    )
    maria = company.customer(
        "Μαρία Παπά",
        kind="person",
        owner="eva",
        reference="C-2",
        addresses=[{"city": "Αθήνα", "country_code": "GR"}, {"use": "delivery", "city": "Wien"}],
        profile={"age": "41", "since": "2026-03-01", "nice": "yes"},
    )
    company.customer("Zoë O'Neil", kind="person", owner="olga", tags=["VIP"])
    company.customer("Nobody's", kind="company", stage="lapsed", profile={"age": "-3.5"})
    old = company.customer("Old", kind="company", reference="C-3", owner="tom")
    with company.writing() as uow:
        archive_customer(uow, old)
        log_interaction(uow, acme, channel="phone", direction="inbound", subject="Hi", at=LONG_AGO)
        log_interaction(
            uow,
            acme,
            channel="phone",
            direction="inbound",
            subject="Long before",
            at=LONG_AGO - timedelta(days=3),
        )
        add_activity(uow, maria, type="call", due_at=datetime(2030, 1, 1, tzinfo=UTC))
        add_activity(uow, maria, type="call", due_at=datetime(2030, 6, 1, tzinfo=UTC))
        make_invoice(uow, acme, total="120.00", due_on=date(2026, 1, 1))
        make_invoice(uow, maria, total="50.00", due_on=date(2099, 1, 1), currency="USD")
    return company


@pytest.fixture
def names(filled: Any) -> Callable[..., list[str]]:
    """The names that a query lists, as a user."""

    def names(text: str, login: str = "maria") -> list[str]:
        with filled.acting(login) as uow:
            query = parse_list_query(text)
            found = [item["name"] for item in list_page(uow, query).items]
            assert count_listed(uow, query).number == len(found)
            assert len(listed_ids(uow, query, limit=99)) == len(found)
        return found

    return names


ALL = ["Acme", "Nobody's", "Zoë O'Neil", "Μαρία Παπά"]
FILTERS = {
    "": ALL,
    "kind=person": ["Zoë O'Neil", "Μαρία Παπά"],
    "kind=is_not:Person": ["Acme", "Nobody's"],
    "stage=any:active,lapsed": ["Acme", "Nobody's"],
    "stage=none:active,lapsed": ["Zoë O'Neil", "Μαρία Παπά"],
    "owner=eva": ["Acme", "Μαρία Παπά"],
    "owner=is_not:eva": ["Nobody's", "Zoë O'Neil"],
    "owner=empty:": ["Nobody's"],
    "owner=filled:": ["Acme", "Zoë O'Neil", "Μαρία Παπά"],
    "reference=C-1": ["Acme"],
    "reference=empty:": ["Nobody's", "Zoë O'Neil"],
    "reference=is_not:C-1": ["Nobody's", "Zoë O'Neil", "Μαρία Παπά"],
    "reference=starts_with:c-": ["Acme", "Μαρία Παπά"],
    "name=contains:μαρ": ["Μαρία Παπά"],
    "name=contains:%": [],
    "email=info@acme.EXAMPLE.com": ["Acme"],
    "email=contains:acme": ["Acme"],
    "email=empty:": ["Nobody's", "Zoë O'Neil", "Μαρία Παπά"],
    "phone=%2B30 2101234567": ["Acme"],
    "city=Athens": ["Acme"],
    "city=contains:αθή": ["Μαρία Παπά"],
    "city=Wien": [],
    "country=gr": ["Acme", "Μαρία Παπά"],
    "country=empty:": ["Nobody's", "Zoë O'Neil"],
    "tags=VIP": ["Acme", "Zoë O'Neil"],
    "tags=any:VIP&tags=is_not:Export": ["Zoë O'Neil"],
    "tags=empty:": ["Nobody's", "Μαρία Παπά"],
    "created=today": ALL,
    "created=before:today": [],
    "changed=after:today-1": ALL,
    "last_contact=2026-01-05": ["Acme"],
    "last_contact=after:2026-01-05": [],
    "last_contact=between:2026-01-01,2026-01-31": ["Acme"],
    "last_contact=before:2026-01-05T13:00:00Z": ["Acme"],
    "last_contact=empty:": ["Nobody's", "Zoë O'Neil", "Μαρία Παπά"],
    "next_activity=filled:": ["Μαρία Παπά"],
    "next_activity=empty:": ["Acme", "Nobody's", "Zoë O'Neil"],
    "next_activity=2030-01-01": ["Μαρία Παπά"],
    "next_activity=after:2029-12-31": ["Μαρία Παπά"],
    "next_activity=after:2030-01-01": [],
    "next_activity=before:2030-01-02": ["Μαρία Παπά"],
    "next_activity=between:2030-01-02,2031-01-01": [],
    "last_contact=between:2026-01-06,2026-01-31": [],
    "last_contact=before:2026-01-05": [],
    "open_activities=more_than:0": ["Μαρία Παπά"],
    "open_activities=0": ["Acme", "Nobody's", "Zoë O'Neil"],
    "overdue=yes": ["Acme"],
    "overdue=no": ["Nobody's", "Zoë O'Neil", "Μαρία Παπά"],
    "balance=filled:": ["Acme", "Μαρία Παπά"],
    "archived=yes": ["Old"],
    "archived=no": ALL,
    "profile.age=between:-4,9": ["Acme", "Nobody's"],
    "profile.age=more_than:10": ["Μαρία Παπά"],
    "profile.age=is_not:9": ["Nobody's", "Zoë O'Neil", "Μαρία Παπά"],
    "profile.age=empty:": ["Zoë O'Neil"],
    "profile.mood=Calm": ["Acme"],
    "profile.since=after:2026-02-28": ["Μαρία Παπά"],
    "profile.since=before:2026-03-01": [],
    "profile.nice=yes": ["Μαρία Παπά"],
    "q=oneil": ["Zoë O'Neil"],
    "q=παπ&owner=eva": ["Μαρία Παπά"],
    "q=acme&kind=person": [],
}


@pytest.mark.parametrize("few", [customer_list_conditions.FEW, 0])
def test_filters(
    names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    for module in (customer_list_conditions, customer_list):
        monkeypatch.setattr(module, "FEW", few)
    assert {text: sorted(names(text)) for text in FILTERS} == {
        text: sorted(found) for text, found in FILTERS.items()
    }


def test_what_does_not_fit_is_refused_by_name(filled: Any) -> None:
    with filled.acting("maria") as uow:
        for text, told in REFUSED:
            with pytest.raises(InputError, match=told):
                list_page(uow, parse_list_query(text))


REFUSED = [
    ("colour=red", "colour"),
    ("columns=name,colour", "colour"),
    ("sort=colour", "colour"),
    ("sort=city", "city"),
    ("stage=red", "prospect"),
    ("stage=contains:a", "any"),
    ("owner=ghost", "ghost"),
    ("created=yesterday", "2026-03-31"),
    ("created=2026-02-30", "2026-02-30"),
    ("created=between:today", "between"),
    ("created=today-99999", "today"),
    ("created=after:9999-12-31", "9999"),
    ("profile.age=more_than:old", "12.5"),
    ("profile.age=nan", "12.5"),
    ("profile.shoe=44", "profile.shoe"),
    ("overdue=maybe", "yes"),
    ("kind=empty:", "cannot"),
    ("name=a%00b", "NUL"),
    ("q=%21", "search"),
]


def test_nobody_sees_or_counts_what_is_not_theirs(filled: Any) -> None:
    for login, found in (("eva", 2), ("olga", 1), ("tom", 2), ("maria", 4), ("rita", 4)):
        _sees(filled, login, found)


def _sees(filled: Any, login: str, found: int) -> None:
    actor = filled.actor(login)
    if found < 4:
        actor = replace(actor, rights={**actor.rights, "core.customer.view": Reach.TEAM})
    with unit_of_work(filled.database, actor=actor) as uow:
        for text in ("", "tags=is_not:none", "q=a", "city=is_not:Wien"):
            query = parse_list_query(text)
            page = list_page(uow, query)
            owners = {item["owner_id"] for item in page.items}
            assert count_listed(uow, query).number == len(page.items)
            assert found == 4 or owners <= {*actor.team_user_ids, actor.user_id}
        assert count_listed(uow, parse_list_query("")).number == found


def test_without_the_right_there_is_no_list(filled: Any) -> None:
    with filled.acting("nora") as uow:
        for act in (list_columns, lambda u: list_page(u, parse_list_query(""))):
            with pytest.raises(PermissionDeniedError):
                act(uow)


def test_all_columns_are_shown(filled: Any) -> None:
    with filled.acting("maria") as uow:
        offered = [column.name for column in list_columns(uow)]
        assert offered[: len(CORE_FIELDS)] == list(CORE_FIELDS)
        query = parse_list_query("name=Acme&columns=" + ",".join(offered))
        page = list_page(uow, query)
        assert [column.name for column in page.columns] == offered
    (item,) = page.items
    shown = {name: item[name] for name in offered if not isinstance(item[name], datetime)}
    assert shown == {
        "name": "Acme",
        "kind": "company",
        "stage": "active",
        "owner": "eva",
        "reference": "C-1",
        "vat": None,
        "email": "Info@Acme.example.com",
        "phone": "+30 210 1234567",
        "city": "Athens",
        "country": "GR",
        "tags": ["Export", "VIP"],
        "language": None,
        "job_title": None,
        "next_activity": None,
        "open_activities": 0,
        "balance": [{"currency_code": "EUR", "open_amount": 120}],
        "overdue": True,
        "archived": False,
        "profile.age": "9",
        "profile.mood": "calm",
        "profile.nice": None,
        "profile.since": None,
    }
    assert item["last_contact"] == LONG_AGO


def test_pages_follow_each_other_in_every_order(filled: Any) -> None:
    for name, each in CORE_FIELDS.items():
        if each.is_sortable:
            _walk(filled, name)


def _walk(filled: Any, sort: str) -> None:
    with filled.acting("maria") as uow:
        whole = {}
        for direction in ("", "-"):
            query = parse_list_query(f"sort={direction}{sort}&columns={sort}")
            whole[direction] = list_page(uow, query).items
            assert len(whole[direction]) == 4
            walked: list[Any] = []
            cursor = None
            while True:
                page = list_page(uow, query, limit=1, cursor=cursor)
                walked += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert walked == whole[direction]
        lacking = [item["id"] for item in whole[""] if item[sort] is None]
        assert [item["id"] for item in whole[""]][len(whole[""]) - len(lacking) :] == lacking
        there = [item["id"] for item in whole[""] if item["id"] not in lacking]
        back = [item["id"] for item in whole["-"] if item["id"] not in lacking]
        assert there == back[::-1]


def test_a_cursor_of_another_order_is_refused(filled: Any) -> None:
    with filled.acting("maria") as uow:
        cursor = list_page(uow, parse_list_query("sort=reference"), limit=1).next_cursor
        for text in ("", "sort=-reference", "sort=stage"):
            with pytest.raises(InputError, match="cursor"):
                list_page(uow, parse_list_query(text), cursor=cursor)


def test_counting_stops(filled: Any) -> None:
    with filled.acting("maria") as uow:
        count = count_listed(uow, parse_list_query(""), most=3)
        assert (count.number, count.is_more) == (3, True)
        count = count_listed(uow, parse_list_query(""), most=4)
        assert (count.number, count.is_more) == (4, False)


def test_what_can_be_chosen(filled: Any) -> None:
    with filled.acting("maria") as uow:
        assert ("eva", "eva") in list_options(uow, "owner")
        assert list_options(uow, "owner", text="ev") == [("eva", "eva")]
        assert [value for value, _ in list_options(uow, "tags")] == ["Export", "VIP"]
        assert [value for value, _ in list_options(uow, "country")] == ["GR"]
        assert [value for value, _ in list_options(uow, "profile.mood")] == ["calm", "loud"]
        assert [value for value, _ in list_options(uow, "stage", text="act")] == ["active"]
        with pytest.raises(InputError):
            list_options(uow, "name")


def test_a_page_costs_the_same_few_statements_however_long_it_is(filled: Any) -> None:
    statements: list[str] = []
    with filled.acting("maria") as uow:
        columns = ",".join(CORE_FIELDS)
        query = parse_list_query(f"columns={columns}&owner=filled:&q=a")
        event.listen(
            filled.database.engine,
            "before_cursor_execute",
            lambda *arguments: statements.append(arguments[2]),
        )
        list_page(uow, query)
    assert len([s for s in statements if s.startswith(("SELECT", "\nSELECT"))]) <= 12


@pytest.mark.parametrize("sort", ["name", "-name", "created", "-changed", "reference", "-vat"])
def test_a_page_walks_an_index(sqlite_database: Any, system: Any, sort: str) -> None:
    walked: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "core_customer" in statement and "LIMIT" in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            rows = cursor.fetchall()
            # The page itself; around it no more is sorted than its own rows.
            [page] = [number for number, _, _, told in rows if told.startswith("CO-ROUTINE")]
            walked.extend(told for _, parent, _, told in rows if parent == page)

    event.listen(sqlite_database.engine, "before_cursor_execute", explain)
    with unit_of_work(sqlite_database, actor=system) as uow:
        list_page(uow, parse_list_query(f"sort={sort}"))
    assert [step for step in walked if "core_customer USING" in step]
    assert [step for step in walked if "TEMP B-TREE" in step] == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from([*CORE_FIELDS, "profile.age", "profile.since"]),
    st.sampled_from(["is", "is_not", "any", "contains", "before", "between", "more_than", "empty"]),
    st.lists(st.text(max_size=8) | st.sampled_from(["today", "1", "yes"]), max_size=2),
)
def test_any_filter_is_answered_or_refused(
    filled: Any, field: str, operator: str, values: list[str]
) -> None:
    with filled.acting("maria") as uow:
        query = ListQuery((ListFilter(field, operator, tuple(values)),))
        try:
            assert count_listed(uow, query).number <= 5
        except InputError as error:
            if error.details["field"] != field:
                raise


def test_days_are_those_of_the_company(filled: Any) -> None:
    with filled.writing("anna") as uow:
        set_setting(uow, "time_zone", "Asia/Tokyo")
        acme = listed_ids(uow, parse_list_query("name=Acme"), limit=1)[0]
        at = datetime(2026, 2, 1, 16, tzinfo=UTC)
        log_interaction(uow, acme, channel="phone", direction="inbound", subject="Hi", at=at)
    with filled.acting("maria") as uow:
        for day, found in ((date(2026, 2, 1), 0), (date(2026, 2, 2), 1)):
            query = parse_list_query(f"last_contact={day}")
            assert count_listed(uow, query).number == found
