"""A merge undone: as it was, and with whatever was done meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from crm_core.entities import (
    Backend,
    Currency,
    RelationshipType,
    Tag,
    User,
)
from crm_core.ids import new_id
from crm_core.persistence.base import Base
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.profile import (
    define_attribute,
)

NOT_COMPARED = {
    "core_audit",
    "core_outbox",
    "core_customer_merge",
    "core_merge_change",
    "core_pending_reference",
}
VOLATILE = {"version", "updated_at"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOTH = ("keep", "drop")
ALL = (*BOTH, "third")
several = settings(
    max_examples=25,
    deadline=None,
    # The database grows from one example to the next: shrinking takes longer than it helps.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class World:
    """Three customers with random children, made anew for each example in one database."""

    def __init__(self, company: Any) -> None:
        self.company = company
        with company.writing() as uow:
            for code in ("food", "mood"):
                define_attribute(uow, code, title=code, type="text")
            self.tags = [uow.add(Tag(name=name)).id for name in ("vip", "old", "γνωστός")]
            uow.add(Currency(code="EUR", name="Euro"))
            backend = Backend(
                name="main", type="files", config={}, created_at=NOON, updated_at=NOON
            )
            self.backend = uow.add(backend).id
            uow.flush()
            self.users = list(uow.scalars(select(User.id).order_by(User.id)))[:3]
            attributes = Base.metadata.tables["core_profile_attribute"]
            self.attributes = list(uow.scalars(select(attributes.c.id)))
            self.types = list(uow.scalars(select(RelationshipType.id)))[:3]

    def table(self, name: str) -> Any:
        return Base.metadata.tables[f"core_{name}"]

    def state(self) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
        """Return all rows of all tables by key."""
        found = {}
        with self.company.acting() as uow:
            for table in Base.metadata.sorted_tables:
                if not table.name.startswith("core_") or table.name in NOT_COMPARED:
                    continue
                keys = [column.name for column in table.primary_key.columns]
                found[table.name] = {
                    tuple(row[key] for key in keys): {
                        name: value for name, value in row.items() if name not in VOLATILE
                    }
                    for row in uow.execute(select(table)).mappings()
                }
        return found

    def search(self) -> list[Any]:
        with self.company.acting() as uow:
            from crm_core.search.index import ENTRIES

            rows = uow.connection().execute(select(ENTRIES).order_by(ENTRIES.c.customer_id))
            return [tuple(row)[1:] for row in rows]

    def fill(self, draw: Callable[..., Any]) -> dict[str, UUID]:
        """Make three customers and what hangs on them; return their ids."""
        with self.company.writing() as uow:
            ids = {name: self._customer(uow, name, draw) for name in ALL}
            uow.touch(list(ids.values()))
            for name in BOTH:
                self._parts(uow, ids, name, draw)
            self._ties(uow, ids, draw)
        return ids

    def _customer(self, uow: Any, name: str, draw: Callable[..., Any]) -> UUID:
        key, owner = new_id(), draw(st.sampled_from([None, *self.users]))
        values = {
            "id": key,
            "name": draw(st.sampled_from(["Acme", "Ζωή Α.Ε.", "O'Neil", "علی"])),
            "reference": f"{name}-{key.hex[-6:]}" if draw(st.booleans()) else None,
            **{
                field: draw(st.sampled_from([None, "one", "two"]))
                for field in ("vat", "language", "job_title", "note")
            },
            "stage": draw(st.sampled_from(["prospect", "active"])),
            "owner_id": owner,
        }
        stamps = {"version": 1, "created_at": NOON, "updated_at": NOON, "kind": "company"}
        uow.execute(insert(self.table("customer")).values(**values, **stamps))
        if owner is not None or draw(st.booleans()):
            self._add(uow, "ownership", key, user_id=owner, from_at=NOON, changed_by="x")
        return key

    def _add(self, uow: Any, name: str, customer_id: UUID, **values: Any) -> None:
        row = {"id": new_id(), "customer_id": customer_id, **values}
        uow.execute(insert(self.table(name)).values(**row))

    def _parts(self, uow: Any, ids: dict[str, UUID], name: str, draw: Callable[..., Any]) -> None:
        key = ids[name]
        emails = st.lists(st.sampled_from(["a@x.gr", "b@x.gr", "c@x.gr"]), unique=True)
        for place, value in enumerate(draw(emails)):
            values = {"kind": "email", "value": value, "normalized": value, "position": place}
            self._add(uow, "contact_point", key, **values)
        for use in draw(st.sets(st.sampled_from(["main", "invoice", "delivery"]))):
            street = draw(st.sampled_from(["Ermou 1", "Stadiou 2"]))
            self._add(uow, "address", key, use=use, street=street)
        for tag in draw(st.sets(st.sampled_from(self.tags))):
            uow.execute(insert(self.table("customer_tag")).values(customer_id=key, tag_id=tag))
        for attribute in draw(st.sets(st.sampled_from(self.attributes))):
            values = {"attribute_id": attribute, "value": name, "updated_at": NOON}
            self._add(uow, "profile_value", key, **values)
        for day in draw(st.lists(st.integers(0, 2), max_size=3)):
            said = {"purpose": "news", "channel": "email", "evidence": f"{name} {day}"}
            status = draw(st.sampled_from(["given", "withdrawn"]))
            at = NOON + timedelta(days=day)
            self._add(uow, "consent", key, status=status, at=at, **said)
        for about in draw(st.lists(st.sampled_from([None, *BOTH]), max_size=2)):
            subject = {"about_type": "customer", "about_id": ids[about]} if about else {}
            said = {"channel": "phone", "direction": "inbound", "subject": "Hello"}
            self._add(uow, "interaction", key, at=NOON, recorded_at=NOON, **said, **subject)
        self._documents(uow, key, draw)
        for remote in draw(st.lists(st.integers(0, 1), unique=True)):
            row = {"backend_id": self.backend, "entity": "customer", "remote_id": f"{key}-{remote}"}
            said = {"digest": b"1", "snapshot": {"name": name}, "state": "active"}
            statement = insert(self.table("binding"))
            uow.execute(statement.values(id=new_id(), local_id=key, synced_at=NOON, **row, **said))

    def _documents(self, uow: Any, key: UUID, draw: Callable[..., Any]) -> None:
        for _ in range(draw(st.integers(0, 2))):
            amounts = ("untaxed_amount", "tax_amount", "total_amount", "open_amount")
            values = dict.fromkeys(amounts, Decimal("1.10")) | {"kind": "order", "state": "done"}
            values |= {"currency_code": "EUR", "refreshed_at": NOON}
            flags = {"is_outgoing": False, "is_open": False}
            self._add(uow, "transaction", key, **values, **flags)
        if draw(st.booleans()):
            values = {"type": "call", "summary": "Call", "due_at": NOON, "is_open": True}
            stamps = {"version": 1, "created_at": NOON, "updated_at": NOON}
            self._add(uow, "activity", key, **values, **stamps)
        if draw(st.booleans()):
            values = {"file_name": "a.pdf", "content_type": "x", "size_bytes": 1, "sha256": "0"}
            about = {"entity_type": "customer", "entity_id": str(key), "created_at": NOON}
            self._add(uow, "attachment", key, **values, **about)

    def _ties(self, uow: Any, ids: dict[str, UUID], draw: Callable[..., Any]) -> None:
        pairs = st.tuples(st.sampled_from(ALL), st.sampled_from(ALL), st.sampled_from(self.types))
        for first, second, kind in draw(st.lists(pairs, unique=True, max_size=5)):
            if first != second:
                ends = {"from_customer_id": ids[first], "to_customer_id": ids[second]}
                values = {"id": new_id(), "type_id": kind, **ends}
                uow.execute(insert(self.table("relationship")).values(**values))
        for first, second in draw(st.sets(st.sampled_from([("keep", "third"), ("drop", "third")]))):
            one, other = sorted((ids[first], ids[second]))
            values = {"customer_id": one, "other_id": other, "said_at": NOON, "said_by": "x"}
            uow.execute(insert(self.table("distinct_customers")).values(**values))

    def merge(self, ids: dict[str, UUID], choices: dict[str, str]) -> UUID:
        with self.company.writing() as uow:
            return merge_customers(uow, ids["keep"], ids["drop"], choices=choices).id

    def unmerge(self, merge_id: UUID) -> list[str]:
        with self.company.writing() as uow:
            return [str(each) for each in unmerge_customers(uow, merge_id).left]


@pytest.fixture
def world(company):
    return World(company)


choices = st.dictionaries(
    st.sampled_from(["name", "vat", "note", "owner", "address", "profile.food", "stage"]),
    st.sampled_from(BOTH),
)


@several
@given(data=st.data())
def test_undone_at_once_all_is_as_it_was(world, data):
    ids = world.fill(data.draw)
    before, found = world.state(), world.search()
    merge_id = world.merge(ids, data.draw(choices))
    merged = world.state()
    assert merged["core_customer"][ids["drop"],]["merged_into_id"] == ids["keep"]
    assert world.unmerge(merge_id) == []
    after = world.state()
    for name, rows in before.items():
        assert after[name] == rows, name
    assert world.search() == found


def pointing_at(state, key):
    return [
        (name, row)
        for name, rows in state.items()
        for row in rows.values()
        for column, value in row.items()
        if value == key and column not in ("id", "merged_into_id")
    ]


@several
@given(data=st.data())
def test_nothing_points_at_the_dropped_one_afterwards(world, data):
    ids = world.fill(data.draw)
    world.merge(ids, data.draw(choices))
    assert pointing_at(world.state(), ids["drop"]) == []


class Later:
    """Edits made between a merge and its undoing, and what must be left of them."""

    def __init__(self, world: World, keep: UUID, third: UUID) -> None:
        self.world, self.keep, self.third = world, keep, third
        self.edited: dict[tuple[str, UUID], dict[str, Any]] = {}
        self.deleted: set[tuple[str, UUID]] = set()
        self.added: set[tuple[str, UUID]] = set()

    def make(self, draw: Callable[..., Any]) -> None:
        steps = st.sampled_from([self.edit, self.delete, self.add, self.give, self.edit_customer])
        for step in draw(st.lists(steps, max_size=6)):
            step(draw)

    def _one(self, draw: Callable[..., Any], *names: str) -> tuple[str, UUID] | None:
        state = self.world.state()
        found = [
            (name, key)
            for name in names
            for (key, *_), row in sorted(state[f"core_{name}"].items())
            if row["customer_id"] == self.keep and (name, key) not in self.added
        ]
        return draw(st.sampled_from(found)) if found else None

    def _run(self, statement: Any) -> None:
        with self.world.company.writing() as uow:
            uow.execute(statement)

    def _set(self, name: str, key: UUID, /, **values: Any) -> None:
        table = self.world.table(name)
        self._run(update(table).where(table.c.id == key).values(**values))
        self.edited.setdefault((name, key), {}).update(values)

    def edit(self, draw: Callable[..., Any]) -> None:
        columns = {"contact_point": "value", "address": "street", "profile_value": "value"}
        chosen = self._one(draw, *columns, "activity")
        if chosen:
            self._set(*chosen, **{columns.get(chosen[0], "summary"): "edited"})

    def edit_customer(self, draw: Callable[..., Any]) -> None:
        column = draw(st.sampled_from(["name", "vat", "note", "stage"]))
        self._set("customer", self.keep, **{column: "edited"})

    def delete(self, draw: Callable[..., Any]) -> None:
        chosen = self._one(draw, "contact_point", "activity", "profile_value", "transaction")
        if chosen:
            table = self.world.table(chosen[0])
            self._run(delete(table).where(table.c.id == chosen[1]))
            self.deleted.add(chosen)
            self.edited.pop(chosen, None)

    def add(self, draw: Callable[..., Any]) -> None:
        key = new_id()
        values = {"kind": "email", "value": "new@x.gr", "position": draw(st.integers(0, 3))}
        table = self.world.table("contact_point")
        self._run(insert(table).values(id=key, customer_id=self.keep, **values))
        self.added.add(("contact_point", key))

    def give(self, draw: Callable[..., Any]) -> None:
        chosen = self._one(draw, "activity", "transaction", "address")
        if chosen:
            self._set(*chosen, customer_id=self.third)


@several
@given(data=st.data())
def test_undone_after_later_edits_none_of_them_is_lost(world, data):
    ids = world.fill(data.draw)
    before = world.state()
    merge_id = world.merge(ids, data.draw(choices))
    merged = world.state()
    later = Later(world, ids["keep"], ids["third"])
    later.make(data.draw)
    left = world.unmerge(merge_id)
    after = world.state()
    for (name, key), values in later.edited.items():
        row = after[f"core_{name}"][key,]
        assert {column: row[column] for column in values} == values
    for name, key in later.deleted:
        assert (key,) not in after[f"core_{name}"]
    for name, key in later.added:
        assert after[f"core_{name}"][key,]["customer_id"] == ids["keep"]
    touched = {*later.edited, *later.deleted}
    for table, rows in before.items():
        for key, row in rows.items():
            if (table.removeprefix("core_"), key[0]) not in touched:
                assert after[table][key] == row
            elif key in after[table] and (table, key) == ("core_customer", (ids["keep"],)):
                edited = later.edited["customer", ids["keep"]]
                assert {k: v for k, v in after[table][key].items() if k not in edited} == {
                    k: v for k, v in row.items() if k not in edited
                }
    lost = [
        (name, key)
        for name, key in later.deleted
        if merged[f"core_{name}"][key,] != before[f"core_{name}"].get((key,))
    ]
    for name, key in lost:
        assert any(line.startswith(f"{name} {key}") for line in left), left
