"""Adding, changing, archiving and listing customers."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from crm_core.entities import Address, AuditEntry, ContactPoint, Customer
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.services.contact_details import (
    add_address,
    add_contact_point,
    change_address,
    change_contact_point,
    remove_address,
    remove_contact_point,
    set_contact_point,
)
from crm_core.services.customers import (
    archive_customer,
    create_customer,
    edit_customer,
    list_customers,
    restore_customer,
)
from crm_core.services.ownership import ownership_history
from crm_core.services.profile import define_attribute, list_profile
from crm_core.services.tags import list_tags, tag_customer, untag_customer

FULL = {
    "kind": "person",
    "stage": "active",
    "name": "Μαρία Παπαδοπούλου",
    "reference": "K-17",
    "language": "el-gr",
    "owner": "eva",
    "tags": ["VIP", "VIP", "Émigré 🦊"],
    "contact_points": [
        {"kind": "email", "value": "Maria@Example.com"},
        {"kind": "phone", "value": "210 1234567"},
    ],
    "addresses": [{"street": "Ερμού 1", "city": "Αθήνα", "country_code": "Greece"}],
    "profile": {"income": "1200.5 eur"},
}


def test_a_customer_is_created_whole(company):
    with company.writing() as uow:
        define_attribute(uow, "income", title="Income", type="money", is_personal=True)
        customer_id = create_customer(uow, FULL).id
    with company.acting("rita") as uow:
        customer = uow.get(Customer, customer_id)
        assert (customer.kind, customer.stage, customer.language) == ("person", "active", "el-GR")
        assert customer.owner_id == company.user_id("eva")
        points = uow.scalars(select(ContactPoint).order_by(ContactPoint.position)).all()
        assert [(p.kind, p.value, p.normalized) for p in points] == [
            ("email", "Maria@Example.com", "maria@example.com"),
            ("phone", "210 1234567", "+302101234567"),
        ]
        address = uow.scalar(select(Address))
        assert (address.use, address.country_code, address.city) == ("main", "GR", "Αθήνα")
        assert {t["name"]: t["customers"] for t in list_tags(uow)} == {"VIP": 1, "Émigré 🦊": 1}
        assert [v["value"] for v in list_profile(uow, customer_id)] == ["1200.5 EUR"]
        history = ownership_history(uow, customer_id)
        assert [(h["user_name"], h["until_at"]) for h in history] == [("eva", None)]


def test_what_a_user_creates_is_theirs_and_audited(company):
    with company.writing("eva") as uow:
        customer_id = create_customer(uow, {"name": "O'Brien & Søn"}).id
    with company.acting() as uow:
        assert uow.get(Customer, customer_id).owner_id == company.user_id("eva")
        logins = uow.scalars(
            select(AuditEntry.actor_login).where(AuditEntry.customer_id == customer_id)
        ).all()
        assert set(logins) == {"eva"}


def test_every_fault_is_told_and_nothing_is_written(company):
    with company.writing() as uow, pytest.raises(InputError) as caught:
        create_customer(
            uow,
            {
                "name": "X",
                "contact_points": [
                    {"kind": "email", "value": "nobody"},
                    {"kind": "phone", "value": "12"},
                ],
            },
        )
    assert [f["field"] for f in caught.value.details["faults"]] == [
        "contact_points.0.value",
        "contact_points.1.value",
    ]
    with company.acting() as uow:
        assert list_customers(uow).items == []


def test_edit_changes_clears_and_moves_the_version(company):
    customer_id = company.customer("Acme", reference="A1", note="old")
    with company.writing("maria") as uow:
        edit_customer(uow, customer_id, {"name": "Acme SA", "note": ""}, expected_version=1)
    with company.acting() as uow:
        customer = uow.get(Customer, customer_id)
        assert (customer.name, customer.note, customer.reference) == ("Acme SA", None, "A1")
        assert customer.version == 2
        changes = uow.scalar(select(AuditEntry.changes).where(AuditEntry.action == "update"))
        assert changes == {"name": ["Acme", "Acme SA"], "note": ["old", None]}


def test_a_stale_version_is_refused(company):
    customer_id = company.customer("Acme")
    with company.writing() as uow:
        edit_customer(uow, customer_id, {"name": "Acme 2"})
    with company.writing() as uow, pytest.raises(StaleVersionError) as caught:
        edit_customer(uow, customer_id, {"name": "Acme 3"}, expected_version=1)
    assert caught.value.details["version"] == 2


@pytest.mark.parametrize(
    "changes", [{"name": " "}, {"name": None}, {"owner_id": "x"}, {"vat": "EL1"}, {"kind": "dog"}]
)
def test_a_wrong_edit_is_refused(sqlite_company, changes):
    customer_id = sqlite_company.customer("Acme")
    with sqlite_company.writing() as uow, pytest.raises(InputError):
        edit_customer(uow, customer_id, changes)


@pytest.mark.parametrize(
    ("login", "owner", "error"),
    [
        ("eva", "eva", None),
        ("eva", "tom", None),
        ("eva", "olga", PermissionDeniedError),
        ("eva", None, PermissionDeniedError),
        ("maria", "olga", None),
        ("rita", "eva", PermissionDeniedError),
        ("nora", "eva", PermissionDeniedError),
    ],
)
def test_rights_reach_as_far_as_the_role_says(company, login, owner, error):
    customer_id = company.customer("Acme", owner=owner)
    with company.writing(login) as uow:
        if error is None:
            edit_customer(uow, customer_id, {"note": "mine"})
        else:
            with pytest.raises(error):
                edit_customer(uow, customer_id, {"note": "mine"})


def test_archive_and_restore(company):
    customer_id = company.customer("Acme")
    with company.writing("maria") as uow:
        archive_customer(uow, customer_id)
        assert list_customers(uow).items == []
        assert [c["id"] for c in list_customers(uow, archived=True).items] == [customer_id]
        with pytest.raises(RuleViolationError):
            archive_customer(uow, customer_id)
    with company.writing("maria") as uow:
        restore_customer(uow, customer_id)
        assert len(list_customers(uow, archived=None).items) == 1
        with pytest.raises(RuleViolationError):
            restore_customer(uow, customer_id)


def test_lists_page_through_ties_without_loss(company):
    with company.writing() as uow:
        made = {create_customer(uow, {"name": f"Same {n % 3}"}).id for n in range(11)}
    for sort in ("name", "updated_at"):
        seen, cursor = [], None
        with company.acting("rita") as uow:
            while True:
                page = list_customers(uow, sort=sort, limit=4, cursor=cursor)
                seen += [item["id"] for item in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
        assert len(seen) == 11
        assert set(seen) == made


def test_lists_filter(company):
    acme = company.customer("Acme 100%", tags=["gold"], stage="active", owner="eva")
    anna = company.customer("Anna", kind="person")
    with company.acting("rita") as uow:
        for filters, expected in (
            ({"kind": "person"}, [anna]),
            ({"stage": "active"}, [acme]),
            ({"tag": "gold"}, [acme]),
            ({"owner_id": company.user_id("eva")}, [acme]),
            ({"name": "0%"}, [acme]),
            ({"name": "ANN"}, [anna]),
            ({"name": "_"}, []),
        ):
            items = list_customers(uow, **filters).items
            assert [item["id"] for item in items] == expected, filters


@pytest.mark.parametrize(
    "wrong", [{"cursor": "x"}, {"cursor": "é"}, {"limit": 0}, {"sort": "age"}, {"kind": "dog"}]
)
def test_wrong_list_requests_are_refused(sqlite_company, wrong):
    with sqlite_company.acting() as uow, pytest.raises(InputError):
        list_customers(uow, **wrong)


def test_a_cursor_of_another_order_is_refused(sqlite_company):
    for n in range(3):
        sqlite_company.customer(f"C{n}")
    with sqlite_company.acting() as uow:
        cursor = list_customers(uow, limit=1).next_cursor
        with pytest.raises(InputError) as caught:
            list_customers(uow, sort="updated_at", cursor=cursor)
        assert caught.value.code == "core.page.cursor"


def test_contact_points_come_change_and_go(company):
    customer_id = company.customer("Acme", addresses=[{"country_code": "SI"}])
    with company.writing("maria") as uow:
        first = add_contact_point(uow, customer_id, "phone", "01 234 5678", label="office")
        second = add_contact_point(uow, customer_id, "phone", "+30 210 1234567")
        uow.flush()
        assert (first.normalized, first.position) == ("+38612345678", 0)
        assert second.position == 1
        set_contact_point(uow, customer_id, "phone", "01 234 5679")
        assert (first.normalized, first.label) == ("+38612345679", "office")
        change_contact_point(uow, first.id, "01 234 5679", label="")
        assert first.label is None
        set_contact_point(uow, customer_id, "email", "a@b.eu")
        remove_contact_point(uow, second.id)
        with pytest.raises(InputError):
            change_contact_point(uow, first.id, "none")
    with company.acting("maria") as uow:
        kinds = uow.scalars(select(ContactPoint.kind).order_by(ContactPoint.position)).all()
        assert kinds == ["phone", "email"]
        assert uow.get(Customer, customer_id).version > 1


def test_addresses_come_change_and_go(company):
    customer_id = company.customer("Acme")
    with company.writing("maria") as uow:
        main = add_address(uow, customer_id, {"street": "Rua 1", "country_code": "PT"})
        uow.flush()
        with pytest.raises(RuleViolationError) as caught:
            add_address(uow, customer_id, {"street": "Rua 2"})
        assert caught.value.code == "core.address.main_exists"
        add_address(uow, customer_id, {"use": "delivery", "street": "Rua 2"})
        change_address(uow, main.id, {"street": "", "city": "Porto"})
        assert (main.street, main.city, main.country_code) == (None, "Porto", "PT")
        remove_address(uow, main.id)
        uow.flush()
        add_address(uow, customer_id, {"street": "Rua 3"})


def test_tags_come_and_go(company):
    customer_id = company.customer("Acme", tags=["a", "b"])
    with company.writing("maria") as uow:
        tag_customer(uow, customer_id, ["b", "c"])
        untag_customer(uow, customer_id, ["a", "never"])
    with company.acting("rita") as uow:
        assert [(t["name"], t["customers"]) for t in list_tags(uow)] == [
            ("a", 0),
            ("b", 1),
            ("c", 1),
        ]


def test_an_unknown_customer_is_not_found(sqlite_company):
    with sqlite_company.writing() as uow, pytest.raises(NotFoundError) as caught:
        edit_customer(uow, uuid4(), {"name": "x"})
    assert caught.value.code == "core.customer.not_found"
