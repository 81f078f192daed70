"""One customer whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import event

from crm_core.access import Actor, Reach
from crm_core.entities import (
    Backend,
    Binding,
    Product,
    SyncCursor,
    Transaction,
    TransactionLine,
)
from crm_core.errors import NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.activities import add_activity, complete_activity
from crm_core.services.card import customer_card
from crm_core.services.consents import record_consent
from crm_core.services.currencies import ensure_currency, set_rate
from crm_core.services.interactions import log_interaction
from crm_core.services.ownership import assign_owner
from crm_core.services.profile import define_attribute, set_profile_value
from crm_core.services.relationships import relate_customers
from crm_core.services.settings import Settings

SETTINGS = Settings(base_currency="EUR", time_zone="Europe/Athens")
NOW = datetime.now(UTC)
TODAY = NOW.date()


def day(offset):
    return TODAY + timedelta(days=offset)


def document(uow, customer_id, kind, amount, **values):
    """Add one mirrored document; ``due`` in days from today makes it open."""
    due = values.pop("due", None)
    amounts = {
        "untaxed_amount": Decimal(amount),
        "tax_amount": Decimal(0),
        "total_amount": Decimal(amount),
        "open_amount": Decimal(amount if due is not None else 0),
    }
    return uow.add(
        Transaction(
            kind=kind,
            customer_id=customer_id,
            state=values.pop("state", "confirmed"),
            is_open=due is not None,
            due_on=None if due is None else day(due),
            issued_on=day(values.pop("issued", -40)),
            currency_code=values.pop("currency", "EUR"),
            refreshed_at=NOW,
            **amounts,
            **values,
        )
    )


def line(uow, transaction, product, quantity):
    uow.add(
        TransactionLine(
            transaction_id=transaction.id,
            position=1,
            kind="product",
            product_id=product.id,
            quantity=Decimal(quantity),
        )
    )


def card_of(company, customer_id, login="rita", **values):
    with company.acting(login) as uow:
        return customer_card(uow, customer_id, SETTINGS, **values)


@pytest.fixture
def acme(company):
    return company.customer(
        "Ακμή",
        owner="eva",
        tags=["b", "a"],
        contact_points=[
            {"kind": "phone", "value": "+302101234567"},
            {"kind": "email", "value": "a@x.eu"},
        ],
        addresses=[{"city": "Αθήνα"}, {"use": "delivery", "city": "Πάτρα"}],
    )


def test_it_holds_who_the_customer_is(company, acme):
    anna = company.customer("Anna", kind="person")
    with company.writing("maria") as uow:
        relate_customers(uow, anna, "contact_of", acme)
        define_attribute(uow, "likes", title="Likes", type="text", is_personal=True)
        uow.flush()
        set_profile_value(uow, acme, "likes", "tea")
        assign_owner(uow, acme, company.user_id("tom"))
    card = card_of(company, acme)
    assert card.customer["name"] == "Ακμή"
    assert card.customer["owner_name"] == "tom"
    assert [p["kind"] for p in card.contact_points] == ["phone", "email"]
    assert card.contact_points[1]["normalized"] == "a@x.eu"
    assert [(a["use"], a["city"]) for a in card.addresses] == [
        ("delivery", "Πάτρα"),
        ("main", "Αθήνα"),
    ]
    assert [t["name"] for t in card.tags] == ["a", "b"]
    assert [o["user_name"] for o in card.owners] == ["tom", "eva"]
    assert [(r["label"], r["other_name"]) for r in card.relationships] == [("has contact", "Anna")]
    (value,) = card.profile
    assert (value["code"], value["value"], value["is_personal"]) == ("likes", "tea", True)


def test_the_timeline_is_all_that_happened_newest_first(company, acme):
    with company.writing("eva") as uow:
        log_interaction(
            uow,
            acme,
            channel="phone",
            direction="inbound",
            subject="old call",
            at=NOW - timedelta(days=60),
        )
        log_interaction(uow, acme, channel="email", direction="outbound", subject="new mail")
        done = add_activity(uow, acme, type="visit", due_at=NOW - timedelta(days=1))
        add_activity(uow, acme, type="call", due_at=NOW - timedelta(hours=1), summary="late")
        add_activity(uow, acme, type="call", due_at=NOW + timedelta(days=1), summary="soon")
        uow.flush()
        complete_activity(uow, done.id)
    with company.writing() as uow:
        ensure_currency(uow, "EUR")
        document(uow, acme, "order", 10, number="SO1", issued=-30)
    card = card_of(company, acme)
    told = [(e["kind"], e["title"]) for e in card.timeline]
    assert told[2:] == [("document", "SO1"), ("interaction", "old call")]
    assert set(told[:2]) == {("activity", "visit"), ("interaction", "new mail")}
    assert [(a["summary"], a["is_overdue"]) for a in card.activities] == [
        ("late", True),
        ("soon", False),
    ]
    short = card_of(company, acme, timeline_limit=3)
    assert [e["title"] for e in short.timeline] == [title for _, title in told[:3]]


def test_documents_tell_what_is_overdue_in_every_currency(company, acme):
    with company.writing() as uow:
        ensure_currency(uow, "EUR")
        set_rate(uow, "USD", "EUR", day(-10), Decimal("1.25"))
        document(uow, acme, "invoice", "100.10", number="late", due=-1)
        document(uow, acme, "invoice", 50, number="due today or later", due=2)
        document(uow, acme, "refund", 20, due=-5)
        document(uow, acme, "invoice", 125, number="dollars", due=-3, currency="USD")
        document(uow, acme, "invoice", 70, number="paid")
        document(uow, acme, "payment", 70)
    card = card_of(company, acme)
    overdue = {d["number"] for d in card.documents if d["is_overdue"]}
    assert overdue == {"late", "dollars"}
    assert len(card.documents) == 6
    balance = card.balance
    assert balance.currencies == [
        {
            "currency_code": "EUR",
            "open_amount": Decimal("130.10"),
            "overdue_amount": Decimal("100.10"),
        },
        {"currency_code": "USD", "open_amount": Decimal(125), "overdue_amount": Decimal(125)},
    ]
    assert (balance.open_amount, balance.overdue_amount) == (Decimal("230.10"), Decimal("200.10"))
    assert balance.rate_on == day(-10)


def test_a_missing_rate_is_told_instead_of_a_wrong_total(company, acme):
    with company.writing() as uow:
        ensure_currency(uow, "GBP")
        document(uow, acme, "invoice", 5, due=1, currency="GBP")
    balance = card_of(company, acme).balance
    assert (balance.open_amount, balance.without_rate) == (None, ["GBP"])


def test_old_open_invoices_are_not_lost_behind_many_newer_ones(company, acme):
    with company.writing() as uow:
        ensure_currency(uow, "EUR")
        document(uow, acme, "invoice", 1, number="ancient", due=-900, issued=-930)
        for n in range(30):
            document(uow, acme, "invoice", 1, issued=-n)
    card = card_of(company, acme)
    assert len(card.documents) == 21
    assert card.documents[-1]["number"] == "ancient"
    assert card.balance.overdue_amount == 1


def test_products_count_orders_and_else_invoices(company, acme):
    with company.writing() as uow:
        ensure_currency(uow, "EUR")
        chair, desk = (uow.add(Product(name=name, refreshed_at=NOW)) for name in ("Chair", "Desk"))
        uow.flush()
        order = document(uow, acme, "order", 10, issued=-9)
        invoice = document(uow, acme, "invoice", 10, issued=-8)
        cancelled = document(uow, acme, "order", 10, state="cancelled")
        uow.flush()
        line(uow, order, chair, "2.5")
        line(uow, invoice, chair, "2.5")
        line(uow, invoice, desk, "1")
        line(uow, cancelled, desk, "7")
    bought = {p["name"]: p for p in card_of(company, acme).products}
    assert (bought["Chair"]["quantity"], bought["Chair"]["times"]) == (Decimal("2.5"), 1)
    assert (bought["Desk"]["quantity"], bought["Desk"]["last_on"]) == (Decimal(1), day(-8))


def test_sources_tell_how_fresh_it_is_to_whoever_sees_the_customer(company, acme):
    with company.writing() as uow:
        backend = uow.add(
            Backend(name="main", type="odoo", config={}, created_at=NOW, updated_at=NOW)
        )
        uow.flush()
        uow.add(
            Binding(
                backend_id=backend.id,
                entity="customer",
                remote_id="7",
                local_id=acme,
                digest=b"",
                snapshot={},
                synced_at=NOW,
            )
        )
        uow.add(SyncCursor(backend_id=backend.id, entity="customer", refreshed_at=NOW))
        uow.add(SyncCursor(backend_id=backend.id, entity="order"))
    (source,) = card_of(company, acme).sources
    assert (source["backend"], source["remote_id"], source["state"]) == ("main", "7", "active")
    assert source["synced_at"] == NOW
    assert source["refreshed"] == {"customer": NOW, "order": None}


def test_consents_are_those_that_count_now(company, acme):
    with company.writing("eva") as uow:
        for status, days in (("given", 2), ("withdrawn", 1)):
            record_consent(
                uow,
                acme,
                purpose="newsletter",
                channel="email",
                status=status,
                evidence="mail",
                at=NOW - timedelta(days=days),
            )
    assert [c["status"] for c in card_of(company, acme).consents] == ["withdrawn"]


def test_an_empty_customer_has_an_empty_card(company):
    card = card_of(company, company.customer("Empty"))
    assert card.timeline == card.documents == card.sources == []
    assert card.balance.open_amount == 0


def test_reach_decides_whose_card_and_which_relations_are_seen(company, acme):
    theirs = company.customer("Theirs", owner="olga")
    mates = company.customer("Mate's", owner="tom")
    with company.writing("maria") as uow:
        relate_customers(uow, acme, "partner_of", theirs)
        relate_customers(uow, acme, "partner_of", mates)
    eva = company.actor("eva")

    def seen(reach, customer_id):
        actor = Actor(eva.user_id, "eva", {"core.customer.view": reach}, eva.team_user_ids)
        with unit_of_work(company.database, actor=actor) as uow:
            card = customer_card(uow, customer_id, SETTINGS)
            return {r["other_name"] for r in card.relationships}

    assert seen(Reach.ALL, acme) == {"Theirs", "Mate's"}
    assert seen(Reach.TEAM, acme) == {"Mate's"}
    assert seen(Reach.OWN, acme) == set()
    assert seen(Reach.TEAM, mates) == {"Ακμή"}
    for reach, customer_id in ((Reach.TEAM, theirs), (Reach.OWN, mates), (Reach.ALL, uuid4())):
        with pytest.raises(NotFoundError):
            seen(reach, customer_id)
    with company.acting("nora") as uow, pytest.raises(PermissionDeniedError):
        customer_card(uow, acme, SETTINGS)


def test_the_number_of_statements_does_not_grow(company, acme):
    def statements():
        count = 0

        def counted(_connection, _cursor, statement, *_):
            nonlocal count
            count += statement.startswith("SELECT")

        event.listen(company.database.engine, "before_cursor_execute", counted)
        with company.acting() as uow:
            customer_card(uow, acme, SETTINGS)
        event.remove(company.database.engine, "before_cursor_execute", counted)
        return count

    before = statements()
    with company.writing() as uow:
        ensure_currency(uow, "EUR")
        for n in range(30):
            log_interaction(uow, acme, channel="web", direction="inbound", subject=f"{n}")
            document(uow, acme, "invoice", 1, due=-n)
    assert before == statements() == 5


def test_ids_and_moments_come_back_as_they_went_in(company, acme):
    key, at = new_id(), datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    with company.writing() as uow:
        uow.add(Product(id=key, name="x", refreshed_at=at, archived_at=None))
    with company.acting() as uow:
        product = uow.get(Product, key)
        assert (product.id, product.refreshed_at, product.archived_at) == (key, at, None)
        assert hash(product.id) == hash(key)
        assert isinstance(product.refreshed_at.tzinfo, type(UTC))
