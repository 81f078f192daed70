"""Interactions, activities, consents and owners: what happened, is to do, was said, was whose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crm_core.entities import User
from crm_core.errors import (
    InputError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.services.activities import add_activity, complete_activity, list_activities
from crm_core.services.consents import consent_history, current_consents, record_consent
from crm_core.services.interactions import list_interactions, log_interaction
from crm_core.services.ownership import assign_owner, ownership_history
from crm_core.services.users import disable_user

NOW = datetime.now(UTC)


def test_interactions_are_listed_newest_first_in_pages(company):
    customer_id = company.customer("Acme")
    with company.writing("eva") as uow:
        for days in range(5):
            log_interaction(
                uow,
                customer_id,
                channel="Phone",
                direction="inbound",
                subject=f"call {days}",
                at=NOW - timedelta(days=days),
            )
    with company.acting("rita") as uow:
        first = list_interactions(uow, customer_id, limit=3)
        rest = list_interactions(uow, customer_id, limit=3, cursor=first.next_cursor)
    subjects = [item["subject"] for item in (*first.items, *rest.items)]
    assert subjects == [f"call {days}" for days in range(5)]
    assert rest.next_cursor is None
    assert first.items[0]["user_name"] == "eva"
    assert first.items[0]["at"] == NOW


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "pigeon"},
        {"direction": "sideways"},
        {"subject": " "},
        {"at": NOW + timedelta(days=1)},
        {"at": NOW.replace(tzinfo=None)},
    ],
)
def test_wrong_interactions_are_refused(sqlite_company, wrong):
    customer_id = sqlite_company.customer("Acme")
    values = {"channel": "phone", "direction": "inbound", "subject": "x", **wrong}
    with sqlite_company.writing() as uow, pytest.raises(InputError):
        log_interaction(uow, customer_id, **values)


def test_readers_may_not_log(company):
    customer_id = company.customer("Acme")
    with company.writing("rita") as uow, pytest.raises(PermissionDeniedError):
        log_interaction(uow, customer_id, channel="web", direction="inbound", subject="x")


def test_activities_are_planned_listed_and_done(company):
    customer_id = company.customer("Acme", owner="eva")
    with company.writing("eva") as uow:
        late = add_activity(
            uow, customer_id, type="Call", due_at=NOW - timedelta(days=1), summary="call back"
        )
        soon = add_activity(uow, customer_id, type="visit", due_at=NOW + timedelta(days=1))
        late_id, soon_id = late.id, soon.id
    with company.acting("rita") as uow:
        everything = list_activities(uow).items
        assert [a["id"] for a in everything] == [late_id, soon_id]
        assert everything[0]["customer_name"] == "Acme"
        assert [a["summary"] for a in everything] == ["call back", "visit"]
        assert [a["id"] for a in list_activities(uow, due_before=NOW).items] == [late_id]
        eva, tom = company.user_id("eva"), company.user_id("tom")
        assert len(list_activities(uow, owner_id=eva).items) == 2
        assert list_activities(uow, owner_id=tom).items == []
    with company.writing("tom") as uow:
        complete_activity(uow, late_id, expected_version=1)
        uow.flush()
        with pytest.raises(RuleViolationError) as caught:
            complete_activity(uow, late_id)
        assert caught.value.code == "core.activity.already_done"
        with pytest.raises(StaleVersionError):
            complete_activity(uow, soon_id, expected_version=9)
    with company.acting("rita") as uow:
        assert [a["id"] for a in list_activities(uow).items] == [soon_id]
        done = list_activities(uow, is_open=False, customer_id=customer_id).items
        assert [a["id"] for a in done] == [late_id]


def test_an_activity_given_to_one_may_be_done_by_one(company):
    customer_id = company.customer("Acme", owner="eva")
    with company.writing("eva") as uow:
        given = add_activity(
            uow, customer_id, type="call", due_at=NOW, owner_id=company.user_id("olga")
        ).id
        own = add_activity(uow, customer_id, type="call", due_at=NOW).id
    with company.writing("olga") as uow:
        complete_activity(uow, given)
        with pytest.raises(PermissionDeniedError):
            complete_activity(uow, own)


def test_nothing_is_given_to_a_disabled_user(company):
    customer_id = company.customer("Acme", owner="eva")
    with company.writing() as uow:
        disable_user(uow, "tom")
    tom = company.user_id("tom")
    with company.writing("eva") as uow:
        for attempt in (
            lambda: add_activity(uow, customer_id, type="call", due_at=NOW, owner_id=tom),
            lambda: assign_owner(uow, customer_id, tom),
        ):
            with pytest.raises(RuleViolationError) as caught:
                attempt()
            assert caught.value.code == "core.user.disabled"


def test_the_latest_statement_counts_whenever_it_was_recorded(company):
    customer_id = company.customer("Acme")
    said = (
        ("newsletter", "email", "given", 10),
        ("newsletter", "email", "withdrawn", 2),
        ("newsletter", "email", "given", 5),
        ("newsletter", "phone", "given", 1),
    )
    with company.writing("eva") as uow:
        for purpose, channel, status, days in said:
            record_consent(
                uow,
                customer_id,
                purpose=purpose,
                channel=channel,
                status=status,
                evidence="web form",
                at=NOW - timedelta(days=days),
            )
    with company.acting("rita") as uow:
        now = current_consents(uow, customer_id)
        assert [(c["channel"], c["status"]) for c in now] == [
            ("email", "withdrawn"),
            ("phone", "given"),
        ]
        assert len(consent_history(uow, customer_id)) == 4


@pytest.mark.parametrize(
    "wrong", [{"status": "maybe"}, {"evidence": ""}, {"purpose": ""}, {"channel": "\x00"}]
)
def test_wrong_consents_are_refused(sqlite_company, wrong):
    customer_id = sqlite_company.customer("Acme")
    values = {"purpose": "p", "channel": "c", "status": "given", "evidence": "e", **wrong}
    with sqlite_company.writing() as uow, pytest.raises(InputError):
        record_consent(uow, customer_id, **values)


def test_ownership_keeps_its_history(company):
    customer_id = company.customer("Acme", owner="eva")
    tom = company.user_id("tom")
    with company.writing("maria") as uow:
        assign_owner(uow, customer_id, tom)
        assign_owner(uow, customer_id, tom)
        uow.flush()
        assign_owner(uow, customer_id, None)
    with company.acting("rita") as uow:
        history = ownership_history(uow, customer_id)
        assert [(h["user_name"], h["changed_by"]) for h in history] == [
            (None, "maria"),
            ("tom", "maria"),
            ("eva", "system"),
        ]
        assert [h["until_at"] is None for h in history] == [True, False, False]
        assert uow.get(User, tom).is_enabled


def test_only_who_reaches_a_customer_may_assign_it(company):
    customer_id = company.customer("Acme", owner="olga")
    with company.writing("eva") as uow, pytest.raises(PermissionDeniedError):
        assign_owner(uow, customer_id, company.user_id("eva"))
