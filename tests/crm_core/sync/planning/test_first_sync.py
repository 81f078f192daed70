"""Two sides that hold the same customers meet by a plan, and none is doubled."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.entities import Address, Binding, ContactPoint, Customer, HoldSide, SyncHold
from crm_core.errors import InputError, RuleViolationError
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.holds import all_held, count_holds
from crm_core.services.relationships import relate_customers
from crm_core.sync.planning.run import check_planned
from crm_core.sync.planning.summary import summary_of
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend
from spelt_twice import contacts

from .conftest import TwoSides

NOVAK = {"name": "Novak d.o.o.", "vat": "BE1000000021"}


def holds(sides: Any) -> dict[str, int]:
    with unit_of_work(sides.database, actor=sides.actor) as uow:
        return count_holds(uow, sides.backend.id)


def held(sides: Any, side: HoldSide) -> dict[str, str]:
    with unit_of_work(sides.database, actor=sides.actor) as uow:
        return all_held(uow, sides.backend.id, "customer", side)


@pytest.mark.slow
def test_the_same_thousand_spelt_differently_on_both_sides_end_as_a_thousand(sides):
    sides.hold_both(contacts(1_000))
    plan = sides.plan()
    assert Counter(row.decision.value for row in plan.rows) == {"link": 1_000}
    assert sides.count(Binding) == 0
    report = sides.apply()
    assert report.counts["linked"] == 1_000
    assert report.refused == []
    for _ in range(2):
        sides.run()
        assert sides.count(Customer) == len(sides.rows()) == 1_000
        assert sides.count(Binding, Binding.entity == "customer") == 1_000
    pairs = sides.all(
        select(Customer.name, Binding.remote_id).join(Binding, Binding.local_id == Customer.id)
    )
    there = {row["id"]: row["name"] for row in sides.rows()}
    assert {row.name for row in pairs} == {there[row.remote_id] for row in pairs}
    assert sides.run().counts["customer"]["unchanged"] == 1_000
    assert sides.count(ContactPoint) == 400, "other spellings are no further addresses"


def test_a_plan_lists_both_sides_and_writes_nothing(sides):
    sides.here("Novak doo", vat="BE1000000021")
    sides.here("Only Here")
    sides.add_rows(NOVAK, {"name": "Only There"}, {"name": "Old", "archived": "yes"})
    before = (sides.folder / "customers.csv").read_bytes()
    plan = sides.plan()
    assert {(r.side.value, r.local_name, r.remote_name): r.decision.value for r in plan.rows} == {
        ("both", "Novak doo", "Novak d.o.o."): "link",
        ("here", "Only Here", ""): "create",
        ("there", "", "Only There"): "create",
        ("there", "", "Old"): "create",
    }
    [link] = [row for row in plan.rows if row.side == "both"]
    assert link.score is not None
    assert link.score >= 90
    assert link.reason.startswith("sure: same VAT number (BE1000000021)")
    told = summary_of(plan)
    assert told["counts"]["created_here"] == 2
    assert told["examples"]["created_there"][0]["ours"] == "Only Here"
    assert (sides.folder / "customers.csv").read_bytes() == before
    assert sides.count(Binding) == sides.count(SyncHold) == 0
    assert sides.count(Customer) == 2


def test_exactly_the_plan_is_done_and_nothing_that_came_after_it(sides):
    linked = sides.here("Novak doo", vat="BE1000000021", note="ours")
    only = sides.here("Only Here")
    sides.add_rows(NOVAK, {"name": "Only There", "note": "theirs"})
    sides.plan()
    late = sides.here("Late Here")
    sides.add_rows({"name": "Late There"})
    assert sides.apply(dry_run=True).counts["linked"] == 1
    assert sides.count(Binding) == 0
    report = sides.apply()
    assert (report.counts["linked"], report.counts["created"], report.counts["taken_over"]) == (
        *(1, 1, 1),
    )
    assert sides.names() == (
        ["Late Here", "Novak d.o.o.", "Only Here", "Only There"],
        ["Late There", "Novak d.o.o.", "Only Here", "Only There"],
    )
    assert sides.remote_id(linked) == "r1"
    assert sides.rows()[0]["note"] == "ours", "what the ERP lacked"
    assert sides.customer(linked).name == "Novak d.o.o.", "the ERP is the name's master"
    sides.run()
    here, there = sides.names()
    assert here == there
    assert len(here) == 5
    assert {sides.remote_id(only), sides.remote_id(late)} <= {row["id"] for row in sides.rows()}


def test_applying_twice_changes_nothing_more(sides):
    sides.hold_both(contacts(10))
    sides.here("Only Here")
    sides.add_rows({"name": "Only There"})
    sides.plan()
    sides.apply()
    state = sides.names(), sides.rows()
    again = sides.apply()
    assert again.counts["done"] == 12
    assert sum(again.counts.values()) == 12
    assert (sides.names(), sides.rows()) == state
    sides.run()
    sides.apply()
    assert sides.names() == state[0]


def test_what_moved_on_either_side_is_refused_and_waits_for_a_new_plan(sides):
    for number in range(6):
        code = f"BE{10_000_000 + number}{97 - (10_000_000 + number) % 97:02}"
        sides.here(f"Firma {number} Ltd", vat=code)
        sides.add_rows({"name": f"FIRMA {number}", "vat": code})
    sides.here("New Here")
    sides.add_rows({"name": "New There"})
    assert set(sides.decisions().values()) == {"link", "create"}
    here = sides.customers()
    sides.edit(here["Firma 0 Ltd"].id, note="moved here")
    sides.set_row("FIRMA 1", note="moved there")
    sides.drop_row("FIRMA 2")
    sides.change(
        lambda uow: setattr(uow.get(Customer, here["Firma 3 Ltd"].id), "archived_at", uow.now)
    )
    sides.edit(here["New Here"].id, note="moved")
    sides.set_row("New There", note="moved")

    report = sides.apply()
    assert dict(report.refused) == {
        "Firma 0 Ltd": "it changed here since",
        "Firma 1 Ltd": "it changed there since",
        "Firma 2 Ltd": "it is not there any more",
        "Firma 3 Ltd": "it is not in use here any more",
        "New Here": "it changed here since",
        "New There": "it changed there since",
    }
    assert report.counts["refused"] == 6
    assert report.counts["linked"] == 2
    assert set(holds(sides)) == {"moved"}
    names = sides.names()
    sides.run()
    assert sides.names() == names, "what is held is made on neither side"

    proposed = sides.decisions()
    assert proposed["Firma 0 Ltd", "FIRMA 0"] == proposed["Firma 1 Ltd", "FIRMA 1"] == "link"
    assert proposed["New Here", ""] == proposed["", "New There"] == "create"
    assert proposed["Firma 2 Ltd", ""] == proposed["", "FIRMA 3"] == "create"
    sides.apply()
    sides.run()
    assert len(sides.rows()) == 8
    assert set(holds(sides)) <= {"moved"}
    assert not held(sides, HoldSide.REMOTE)


def test_two_that_fit_are_left_for_a_person_and_never_doubled(sides):
    one = sides.here("Novak doo", vat="BE1000000021")
    sides.add_rows(NOVAK, {**NOVAK, "name": "NOVAK D.O.O."})
    assert set(sides.decisions().values()) == {""}
    report = sides.apply()
    assert report.counts["undecided"] == 3
    sides.run()
    sides.edit(one, note="changed")
    sides.run()
    assert (sides.count(Customer), len(sides.rows()), sides.count(Binding)) == (1, 2, 0)
    assert holds(sides) == {"undecided": 3}

    sides.plan()
    sides.edit_file(lambda row: row.update(decision="link" if row["their id"] == "r2" else ""))
    sides.apply()
    sides.run()
    assert sides.remote_id(one) == "r2"
    assert sides.decisions() == {("", "Novak d.o.o."): "create"}


def test_two_of_ours_that_are_the_same_are_not_made_there_unasked(sides):
    sides.here("Alpha", reference="C-1")
    sides.here("Beta", reference="C-1")
    plan = sides.plan()
    assert {row.local_name: row.decision.value for row in plan.rows} == {
        "Alpha": "create",
        "Beta": "",
    }
    [beta] = [row for row in plan.rows if row.local_name == "Beta"]
    assert beta.reason == "same reference as Alpha here: merge the two first"
    sides.apply()
    assert [row["name"] for row in sides.rows()] == ["Alpha"]


def test_decisions_changed_in_the_file_are_what_is_done(sides):
    sides.here("Novak doo", vat="BE1000000021")
    sides.here("Rapti Ltd")
    sides.here("Secret Here")
    sides.here("Twin Ltd", contact_points=[{"kind": "email", "value": "twin@x.eu"}])
    sides.add_rows(
        NOVAK,
        {"name": "Internal There"},
        {"name": "TWIN", "email": "twin@x.eu"},
    )
    sides.plan()
    sides.decide(**{"Novak doo": "ignore", "Secret Here": "Ignore ", "Internal There": "IGNORE"})
    sides.decide(**{"Twin Ltd": "create"})
    report = sides.apply()
    assert report.counts["ignored"] == 4
    for _ in range(2):
        here, there = sides.names()
        assert here == ["Novak doo", "Rapti Ltd", "Secret Here", "TWIN", "Twin Ltd"]
        assert there == ["Internal There", "Novak d.o.o.", "Rapti Ltd", "TWIN", "Twin Ltd"]
        sides.run()
    assert holds(sides) == {"ignored": 4}

    assert sides.decisions() == {
        ("Novak doo", "Novak d.o.o."): "ignore",
        ("Secret Here", ""): "ignore",
        ("", "Internal There"): "ignore",
    }
    sides.decide(**{"Novak doo": "link", "Secret Here": "create"})
    sides.apply()
    sides.run()
    assert holds(sides) == {"ignored": 1}
    assert sides.names()[1].count("Novak d.o.o.") == 1
    assert "Secret Here" in sides.names()[1]


def test_what_goes_with_an_ignored_customer_is_left_alone_until_it_is_released(sides):
    sides.here("Novak doo", vat="BE1000000021")
    sides.add_rows(NOVAK)
    with (sides.folder / "addresses.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "parent_ref", "use", "street", "postal_code", "city"])
        writer.writerow(["a1", "r1", "delivery", "Dock 4", "1000", "Gent"])
    sides.plan()
    sides.decide(**{"Novak doo": "ignore"})
    sides.apply()
    assert sides.run().state == "done"
    assert sides.count(Address) == 0
    sides.plan()
    sides.decide(**{"Novak doo": "link"})
    sides.apply()
    assert sides.run().state == "done"
    assert sides.count(Address) == 1


def test_further_addresses_of_linked_customers_are_not_doubled(sides):
    address = {"use": "delivery", "street": "Dock Road 4", "postal_code": "9000", "city": "Gent"}
    sides.here(
        "Novak doo", vat="BE1000000021", addresses=[address, {**address, "street": "Kaai 9"}]
    )
    sides.add_rows(NOVAK)
    with (sides.folder / "addresses.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "parent_ref", "use", "street", "postal_code", "city"])
        writer.writerow(["a1", "r1", "delivery", "DOCK RD. 4", "9000", "GENT"])
        writer.writerow(["a2", "r1", "invoice", "Dock Road 4", "9000", "Gent"])
    sides.plan()
    sides.apply()
    sides.run()
    sides.run()
    assert sides.count(Address, Address.use != "main") == 3
    with (sides.folder / "addresses.csv").open() as stream:
        assert len(stream.readlines()) == 1 + 3


def test_contacts_meet_through_their_companies(sides):
    company = sides.here("Novak doo", vat="BE1000000021")
    contact = sides.here("Eleni Rapti", kind="person")
    alone = sides.here("Maria Rapti", kind="person")
    sides.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    sides.add_rows(NOVAK, {"kind": "person", "name": "Ράπτη Ελένη", "parent_ref": "r1"})
    assert sides.decisions()["Eleni Rapti", "Ράπτη Ελένη"] == "link"
    sides.apply()
    sides.run()
    assert (sides.remote_id(contact), len(sides.rows())) == ("r2", 3)
    assert sides.remote_id(alone) not in ("r1", "r2")


def test_one_that_is_archived_there_comes_back_into_use_when_linked(sides):
    one = sides.here("Novak doo", vat="BE1000000021")
    sides.add_rows({**NOVAK, "archived": "yes"})
    sides.plan()
    sides.apply()
    sides.run()
    assert sides.customer(one).archived_at is None
    assert sides.rows()[0]["archived"] in ("", "no")


class ReadOnly:
    """A remote that can only be read."""

    def __init__(self, remote: FilesBackend) -> None:
        for name in ("entities", "server_time", "pages", "read", "ids", "fates", "link_sets"):
            setattr(self, name, getattr(remote, name))
        self.check, self.close, self.calls = remote.check, remote.close, 0


def test_a_back_office_that_is_only_read_is_planned_and_applied_too(sides):
    sides.here("Novak doo", vat="BE1000000021", note="ours")
    sides.here("Only Here")
    sides.add_rows(NOVAK, {"name": "Only There"})
    plan = sides.plan(ReadOnly(sides.connect()))
    assert plan.only_here == 1
    assert {row.side.value for row in plan.rows} == {"both", "there"}
    report = sides.apply(ReadOnly(sides.connect()))
    assert (report.counts["linked"], report.counts["taken_over"]) == (1, 1)
    sides.run(ReadOnly(sides.connect()))
    assert sides.names() == (
        ["Novak d.o.o.", "Only Here", "Only There"],
        ["Novak d.o.o.", "Only There"],
    )
    assert sides.customers()["Novak d.o.o."].note == "ours"


def test_without_a_plan_customers_of_ours_are_not_put_beside_theirs(sides):
    def check(entities: Any = None) -> None:
        with unit_of_work(sides.database, actor=sides.actor) as uow:
            check_planned(uow, sides.backend, entities)

    check()
    sides.here("Novak doo")
    with pytest.raises(InputError) as caught:
        check()
    assert caught.value.code == "core.sync.plan_first"
    assert caught.value.exit_code == 2
    check(["tag"])
    sides.plan()
    sides.apply()
    check()


def test_a_plan_of_another_backend_is_refused(sides, tmp_path):
    sides.here("Novak doo")
    sides.plan()
    database = Database(f"sqlite:///{tmp_path / 'other.db'}")
    upgrade(database)
    sides.office = FrontOffice(database, sides.actor, sides.connect)
    with pytest.raises(InputError) as caught:
        sides.apply()
    assert caught.value.code == "core.sync.plan_of_another"
    assert "another backend" in caught.value.message
    database.dispose()


def test_a_plan_is_not_applied_in_a_copy(sqlite_database, system, tmp_path):
    sides = TwoSides(sqlite_database, system, tmp_path)
    sides.here("Novak doo")
    sides.plan()
    path = tmp_path / "copy.db"
    shutil.copy(sqlite_database.path, path)
    original = sides.office.database
    sides.office.database = Database(f"sqlite:///{path}")
    with pytest.raises(InputError) as caught:
        sides.apply()
    assert "another database" in caught.value.message
    sides.office.database.dispose()

    sides.office.database = original
    sides.apply()
    shutil.copy(sqlite_database.path, path)
    sides.office.database = Database(f"sqlite:///{path}")
    sides.here("New in the copy")
    sides.plan()
    with pytest.raises(RuleViolationError) as stopped:
        sides.apply()
    assert "crm backend confirm main" in stopped.value.message
    assert len(sides.rows()) == 1
    sides.office.database.dispose()
    sides.office.database = original


def test_nothing_that_both_sides_hold_is_lost_by_a_link(sides):
    sides.here(
        "Novak doo",
        vat="BE1000000021",
        contact_points=[
            {"kind": "email", "value": "a@x.eu"},
            {"kind": "phone", "value": "+3212345678"},
        ],
    )
    sides.add_rows({**NOVAK, "email": "b@x.eu", "reference": "K1"})
    sides.plan()
    sides.apply()
    sides.run()
    row = sides.rows()[0]
    assert (row["reference"], row["vat"]) == ("K1", "BE1000000021")
    assert row["phone"]
    [novak] = sides.customers().values()
    assert novak.reference == "K1"
    points = sides.all(select(ContactPoint.value))
    assert {each.value for each in points} == {"a@x.eu", "b@x.eu", "+3212345678"}
