"""Writing to the back office while everything that can go wrong does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select

from crm_core.entities import Conflict, Customer, PushItem
from crm_core.entities.customer import Address, Tag
from crm_core.ids import new_id
from crm_core.persistence.base import Base
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.contact_details import add_address, change_address
from crm_core.services.customers import archive_customer, create_customer, edit_customer
from crm_core.services.relationships import relate_customers
from crm_core.services.tags import add_tags
from crm_core.sync.protocol import Written
from crm_core.sync.push_queue import Waiting, enqueue, settle
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend

TABLES = [t for t in Base.metadata.sorted_tables if t.name.startswith("core_")]


def there(front: FrontOffice, entity: str = "customer") -> dict[str, Any]:
    """Return what stands in the folder, by name."""
    backend = front.connect()
    found: dict[str, Any] = {}
    if entity not in {each.name for each in backend.entities()}:
        return found
    for page in backend.pages(entity, since=None, after=None, size=500):
        found |= {record.label: record for record in page.records}
    return found


def change_there(front: FrontOffice, local_id: UUID, **values: Any) -> None:
    """Let somebody change a record in the folder."""
    from crm_core.sync.protocol import Edit

    backend: Any = front.connect()
    [answer] = backend.update("customer", [Edit(front.remote_id(local_id), "", values)])
    assert answer.remote_id


def aside(front: FrontOffice) -> list[Any]:
    return [row[0] for row in front.all(select(PushItem))]


def test_a_known_contact_waits_for_its_new_company(front: FrontOffice) -> None:
    contact = front.create("Mover")
    front.run()
    company = front.create("New Employer", kind="company")
    front.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    assert front.run().state == "done"
    found = there(front)
    assert found["Mover"].values["parent_ref"] == found["New Employer"].remote_id
    assert aside(front) == []


def test_a_known_contact_of_a_refused_company_stands_aside_with_it(front: FrontOffice) -> None:
    contact = front.create("Mover")
    front.run()
    front.create("First", kind="company", reference="SAME")
    company = front.create("Second", kind="company", reference="SAME")
    front.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    front.edit(contact, note="goes all the same")
    assert front.run().state == "partly"
    assert there(front)["Mover"].values["note"] == "goes all the same"
    assert {item.label for item in aside(front)} == {"Mover", "Second"}
    front.edit(company, reference="OTHER")
    assert front.run(retry=True).state == "done"
    found = there(front)
    assert found["Mover"].values["parent_ref"] == found["Second"].remote_id


class RefusesTags(FilesBackend):
    def create(self, entity: str, drafts: Any) -> Any:
        if entity == "tag":
            return [Written(draft.key, None, "no", "No tags today.") for draft in drafts]
        return super().create(entity, drafts)


def test_a_tag_that_comes_later_is_put_on_its_customers(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Tagged")
    front.change(lambda uow: add_tags(uow, customer, ["Late"]))
    assert front.run(RefusesTags(tmp_path)).state == "partly"
    assert there(front)["Tagged"].values["tag_refs"] is None
    assert front.run(retry=True).state == "done"
    assert len(there(front)["Tagged"].values["tag_refs"]) == 1


def test_a_customer_set_aside_keeps_its_own_reason(front: FrontOffice) -> None:
    front.create("First", kind="company", vat="EL123456783")
    second = front.create("Second", kind="company", vat="EL123456783")
    front.change(lambda uow: add_address(uow, second, {"use": "delivery", "recipient": "Dock"}))
    report = front.run()
    [item] = aside(front)
    assert (item.label, item.code) == ("Second", "core.sync.ambiguous")
    assert "address" not in report.pushed


def test_an_archived_stranger_with_an_address_is_no_fault(front: FrontOffice) -> None:
    customer = front.create("Old")
    front.change(lambda uow: add_address(uow, customer, {"use": "delivery", "recipient": "Dock"}))
    front.change(lambda uow: archive_customer(uow, customer))
    assert front.run().state == "done"
    assert "Old" not in there(front)


def test_an_address_of_one_that_is_gone_is_no_fault(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Gone")
    front.run()
    (tmp_path / "customers.csv").write_text(
        (tmp_path / "customers.csv").read_text(encoding="utf-8").splitlines()[0] + "\n",
        encoding="utf-8",
    )
    front.run()
    front.change(lambda uow: add_address(uow, customer, {"use": "delivery", "recipient": "Dock"}))
    assert front.run().state == "done"
    assert "Dock" not in there(front, "address")


class Meanwhile(FilesBackend):
    """While the first record is made, something happens here."""

    acts: list[Callable[[], None]]
    refuses = False

    def create(self, entity: str, drafts: Any) -> Any:
        if not self.acts:
            return super().create(entity, drafts)
        self.acts.pop()()
        if self.refuses:
            return [Written(draft.key, None, "no", "Refused.") for draft in drafts]
        return super().create(entity, drafts)


@pytest.mark.parametrize("refuses", [False, True])
def test_an_edit_while_it_is_written_is_not_lost(
    front: FrontOffice, tmp_path: Any, refuses: bool
) -> None:
    front.create("Seed")
    front.run()
    customer = front.create("Quick", note="first")
    remote = Meanwhile(tmp_path)
    remote.acts, remote.refuses = [lambda: front.edit(customer, note="second")], refuses
    assert front.run(remote).state == "done"
    assert there(front)["Quick"].values["note"] == "second"
    assert aside(front) == []


def test_a_conflict_is_kept_although_its_batch_was_halved(front: FrontOffice) -> None:
    ours = front.create("Mine", note="base")
    bad = front.create("Bad", note="base")
    front.run()
    front.edit(ours, note="ours")
    change_there(front, ours, note="theirs")
    change_there(front, bad, note="x" * 10)

    from crm_core.sync.apply import APPLIERS

    class Poisoned:
        def __getattr__(self, name: str) -> Any:
            return getattr(APPLIERS["customer"], name)

        def apply(self, context: Any, uow: Any, changes: Any) -> Any:
            if any(change.record.label == "Bad" for change in changes):
                raise ValueError("poison")
            return APPLIERS["customer"].apply(context, uow, changes)

    from crm_core.sync import engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "APPLIERS", {**APPLIERS, "customer": Poisoned()})
        # The queue is left out: the sweep alone reads both.
        front.change(lambda uow: uow.execute(PushItem.__table__.delete()))
        assert front.run().state == "partly"
    assert front.count(Conflict) == 1
    assert front.customer(ours).note == "ours"
    front.run()
    assert there(front)["Mine"].values["note"] == "ours"


def test_a_tag_that_got_the_name_of_a_new_one_here(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Tagged")
    front.change(lambda uow: add_tags(uow, customer, ["Ships"]))
    front.run()
    file = tmp_path / "tags.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("Ships", "Boats"), encoding="utf-8")
    other = front.create("Other")
    front.change(lambda uow: add_tags(uow, other, ["Boats"]))
    assert front.run().state == "done"
    assert front.run().state == "done"
    found = there(front)
    assert len(there(front, "tag")) == 1
    assert found["Tagged"].values["tag_refs"] == found["Other"].values["tag_refs"] != []


def test_a_deleted_one_that_is_back_is_still_anothers(front: FrontOffice, tmp_path: Any) -> None:
    first = front.create("First", kind="company", vat="EL123456783")
    front.run()
    file = tmp_path / "customers.csv"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.splitlines()[0] + "\n", encoding="utf-8")
    front.run()
    assert front.customer(first).archived_at is not None
    file.write_text(before, encoding="utf-8")
    front.create("Second", kind="company", vat="EL123456783")
    report = front.run()
    assert report.state == "partly"
    assert [item.code for item in aside(front)] == ["core.sync.ambiguous"]
    assert front.customer(first).archived_at is None


class Poison(FilesBackend):
    """One record makes a whole call fail."""

    step = "shaped"

    def shaped(self, entity: str, records: Any) -> Any:
        self._look("shaped", [record.get("name") for record in records])
        return super().shaped(entity, records)

    def find(self, entity: str, probes: Any) -> Any:
        self._look("find", [probe.values.get("name") for probe in probes])
        return super().find(entity, probes)

    def create(self, entity: str, drafts: Any) -> Any:
        self._look("create", [draft.values.get("name") for draft in drafts])
        return super().create(entity, drafts)

    def _look(self, step: str, names: list[Any]) -> None:
        if step == self.step and "Poison" in names:
            raise ValueError("cannot digest this")


@pytest.mark.parametrize("step", ["shaped", "find", "create"])
def test_one_record_that_breaks_a_call_stands_aside_alone(
    front: FrontOffice, tmp_path: Any, step: str
) -> None:
    for number in range(5):
        front.create(f"Good {number}")
    front.create("Poison")
    for number in range(5, 9):
        front.create(f"Good {number}")
    remote = Poison(tmp_path)
    remote.step = step
    report = front.run(remote)
    assert report.state == "partly"
    [item] = aside(front)
    assert (item.label, item.is_set_aside) == ("Poison", True)
    assert "cannot digest this" in item.reason
    assert {f"Good {number}" for number in range(9)} <= set(there(front))
    assert front.run(retry=True).state == "done"
    assert len(there(front)) == 10
    assert front.count(Customer) == 10


def test_a_dry_run_writes_nothing_at_all(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Known")
    front.run()
    front.edit(customer, note="edited")
    front.create("New", contact_points=[{"kind": "email", "value": "a@example.org"}])
    change_there(front, customer, job_title="Buyer")

    def everything() -> Any:
        tables = {t.name: sorted(map(repr, front.all(select(t)))) for t in TABLES}
        return tables, {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    before = everything()
    report = front.run(dry_run=True)
    assert report.pushed["customer"]["created"] == 1
    assert everything() == before


def test_one_that_is_back_hears_what_changed_meanwhile(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Back Again", note="first")
    front.run()
    file = tmp_path / "customers.csv"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.splitlines()[0] + "\n", encoding="utf-8")
    front.run()
    front.edit(customer, note="changed while it was away")
    front.run()
    file.write_text(before, encoding="utf-8")
    front.run()
    front.run()
    assert front.customer(customer).note == there(front)["Back Again"].values["note"]


def test_all_field_kinds_come_to_rest(front: FrontOffice) -> None:
    company = front.create(
        "Whole Ltd",
        kind="company",
        reference="W-1",
        vat="EL123456783",
        language="el-GR",
        note="A\nnote",
        contact_points=[
            {"kind": "email", "value": "A@b.example"},
            {"kind": "email", "value": "second@b.example"},
            {"kind": "phone", "value": "+30 210 1234567"},
            {"kind": "website", "value": "https://b.example"},
        ],
        addresses=[
            {"use": "main", "street": "S 1", "city": "Athens", "country_code": "GR"},
            {"use": "delivery", "recipient": "Dock", "city": "Piraeus"},
            {"use": "invoice", "recipient": "Accounts", "email": "pay@b.example"},
        ],
    )
    contact = front.create("Person", job_title="Captain")
    front.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    front.change(lambda uow: add_tags(uow, company, ["One", "Two"]))
    front.run()
    for _ in range(2):
        content = {record.label: record.values for record in there(front).values()}
        report = front.run(full=True)
        assert report.pushed == {}
        assert all(not c.get("updated") and not c.get("created") for c in report.counts.values())
        assert {record.label: record.values for record in there(front).values()} == content
        assert aside(front) == []


def test_an_address_that_becomes_the_main_one(front: FrontOffice) -> None:
    customer = front.create("Settler", kind="company")
    address = front.change(
        lambda uow: add_address(uow, customer, {"use": "delivery", "city": "Piraeus"}).id
    )
    front.run()
    front.change(lambda uow: change_address(uow, address, {"use": "main"}))
    assert front.run().state == "done"
    assert there(front)["Settler"].values["address"]["city"] == "Piraeus"
    assert front.run(full=True).pushed == {}
    assert front.count(Address) == 1


@pytest.mark.usefixtures("nobody_looks")
def test_statements_a_batch_do_not_grow_with_it(front: FrontOffice) -> None:
    def statements(customers: int, *, edited: bool = False, **values: Any) -> tuple[int, int]:
        named = {"kind": "person", **values}
        records = [{**named, "name": f"{customers} {number}"} for number in range(customers)]
        ids = front.change(lambda uow: [create_customer(uow, each).id for each in records])
        if edited:
            front.run()
            notes = {each: {"note": f"of {each}"} for each in ids}
            front.change(lambda uow: [edit_customer(uow, *each) for each in notes.items()])
        seen = []
        count = lambda *_: seen.append(1)  # noqa: E731
        engines = {front.database.engine, front.database.write_engine}
        for engine in engines:
            event.listen(engine, "before_cursor_execute", count)
        remote = front.connect()
        front.run(remote)
        for engine in engines:
            event.remove(engine, "before_cursor_execute", count)
        return len(seen), remote.calls

    front.create("Seed")
    front.run()
    few, many = statements(3), statements(60)
    assert many[0] <= few[0] + 6
    assert many[1] <= few[1] + 2
    few, many = statements(2, edited=True), statements(50, edited=True)
    assert many[0] <= few[0] + 6
    assert many[1] <= few[1] + 2
    mark = {"contact_points": [{"kind": "email", "value": "same@example.org"}]}
    front.create("The One", **mark)
    few, many = statements(3, **mark), statements(60, **mark)
    assert many[0] <= few[0] + 6


def test_queueing_and_settling_at_once_do_not_lock_each_other_out(
    postgres_database: Any, system: Any, tmp_path: Any
) -> None:
    front = FrontOffice(postgres_database, system, lambda: FilesBackend(tmp_path))
    ids = sorted(new_id() for _ in range(300))
    for some in (reversed(ids[::2]), ids[1::2]):
        for each in some:  # rows lie in another order than keys
            front.change(lambda uow, each=each: enqueue(uow, front.backend.id, "customer", [each]))
    faults: list[BaseException] = []

    def repeat(act: Callable[[Any], None]) -> None:
        try:
            for _ in range(40):
                with unit_of_work(postgres_database, actor=system, write=True) as uow:
                    act(uow)
                    uow.commit()
        except BaseException as error:  # noqa: BLE001  told by the main thread
            faults.append(error)

    backend_id = front.backend.id
    done = [Waiting(each, 1, False) for each in ids]
    reasons = dict.fromkeys(ids[::-1], ("l", "c", "r"))
    acts: list[Callable[[Any], None]] = [
        lambda uow: enqueue(uow, backend_id, "customer", ids),
        lambda uow: settle(uow, backend_id, "customer", done, reasons),
    ]
    threads = [threading.Thread(target=repeat, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_trying_some_again_leaves_others_aside(front: FrontOffice, tmp_path: Any) -> None:
    customer = front.create("Tagged")
    front.change(lambda uow: add_tags(uow, customer, ["Refused"]))
    front.run(RefusesTags(tmp_path))
    report = front.run(retry=True, entities=["customer"])
    assert report.state == "partly"
    assert [item.entity for item in aside(front) if item.is_set_aside] == ["tag"]


def test_a_tag_that_is_there_twice_is_one(front: FrontOffice, tmp_path: Any) -> None:
    first = front.create("First")
    front.change(lambda uow: add_tags(uow, first, ["Other"]))
    front.run()
    file = tmp_path / "tags.csv"
    columns = file.read_text(encoding="utf-8").splitlines()[0].split(",")
    with file.open("a", encoding="utf-8") as stream:
        for key in ("x1", "x2"):
            told = {"id": key, "name": "Twice"}
            stream.write(",".join(told.get(column, "") for column in columns) + "\n")
    front.change(lambda uow: add_tags(uow, first, ["Twice"]))
    assert front.run().state == "done"
    assert front.run().pushed == {}
    assert front.count(Tag, Tag.name == "Twice") == 1
    assert len(there(front)["First"].values["tag_refs"]) == 2


def test_a_tag_renamed_on_both_sides_is_kept_as_a_conflict(
    front: FrontOffice, tmp_path: Any
) -> None:
    customer = front.create("Tagged")
    front.change(lambda uow: add_tags(uow, customer, ["Ships"]))
    front.run()
    file = tmp_path / "tags.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("Ships", "Boats"), encoding="utf-8")
    [(tag_id,)] = front.all(select(Tag.id))
    front.change(lambda uow: setattr(uow.get(Tag, tag_id), "name", "Vessels"))
    assert front.run().state == "done"
    assert front.all(select(Tag.name)) == [("Boats",)]
    [(conflict,)] = front.all(select(Conflict))
    assert (conflict.base, conflict.ours, conflict.theirs) == ("Ships", "Vessels", "Boats")
