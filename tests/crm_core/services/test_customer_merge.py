"""Two customers become one: what survives, what follows, and who may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities import (
    Activity,
    Address,
    Attachment,
    AuditEntry,
    Consent,
    ContactPoint,
    Customer,
    CustomerMerge,
    CustomerTag,
    Interaction,
    MergeChange,
    OutboxEvent,
    Ownership,
    Relationship,
    Transaction,
)
from crm_core.errors import (
    CrmError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.persistence.base import Base
from crm_core.persistence.customer_references import customer_columns
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.activities import add_activity
from crm_core.services.consents import current_consents, record_consent
from crm_core.services.contact_details import add_address, add_contact_point, main_address
from crm_core.services.customer_merge import MERGE, merge_customers
from crm_core.services.customer_merge_report import compare_customers, list_merges
from crm_core.services.customer_merge_rows import FOLLOWING, RULES, STAYING
from crm_core.services.customers import archive_customer, edit_customer, restore_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.lookup import resolve_customer, survivors
from crm_core.services.profile import define_attribute, list_profile, set_profile_value
from crm_core.services.relationships import relate_customers
from crm_core.services.search import search_customers
from crm_core.services.users import user_named
from crm_core.testing.factories import make_actor, make_invoice
from crm_hooks.contributions import Objection

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMAILS = [{"kind": "email", "value": value} for value in ("a@x.gr", "b@x.gr", "A@x.gr")]


def new(company, name, **values):
    return company.customer(name, **{"kind": "company", **values})


def merge(company, keep, drop, login="anna", **options):
    with company.writing(login) as uow:
        return merge_customers(uow, keep, drop, **options).id


def rows(company, model, **where):
    with company.acting() as uow:
        return list(uow.session.query(model).filter_by(**where))


def one(company, model, key):
    with company.acting() as uow:
        return uow.get(model, key)


# What survives.


def test_a_field_survives_by_rule_or_by_choice(company):
    keep = new(company, "Acme", vat="EL094014201", note="ours")
    drop = new(company, "ACME Ltd", reference="K-2", note="theirs", stage="active")
    merge(company, keep, drop, choices={"note": "drop", "name": "keep"}, reason="same firm")
    survivor, dropped = one(company, Customer, keep), one(company, Customer, drop)
    assert (survivor.name, survivor.reference, survivor.note) == ("Acme", "K-2", "theirs")
    assert (survivor.stage, survivor.vat) == ("active", "EL094014201")
    assert dropped.merged_into_id == keep
    assert dropped.archived_at is not None
    assert (dropped.name, dropped.reference) == ("ACME Ltd", "K-2")


def test_a_choice_may_keep_nothing(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd", note="old gossip")
    merge(company, keep, drop, choices={"note": "keep"})
    assert one(company, Customer, keep).note is None


@pytest.mark.parametrize("choices", [{"nose": "drop"}, {"name": "both"}, {"profile.x": "drop"}])
def test_a_choice_that_makes_no_sense_is_refused(company, choices):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with pytest.raises(InputError, match="FIELD=drop"):
        merge(company, keep, drop, choices=choices)
    assert one(company, Customer, drop).merged_into_id is None


def test_the_comparison_says_what_the_merge_does(company):
    keep = new(company, "Acme", contact_points=EMAILS[:1], tags=["vip"])
    drop = new(company, "ACME Ltd", vat="EL094014201", owner="eva", contact_points=EMAILS[1:2])
    with company.writing("anna") as uow:
        define_attribute(uow, "food", title="Food", type="text")
        set_profile_value(uow, drop, "food", "fish")
        add_address(uow, drop, {"street": "Ermou 1", "city": "Athens"})
        told = {each.field: each for each in compare_customers(uow, keep, drop)}
    assert {name: each.survives for name, each in told.items()} == {
        "kind": "keep",
        "stage": "keep",
        "name": "keep",
        "vat": "drop",
        "owner": told["owner"].survives,
        "address": "drop",
        "profile.food": "drop",
        "contact points": "both",
        "tags": "both",
    }
    assert (told["address"].keep, told["address"].drop) == (None, "Ermou 1, Athens")
    assert (told["contact points"].keep, told["contact points"].drop) == ("a@x.gr", "b@x.gr")


# What follows.


def test_everything_follows(company):
    keep, drop, third = new(company, "Acme"), new(company, "ACME Ltd", tags=["vip"]), None
    third = new(company, "Third")
    with company.writing("anna") as uow:
        log_interaction(uow, drop, channel="phone", direction="inbound", subject="Hello")
        add_activity(uow, drop, type="call", due_at=uow.now)
        record_consent(uow, drop, purpose="news", channel="email", status="given", evidence="form")
        relate_customers(uow, drop, "subsidiary_of", third)
        make_invoice(uow, drop)
        file = {"file_name": "a.pdf", "content_type": "x", "size_bytes": 1, "sha256": "0"}
        about = {"entity_type": "customer", "entity_id": str(drop), "created_at": uow.now}
        uow.add(Attachment(customer_id=drop, **file, **about))
    merge(company, keep, drop)
    for model in (Interaction, Activity, Consent, Transaction, CustomerTag, Attachment):
        assert len(rows(company, model, customer_id=keep)) == 1, model
        assert rows(company, model, customer_id=drop) == []
    assert rows(company, Attachment)[0].entity_id == str(keep)
    [tie] = rows(company, Relationship)
    assert (tie.from_customer_id, tie.to_customer_id) == (keep, third)


def test_contact_points_come_once_and_after_the_survivors(company):
    keep = new(company, "Acme", contact_points=EMAILS[:1])
    drop = new(company, "ACME Ltd", contact_points=[EMAILS[2], EMAILS[1]])
    merge(company, keep, drop)
    points = sorted(rows(company, ContactPoint), key=lambda point: point.position)
    assert [(point.customer_id, point.value) for point in points] == [
        (keep, "a@x.gr"),
        (keep, "b@x.gr"),
    ]


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_one_main_address_is_left(company, choice):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with company.writing() as uow:
        made = {
            key: add_address(uow, key, {"street": street}).id
            for key, street in ((keep, "Ermou 1"), (drop, "Stadiou 2"))
        }
    merge(company, keep, drop, choices={"address": choice})
    with company.acting() as uow:
        assert main_address(uow, keep) == made[keep if choice == "keep" else drop]
    assert {each.use for each in rows(company, Address, customer_id=keep)} == {"main", "other"}


def test_the_same_address_is_not_kept_twice(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with company.writing() as uow:
        add_address(uow, keep, {"street": "Ermou 1", "city": "Athens"})
        add_address(uow, drop, {"street": "ERMOU 1", "city": "athens"})
    merge(company, keep, drop)
    assert [each.use for each in rows(company, Address, archived_at=None)] == ["main"]
    assert len(rows(company, Address, customer_id=keep)) == 2


def test_an_attribute_has_one_value(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with company.writing() as uow:
        for code in ("food", "mood", "size"):
            define_attribute(uow, code, title=code, type="text")
        for key in (keep, drop):
            set_profile_value(uow, key, "food", str(key))
            set_profile_value(uow, key, "mood", str(key))
        set_profile_value(uow, drop, "size", "big")
    merge(company, keep, drop, choices={"profile.mood": "drop"})
    with company.acting() as uow:
        values = {row["code"]: row["value"] for row in list_profile(uow, keep)}
    assert values == {"food": str(keep), "mood": str(drop), "size": "big"}


def consented(company, *said):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with company.writing() as uow:
        for key, status, day in said:
            record_consent(
                uow,
                keep if key == "keep" else drop,
                purpose="news",
                channel="email",
                status=status,
                evidence=f"{key} {status}",
                at=NOON.replace(day=day),
            )
    merge(company, keep, drop)
    with company.acting() as uow:
        [now] = current_consents(uow, keep)
    evidence = {row.evidence for row in rows(company, Consent, customer_id=keep)}
    assert evidence >= {f"{key} {status}" for key, status, _ in said}
    return now["status"]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ((("keep", "given", 1), ("drop", "withdrawn", 2)), "withdrawn"),
        ((("drop", "given", 1), ("keep", "withdrawn", 2)), "withdrawn"),
        ((("keep", "withdrawn", 1), ("drop", "given", 2)), "given"),
        ((("keep", "withdrawn", 1), ("drop", "given", 1)), "withdrawn"),
        ((("drop", "withdrawn", 1), ("keep", "given", 1)), "withdrawn"),
    ],
)
def test_the_latest_consent_counts_and_of_two_at_once_the_stricter(company, said, status):
    assert consented(company, *said) == status


def test_ties_neither_double_nor_lead_back_nor_close_a_circle(company):
    keep, drop, third = (new(company, name) for name in ("Acme", "ACME Ltd", "Third"))
    with company.writing() as uow:
        relate_customers(uow, keep, "partner_of", drop)
        relate_customers(uow, keep, "partner_of", third)
        relate_customers(uow, drop, "partner_of", third)
        relate_customers(uow, keep, "subsidiary_of", third)
        relate_customers(uow, third, "subsidiary_of", drop)
    merge(company, keep, drop)
    ties = [(tie.from_customer_id, tie.to_customer_id) for tie in rows(company, Relationship)]
    assert ties == [(keep, third)] * 2


def test_one_owner_answers_and_both_histories_stay(company):
    keep, drop = new(company, "Acme", owner="eva"), new(company, "ACME Ltd", owner="tom")
    merge(company, keep, drop, choices={"owner": "drop"})
    history = rows(company, Ownership, customer_id=keep)
    assert len(history) == 2
    [present] = [row.user_id for row in history if row.until_at is None]
    assert present == company.user_id("tom") == one(company, Customer, keep).owner_id


def test_every_table_that_refers_to_customers_has_a_rule(sqlite_company):
    with sqlite_company.acting() as uow:
        there = {name for name, _ in customer_columns(uow.connection())}
    mapped = {
        key.parent.table.name
        for table in Base.metadata.sorted_tables
        if table.name.startswith("core_")
        for key in table.foreign_keys
        if key.column.table.name == "core_customer"
    }
    told = {*RULES, *FOLLOWING, *STAYING}
    assert there == told, "say in customer_merge_rows.py what becomes of its rows"
    assert mapped <= there


# Leading to the survivor.


def test_whatever_named_the_dropped_one_leads_to_the_survivor(company):
    keep, drop = new(company, "Acme", reference="K-1"), new(company, "Βίτα Α.Ε.", reference="K-2")
    merge(company, keep, drop)
    with company.acting("rita") as uow:
        for text in (str(drop), drop.hex[:20], "K-2"):
            assert resolve_customer(uow, text) == (keep, True)
        assert resolve_customer(uow, "K-1") == (keep, False)
        assert survivors(uow, [keep, drop]) == {drop: keep}


def test_the_survivor_of_a_survivor_is_found_too(company):
    first, second, third = (new(company, name, reference=name) for name in ("A", "B", "C"))
    merge(company, second, first)
    merge(company, third, second)
    with company.acting() as uow:
        assert resolve_customer(uow, "A") == resolve_customer(uow, "B") == (third, True)


def test_a_reference_that_both_had_is_not_ambiguous(company):
    keep, drop = new(company, "Acme", reference="K-1"), new(company, "ACME Ltd", reference="K-1")
    merge(company, keep, drop)
    with company.acting() as uow:
        assert resolve_customer(uow, "K-1") == (keep, False)


def test_the_dropped_one_is_left_alone(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    merge(company, keep, drop)
    for act in (
        lambda uow: edit_customer(uow, drop, {"name": "New"}),
        lambda uow: restore_customer(uow, drop),
        lambda uow: add_contact_point(uow, drop, "email", "a@x.gr"),
        lambda uow: merge_customers(uow, keep, drop),
        lambda uow: merge_customers(uow, drop, keep),
    ):
        with pytest.raises(RuleViolationError, match=str(keep)):
            with company.writing("anna") as uow:
                act(uow)


# Who may, and when.


def test_the_same_customer_twice_is_refused(company):
    keep = new(company, "Acme")
    with pytest.raises(InputError, match="same customer"):
        merge(company, keep, keep)


def test_an_archived_one_may_go_but_not_survive(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    with company.writing() as uow:
        archived_at = archive_customer(uow, drop).archived_at
    with pytest.raises(RuleViolationError, match="restore"):
        merge(company, drop, keep)
    merge(company, keep, drop)
    assert one(company, Customer, drop).archived_at == archived_at


def test_a_person_and_a_company_are_not_one(company):
    keep, drop = new(company, "Acme"), new(company, "Acme", kind="person")
    with pytest.raises(RuleViolationError, match="kind"):
        merge(company, keep, drop)


def test_the_right_and_both_customers_are_needed(company):
    mine, other = new(company, "Acme", owner="eva"), new(company, "ACME Ltd", owner="olga")
    with pytest.raises(PermissionDeniedError):
        merge(company, mine, other, login="rita")
    with company.acting("eva") as uow:
        eva = user_named(uow, "eva")
    actor = make_actor("core.customer.view", MERGE, reach=Reach.OWN, user=eva)
    for pair in ((mine, other), (other, mine)):
        with unit_of_work(company.database, actor=actor, write=True) as uow:
            with pytest.raises(NotFoundError):
                merge_customers(uow, *pair)


def test_a_version_that_was_read_is_heeded_and_counted_up(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd", vat="EL094014201")
    with pytest.raises(StaleVersionError):
        merge(company, keep, drop, expected_version=7)
    merge(company, keep, drop, expected_version=1)
    with pytest.raises(StaleVersionError):
        with company.writing() as uow:
            edit_customer(uow, keep, {"note": "x"}, expected_version=1)


def test_a_plugin_may_object(company):
    """The hook is crm_check_customer_merge."""
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    asked = []

    def check(hook, **arguments):
        asked.append((hook, arguments["keep_id"], arguments["drop_id"]))
        return [Objection("Count the keys first.", "keys.out")]

    company.database.hooks = SimpleNamespace(check=check)
    with pytest.raises(RuleViolationError, match="Count the keys first"):
        merge(company, keep, drop)
    assert asked == [("crm_check_customer_merge", keep, drop)]
    assert rows(company, CustomerMerge) == []


def test_two_who_merge_the_same_pair_do_it_once(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd")
    barrier = Barrier(2)

    def act(pair):
        barrier.wait()
        try:
            return merge(company, *pair)
        except CrmError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(act, [(keep, drop), (drop, keep)]))
    assert sorted(map(type, outcomes), key=repr) == sorted([UUID, str], key=repr)
    assert "core.customer.merged" in outcomes
    assert len(rows(company, CustomerMerge)) == 1


# What is told of it.


def test_it_is_audited_and_told_with_one_id(company):
    keep, drop = new(company, "Acme", tags=["vip"]), new(company, "ACME Ltd", tags=["old"])
    with company.writing() as uow:
        before = uow.scalar(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1))
    merge_id = merge(company, keep, drop, login="maria")
    entries = [row for row in rows(company, AuditEntry, action="merge") if row.id > before]
    assert {row.entity_type for row in entries} == {"customer", "customer_tag"}
    assert {row.changes["merge_id"][1] for row in entries} == {str(merge_id)}
    assert {row.actor_login for row in entries} == {"maria"}
    [event] = rows(company, OutboxEvent, name="core.customer.merged")
    assert event.payload == {
        "keep_id": str(keep),
        "drop_id": str(drop),
        "merge_id": str(merge_id),
    }
    changed = rows(company, OutboxEvent, name="core.customer.changed")[-1]
    assert set(changed.payload["customer_ids"]) == {str(keep), str(drop)}
    assert len(rows(company, MergeChange)) == 2


def test_merges_are_listed(company):
    keep, drop, other = (new(company, name) for name in ("Acme", "ACME Ltd", "Other"))
    first = merge(company, keep, drop, reason="same VAT")
    second = merge(company, keep, other)
    with company.acting("anna") as uow:
        assert [row["id"] for row in list_merges(uow).items] == [second, first]
        [row] = list_merges(uow, drop).items
    assert (row["keep_name"], row["drop_name"], row["reason"]) == ("Acme", "ACME Ltd", "same VAT")
    with company.acting("rita") as uow:
        with pytest.raises(PermissionDeniedError):
            list_merges(uow)


def test_the_survivor_is_found_by_what_the_dropped_one_was_found_by(company):
    keep = new(company, "Acme", contact_points=EMAILS[:1])
    drop = new(company, "Βίτα Α.Ε.", reference="K-77", contact_points=EMAILS[1:2])
    merge(company, keep, drop)
    with company.acting() as uow:
        for text in ("b@x.gr", "Acme", "βιτα", "K-77"):
            assert [hit.id for hit in search_customers(uow, text).items] == [keep], text
