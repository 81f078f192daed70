"""Tags that have no counterpart in the ERP any more, used here again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from crm_core.access import Actor
from crm_core.entities import PushItem
from crm_core.services.tags import tag_customer
from crm_core.testing.front_office import FrontOffice
from crm_core.testing.memory_office import MemoryOffice


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Any, system: Actor, office: MemoryOffice) -> FrontOffice:
    """A front office in step with one that has the tags One and Two, and Anna who bears Two."""
    _, two = (office.make("tag", {"name": name}) for name in ("One", "Two"))
    office.make("customer", {"name": "Anna", "tag_refs": [two]})
    office.make("customer", {"name": "Bert"})
    front = FrontOffice(database, system, office.connect)
    front.accept()
    return front


def tag_there(office: MemoryOffice, name: str) -> str:
    rows = office.rows["tag"].items()
    return next(str(key) for key, row in rows if row.values["name"] == name)


def tags_there(front: FrontOffice, office: MemoryOffice, customer_id: UUID) -> list[str]:
    values = office.rows["customer"][int(front.remote_id(customer_id))].values
    return [office.rows["tag"][int(ref)].values["name"] for ref in values["tag_refs"]]


def tag(front: FrontOffice, name: str, *labels: str) -> UUID:
    customer_id = front.customers()[name].id
    front.change(lambda uow: tag_customer(uow, customer_id, labels))
    return customer_id


def quiet(front: FrontOffice, office: MemoryOffice) -> None:
    before = office.content()
    for full in (False, True):
        report = front.run(full=full)
        assert (report.state, report.pushed) == ("done", {})
    assert office.content() == before
    assert front.count(PushItem) == 0


def test_a_tag_that_took_anothers_name_there_is_made_again_once_it_is_used_here(
    front: FrontOffice, office: MemoryOffice
) -> None:
    office.change("tag", tag_there(office, "Two"), {"name": "One"})
    front.run()
    quiet(front, office)
    assert office.count("tag", "Two") == 0
    anna, bert = front.customers()["Anna"].id, tag(front, "Bert", "Two")
    front.run()
    front.run()
    assert tags_there(front, office, anna) == ["One"]
    assert tags_there(front, office, bert) == ["Two"]
    assert office.count("tag", "Two") == 1
    quiet(front, office)


def test_a_tag_that_was_deleted_there_is_not_made_again_and_the_run_says_so(
    front: FrontOffice, office: MemoryOffice
) -> None:
    office.delete("tag", tag_there(office, "Two"))
    front.run()
    bert = tag(front, "Bert", "Two")
    report = front.run()
    assert report.pushed["tag"] == {"gone": 1, "examples": {"gone": ["Two"]}}
    assert tags_there(front, office, bert) == []
    assert office.count("tag", "Two") == 0
    quiet(front, office)
