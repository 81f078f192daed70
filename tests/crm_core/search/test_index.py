"""The index follows the customers, however they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, event, select

from crm_core.access import Actor, Reach
from crm_core.entities import ContactPoint, Customer, User
from crm_core.errors import ConfigurationError
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.database import Database
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.search import index
from crm_core.search.entry import Entry, position
from crm_core.services.search import search_customers

AddCustomer = Callable[..., Customer]
AddUser = Callable[[UnitOfWork, str], User]


def found(database: Database, actor: Actor, text: str) -> list[str]:
    with unit_of_work(database, actor=actor) as uow:
        return [hit.name for hit in search_customers(uow, text).items]


def entries(database: Database) -> list[Any]:
    """Return all entries, after making sure that the full-text table holds exactly their words."""
    with database.engine.begin() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql(
                "INSERT INTO core_search_words (core_search_words, rank) "
                "VALUES ('integrity-check', 1)"
            )
        statement = select(index.ENTRIES).order_by(index.ENTRIES.c.position)
        return list(connection.execute(statement).all())


def test_changes_are_found_at_commit_and_what_was_is_not(people: Database, system: Actor) -> None:
    with unit_of_work(people, actor=system, write=True) as uow:
        ana = uow.scalar(select(Customer).where(Customer.name == "Ana Kos"))
        ana.name = "Zora Novak"
        for point in uow.scalars(select(ContactPoint).where(ContactPoint.customer_id == ana.id)):
            if point.kind == "phone":
                uow.delete(point)
            else:
                point.value = point.normalized = "zora@new.example"
        uow.commit()
    assert found(people, system, "zora") == ["Zora Novak"]
    assert found(people, system, "zora@new.example") == ["Zora Novak"]
    for gone in ("ana kos", "040123456", "ana.kos@example.com"):
        assert found(people, system, gone) == []
    assert entries(people)


def test_nothing_is_found_of_what_was_rolled_back(
    database: Database, system: Actor, add_customer: AddCustomer
) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        add_customer(uow, "Ana")
    assert found(database, system, "ana") == []


def test_a_deleted_customer_leaves_nothing_behind(people: Database, system: Actor) -> None:
    with unit_of_work(people, actor=system, write=True) as uow:
        uow.delete(uow.scalar(select(Customer).where(Customer.name == "Ana Kos")))
        uow.commit()
    before = len(entries(people))
    with people.write_engine.begin() as connection:
        connection.execute(delete(Customer).where(Customer.name == "Banana & Sons"))
    assert len(entries(people)) == before - 1
    assert found(people, system, "ana") == []


def test_a_rebuild_gives_what_commits_gave(people: Database, system: Actor) -> None:
    before = entries(people)
    with people.write_engine.begin() as connection:
        assert index.rebuild(connection) == len(before)
    assert entries(people) == before
    assert found(people, system, "anan") == ["Banana & Sons"]


def test_a_bulk_load_gives_what_commits_gave(people: Database, system: Actor) -> None:
    before = entries(people)
    with people.write_engine.begin() as connection:
        connection.execute(delete(index.ENTRIES))
        index.insert_new(connection, list(_known(connection)))
    assert entries(people) == before


def _known(connection: Any) -> Any:
    points: dict[UUID, list[Any]] = {}
    for row in connection.execute(select(ContactPoint.__table__)):
        points.setdefault(row.customer_id, []).append((row.kind, row.value, row.normalized))
    for row in connection.execute(select(Customer.__table__)):
        yield Entry(
            row.id, row.owner_id, row.name, row.reference, row.vat, False, points.get(row.id, ())
        )


def test_a_thousand_customers_take_a_few_statements(database: Database) -> None:
    ids = [new_id() for _ in range(1_000)]
    statements: list[str] = []
    with database.write_engine.begin() as connection:
        insert_rows(connection, Customer, _anas(ids))
        event.listen(connection, "before_cursor_execute", lambda *call: statements.append(call[2]))
        index.refresh(connection, ids)
    assert len(statements) <= 12
    assert len(entries(database)) == 1_000


def _anas(ids: Sequence[UUID]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    ana = {"name": "Ana", "kind": "person", "stage": "active"}
    return [ana | {"id": id_, "version": 1, "created_at": now, "updated_at": now} for id_ in ids]


@pytest.mark.parametrize("count", [3, 40])
def test_equal_places_in_the_order_are_settled(database: Database, count: int) -> None:
    ids = [UUID(int=(n + 1) << 64 | 5) for n in range(count)]
    assert len({position("ana", id_) for id_ in ids}) == 1
    with database.write_engine.begin() as connection:
        insert_rows(connection, Customer, _anas(ids))
        index.refresh(connection, ids[:2])
        index.refresh(connection, ids)
        index.refresh(connection, ids)
    assert sorted(row.customer_id for row in entries(database)) == ids


def test_positions_sort_like_the_first_letters_in_every_script() -> None:
    some = UUID(int=2**26 - 1)
    names = [
        *("", "ab", "abba", "ana", "anton", "zz"),
        *("αβ", "ελενη", "ωμεγα", "анна", "иван", "йод", "ян", "احمد", "کریم", "یحیی", "王"),
    ]
    positions = [position(name, some) for name in names]
    assert positions == sorted(set(positions))
    assert all(0 <= place < 2**63 for place in positions)


def test_a_user_finds_own_customers_only_and_follows_the_owner(
    database: Database, system: Actor, add_customer: AddCustomer, add_user: AddUser
) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        users = [add_user(uow, login).id for login in ("one", "two", "three")]
        for number, owner in enumerate((*users, None)):
            add_customer(uow, f"Ana Kos {number}", owner, email=f"ana@kos{number}.example")
        uow.commit()

    def own(user: UUID) -> Actor:
        return Actor(user, "u", {CUSTOMER_VIEW: Reach.OWN})

    team = Actor(users[0], "u", {CUSTOMER_VIEW: Reach.TEAM}, frozenset(users[:2]))
    homeless = Actor(None, "u", {CUSTOMER_VIEW: Reach.OWN})
    for text in ("ana", "k", "kos", "ana kos", "ana@kos", "example"):
        assert found(database, own(users[0]), text) == ["Ana Kos 0"]
        assert found(database, team, text) == ["Ana Kos 0", "Ana Kos 1"]
        assert found(database, homeless, text) == []
    assert found(database, own(users[0]), "kos2.example") == []
    with unit_of_work(database, actor=system, write=True) as uow:
        customer = uow.scalar(select(Customer).where(Customer.name == "Ana Kos 0"))
        customer.owner_id = users[2]
        uow.commit()
    assert found(database, own(users[0]), "ana") == []
    assert found(database, own(users[2]), "kos") == ["Ana Kos 0", "Ana Kos 2"]


def test_creating_twice_and_dropping_leaves_no_trace(database: Database) -> None:
    with database.write_engine.begin() as connection:
        index.create(connection)
        index.drop(connection)
        names = database.engine.dialect.get_table_names(connection)
        assert not [name for name in names if name.startswith("core_search")]
        index.create(connection)


def test_without_the_right_to_add_trigrams_the_administrator_is_told_what_to_run(
    postgres_database: Database,
) -> None:
    role = f"crm_poor_{new_id().hex}"
    with postgres_database.engine.begin() as connection:
        index.drop(connection)
        connection.exec_driver_sql("DROP EXTENSION pg_trgm")
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        with pytest.raises(ConfigurationError, match="CREATE EXTENSION pg_trgm;") as refusal:
            index.create(connection)
        assert refusal.value.code == "core.search.no_trigrams"
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql(f"DROP ROLE {role}")
