"""What changes here reaches the back office, once, and comes back as it was made there."""

from __future__ import annotations

import csv
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import Binding, Conflict, Customer, PushItem, Relationship
from crm_core.errors import RetryableSyncError, RuleViolationError
from crm_core.outbox.relay import relay
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.contact_details import add_address, set_contact_point
from crm_core.services.customers import archive_customer, create_customer, edit_customer
from crm_core.services.relationships import relate_customers
from crm_core.services.tags import add_tags, tag_customer
from crm_core.sync.permit import accept_plan, confirm_backend, plan_was_shown
from crm_core.sync.push_queue import HANDLER
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend


class PushingOffice:
    """The office of the other tests, with its plan accepted."""

    def __init__(self, office: Any) -> None:
        self.office = office
        office.run()
        self.change(lambda uow: plan_was_shown(uow, "main"))
        self.change(lambda uow: accept_plan(uow, "main"))
        office.run()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.office, name)

    def change(self, act: Any) -> Any:
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            found = act(uow)
            uow.commit()
        relay(self.database, [HANDLER])
        return found

    def create(self, **values: Any) -> UUID:
        values.setdefault("kind", "person")
        return self.change(lambda uow: create_customer(uow, values)).id

    def edit(self, customer_id: UUID, **values: Any) -> None:
        self.change(lambda uow: edit_customer(uow, customer_id, values))

    def rows(self, file: str = "customers.csv") -> list[dict[str, str]]:
        with (self.folder / file).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def row(self, name: str, file: str = "customers.csv") -> dict[str, str]:
        [found] = [row for row in self.rows(file) if row.get("name", row.get("recipient")) == name]
        return found

    def count(self, model: Any, *where: Any) -> int:
        return int(self.all(select(func.count()).select_from(model).where(*where))[0][0])

    def customer(self, customer_id: UUID) -> Any:
        return self.all(select(Customer).where(Customer.id == customer_id))[0][0]


@pytest.fixture
def pushing(office: Any) -> PushingOffice:
    return PushingOffice(office)


def test_nothing_is_written_before_the_plan_was_shown_and_accepted(office: Any) -> None:
    before = {path: path.read_bytes() for path in office.folder.iterdir()}
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        create_customer(uow, {"name": "Νέος Πελάτης", "kind": "person"})
        uow.commit()
    relay(office.database, [HANDLER])
    report = office.run()
    assert report.pushed == {}
    assert "before its plan was accepted" in report.push_refusal
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        with pytest.raises(RuleViolationError, match="was not shown yet"):
            accept_plan(uow, "main")

    plan = office.run(dry_run=True)
    assert plan.pushed["customer"]["created"] == 1
    assert plan.pushed["customer"]["examples"]["created"] == ["Νέος Πελάτης"]
    assert {path: path.read_bytes() for path in office.folder.iterdir()} == before


def test_accepting_pushes_what_was_there_and_nothing_else(office: Any) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        create_customer(uow, {"name": "Νέος Πελάτης", "kind": "person"})
        uow.commit()
    office.run()
    relay(office.database, [HANDLER])
    before = len(PushingOffice.rows(office))
    pushing = PushingOffice(office)
    assert len(pushing.rows()) == before + 1
    assert pushing.count(PushItem) == 0
    report = pushing.run()
    assert report.pushed == {}
    assert {name: c.get("updated", 0) for name, c in report.counts.items()} == dict.fromkeys(
        report.counts, 0
    )


def test_a_new_customer_whole(pushing: PushingOffice) -> None:
    company = pushing.create(
        name="O'Brien & Söhne Πλοία",
        kind="company",
        reference="R-77",
        contact_points=[{"kind": "email", "value": "Info@obrien.example"}],
        addresses=[
            {"use": "main", "street": "Ἀκαδημίας 7", "city": "Αθήνα", "country_code": "GR"},
            {"use": "delivery", "recipient": "Dock 4", "city": "Πειραιάς"},
        ],
    )
    contact = pushing.create(name="علی رضایی 🚢", job_title="Captain")
    pushing.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    pushing.change(lambda uow: add_tags(uow, company, ["Ships"]))
    customers = pushing.count(Customer)

    report = pushing.run()

    assert report.state == "done"
    assert report.pushed["customer"]["created"] == 2
    row, person = pushing.row("O'Brien & Söhne Πλοία"), pushing.row("علی رضایی 🚢")
    assert (row["kind"], row["reference"], row["email"]) == (
        *("company", "R-77"),
        "Info@obrien.example",
    )
    assert (row["street"], row["city"]) == ("Ἀκαδημίας 7", "Αθήνα")
    assert (person["parent_ref"], person["job_title"]) == (row["id"], "Captain")
    assert (person["street"], person["city"]) == ("", "")
    address = pushing.row("Dock 4", "addresses.csv")
    assert (address["parent_ref"], address["use"]) == (row["id"], "delivery")
    [tag] = [each for each in pushing.rows("tags.csv") if each["name"] == "Ships"]
    assert row["tag_refs"] == tag["id"]

    content = {path: path.read_bytes() for path in pushing.folder.iterdir()}
    again = pushing.run()
    assert again.pushed == {}
    assert pushing.count(Customer) == customers
    assert {path: path.read_bytes() for path in pushing.folder.iterdir()} == content


def test_edits_of_both_sides_arrive(pushing: PushingOffice) -> None:
    customer_id = pushing.create(name="Two Sides", note="first")
    pushing.run()
    remote_id = pushing.row("Two Sides")["id"]
    pushing.edit(customer_id, job_title="Buyer")
    pushing.set("customers.csv", remote_id, note="theirs")

    pushing.run()

    found = pushing.customer(customer_id)
    row = pushing.row("Two Sides")
    assert (found.note, found.job_title) == ("theirs", "Buyer") == (row["note"], row["job_title"])
    assert pushing.count(Conflict) == 0
    assert pushing.run().pushed == {}


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "winner"),
    [("name", "Ours", "Theirs", "erp"), ("note", "Ours", "Theirs", "crm")],
)
def test_the_master_wins_a_field_that_both_changed(
    pushing: PushingOffice, field: str, ours: str, theirs: str, winner: str
) -> None:
    customer_id = pushing.create(name="At Odds", note="At Odds")
    pushing.run()
    remote_id = pushing.row("At Odds")["id"]
    pushing.edit(customer_id, **{field: ours})
    pushing.set("customers.csv", remote_id, **{field: theirs})

    report = pushing.run()

    expected = ours if winner == "crm" else theirs
    [row] = [each for each in pushing.rows() if each["id"] == remote_id]
    assert getattr(pushing.customer(customer_id), field) == expected == row[field]
    assert report.counts["customer"]["overruled"] == 1
    [conflict] = pushing.all(select(Conflict))
    told = conflict[0]
    assert (told.field, told.base, told.ours, told.theirs, told.winner) == (
        *(field, "At Odds"),
        *(ours, theirs, winner),
    )
    assert pushing.run().pushed == {}
    assert pushing.count(Conflict) == 1


def test_one_that_is_there_already_is_linked(pushing: PushingOffice) -> None:
    def add(rows: list[dict[str, str]]) -> None:
        row = dict.fromkeys(rows[0], "")
        mark = {"reference": "A-1", "job_title": "", "note": "From there", "city": "Wien"}
        rows.append({**row, "id": "900", "kind": "company", "name": "Acme GmbH", **mark})

    pushing.office.edit("customers.csv", add)
    customer_id = pushing.create(
        name="ACME", kind="company", reference="A-1", note="From here", job_title="Trader"
    )
    customers, rows = pushing.count(Customer), len(pushing.rows())

    report = pushing.run()

    assert report.pushed["customer"]["linked"] == 1
    assert (pushing.count(Customer), len(pushing.rows())) == (customers, rows)
    assert pushing.local("customer", "900") == customer_id
    [row] = [each for each in pushing.rows() if each["id"] == "900"]
    found = pushing.customer(customer_id)
    # The name is the back office's, the note ours, and what one side alone had is on both.
    assert (found.name, found.note, found.job_title) == ("Acme GmbH", "From here", "Trader")
    assert (row["name"], row["note"], row["job_title"]) == ("Acme GmbH", "From here", "Trader")
    assert row["city"] == "Wien"
    assert pushing.run().pushed == {}


def test_one_that_is_archived_there_comes_back_into_use(pushing: PushingOffice) -> None:
    def add(rows: list[dict[str, str]]) -> None:
        row = dict.fromkeys(rows[0], "")
        mark = {"reference": "A-2", "archived": "yes"}
        rows.append({**row, "id": "901", "kind": "company", "name": "Old Ltd", **mark})

    pushing.office.edit("customers.csv", add)
    customer_id = pushing.create(name="Old Ltd", kind="company", reference="A-2")
    assert pushing.run().pushed["customer"]["linked"] == 1
    assert pushing.local("customer", "901") == customer_id
    assert pushing.customer(customer_id).archived_at is None
    assert pushing.row("Old Ltd")["archived"] == "no"
    assert pushing.run().pushed == {}


def test_the_ambiguous_is_set_aside_and_goes_on_after_it_was_mended(
    pushing: PushingOffice,
) -> None:
    first = pushing.create(
        name="First", contact_points=[{"kind": "email", "value": "same@example.org"}]
    )
    pushing.run()
    second = pushing.create(
        name="Second", contact_points=[{"kind": "email", "value": "SAME@example.org"}]
    )
    report = pushing.run()
    assert report.state == "partly"
    assert report.pushed["customer"]["set_aside"] == 1
    assert not [row for row in pushing.rows() if row["name"] == "Second"]
    [(item,)] = pushing.all(select(PushItem))
    assert (item.local_id, item.label) == (second, "Second")
    assert "same email stands on First" in item.reason
    assert pushing.run().state == "partly"

    pushing.change(lambda uow: set_contact_point(uow, second, "email", "own@example.org"))
    assert pushing.run().state == "done"
    assert pushing.row("Second")["email"] == "own@example.org"
    assert first != second


def test_one_deleted_there_is_not_made_again(pushing: PushingOffice) -> None:
    customer_id = pushing.create(name="To Go")
    pushing.run()
    pushing.drop("customers.csv", pushing.row("To Go")["id"])
    pushing.edit(customer_id, note="changed meanwhile")
    pushing.run()
    pushing.edit(customer_id, note="and again")
    pushing.run()
    assert not [row for row in pushing.rows() if row["name"] == "To Go"]
    assert pushing.count(PushItem) == 0


class LosesTheReply(FilesBackend):
    """Does the work and does not live to say so."""

    def create(self, entity: str, drafts: Any) -> Any:
        super().create(entity, drafts)
        raise RetryableSyncError("The connection was cut.")


def test_a_lost_reply_makes_nothing_twice(pushing: PushingOffice) -> None:
    customer_id = pushing.create(name="Only Once")
    with pytest.raises(RetryableSyncError):
        pushing.run(LosesTheReply(pushing.folder))
    customers = pushing.count(Customer)
    report = pushing.run()
    assert report.state == "done"
    assert pushing.row("Only Once")
    assert pushing.count(Customer) == customers
    remote_id = pushing.row("Only Once")["id"]
    assert pushing.local("customer", remote_id) == customer_id


def test_a_copied_database_keeps_silent_until_confirmed(pushing: PushingOffice) -> None:
    from crm_core.entities import Backend

    def copied(uow: Any) -> None:
        uow.get(Backend, pushing.backend.id).writes_from = "another place"

    pushing.change(copied)
    pushing.create(name="From The Copy")
    report = pushing.run()
    assert "is a copy" in report.push_refusal
    assert not [row for row in pushing.rows() if row["name"] == "From The Copy"]
    pushing.change(lambda uow: confirm_backend(uow, "main"))
    assert pushing.run().push_refusal is None
    assert pushing.row("From The Copy")


def test_what_came_from_there_is_not_sent_back(pushing: PushingOffice) -> None:
    pushing.set("customers.csv", pushing.rows()[0]["id"], note="edited there")
    pushing.run()
    relay(pushing.database, [HANDLER])
    assert pushing.count(PushItem) == 0
    assert pushing.run().pushed == {}


def test_an_archived_one_is_archived_there(pushing: PushingOffice) -> None:
    customer_id = pushing.create(name="Put Away")
    pushing.run()
    pushing.change(lambda uow: archive_customer(uow, customer_id))
    pushing.run()
    assert pushing.row("Put Away")["archived"] == "yes"


def test_an_address_follows_its_customer(pushing: PushingOffice) -> None:
    customer_id = pushing.create(name="Moves", kind="company")
    pushing.run()
    pushing.change(
        lambda uow: add_address(uow, customer_id, {"use": "invoice", "recipient": "Accounts"})
    )
    report = pushing.run()
    assert report.pushed["address"]["created"] == 1
    assert pushing.row("Accounts", "addresses.csv")["use"] == "invoice"
    assert pushing.count(Binding, Binding.entity == "address", Binding.remote_id != "") >= 1
    assert pushing.count(Relationship) >= 0


def test_the_actor_needs_the_right(pushing: PushingOffice) -> None:
    nobody = Actor(None, "nobody")
    with unit_of_work(pushing.database, actor=nobody, write=True) as uow:
        with pytest.raises(Exception, match="lacks the right"):
            accept_plan(uow, "main")


def test_an_empty_folder_is_a_back_office(database: Any, system: Actor, tmp_path: Any) -> None:
    office = FrontOffice(database, system, lambda: FilesBackend(tmp_path))
    office.accept()
    company = office.create("First Ltd", kind="company")
    office.change(lambda uow: tag_customer(uow, company, ["New"]))
    contact = office.create("First Contact")
    office.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    plan = office.run(dry_run=True)
    assert {name: n["created"] for name, n in plan.pushed.items()} == {"tag": 1, "customer": 2}
    assert not list(tmp_path.glob("*.csv"))
    report = office.run()
    assert {name: n["created"] for name, n in report.pushed.items()} == {"tag": 1, "customer": 2}
    assert office.run().pushed == {}
    with (tmp_path / "customers.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert rows["First Contact"]["parent_ref"] == rows["First Ltd"]["id"]
    assert rows["First Ltd"]["tag_refs"]


class WithoutAddresses(FilesBackend):
    """A back office that keeps no addresses of its own."""

    def writable(self, entity: str) -> frozenset[str]:
        return super().writable(entity) if entity != "address" else frozenset()


def test_what_a_back_office_cannot_hold_sets_nothing_aside(pushing: PushingOffice) -> None:
    before = pushing.rows("addresses.csv")
    delivery = {"use": "delivery", "recipient": "Warehouse"}
    pushing.create(name="Without", addresses=[delivery])
    report = pushing.run(WithoutAddresses(pushing.folder))
    assert report.state == "done"
    assert pushing.row("Without")
    assert pushing.rows("addresses.csv") == before
