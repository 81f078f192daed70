"""Writing many rows at once."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import Tag
from crm_core.ids import new_id
from crm_core.persistence.bulk import (
    CHUNK,
    PARAMETERS,
    among,
    chunked,
    delete_rows,
    insert_at_once,
    insert_rows,
    select_in,
    update_rows,
)
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work

COUNT = max(CHUNK, PARAMETERS) * 2 + 1


@given(items=st.lists(st.integers()), size=st.integers(1, 7))
def test_chunks_hold_everything_in_order(items: list[int], size: int) -> None:
    chunks = list(chunked(iter(items), size))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size for chunk in chunks)


def _names(database: Database, actor: Actor) -> dict[UUID, str]:
    with unit_of_work(database, actor=actor) as uow:
        return dict(uow.execute(select(Tag.id, Tag.name)).all())


def test_more_rows_than_fit_one_statement(database: Database, system: Actor) -> None:
    rows = [{"id": new_id(), "name": f"ετικέτα {number}"} for number in range(COUNT)]
    ids = [row["id"] for row in rows]
    with unit_of_work(database, actor=system, write=True) as uow:
        insert_rows(uow.connection(), Tag, rows)
        found = select_in(uow.connection(), Tag, "id", ids, "id", "name")
        assert {(key, name) for key, name in found} == {(r["id"], r["name"]) for r in rows}
        update_rows(uow.connection(), Tag, [{"id": key, "name": str(key)} for key in ids[1:]])
        uow.commit()
    names = _names(database, system)
    assert names.pop(ids[0]) == rows[0]["name"]
    assert names == {key: str(key) for key in ids[1:]}
    with unit_of_work(database, actor=system, write=True) as uow:
        delete_rows(uow.connection(), Tag, iter(ids[:-1]))
        uow.commit()
    assert list(_names(database, system)) == ids[-1:]


def test_rows_of_one_statement_are_those_of_many(database: Database, system: Actor) -> None:
    rows = [{"id": new_id(), "name": f"O'Brien «{number}» ?:x"} for number in range(COUNT)]
    with unit_of_work(database, actor=system, write=True) as uow:
        insert_at_once(uow.connection(), Tag, rows)
        uow.commit()
    assert _names(database, system) == {row["id"]: row["name"] for row in rows}


def test_values_among_many_are_found_by_any_type_and_through_an_index(
    database: Database, system: Actor
) -> None:
    rows = [{"id": new_id(), "name": f"هتل ' \" {number}"} for number in range(50)]
    with unit_of_work(database, actor=system, write=True) as uow:
        insert_rows(uow.connection(), Tag, rows)
        for column, name in ((Tag.id, "id"), (Tag.name, "name")):
            wanted = [row[name] for row in rows[::7]]
            found = uow.scalars(select(column).where(among(column, wanted))).all()
            assert set(found) == set(wanted)
            assert uow.scalars(select(column).where(among(column, []))).all() == []
        statement = select(Tag.name).where(among(Tag.id, [rows[0]["id"]]), Tag.name != "x")
        assert uow.scalar(statement) == rows[0]["name"]
        if database.is_sqlite:
            asked = statement.compile(dialect=uow.connection().dialect)
            plan = (
                uow.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", ("[]", "x")).all()
            )
            assert any("USING INDEX" in row[3] for row in plan), plan


@pytest.mark.parametrize("write", [insert_rows, insert_at_once, update_rows, delete_rows])
def test_nothing_to_write_is_no_error(database: Database, system: Actor, write: object) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        write(uow.connection(), Tag, [])  # type: ignore[operator]
        uow.commit()
        assert uow.scalar(select(func.count()).select_from(Tag)) == 0


def test_bulk_rows_are_rolled_back_with_the_unit_of_work(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        insert_rows(uow.connection(), Tag, [{"id": new_id(), "name": "gone"}])
    assert _names(database, system) == {}
