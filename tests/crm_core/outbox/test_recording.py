"""Events are recorded with what they tell of, or not at all; the core's own come by themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import (
    Address,
    Customer,
    CustomerKind,
    CustomerStage,
    OutboxEvent,
    Tag,
)
from crm_core.entities.consent import ProfileAttribute
from crm_core.events import CustomersChanged, CustomersCreated, Event, TagsChanged
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.contact_details import add_contact_point
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.customers import archive_customer, create_customer
from crm_core.services.profile_bulk import save_profile_values
from crm_core.services.relationship_bulk import relate_contacts
from crm_core.services.relationships import seed_relationship_types
from crm_core.services.tag_bulk import ensure_tags
from crm_core.services.tags import tag_customer

CREATED, CHANGED = CustomersCreated.name, CustomersChanged.name
TAGS = TagsChanged.name
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  what is to be refused


@dataclass(frozen=True)
class Anything(Event):
    name: ClassVar[str] = "paper.anything.happened"
    version: ClassVar[int] = 3

    value: Any


# --- payloads

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MOMENTS = st.datetimes(timezones=st.just(UTC))
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXT,
)
RICH: dict[Any, Any] = {
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    datetime: MOMENTS,
}


@given(st.recursive(PLAIN, lambda v: st.lists(v) | st.dictionaries(TEXT, v), max_leaves=20))
def test_plain_values_stay_as_they_are(value: Any) -> None:
    assert json.loads(json.dumps(Anything(value).payload())) == {"value": value}


@pytest.mark.parametrize("kind", RICH, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_json_lacks_comes_back_from_its_text(kind: Any, data: Any) -> None:
    value = data.draw(RICH[kind])
    text = Anything((value,)).payload()["value"][0]
    assert type(text) is str
    back = kind.fromisoformat(text) if hasattr(kind, "fromisoformat") else kind(text)
    assert back == value


@given(st.lists(st.one_of(PLAIN, *RICH.values()), max_size=30))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_keeps_every_payload(database: Database, system: Actor, values: Any) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        for value in values:
            uow.record(Anything(value))
        uow.commit()
    with unit_of_work(database, actor=system) as uow:
        newest = select(OutboxEvent.payload).order_by(OutboxEvent.id.desc()).limit(len(values))
        found = [payload["value"] for payload in uow.scalars(newest)][::-1]
    expected = [Anything(value).payload()["value"] for value in values]
    # PostgreSQL writes the zeros of a large float out.
    kinds = [float if isinstance(value, float) else lambda x: x for value in expected]
    assert [kind(value) for kind, value in zip(kinds, found, strict=True)] == expected


def test_enums_and_sets_are_told_as_values() -> None:
    assert Anything(CustomerKind.PERSON).payload() == {"value": "person"}
    value = Anything({CustomerStage.LOYAL}).payload()["value"][0]
    assert (value, type(value)) == ("loyal", str)


@pytest.mark.parametrize(
    "value",
    [object(), b"x", float("nan"), float("inf"), {1: "x"}, NAIVE, [object()]],
)
def test_what_is_no_plain_value_is_refused_at_once(
    database: Database, system: Actor, value: Any
) -> None:
    with unit_of_work(database, actor=system, write=True) as uow, pytest.raises(TypeError):
        uow.record(Anything(value))


@pytest.mark.parametrize("name", ["", "Sales.won", "won", "sales.", "sales won.x"])
def test_an_event_needs_a_proper_name(name: str) -> None:
    with pytest.raises(TypeError, match="needs a name"):
        type("Wrong", (Event,), {"name": name})


# --- the transaction


def recorded(database: Database, actor: Actor, *, since: int = 0) -> list[Any]:
    with unit_of_work(database, actor=actor) as uow:
        newer = select(OutboxEvent).where(OutboxEvent.id > since).order_by(OutboxEvent.id)
        return list(uow.scalars(newer))


def test_recorded_with_the_transaction_or_not_at_all(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.record(Anything(1))
        uow.flush()
    assert recorded(database, system) == []
    assert not database.has_recorded
    with pytest.raises(ZeroDivisionError), unit_of_work(database, actor=system, write=True) as uow:
        uow.record(Anything(2))
        raise ZeroDivisionError
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.record(Anything(3))
        uow.commit()
        uow.commit()
        uow.record(Anything(4))
        uow.commit()
    rows = recorded(database, system)
    assert [(row.name, row.version, row.payload) for row in rows] == [
        ("paper.anything.happened", 3, {"value": 3}),
        ("paper.anything.happened", 3, {"value": 4}),
    ]
    assert {(row.actor_login, row.origin, row.dispatched_at) for row in rows} == {
        ("system", "test", None)
    }
    assert database.has_recorded


class Recorder:
    """Does something in one transaction and tells which events that left."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self.database, self.actor = database, actor
        self.since = 0

    def __call__(self, act: Any) -> dict[str, list[set[UUID]]]:
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            self.result = act(uow)
            uow.commit()
        rows = recorded(self.database, self.actor, since=self.since)
        self.since = max([self.since, *(row.id for row in rows)])
        found: dict[str, list[set[UUID]]] = {}
        for row in rows:
            ((_, ids),) = row.payload.items()
            found.setdefault(row.name, []).append(set(map(UUID, ids)))
            single = len(ids) == 1
            assert row.entity_id == (ids[0] if single else None)
            kind = "tag" if row.name == TAGS else "customer"
            assert row.entity_type == (kind if single else None)
        return found


@pytest.fixture
def after(database: Database, system: Actor) -> Recorder:
    recorder = Recorder(database, system)
    recorder(seed_relationship_types)
    return recorder


def test_services_leave_events_without_a_word(after: Recorder) -> None:
    values = {
        "name": "Anna",
        "contact_points": [{"kind": "email", "value": "anna@example.com"}],
        "addresses": [{"city": "Athens"}],
        "tags": ["VIP"],
    }
    found = after(lambda uow: create_customer(uow, values).id)
    anna = after.result
    assert set(found) == {CREATED, TAGS}
    assert found[CREATED] == [{anna}], "the new one changed too, and is told of once"

    assert after(lambda uow: archive_customer(uow, anna)) == {CHANGED: [{anna}]}
    point = {"kind": "email", "value": "a@example.com"}
    assert after(lambda uow: add_contact_point(uow, anna, **point)) == {CHANGED: [{anna}]}
    found = after(lambda uow: tag_customer(uow, anna, ["new", "VIP"]))
    assert found[CHANGED] == [{anna}]
    assert len(found[TAGS][0]) == 1

    def move(uow: UnitOfWork) -> None:
        uow.scalar(select(Address)).city = "Łódź"

    assert after(move) == {CHANGED: [{anna}]}

    def rename(uow: UnitOfWork) -> UUID:
        tag = uow.scalar(select(Tag).where(Tag.name == "new"))
        tag.name = "newer"
        return tag.id

    assert after(rename) == {TAGS: [{after.result}]}
    assert after(lambda uow: uow.get(Customer, anna)) == {}
    assert after(lambda uow: uow.delete(uow.get(Customer, anna))) == {CHANGED: [{anna}]}


def test_bulk_work_records_one_event_a_batch(after: Recorder) -> None:
    drafts = [CustomerDraft({"name": f"Customer {n}"}) for n in range(2_300)]
    found = after(lambda uow: save_customers(uow, drafts).ids)
    ids = after.result
    assert [len(some) for some in found.pop(CREATED)] == [1_000, 1_000, 300]
    assert found == {}

    again = [CustomerDraft({"name": "Customer 0"}, customer_id=i) for i in ids[:3]]
    assert after(lambda uow: save_customers(uow, again)) == {CHANGED: [set(ids[1:3])]}

    def mixed(uow: UnitOfWork) -> UUID:
        (new,) = save_customers(uow, [CustomerDraft({"name": "New"})]).ids
        save_customers(uow, [CustomerDraft({"name": "Newer"}, customer_id=new)])
        return new

    assert after(mixed) == {CREATED: [{after.result}]}


def test_other_bulk_writers_tell_whom_they_changed(after: Recorder) -> None:
    drafts = [
        CustomerDraft({"name": "Acme", "reference": "A"}),
        CustomerDraft({"name": "Anna", "kind": "person"}),
    ]
    after(lambda uow: save_customers(uow, drafts).ids)
    acme, anna = after.result

    def relate(uow: UnitOfWork) -> int:
        return relate_contacts(uow, [(1, anna, "person", "A")], lambda *_: None)

    assert after(relate) == {CHANGED: [{acme, anna}]}
    assert after(relate) == {}

    def add_attribute(uow: UnitOfWork) -> UUID:
        attribute = ProfileAttribute(code="likes", title="Likes", type="text")
        return uow.add(attribute).id

    after(add_attribute)
    values = [(anna, after.result, "tea")]
    assert after(lambda uow: save_profile_values(uow, values)) == {CHANGED: [{anna}]}
    assert after(lambda uow: save_profile_values(uow, values)) == {}
    found = after(lambda uow: ensure_tags(uow, ["a", "b"]))
    assert found == {TAGS: [set(after.result.values())]}


def test_a_name_taken_leaves_no_event(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.mark_changed([uuid4()])
        uow.add(Tag(name="x"))
        uow.commit()
    before = recorded(database, system)
    with (
        pytest.raises(Exception, match="exists already"),
        unit_of_work(database, actor=system, write=True) as uow,
    ):
        uow.mark_changed([uuid4()])
        uow.add(Tag(name="x"))
        uow.commit()
    assert len(recorded(database, system)) == len(before) == 2
