"""What every connector must do, whatever it connects to: subclass and give it a workbench.

    class TestPaper(ConnectorSuite):
        @pytest.fixture
        def workbench(self, tmp_path):
            return PaperWorkbench(tmp_path)

A workbench is the other side's own hands. It names what that side can do in ``capabilities``; a
test that needs more passes over it, which the suite tells in ``test_capabilities_are_known``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol
from uuid import uuid4

import pytest

from crm_core.access import Actor, system_actor
from crm_core.entities import BindingState, Customer, PushItem
from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.persistence.database import Database
from crm_core.services.contact_details import add_contact_point
from crm_core.services.relationships import relate_customers
from crm_core.services.tags import tag_customer
from crm_core.sync.protocol import Draft, Edit, Probe, RemoteBackend, WritableBackend
from crm_core.testing.front_office import FrontOffice

DELETE, ARCHIVE, HIDE = "delete", "archive", "hide"
ONE_MOMENT, REFUSE, TIME_OUT = "one_moment", "refuse", "time_out"
CAPABILITIES: Mapping[str, str] = {
    DELETE: "records can be deleted: delete(entity, remote_id)",
    ARCHIVE: "records can be archived: archive(entity, remote_id)",
    HIDE: "records can be put out of our sight: hide(entity, remote_id)",
    ONE_MOMENT: "many records can bear one moment: make_many(entity, values)",
    REFUSE: "writing can be forbidden: refusing()",
    TIME_OUT: "answers can be held back: not_answering()",
}
NAMES = (
    'O\'Brien & Sons "Quay"',
    "Ελένη Παπαδοπούλου-Ἀθανασίου",
    "زهرا میرزایی",
    "Łukasz Żółć; s.r.o., Č/Š",
    "Анна Ёлкина\u200c",
    "Zoë 🚢 👩‍👩‍👧",
    "=1+1",
    "-",
)


class Workbench(Protocol):
    """The other side, empty but for what it cannot be without, for one test."""

    capabilities: frozenset[str]

    def connect(self) -> WritableBackend:
        """Open a new connection as the integration user."""
        ...

    def make(self, entity: str, values: Mapping[str, Any]) -> str:
        """Make a record over there and return its id; ``values`` are neutral, some fields only."""
        ...

    def change(self, entity: str, remote_id: str, values: Mapping[str, Any]) -> None:
        """Change fields of a record over there, as a person there would."""
        ...

    def count(self, entity: str, name: str) -> int:
        """Return how many records of that name there are, out of our sight or not."""
        ...


class Stopped(BaseException):
    """The process dies."""


class StoppingRemote:
    """A connection that dies at its ``at``-th call: before it is made, or after it took effect."""

    def __init__(self, remote: WritableBackend, at: int, *, after: bool) -> None:
        self._remote, self._at, self._after = remote, at, after
        self.made = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._remote, name)
        return self._counted(found) if callable(found) and name != "close" else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **keywords: Any) -> Any:
            self.made += 1
            if self.made == self._at and not self._after:
                raise Stopped
            found = call(*args, **keywords)
            if self.made == self._at:
                raise Stopped
            return found

        return counted


class ConnectorSuite:
    """Tests of one connector; every one begins with an empty front office."""

    @pytest.fixture
    def workbench(self) -> Workbench:
        """The other side; every subclass gives its own."""
        raise NotImplementedError("give the suite a workbench fixture")

    @pytest.fixture
    def office(self, crm_database: Database, workbench: Workbench) -> FrontOffice:
        """A front office whose plan is accepted."""
        actor: Actor = system_actor("test")
        office = FrontOffice(crm_database, actor, workbench.connect)
        office.accept()
        return office

    @pytest.fixture
    def remote(self, workbench: Workbench) -> Iterator[WritableBackend]:
        """A connection."""
        remote = workbench.connect()
        yield remote
        remote.close()

    # The protocol itself.

    def test_capabilities_are_known(self, workbench: Workbench) -> None:
        """A workbench names what the other side can do; the rest is passed over, by name."""
        unknown = workbench.capabilities - CAPABILITIES.keys()
        assert not unknown, f"no such capability: {sorted(unknown)}"
        for name in workbench.capabilities:
            method = CAPABILITIES[name].split(": ")[1].partition("(")[0]
            assert callable(getattr(workbench, method)), f"{name} needs {CAPABILITIES[name]}"

    def test_it_is_a_backend_that_can_be_written_to(self, remote: Any) -> None:
        """All methods are there, every check is sound, and customers can be written."""
        assert isinstance(remote, RemoteBackend)
        assert isinstance(remote, WritableBackend)
        assert [check for check in remote.check() if not check.ok] == []
        names = [entity.name for entity in remote.entities()]
        assert "customer" in names
        assert "name" in remote.writable("customer")
        assert remote.writable("invoice") == frozenset()

    def test_records_come_in_pages_by_ascending_id(
        self, workbench: Workbench, remote: WritableBackend
    ) -> None:
        """No page is larger than asked for, and a sweep goes on where another stopped."""
        made = {workbench.make("customer", _customer(f"Page {n}")) for n in range(7)}
        pages = list(remote.pages("customer", since=None, after=None, size=3))
        assert max(len(page.records) for page in pages) <= 3
        ids = [record.remote_id for page in pages for record in page.records]
        assert made <= set(ids)
        assert len(ids) == len(set(ids))
        assert {key for batch in remote.ids("customer") for key in batch} == set(ids)

    def test_what_is_read_is_shaped_already(
        self, workbench: Workbench, remote: WritableBackend
    ) -> None:
        """``shaped`` changes nothing of a record as the remote itself tells it."""
        for name in NAMES:
            workbench.make("customer", _customer(name))
        for page in remote.pages("customer", since=None, after=None, size=100):
            values = [record.values for record in page.records]
            for before, after in zip(values, remote.shaped("customer", values), strict=True):
                told = {name: before[name] for name in after}
                assert dict(after) == told

    def test_creating_twice_makes_one(self, workbench: Workbench, remote: WritableBackend) -> None:
        """The same draft again gives the same record, in the drafts' order."""
        drafts = [_draft(remote, f"Twice {n}") for n in range(3)]
        first = remote.create("customer", drafts)
        again = remote.create("customer", drafts)
        assert [written.key for written in first] == [draft.key for draft in drafts]
        assert [written.remote_id for written in first] == [w.remote_id for w in again]
        assert all(written.remote_id for written in first)
        assert [workbench.count("customer", f"Twice {n}") for n in range(3)] == [1, 1, 1]

    def test_one_bad_record_keeps_no_other_from_being_made(
        self, workbench: Workbench, remote: WritableBackend
    ) -> None:
        """It is answered with a code and a reason."""
        drafts = [_draft(remote, f"Good {n}") for n in range(5)]
        drafts.insert(
            2, Draft(str(uuid4()), f"crm_x.customer_{uuid4().hex}", "Bad", {"name": None})
        )
        written = remote.create("customer", drafts)
        assert [bool(each.remote_id) for each in written] == [True, True, False, True, True, True]
        assert written[2].code
        assert written[2].reason
        assert sum(workbench.count("customer", f"Good {n}") for n in range(5)) == 5

    def test_updating_one_that_is_gone_makes_none(
        self, workbench: Any, remote: WritableBackend
    ) -> None:
        """It is answered as gone, others go through."""
        if DELETE not in workbench.capabilities:
            return
        gone, there = (workbench.make("customer", _customer(n)) for n in ("Gone", "There"))
        workbench.delete("customer", gone)
        edits = [Edit(key, key, {"note": "moved"}) for key in (gone, there)]
        written = {each.key: each for each in remote.update("customer", edits)}
        assert (written[gone].remote_id, written[gone].code) == (None, "core.sync.gone")
        assert written[there].remote_id == there
        assert workbench.count("customer", "Gone") == 0

    def test_what_is_there_is_found_by_the_first_mark_that_fits(
        self, workbench: Workbench, remote: WritableBackend
    ) -> None:
        """External id before reference before e-mail; all that fit are told; kinds stay apart."""
        email = {"contact_points": [{"kind": "email", "value": "Both@Example.org"}]}
        mine = _draft(remote, "By external id")
        made = remote.create("customer", [mine])[0].remote_id
        by_reference = workbench.make("customer", _customer("By reference", reference="REF-1"))
        same = {workbench.make("customer", _customer(f"By mail {n}", **email)) for n in (1, 2)}
        workbench.make("customer", _customer("A company", kind="company", **email))
        probes = [
            Probe(mine.key, mine.external_id, {**_customer("x"), "reference": "REF-1"}, True),
            Probe("b", f"crm_x.customer_{uuid4().hex}", _customer("x", reference="REF-1", **email)),
            Probe("c", f"crm_x.customer_{uuid4().hex}", _customer("x", **email)),
            Probe("d", f"crm_x.customer_{uuid4().hex}", _customer("By reference")),
        ]
        found = remote.find("customer", probes)
        told = {key: {(m.remote_id, m.by) for m in matches} for key, matches in found.items()}
        assert told[mine.key] == {(made, "external_id")}
        assert told["b"] == {(by_reference, "reference")}
        assert told["c"] == {(remote_id, "email") for remote_id in same}
        assert not told.get("d")

    # Both sides in step.

    def test_records_go_by_the_names_they_got(
        self, workbench: Workbench, remote: WritableBackend
    ) -> None:
        """Which record bears a name of ours, and which name a record bears, is told for many."""
        drafts = [_draft(remote, f"Named {n}") for n in range(3)]
        keys = [answer.remote_id or "" for answer in remote.create("customer", drafts)]
        foreign = workbench.make("customer", _customer("Foreign"))
        names = [draft.external_id for draft in drafts]
        named = dict(zip(names, keys, strict=True))
        unknown = f"{names[0].partition('.')[0]}.customer_{'0' * 32}"
        assert dict(remote.named("customer", [*names, unknown])) == named
        prefix = names[0].partition(".")[0] + "."
        told = dict(remote.names("customer", [*keys, foreign], prefix))
        assert told == {key: name for name, key in named.items()}
        assert dict(remote.names("customer", keys, "crm_another.")) == {}

    @pytest.mark.parametrize("name", NAMES)
    def test_names_survive_both_ways(
        self, workbench: Workbench, office: FrontOffice, name: str
    ) -> None:
        """Apostrophes, Greek, Persian, emoji and what looks like a formula."""
        theirs = workbench.make("customer", _customer(f"{name} there"))
        ours = office.create(f"{name} here", note=f"Note: {name}")
        office.run()
        assert f"{name} there" in office.customers()
        assert workbench.count("customer", f"{name} here") == 1
        assert office.remote_id(office.customers()[f"{name} there"].id) == theirs
        note = office.customer(ours).note
        report = office.run()
        assert (report.state, report.pushed) == ("done", {})
        assert office.customer(ours).name == f"{name} here"
        assert office.customer(ours).note == note == f"Note: {name}"

    def test_a_round_trip_of_a_whole_customer(
        self, workbench: Workbench, office: FrontOffice, remote: WritableBackend
    ) -> None:
        """Company, contact, address, tag and contact points arrive, and come back unchanged."""
        address = {"use": "main", "street": "Akadimias 7", "city": "Athens", "postal_code": "10671"}
        company = office.create(
            "Round Trip Ltd",
            kind="company",
            reference="RT-1",
            addresses=[{**address, "country_code": "GR"}],
            contact_points=[{"kind": "email", "value": "info@roundtrip.example"}],
        )
        contact = office.create("Round Contact", job_title="Captain")
        office.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
        office.change(lambda uow: tag_customer(uow, company, ["Round"]))
        report = office.run()
        assert report.state == "done", report
        assert report.pushed["customer"]["created"] == 2
        ids = [office.remote_id(company), office.remote_id(contact)]
        records = {each.remote_id: each.values for each in remote.read("customer", ids).records}
        told, person = records[ids[0]], records[ids[1]]
        assert (told["name"], told["kind"], told["reference"]) == (
            *("Round Trip Ltd", "company"),
            "RT-1",
        )
        assert told["contact_points"][0] == {"kind": "email", "value": "info@roundtrip.example"}
        assert (told["address"]["street"], told["address"]["country_code"]) == ("Akadimias 7", "GR")
        assert len(told["tag_refs"]) == 1
        assert (person["parent_ref"], person["job_title"]) == (ids[0], "Captain")
        assert person["address"] is None
        again = office.run()
        assert again.pushed == {}
        assert all(not counts.get("updated") for counts in again.counts.values())
        assert workbench.count("customer", "Round Trip Ltd") == 1

    def test_edits_of_both_sides_arrive(self, workbench: Workbench, office: FrontOffice) -> None:
        """Different fields of one record both survive, and nothing echoes."""
        customer_id = office.create("Both Sides")
        office.run()
        remote_id = office.remote_id(customer_id)
        workbench.change("customer", remote_id, {"note": "theirs"})
        office.edit(customer_id, job_title="Ours")
        office.change(lambda uow: add_contact_point(uow, customer_id, "email", "ours@example.org"))
        office.run()
        found = office.customer(customer_id)
        assert (found.note, found.job_title) == ("theirs", "Ours")
        report = office.run()
        assert report.pushed == {}
        assert office.count(PushItem) == 0

    def test_a_stop_at_any_step_ends_in_the_same_state(
        self, workbench: Workbench, office: FrontOffice
    ) -> None:
        """Killed before or after any call, and run again: nothing is lost or doubled."""
        at, names = 0, set()
        for after in (False, True):
            at = 0
            while True:
                at += 1
                name = f"Stopped {at} {after}"
                customer_id = office.create(name)
                stopping = StoppingRemote(workbench.connect(), at, after=after)
                try:
                    office.run(stopping)
                except Stopped:
                    office.run()
                    names.add(name)
                    remote_id = office.remote_id(customer_id)
                    assert workbench.count("customer", name) == 1
                    assert office.count(Customer, Customer.name == name) == 1
                    office.edit(customer_id, note=f"after {remote_id}")
                else:
                    break
            assert at > 5, "a run that makes a customer makes more calls than that"
        customers = office.count(Customer)
        report = office.run()
        assert (report.state, office.count(Customer)) == ("done", customers)
        assert office.run().pushed == {}
        assert office.count(PushItem) == 0

    def test_many_of_one_moment_all_arrive(self, workbench: Any, office: FrontOffice) -> None:
        """Equal time stamps neither end a sweep early nor make it go round."""
        if ONE_MOMENT not in workbench.capabilities:
            return
        workbench.make_many("customer", [_customer(f"Moment {n}") for n in range(23)])
        office.run(page_size=5)
        there = [name for name in office.customers() if name.startswith("Moment ")]
        assert len(there) == 23
        again = office.run(page_size=5)
        assert again.counts["customer"].get("updated", 0) == 0

    def test_deleted_there(self, workbench: Any, office: FrontOffice) -> None:
        """It is archived here and never made again, whatever changes here."""
        if DELETE not in workbench.capabilities:
            return
        customer_id = office.create("To Delete")
        office.run()
        workbench.delete("customer", office.remote_id(customer_id))
        office.edit(customer_id, note="changed while it went")
        office.run()
        assert office.binding(customer_id).state == BindingState.DELETED
        assert office.customer(customer_id).archived_at is not None
        office.edit(customer_id, note="and afterwards")
        assert office.run().state == "done"
        assert workbench.count("customer", "To Delete") == 0

    def test_archived_there(self, workbench: Any, office: FrontOffice) -> None:
        """It is archived here, and back again with it."""
        if ARCHIVE not in workbench.capabilities:
            return
        customer_id = office.create("To Archive")
        office.run()
        remote_id = office.remote_id(customer_id)
        workbench.archive("customer", remote_id)
        office.run()
        assert office.customer(customer_id).archived_at is not None
        assert office.binding(customer_id).state == BindingState.ARCHIVED
        workbench.change("customer", remote_id, {"archived": False})
        office.run()
        assert office.customer(customer_id).archived_at is None

    def test_no_longer_readable_there(self, workbench: Any, office: FrontOffice) -> None:
        """It is left alone here: neither archived nor made again."""
        if HIDE not in workbench.capabilities:
            return
        customer_id = office.create("To Hide")
        office.run()
        workbench.hide("customer", office.remote_id(customer_id))
        office.edit(customer_id, note="changed while it hid")
        office.run()
        assert office.binding(customer_id).state == BindingState.UNREADABLE
        assert office.customer(customer_id).archived_at is None
        assert workbench.count("customer", "To Hide") == 1

    def test_writing_is_forbidden(self, workbench: Any, office: FrontOffice) -> None:
        """Reading goes on, the reason is told, and all is written once it is allowed."""
        if REFUSE not in workbench.capabilities:
            return
        office.create("Kept Back")
        workbench.make("customer", _customer("Read Anyway"))
        refusing: AbstractContextManager[None] = workbench.refusing()
        with refusing, suppress(FatalSyncError):
            report = office.run()
            assert report.state == "partly"
            assert "Read Anyway" in office.customers()
        assert workbench.count("customer", "Kept Back") == 0
        office.run()
        assert workbench.count("customer", "Kept Back") == 1

    def test_no_answer_comes(self, workbench: Any, office: FrontOffice) -> None:
        """The run ends with an error that says to try again, and trying again helps."""
        if TIME_OUT not in workbench.capabilities:
            return
        office.create("Late")
        not_answering: AbstractContextManager[None] = workbench.not_answering()
        with not_answering, pytest.raises(RetryableSyncError):
            office.run()
        assert office.run().state == "done"
        assert workbench.count("customer", "Late") == 1


def _customer(name: str, **values: Any) -> dict[str, Any]:
    return {"kind": "person", "name": name, **values}


def _draft(remote: WritableBackend, name: str) -> Draft:
    shaped: Sequence[Mapping[str, Any]] = remote.shaped("customer", [_customer(name)])
    return Draft(str(uuid4()), f"crm_x.customer_{uuid4().hex}", name, shaped[0])
