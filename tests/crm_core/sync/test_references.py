"""Records that wait for each other, move between entities, and tell the same tie twice."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from crm_core.entities import (
    Address,
    AuditEntry,
    Customer,
    CustomerTag,
    DeadLetter,
    Relationship,
    Tag,
    Transaction,
    TransactionLine,
    TransactionLink,
    User,
)
from crm_core.entities.sync import Binding, PendingReference
from crm_core.sync.protocol import RemotePage
from crm_files.backend import FilesBackend


def count(office: Any, model: Any, *where: Any) -> int:
    return office.all(select(func.count()).select_from(model).where(*where))[0][0]


def cut(office: Any, file: str, row_id: str) -> Any:
    """Take a row out of a file; what is returned puts it back."""
    path = office.folder / file
    content = path.read_text(encoding="utf-8")
    office.drop(file, row_id)
    return lambda: path.write_text(content, encoding="utf-8")


# --- what arrives later


def test_a_documents_owner_address_and_product_may_arrive_later(office: Any) -> None:
    back = [
        cut(office, "users.csv", "u1"),
        cut(office, "addresses.csv", "a02"),
        cut(office, "products.csv", "p1"),
    ]
    office.run()
    document = select(Transaction.owner_id, Transaction.invoice_address_id)
    document = document.where(Transaction.number == "INV-2026-0102")
    assert office.all(document) == [(None, None)]
    bare = count(office, TransactionLine, TransactionLine.product_id.is_(None))
    for restore in back:
        restore()
    office.run()
    assert office.all(document) == [
        (office.local("user", "u1"), office.local("address", "a02")),
    ]
    assert count(office, TransactionLine, TransactionLine.product_id.is_(None)) < bare
    owner = select(User.login).join(Customer, Customer.owner_id == User.id)
    assert office.all(owner.where(Customer.reference == "C-1001"))
    assert count(office, PendingReference) == 0


def test_an_address_under_an_address_read_before_it_needs_no_second_run(office: Any) -> None:
    office.edit("addresses.csv", lambda rows: [rows[0] | {"id": "a00", "parent_ref": "a04"}, *rows])
    assert office.run().state == "done"
    below = select(Address.customer_id).where(Address.id == office.local("address", "a00"))
    assert office.all(below) == [(office.local("customer", "c12"),)]


def test_a_tag_that_waits_does_not_keep_one_that_was_dropped(office: Any) -> None:
    back = cut(office, "tags.csv", "t3")
    office.set("customers.csv", "c14", tag_refs="t1;t3")
    office.run()
    office.set("customers.csv", "c14", tag_refs="t3")
    back()
    office.run()
    assert tags_of(office, "c14") == ["Retail"]


def tags_of(office: Any, remote_id: str) -> list[str]:
    rows = office.all(
        select(Tag.name)
        .join(CustomerTag, CustomerTag.tag_id == Tag.id)
        .where(CustomerTag.customer_id == office.local("customer", remote_id))
        .order_by(Tag.name)
    )
    return [row.name for row in rows]


def test_tags_that_swap_or_share_their_names_stay_with_their_customers(office: Any) -> None:
    office.run()
    office.set("customers.csv", "c14", tag_refs="t1;t2")
    office.run()
    office.set("tags.csv", "t1", name="Hotel")
    office.set("tags.csv", "t2", name="Key account")
    office.run()
    assert tags_of(office, "c10") == ["Key account"], "it carries t2"
    assert tags_of(office, "c14") == ["Hotel", "Key account"]
    office.set("tags.csv", "t2", name="Retail")  # t3 bears this name
    office.run()
    assert tags_of(office, "c10") == ["Retail"]
    assert tags_of(office, "c06") == ["Retail"]
    office.set("tags.csv", "t3", name="Shops")
    office.run()
    assert (tags_of(office, "c10"), tags_of(office, "c06")) == (["Retail"], ["Shops"])
    assert tags_of(office, "c04") == ["Pays late", "Retail"]
    audited = count(office, AuditEntry, AuditEntry.customer_id == office.local("customer", "c06"))
    assert audited >= 2, "a tag that changed left its trace"


# --- what moves


def become_address(office: Any) -> Any:
    """Turn c14 into a delivery address of c04; what is returned turns it back."""
    back = cut(office, "customers.csv", "c14")
    path = office.folder / "addresses.csv"
    content = path.read_text(encoding="utf-8")
    office.edit(
        "addresses.csv",
        lambda rows: [*rows, rows[0] | {"id": "c14", "parent_ref": "c04", "recipient": "Jan"}],
    )
    return lambda: (back(), path.write_text(content, encoding="utf-8"))


class Outside(FilesBackend):
    """What left a file is still there, only no longer in the entity's domain."""

    def fates(self, entity: str, remote_ids: Any) -> dict[str, str]:
        return dict.fromkeys(remote_ids, "outside")


def archived(office: Any, model: Any, entity: str, remote_id: str) -> bool:
    key = office.local(entity, remote_id)
    return office.all(select(model.archived_at).where(model.id == key))[0][0] is not None


def test_a_customer_becomes_an_address_and_back_with_its_documents(office: Any) -> None:
    office.set("orders.csv", "o3", customer_ref="c14")
    office.run()
    order = select(Transaction.customer_id).where(Transaction.id == office.local("order", "o3"))
    for _ in range(2):
        back = become_address(office)
        office.run(Outside(office.folder))
        assert archived(office, Customer, "customer", "c14")
        assert not archived(office, Address, "address", "c14")
        assert office.all(order) == [(office.local("customer", "c04"),)]
        back()
        office.run(Outside(office.folder))
        assert not archived(office, Customer, "customer", "c14")
        assert archived(office, Address, "address", "c14")
        assert office.all(order) == [(office.local("customer", "c14"),)]
    state = office.state()
    office.run(Outside(office.folder), full=True)
    assert office.state() == state


def test_an_address_that_moves_takes_its_documents_along(office: Any) -> None:
    office.set("orders.csv", "o3", customer_ref="a03")
    office.run()
    order = select(Transaction.customer_id).where(Transaction.id == office.local("order", "o3"))
    assert office.all(order) == [(office.local("customer", "c04"),)]
    office.set("addresses.csv", "a03", parent_ref="c12")
    office.run()
    assert office.all(order) == [(office.local("customer", "c12"),)]


def test_runs_of_some_entities_see_the_move_too(office: Any) -> None:
    office.run()
    become_address(office)
    office.run(Outside(office.folder), entities=["customer"])
    office.run(Outside(office.folder))
    assert archived(office, Customer, "customer", "c14")


def test_a_customer_and_an_address_of_one_id_are_told_apart(office: Any) -> None:
    office.edit("addresses.csv", lambda rows: [*rows, rows[0] | {"id": "c04"}])
    for _ in range(2):
        assert office.run().state == "partly"
        assert not archived(office, Customer, "customer", "c04")
        reason = office.all(select(DeadLetter.entity, DeadLetter.reason))
        assert [row.entity for row in reason] == ["address"]
        assert "customers.csv" in reason[0].reason


class ContactsUntouched(FilesBackend):
    """A deleted company's contacts lose it without being touched."""

    def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
        for page in super().pages(entity, **options):
            records = [each for each in page.records if each.remote_id != "c13"]
            yield RemotePage(records, page.last_id, page.faults, page.total)


def test_contacts_of_a_deleted_company_are_read_again(office: Any) -> None:
    office.run()
    contact = office.local("customer", "c13")
    office.drop("customers.csv", "c12")
    office.drop("addresses.csv", "a04")
    office.set("customers.csv", "c13", parent_ref="")
    office.run(ContactsUntouched(office.folder))
    assert count(office, Relationship, Relationship.from_customer_id == contact) == 0


def test_a_company_that_left_and_came_back_has_its_contacts(office: Any) -> None:
    office.run()
    state = office.state()
    back = cut(office, "customers.csv", "c12")
    office.run(Outside(office.folder))
    back()
    office.run(Outside(office.folder))
    assert office.state() == state
    back = cut(office, "customers.csv", "c12")
    office.run()
    assert archived(office, Customer, "customer", "c12")
    back()
    office.run()
    assert office.state() == state


# --- ties between documents


def test_a_tie_told_from_both_sides_is_one_tie(office: Any) -> None:
    told = {"document_entity": "payment", "document_id": "y2", "kind": "pays", "entity": "invoice"}
    told |= {"ref": "i2", "towards": "yes", "amount": "1723.55"}
    office.edit("links.csv", lambda rows: [*rows, told, told])
    assert office.run().state == "done"
    pays = select(TransactionLink.amount).where(
        TransactionLink.from_transaction_id == office.local("payment", "y2")
    )
    assert office.all(pays) == [(Decimal("1723.55"),)]

    def is_it(row: dict[str, str]) -> bool:
        return "y2" in (row["ref"], row["document_id"])

    def change(rows: list[dict[str, str]]) -> None:
        for row in filter(is_it, rows):
            row["amount"] = "1000"

    office.edit("links.csv", change)
    assert office.run().state == "done"
    assert office.all(pays) == [(Decimal(1000),)]
    office.edit("links.csv", lambda rows: [row for row in rows if not is_it(row)])
    office.run()
    assert office.all(pays) == []


def test_a_document_that_was_gone_for_a_while_is_tied_again(office: Any) -> None:
    office.run()
    state = office.state()
    back = cut(office, "payments.csv", "y1")
    office.run()
    assert count(office, TransactionLink) == 7
    back()
    office.run()
    assert office.state() == state
    assert count(office, PendingReference) == 0


def test_what_waits_for_ever_is_not_read_for_ever(office: Any) -> None:
    office.set("customers.csv", "c14", owner_ref="u99")
    office.run()
    assert count(office, PendingReference) == 1

    class Counting(FilesBackend):
        reads = 0

        def read(self, entity: str, remote_ids: Any) -> RemotePage:
            self.reads += 1
            return super().read(entity, remote_ids)

    remote = Counting(office.folder)
    office.run(remote)
    assert remote.reads == 0
    office.drop("customers.csv", "c14")
    office.edit("users.csv", lambda rows: [*rows, rows[0] | {"id": "u99", "login": "late"}])
    office.run(remote)
    assert remote.reads == 2, "the customer, and the order of what is deleted"
    office.run(remote)
    assert remote.reads == 2
    assert count(office, Binding, Binding.state == "deleted") == 1
