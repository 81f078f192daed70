"""What people change here survives what changes over there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from crm_core.entities import (
    Address,
    AuditEntry,
    ContactPoint,
    Customer,
    CustomerTag,
    Ownership,
    Relationship,
    Tag,
    User,
)
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.contact_details import change_address
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_files.backend import FilesBackend


@pytest.fixture
def pulled(office: Any) -> Any:
    office.run()
    return office


def here(office: Any, change: Any) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        change(uow)
        uow.commit()


def save(office: Any, remote_id: str, values: dict[str, Any], **parts: Any) -> None:
    draft = CustomerDraft(values, customer_id=office.local("customer", remote_id), **parts)
    here(office, lambda uow: save_customers(uow, [draft]))


def points(office: Any, remote_id: str) -> list[str]:
    rows = office.all(
        select(ContactPoint.value)
        .where(ContactPoint.customer_id == office.local("customer", remote_id))
        .order_by(ContactPoint.position)
    )
    return [row.value for row in rows]


def tags(office: Any, remote_id: str) -> set[str]:
    key = office.local("customer", remote_id)
    rows = office.all(select(Tag.name).join(CustomerTag).where(CustomerTag.customer_id == key))
    return {row.name for row in rows}


def email(value: str) -> dict[str, Any]:
    return {"kind": "email", "value": value, "normalized": value}


def test_archived_here_stays_archived_when_another_field_changes_there(pulled: Any) -> None:
    key = pulled.local("customer", "c14")
    moment = pulled.all(select(Customer.updated_at).where(Customer.id == key))[0][0]
    save(pulled, "c14", {"archived_at": moment})
    address = pulled.local("address", "a03")
    archived = update(Address).where(Address.id == address).values(archived_at=moment)
    here(pulled, lambda uow: uow.execute(archived))
    pulled.set("customers.csv", "c14", name="Jan K.")
    pulled.set("addresses.csv", "a03", recipient="Magazyn")
    pulled.run()
    row = pulled.all(select(Customer.name, Customer.archived_at).where(Customer.id == key))[0]
    assert (row.name, row.archived_at) == ("Jan K.", moment)
    row = pulled.all(select(Address.recipient, Address.archived_at).where(Address.id == address))[0]
    assert (row.recipient, row.archived_at) == ("Magazyn", moment)
    pulled.set("customers.csv", "c14", archived="yes")
    pulled.run()
    pulled.set("customers.csv", "c14", archived="")
    pulled.run()
    assert pulled.all(select(Customer.archived_at).where(Customer.id == key)) == [(None,)]


def test_what_was_removed_here_stays_removed(pulled: Any) -> None:
    save(pulled, "c01", {}, contact_points=[email("info@aigaio-hotel.example")])
    key = pulled.local("customer", "c01")
    gone = pulled.local("tag", "t2")
    carried = (CustomerTag.customer_id == key, CustomerTag.tag_id == gone)
    here(pulled, lambda uow: uow.execute(delete(CustomerTag).where(*carried)))
    pulled.set("customers.csv", "c01", mobile="+30 694 000 0000", tag_refs="t1;t2;t3")
    pulled.run()
    assert points(pulled, "c01") == ["info@aigaio-hotel.example", "+30 694 000 0000"]
    assert tags(pulled, "c01") == {"Key account", "Retail"}


def test_the_order_of_contact_points_is_kept_and_a_new_one_takes_the_old_ones_place(
    pulled: Any,
) -> None:
    ours = [email("first@ours.example"), email("dimitra@aigaio-hotel.example")]
    mobile = {"kind": "mobile", "value": "+30 694 512 3456", "normalized": "+306945123456"}
    save(pulled, "c02", {}, contact_points=[mobile, *ours])
    pulled.set("customers.csv", "c02", email="dimitra@new.example", phone="+30 22860 71299")
    pulled.run()
    assert points(pulled, "c02") == [
        "+30 694 512 3456",
        "first@ours.example",
        "dimitra@new.example",
        "+30 22860 71299",
    ]


def test_fields_of_one_address_are_merged(pulled: Any) -> None:
    key = pulled.local("customer", "c14")
    main = select(Address).where(Address.customer_id == key, Address.use == "main")
    address = pulled.all(main)[0][0]
    here(pulled, lambda uow: change_address(uow, address.id, {"city": "Kraków", "note": "ring"}))
    pulled.set("customers.csv", "c14", street="ul. Krótka 1")
    pulled.run()
    now = pulled.all(main)[0][0]
    assert (now.id, now.street, now.city, now.note) == (
        address.id,
        "ul. Krótka 1",
        "Kraków",
        "ring",
    )
    other = pulled.local("address", "a03")
    here(pulled, lambda uow: change_address(uow, other, {"city": "Kraków"}))
    pulled.set("addresses.csv", "a03", street="ul. Długa 2")
    pulled.run()
    row = pulled.all(select(Address.street, Address.city).where(Address.id == other))[0]
    assert row == ("ul. Długa 2", "Kraków")
    told = pulled.all(select(AuditEntry.changes).where(AuditEntry.entity_id == str(other)))
    assert {"street": ["ul. Krupówki 40", "ul. Długa 2"]} in [row.changes for row in told]


def test_an_owner_set_here_stays_until_the_owner_changes_there(pulled: Any) -> None:
    save(pulled, "c14", {"owner_id": pulled.local("user", "u3")})
    pulled.set("customers.csv", "c14", name="Jan K.")
    pulled.run()
    owner = (
        select(User.login)
        .join(Customer, Customer.owner_id == User.id)
        .where(Customer.id == pulled.local("customer", "c14"))
    )
    third = pulled.all(select(User.login).where(User.id == pulled.local("user", "u3")))
    assert pulled.all(owner) == third
    pulled.set("customers.csv", "c14", owner_ref="u1")
    pulled.run()
    assert pulled.all(owner) != third
    history = select(Ownership.user_id).where(
        Ownership.customer_id == pulled.local("customer", "c14"), Ownership.until_at.is_(None)
    )
    assert pulled.all(history) == [(pulled.local("user", "u1"),)]


def test_a_tie_made_here_stays_when_the_parent_changes_there(pulled: Any) -> None:
    contact, other = pulled.local("customer", "c13"), pulled.local("customer", "c08")
    kind = pulled.all(select(Relationship.type_id))[0][0]

    def tie(uow: Any) -> None:
        uow.add(Relationship(type_id=kind, from_customer_id=contact, to_customer_id=other))

    here(pulled, tie)
    pulled.set("customers.csv", "c13", parent_ref="c04")
    pulled.run()
    ties = select(Relationship.to_customer_id).where(Relationship.from_customer_id == contact)
    assert {row[0] for row in pulled.all(ties)} == {other, pulled.local("customer", "c04")}
    actions = select(AuditEntry.action).where(
        AuditEntry.entity_type == "relationship",
        AuditEntry.customer_id == contact,
        AuditEntry.origin == "sync:main",
    )
    assert sorted(row.action for row in pulled.all(actions)) == ["create", "create", "delete"]


def test_an_address_removed_here_comes_back_only_when_it_changes_there(pulled: Any) -> None:
    key = pulled.local("address", "a02")
    here(pulled, lambda uow: uow.delete(uow.get(Address, key)))
    pulled.run(full=True)
    found = select(Address.street).where(Address.id == key)
    assert pulled.all(found) == []
    pulled.set("addresses.csv", "a02", street="Σταδίου 25")
    pulled.run()
    assert pulled.all(found) == [("Σταδίου 25",)]


class WithoutJobTitles(FilesBackend):
    """A new version of the remote has no such field."""

    def _values(self, entity: str, layout: Any, row: Any) -> dict[str, Any]:
        values = super()._values(entity, layout, row)
        values.pop("job_title", None)
        return values


def test_a_field_that_the_remote_no_longer_has_is_left_as_it_is(pulled: Any) -> None:
    pulled.set("customers.csv", "c02", name="Δήμητρα O'Connor-Παππά")
    pulled.run(WithoutJobTitles(pulled.folder))
    row = pulled.all(
        select(Customer.name, Customer.job_title).where(Customer.reference == "C-1002")
    )[0]
    assert row == ("Δήμητρα O'Connor-Παππά", "Purchasing")
