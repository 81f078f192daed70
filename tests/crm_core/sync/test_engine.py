"""Runs of the engine against a real folder of CSV files, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_core.entities import (
    Address,
    AuditEntry,
    ContactPoint,
    Customer,
    CustomerTag,
    DeadLetter,
    Relationship,
    SyncCursor,
    SyncRun,
    Tag,
    Transaction,
    TransactionLine,
    TransactionLink,
)
from crm_core.entities.sync import Binding
from crm_core.errors import FatalSyncError, InputError, LockedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.sync import lock
from crm_core.sync.protocol import RIGHT_MISSING, LinkSet, RemotePage
from crm_files.backend import FilesBackend


def count(office: Any, model: Any) -> int:
    return office.all(select(func.count()).select_from(model))[0][0]


def test_first_pull_takes_everything_and_the_second_changes_nothing(office: Any) -> None:
    first = office.run()
    assert first.state == "done"
    assert first.counts["customer"]["created"] == 15
    assert first.counts["invoice"]["created"] == 5
    before = office.state()
    audited = count(office, AuditEntry)

    second = office.run()

    assert second.state == "done"
    assert all(
        not counts.get("created") and not counts.get("updated") for counts in second.counts.values()
    )
    assert office.state() == before
    assert count(office, AuditEntry) == audited


def test_values_arrive_as_they_are(office: Any) -> None:
    office.run()
    company, reference, vat = office.all(
        select(Customer.name, Customer.reference, Customer.vat).where(
            Customer.reference == "C-1001"
        )
    )[0]
    assert (company, reference, vat) == ("Ξενοδοχείο Αιγαίο Α.Ε.", "C-1001", "EL094014201")
    points = office.all(
        select(ContactPoint.kind, ContactPoint.value, ContactPoint.normalized)
        .join(Customer, Customer.id == ContactPoint.customer_id)
        .where(Customer.reference == "C-1002")
        .order_by(ContactPoint.position)
    )
    assert points == [
        ("email", "dimitra@aigaio-hotel.example", "dimitra@aigaio-hotel.example"),
        ("mobile", "+30 694 512 3456", "+306945123456"),
    ]
    uses = office.all(
        select(Address.use, Address.recipient)
        .join(Customer, Customer.id == Address.customer_id)
        .where(Customer.reference == "C-1001")
        .order_by(Address.use)
    )
    assert uses == [("delivery", "Αποθήκη λιμανιού"), ("invoice", "Λογιστήριο"), ("main", None)]
    open_invoice = office.all(
        select(Transaction.total_amount, Transaction.open_amount, Transaction.is_open).where(
            Transaction.number == "INV-2026-0311"
        )
    )[0]
    assert open_invoice == (Decimal("2872.58"), Decimal("1149.03"), True)
    links = office.all(select(TransactionLink.kind).order_by(TransactionLink.kind))
    assert [row.kind for row in links] == ["invoices"] * 4 + ["pays"] * 3 + ["refunds"]
    assert count(office, TransactionLine) == 25


def test_a_contact_read_before_its_company_is_tied_to_it(office: Any) -> None:
    office.edit("customers.csv", lambda rows: rows[::-1])
    office.run()
    ties = office.all(select(func.count()).select_from(Relationship))
    assert ties[0][0] == 7
    assert office.run().counts["customer"].get("updated", 0) == 0


def test_a_contact_that_moves_changes_its_tie(office: Any) -> None:
    office.run()
    office.set("customers.csv", "c03", parent_ref="c04")
    office.run()
    company = Customer.__table__.alias()
    found = office.all(
        select(company.c.reference)
        .join(Relationship, Relationship.to_customer_id == company.c.id)
        .join(Customer, Customer.id == Relationship.from_customer_id)
        .where(Customer.reference == "C-1003")
    )
    assert [row.reference for row in found] == ["C-1004"]


def test_edits_of_different_fields_on_both_sides_both_survive(office: Any) -> None:
    office.run()
    customer_id = office.all(select(Customer.id).where(Customer.reference == "C-1014"))[0].id
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        tag = uow.add(Tag(name="Ours"))
        uow.flush()
        extra = {"kind": "email", "value": "jan@ours.example", "normalized": "jan@ours.example"}
        point = {"kind": "email", "value": "jan.kowalczyk@example.com", "normalized": None}
        save_customers(
            uow,
            [
                CustomerDraft(
                    {"job_title": "Baker"},
                    contact_points=[point, extra],
                    tag_ids=[tag.id],
                    customer_id=customer_id,
                )
            ],
        )
        uow.commit()
    office.set(
        "customers.csv", "c14", name="Jan Kowalczyk-Nowak", tag_refs="t3", phone="+48 22 555 01 03"
    )

    office.run()

    row = office.all(select(Customer.name, Customer.job_title).where(Customer.id == customer_id))[0]
    assert row == ("Jan Kowalczyk-Nowak", "Baker")
    tags = office.all(
        select(Tag.name)
        .join(CustomerTag, CustomerTag.tag_id == Tag.id)
        .where(CustomerTag.customer_id == customer_id)
        .order_by(Tag.name)
    )
    assert [row.name for row in tags] == ["Ours", "Retail"]
    points = office.all(select(ContactPoint.value).where(ContactPoint.customer_id == customer_id))
    assert {row.value for row in points} == {
        "jan.kowalczyk@example.com",
        "+48 22 555 01 03",
        "jan@ours.example",
    }


@pytest.mark.parametrize(
    ("file", "row", "values", "entity", "says"),
    [
        ("invoices.csv", "i2", {"total_amount": "a lot"}, "invoice", "is not a decimal number"),
        ("invoices.csv", "i2", {"due_on": "31.12.2026"}, "invoice", "is not a date"),
        ("orders.csv", "o3", {"total_amount": "9" * 30}, "order", "too large"),
        ("customers.csv", "c12", {"kind": "robot"}, "customer", "none of person, company"),
        ("customers.csv", "c12", {"name": ""}, "customer", "name must be filled"),
        ("addresses.csv", "a03", {"parent_ref": "nobody"}, "address", "is not in the front office"),
    ],
)
def test_one_bad_record_is_set_aside_and_the_rest_goes_on(
    office: Any, file: str, row: str, values: dict[str, str], entity: str, says: str
) -> None:
    office.set(file, row, **values)
    report = office.run()
    assert report.state == "partly"
    letters = office.all(
        select(DeadLetter.entity, DeadLetter.remote_id, DeadLetter.reason).order_by(
            DeadLetter.entity
        )
    )
    reason = next(letter.reason for letter in letters if letter[:2] == (entity, row))
    assert says in reason
    everything = sum(counts.get("created", 0) for counts in report.counts.values())
    assert everything >= 40, "the other records went through"
    attempts = select(DeadLetter.attempts).where(DeadLetter.remote_id == row)
    assert office.all(attempts)[0][0] == 1
    assert office.run().state == "partly", "it is tried again, and stays aside"
    assert office.all(attempts)[0][0] > 1


def test_a_corrected_record_goes_through_at_the_next_run(office: Any) -> None:
    office.set("customers.csv", "c01", kind="robot")
    assert office.run().state == "partly"
    # its documents and addresses wait with it
    assert {row.entity for row in office.all(select(DeadLetter.entity))} == {
        "customer",
        "address",
        "order",
        "payment",
        "invoice",
    }
    office.set("customers.csv", "c01", kind="company")
    report = office.run()
    assert report.state == "done"
    assert count(office, DeadLetter) == 0
    assert count(office, Transaction) == 15
    assert count(office, Relationship) == 7


def test_deleted_records_are_followed(office: Any) -> None:
    office.run()
    office.drop("customers.csv", "c09")
    office.drop("invoices.csv", "i5")
    office.drop("products.csv", "p3")
    report = office.run()
    assert report.counts["customer"]["deleted"] == 1
    archived = office.all(select(Customer.archived_at).where(Customer.reference == "C-1009"))
    assert archived[0].archived_at is not None, "kept, but archived"
    assert not office.all(select(Transaction.id).where(Transaction.number == "INV-2026-0222"))
    gone = office.all(select(AuditEntry.changes).where(AuditEntry.action == "delete"))
    assert any(row.changes.get("number") == ["INV-2026-0222", None] for row in gone)
    assert office.run().state == "done"


def test_a_record_that_returns_is_alive_again(office: Any) -> None:
    office.run()
    with (office.folder / "customers.csv").open(encoding="utf-8") as stream:
        content = stream.read()
    office.drop("customers.csv", "c14")
    office.run()
    (office.folder / "customers.csv").write_text(content, encoding="utf-8")
    office.run()
    found = office.all(select(Customer.archived_at).where(Customer.reference == "C-1014"))
    assert [row.archived_at for row in found] == [None]


def test_very_many_gone_at_once_stop_the_run_until_accepted(office: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("crm_core.sync.sweep.VANISH_COUNT", 3)
    office.run()
    office.edit("customers.csv", lambda rows: rows[:8])
    with pytest.raises(FatalSyncError, match="7 of 15 customer records"):
        office.run()
    live = select(func.count()).select_from(Customer).where(Customer.archived_at.is_(None))
    assert office.all(live)[0][0] == 14, "nothing was removed"
    office.run(accept_vanished=True)
    assert office.all(live)[0][0] == 8


class Killed(BaseException):
    """Stands for the process being gone."""


@pytest.mark.parametrize("at", range(1, 16, 2))
def test_killed_anywhere_and_run_again_ends_in_the_same_state(
    office: Any, monkeypatch: Any, at: int
) -> None:
    renewals = 0
    real = lock.renew

    def dying(*arguments: Any) -> None:
        nonlocal renewals
        renewals += 1
        if renewals == at:
            raise Killed
        real(*arguments)

    monkeypatch.setattr(lock, "renew", dying)
    with pytest.raises(Killed):
        office.run()
    monkeypatch.setattr(lock, "renew", real)

    report = office.run()

    assert report.state == "done"
    expected = {"core_customer": 15, "core_transaction": 15, "core_relationship": 7}
    state = office.state()
    assert {name: len(state[name]) for name in expected} == expected
    office.run(full=True)
    assert office.state() == state
    runs = office.all(select(SyncRun.state).order_by(SyncRun.started_at))
    assert [row.state for row in runs] == ["failed", "done", "done"]


def test_a_dry_run_counts_and_writes_nothing(office: Any) -> None:
    report = office.run(dry_run=True)
    assert report.counts["customer"]["created"] == 15
    assert count(office, Customer) == count(office, Binding) == count(office, SyncRun) == 0
    assert count(office, SyncCursor) == 0
    office.run()
    office.set("customers.csv", "c05", name="Łucja Nowak")
    assert office.run(dry_run=True).counts["customer"]["updated"] == 1
    assert not office.all(select(Customer.id).where(Customer.name == "Łucja Nowak"))


def test_one_run_at_a_time(office: Any) -> None:
    token = lock.acquire(office.database, office.actor, office.backend.id, "main")
    with pytest.raises(LockedError, match="Another run of main"):
        office.run()
    lock.release(office.database, office.actor, office.backend.id, token)
    assert office.run().state == "done"


def test_the_lock_of_a_process_that_is_gone_is_taken_over(office: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(lock, "this_process", lambda: f"{lock.socket.gethostname()}:999999999")
    lock.acquire(office.database, office.actor, office.backend.id, "main")
    monkeypatch.undo()
    assert office.run().state == "done"


class WithoutInvoices(FilesBackend):
    """The right to read invoices was withdrawn."""

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        if entity == "invoice":
            raise FatalSyncError("The right to read invoices is missing.", code=RIGHT_MISSING)
        return super().pages(entity, since=since, after=after, size=size)


def test_a_missing_right_leaves_out_that_entity_only(office: Any) -> None:
    office.run()
    report = office.run(WithoutInvoices(office.folder))
    assert report.state == "partly"
    assert report.warnings == ["invoice: The right to read invoices is missing."]
    assert count(office, Transaction) == 15, "what was pulled before stays"


class Unreadable(FilesBackend):
    """A record rule hides one customer."""

    def fates(self, entity: str, remote_ids: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(remote_ids, "unreadable")


def test_a_record_no_longer_readable_is_kept_as_it_was(office: Any) -> None:
    office.run()
    office.drop("customers.csv", "c14")
    report = office.run(Unreadable(office.folder))
    assert report.counts["customer"]["unreadable"] == 1
    assert office.all(select(Customer.archived_at).where(Customer.reference == "C-1014"))[0] == (
        None,
    )
    assert office.all(select(Binding.state).where(Binding.remote_id == "c14"))[0] == ("unreadable",)


class TagsMoved(FilesBackend):
    """Tells of tags from the tag's side, as a remote whose customers do not change with them."""

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        if entity != "customer":
            return ()
        members: dict[str, list[str]] = {}
        for row in self._files.rows("customers.csv"):
            for tag in filter(None, row["tag_refs"].split(";")):
                members.setdefault(tag, []).append(row["id"])
        return (LinkSet("tag_refs", members),)

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        return iter(()) if since else super().pages(entity, since=since, after=after, size=size)


def test_links_that_moved_alone_are_found(office: Any) -> None:
    office.run(TagsMoved(office.folder))
    office.set("customers.csv", "c14", tag_refs="t1;t3")
    office.set("customers.csv", "c04", tag_refs="")
    report = office.run(TagsMoved(office.folder))
    assert report.counts["customer"]["updated"] == 2
    tagged = office.all(
        select(Customer.reference, Tag.name)
        .join(CustomerTag, CustomerTag.customer_id == Customer.id)
        .join(Tag, Tag.id == CustomerTag.tag_id)
        .where(Customer.reference.in_(["C-1014", "C-1004"]))
        .order_by(Tag.name)
    )
    assert tagged == [("C-1014", "Key account"), ("C-1014", "Retail")]


def test_an_unknown_entity_is_refused_by_name(office: Any) -> None:
    with pytest.raises(InputError, match="has no entity robot; it has user, tag"):
        office.run(entities=["robot"])


def test_the_run_acts_as_the_sync_in_the_audit(office: Any) -> None:
    office.run()
    origins = {
        row.origin
        for row in office.all(select(AuditEntry.origin).where(AuditEntry.entity_type == "customer"))
    }
    assert origins == {"sync:main"}
