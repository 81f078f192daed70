"""The audit's chain: whatever is done to a sealed row is found, except erasing on purpose."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from crm_core.access import Actor, Reach
from crm_core.entities import AuditEntry, Customer
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows, table_of
from crm_core.persistence.database import Database
from crm_core.persistence.session import audit_row
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.audit import erase_values, list_audit, seal, verify

AUDIT = table_of(AuditEntry)
NOW = datetime(2024, 5, 1, tzinfo=UTC)
CUSTOMER, OTHER = new_id(), new_id()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("ключ"), inner),
    max_leaves=6,
)


def write(database: Database, actor: Actor, count: int, changes: Any = None) -> None:
    """Commit audit rows, in turn on one customer and another."""
    rows = [
        audit_row(
            actor,
            "update",
            "customer",
            (CUSTOMER, OTHER)[number % 2],
            (CUSTOMER, OTHER)[number % 2],
            {"name": [f"old {number}", "νέο"]} if changes is None else changes,
        )
        for number in range(count)
    ]
    with database.write_engine.begin() as connection:
        insert_rows(connection, AuditEntry, rows)


@pytest.fixture
def sealed(database: Database, system: Actor) -> Database:
    """A database of each kind with nine sealed rows."""
    write(database, system, 9)
    assert seal(database) == 9
    return database


def alter(database: Database, place: int, /, **values: Any) -> None:
    with database.write_engine.begin() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.position == place).values(**values))


def test_sealed_rows_verify(sealed: Database, system: Actor) -> None:
    report = verify(sealed)
    assert (report.sealed, report.unsealed, report.erased) == (9, 0, 0)
    assert report.first_break is None
    assert report.head_hash is not None
    assert len(report.head_hash) == 64

    write(sealed, system, 3)
    waiting = verify(sealed)
    assert (waiting.sealed, waiting.unsealed) == (9, 3)
    assert waiting.head_hash == report.head_hash
    assert seal(sealed) == 3
    assert seal(sealed) == 0
    grown = verify(sealed)
    assert (grown.sealed, grown.unsealed, grown.first_break) == (12, 0, None)
    assert grown.head_hash != report.head_hash


def test_an_empty_audit_verifies(database: Database) -> None:
    assert seal(database) == 0
    report = verify(database)
    assert (report.sealed, report.head_hash, report.first_break) == (0, None, None)


TAMPERINGS: dict[str, dict[str, Any]] = {
    "id": {"id": 4711},
    "at": {"at": NOW + timedelta(microseconds=1)},
    "actor_id": {"actor_id": new_id()},
    "actor_login": {"actor_login": "mallory"},
    "origin": {"origin": "elsewhere"},
    "action": {"action": "create"},
    "entity_type": {"entity_type": "address"},
    "entity_id": {"entity_id": str(new_id())},
    "customer_id": {"customer_id": None},
    "changes": {"changes": {"name": ["old 4", "harmless"]}},
    "changes removed": {"changes": None},
    "salt": {"salt": b"x" * 16},
    "salt removed": {"salt": None},
    "values_hash": {"values_hash": b"x" * 32},
    "values_hash removed": {"values_hash": None},
    "chain_hash": {"chain_hash": b"x" * 32},
    "position": {"position": 500},
    "unsealed again": {"position": None},
}


def test_tampering_covers_every_column() -> None:
    touched = {column for values in TAMPERINGS.values() for column in values}
    assert touched == {column.name for column in AUDIT.columns}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", TAMPERINGS)
def test_an_altered_column_is_found_and_named(sealed: Database, what: str) -> None:
    with sealed.engine.connect() as connection:
        audit_id = connection.scalar(select(AUDIT.c.id).where(AUDIT.c.position == 5))
    alter(sealed, 5, **TAMPERINGS[what])
    report = verify(sealed)
    assert report.first_break is not None
    assert report.head_hash is None
    assert report.first_break.position == 5
    if what in ("position", "unsealed again"):
        assert report.first_break.audit_id is None
        assert "Positions 5 to 5" in report.first_break.reason
    else:
        expected = TAMPERINGS[what].get("id", audit_id)
        assert report.first_break.audit_id == expected
        assert f"audit row {expected} " in report.first_break.reason.replace("Audit", "audit")


def test_a_deleted_row_is_found(sealed: Database) -> None:
    with sealed.write_engine.begin() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.position.in_([4, 5])))
    found = verify(sealed).first_break
    assert found is not None
    assert (found.position, found.audit_id) == (4, None)
    assert "Positions 4 to 5" in found.reason


def test_a_deleted_row_hidden_by_counting_anew_is_found(sealed: Database) -> None:
    with sealed.write_engine.begin() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.position == 4))
    for position in range(5, 10):
        alter(sealed, position, position=position - 1)
    found = verify(sealed).first_break
    assert found is not None
    assert found.position == 4
    assert "another order" in found.reason


def test_two_rows_that_changed_places_are_found(sealed: Database) -> None:
    for position, target in ((3, 999), (6, 3), (999, 6)):
        alter(sealed, position, position=target)
    found = verify(sealed).first_break
    assert found is not None
    assert found.position == 3


def test_rows_cut_off_the_end_show_in_the_head(sealed: Database) -> None:
    before = verify(sealed)
    with sealed.write_engine.begin() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.position == 9))
    after = verify(sealed)
    assert after.sealed == 8
    assert after.head_hash != before.head_hash


def test_erasing_a_person_is_no_break(sealed: Database, system: Actor) -> None:
    head = verify(sealed).head_hash
    write(sealed, system, 2)
    with unit_of_work(sealed, actor=system, write=True) as uow:
        assert erase_values(uow, CUSTOMER) == 6
        uow.commit()
    report = verify(sealed)
    assert report.first_break is None
    assert report.erased == 5
    assert report.head_hash == head
    assert seal(sealed) == 3
    assert verify(sealed).first_break is None
    with unit_of_work(sealed, actor=system) as uow:
        mine = list_audit(uow, customer_id=CUSTOMER).items
        others = list_audit(uow, customer_id=OTHER).items
    assert mine[0]["action"] == "erase"
    assert not any(entry["changes"] for entry in mine)
    assert all(entry["actor_login"] == "system" for entry in mine)
    assert all(entry["changes"] for entry in others)


def test_erasing_needs_its_right(sealed: Database) -> None:
    auditor = Actor(None, "auditor", {"core.audit.view": Reach.ALL})
    with (
        unit_of_work(sealed, actor=auditor, write=True) as uow,
        pytest.raises(PermissionDeniedError),
    ):
        erase_values(uow, CUSTOMER)
    assert verify(sealed).erased == 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.sampled_from(["α", "name"]), JSON))
def test_any_value_seals_and_verifies(
    database: Database, system: Actor, changes: dict[str, Any]
) -> None:
    write(database, system, 1, changes)
    seal(database)
    assert verify(database).first_break is None


def in_threads(*work: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(work)) as pool:
        return [running.result() for running in [pool.submit(one) for one in work]]


def test_two_sealers_at_once_make_one_chain(database: Database, system: Actor) -> None:
    write(database, system, 2_600)
    others = [Database(database.url) for _ in range(2)]
    counts = in_threads(*(lambda other=other: seal(other) for other in others))
    for other in others:
        other.dispose()
    assert sum(counts) == 2_600
    report = verify(database)
    assert (report.sealed, report.unsealed, report.first_break) == (2_600, 0, None)


def test_sealing_while_others_write(database: Database, system: Actor) -> None:
    written = threading.Event()
    waits: list[float] = []

    def writer() -> None:
        other = Database(database.url)
        for _ in range(30):
            began = time.perf_counter()
            write(other, system, 20)
            waits.append(time.perf_counter() - began)
        other.dispose()
        written.set()

    def sealer() -> int:
        other, sealed = Database(database.url), 0
        while not written.is_set():
            sealed += seal(other)
        other.dispose()
        return sealed

    _, sealed = in_threads(writer, sealer)
    sealed += seal(database)
    assert sealed == 600
    assert sorted(waits)[len(waits) // 2] < 5, "half of what a lock is waited for"
    assert verify(database).first_break is None


def test_rows_committed_late_are_sealed_late(postgres_database: Database, system: Actor) -> None:
    slow = Database(postgres_database.url)
    with slow.write_engine.begin() as connection:
        insert_rows(
            connection,
            AuditEntry,
            [audit_row(system, "create", "customer", CUSTOMER, CUSTOMER, {"name": [None, "x"]})],
        )
        write(postgres_database, system, 2)
        assert seal(postgres_database) == 2, "nobody waits for an open transaction"
    assert seal(postgres_database) == 1
    slow.dispose()
    with postgres_database.engine.connect() as connection:
        by_position = select(AUDIT.c.id).order_by(AUDIT.c.position)
        assert list(connection.scalars(by_position)) == [2, 3, 1]
    assert verify(postgres_database).first_break is None


def test_progress_is_told(database: Database, system: Actor, monkeypatch: Any) -> None:
    monkeypatch.setattr("crm_core.persistence.audit_chain.VERIFY_PAGE", 4)
    write(database, system, 10)
    seal(database)
    told: list[tuple[int, int]] = []
    verify(database, lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10)]


def test_listing_is_paged_newest_first(sealed: Database, system: Actor) -> None:
    with unit_of_work(sealed, actor=system) as uow:
        first = list_audit(uow, entity_type="customer", limit=6)
        rest = list_audit(uow, entity_type="customer", limit=6, cursor=first.next_cursor)
        assert rest.next_cursor is None
        ids = [entry["id"] for entry in [*first.items, *rest.items]]
        assert ids == sorted(ids, reverse=True)
        assert len(ids) == 9
        assert first.items[0]["changes"] == {"name": ["old 8", "νέο"]}
        assert list_audit(uow, entity_type="address").items == []
        of_one = list_audit(uow, entity_type="customer", entity_id=str(OTHER)).items
        assert {entry["customer_id"] for entry in of_one} == {OTHER}
        with pytest.raises(InputError):
            list_audit(uow, cursor="nonsense")


def test_listing_needs_the_right(sealed: Database) -> None:
    seller = Actor(new_id(), "seller", {"core.customer.view": Reach.ALL})
    with unit_of_work(sealed, actor=seller) as uow, pytest.raises(PermissionDeniedError):
        list_audit(uow)


def test_what_the_session_writes_can_be_sealed(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        customer = uow.add(Customer(name="Ωμέγα", created_at=NOW, updated_at=NOW))
        uow.commit()
        customer.note = "\u2028 emoji 😀"
        uow.commit()
    assert seal(database) == 2
    assert verify(database).first_break is None


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_sealed_in_little_memory(
    database: Database, system: Actor
) -> None:
    for _ in range(10):
        write(database, system, 10_000)
    began = time.thread_time()
    assert seal(database) == 100_000
    assert verify(database).first_break is None
    assert time.thread_time() - began < 60
