"""The connector suite on the in-memory back office, and what that office models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from crm_core.errors import RetryableSyncError
from crm_core.sync.protocol import Draft, Edit
from crm_core.testing.connector_suite import ConnectorSuite
from crm_core.testing.memory_office import MemoryOffice


class TestMemory(ConnectorSuite):
    @pytest.fixture
    def workbench(self) -> MemoryOffice:
        return MemoryOffice()


@pytest.fixture
def office() -> Iterator[MemoryOffice]:
    """One whose clock goes on only where a test says so: it shows whole seconds."""
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False):
        yield MemoryOffice()


def told(office: MemoryOffice, since: Any = None) -> list[str]:
    pages = office.connect().pages("customer", since=since, after=None, size=2)
    return [record.label for page in pages for record in page.records]


def test_what_is_committed_late_appears_behind_the_mark(office: MemoryOffice) -> None:
    work = office.begin()
    first = office.make("customer", {"name": "Late"}, work)
    office.offset += timedelta(minutes=5)
    second = office.make("customer", {"name": "Early"})
    mark = office.connect().server_time()
    assert told(office) == ["Early"]
    office.commit(work)
    assert int(first) < int(second)
    assert told(office) == ["Late", "Early"]
    assert told(office, mark) == ["Early"]


def test_work_on_what_another_changed_meanwhile_is_done_over(office: MemoryOffice) -> None:
    key = office.make("customer", {"name": "Row"})
    work = office.begin()
    office.change("customer", key, {"note": "late"}, work)
    office.offset += timedelta(minutes=5)
    office.change("customer", key, {"note": "first", "job_title": "kept"})
    office.commit(work)
    row = office.rows["customer"][int(key)]
    assert (row.values["note"], row.values["job_title"]) == ("late", "kept")
    assert row.stamp == office.now()


def test_a_lost_reply_leaves_the_work_done(office: MemoryOffice) -> None:
    draft = Draft("k", "crm_x.customer_1", "New", {"name": "New"})
    remote = office.connect()
    office.fail("create", is_lost=True)
    with pytest.raises(RetryableSyncError):
        remote.create("customer", [draft])
    assert office.count("customer", "New") == 1
    office.fail("create")
    with pytest.raises(RetryableSyncError):
        remote.create("customer", [draft])
    [written] = remote.create("customer", [draft])
    assert (office.count("customer", "New"), office.writes) == (1, 2)
    office.delete("customer", str(written.remote_id))
    [again] = remote.create("customer", [draft])
    assert again.remote_id != written.remote_id


def test_the_survivor_of_a_merge_goes_by_both_names(office: MemoryOffice) -> None:
    remote = office.connect()
    drafts = [Draft(n, f"crm_x.customer_{n}", n, {"name": n, "note": n}) for n in "ab"]
    keep, gone = (str(each.remote_id) for each in remote.create("customer", drafts))
    contact = office.make("customer", {"name": "Contact", "parent_ref": gone})
    order = office.make("order", {"number": "S1", "customer_ref": gone})
    office.offset += timedelta(minutes=1)
    mark = remote.server_time()
    office.merge("customer", keep, gone)
    names = [draft.external_id for draft in drafts]
    assert remote.named("customer", names) == dict.fromkeys(names, keep)
    assert remote.names("customer", [keep], "crm_x.") == {keep: names[0]}
    assert remote.fates("customer", [gone]) == {gone: "deleted"}
    assert office.rows["customer"][int(contact)].values["parent_ref"] == keep
    assert office.rows["order"][int(order)].values["customer_ref"] == keep
    assert told(office, mark) == ["a"], "neither contact nor order is dated"
    assert list(remote.pages("order", since=mark, after=None, size=9)) == []


def test_tags_set_from_their_side_date_no_customer(office: MemoryOffice) -> None:
    tag = office.make("tag", {"name": "VIP"})
    key = office.make("customer", {"name": "Tagged"})
    office.offset += timedelta(minutes=1)
    office.tag(tag, [key])
    remote = office.connect()
    [links] = remote.link_sets("customer")
    assert links.members == {tag: [key]}
    assert told(office, remote.server_time()) == []
    office.delete("tag", tag)
    assert office.rows["customer"][int(key)].values["tag_refs"] == []


def test_what_does_not_fit_is_refused_alone(office: MemoryOffice) -> None:
    key = office.make("customer", {"name": "There"})
    edits = [Edit(key, "There", {"parent_ref": "99"}), Edit(key, "There", {"note": "fits"})]
    written = office.connect().update("customer", edits)
    assert [each.remote_id for each in written] == [None, key]
    assert "no record 99" in written[0].reason
