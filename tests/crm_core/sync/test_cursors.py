from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from crm_core.entities import SyncCursor, SyncRun
from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.context import STOPPED
from crm_core.sync.protocol import CURSOR

DAMAGED = {"sqlite": "'yesterday'", "postgresql": "'infinity'"}


def damage(office: Any, column: str, value: str) -> None:
    with office.database.write_engine.begin() as connection:
        connection.execute(
            text(f"UPDATE core_sync_cursor SET {column} = {value} WHERE entity = 'customer'")
        )


@pytest.mark.parametrize("column", ["mark", "sweep_mark"])
def test_what_is_no_moment_is_refused_before_anything_is_read(office: Any, column: str) -> None:
    office.run()
    office.set("tags.csv", "t1", name="Changed Meanwhile")
    before = office.state()
    damage(office, column, DAMAGED[office.database.engine.dialect.name])
    with pytest.raises(FatalSyncError) as caught:
        office.run()
    assert caught.value.code == CURSOR
    assert "crm sync run main --full --entity customer" in caught.value.message
    assert office.state() == before
    assert office.run(entities=["tag"]).state == "done", "what is sound goes on"
    assert office.run(full=True, entities=["customer"]).state == "done"
    assert office.run().state == "done"


def test_a_full_run_of_another_entity_does_not_repair_it(office: Any) -> None:
    office.run()
    ahead = (datetime.now(UTC) + timedelta(days=9)).strftime("'%Y-%m-%d %H:%M:%S.000000'")
    damage(office, "mark", ahead)
    office.run(full=True, entities=["tag"])
    with pytest.raises(FatalSyncError, match="clocks"):
        office.run()


def test_a_mark_a_little_ahead_is_within_the_overlap(office: Any) -> None:
    office.run()
    ahead = (datetime.now(UTC) + timedelta(minutes=5)).strftime("'%Y-%m-%d %H:%M:%S.000000'")
    damage(office, "mark", ahead)
    assert office.run().state == "done"


def test_a_run_that_is_asked_to_stop_keeps_its_pages_and_says_so(office: Any) -> None:
    seen: list[str] = []

    def is_stopped() -> bool:
        return "customer" in seen

    with pytest.raises(RetryableSyncError) as caught:
        office.run(is_stopped=is_stopped, on_progress=lambda entity, *_: seen.append(entity))
    assert caught.value.code == STOPPED
    (run,) = office.all(select(SyncRun.state, SyncRun.counts))
    assert run.state == "stopped"
    assert run.counts["entities"]["customer"]["created"] == 4, "one page"
    (cursor,) = office.all(
        select(SyncCursor.sweep_after, SyncCursor.mark).where(SyncCursor.entity == "customer")
    )
    assert cursor.sweep_after is not None
    assert cursor.mark is None
    assert office.run().counts["customer"]["created"] == 11
    assert office.run().counts["customer"].get("created", 0) == 0


@pytest.mark.parametrize("sweep", [True, False])
def test_when_ids_were_last_compared_is_kept(office: Any, sweep: bool) -> None:
    office.run(sweep=sweep)
    rows = office.all(select(SyncCursor.swept_at, SyncCursor.began_at))
    assert rows
    assert all((row.swept_at is not None) == sweep for row in rows)
    assert len({row.began_at for row in rows}) == 1, "all of a run bear its beginning"


def test_records_are_written_in_batches_of_the_size_that_is_set(front: Any) -> None:
    told: list[int] = []

    def watch(entity: str, done: int, _total: int | None) -> None:
        if entity == "writing customer":
            told.append(done)

    for number in range(7):
        front.create(f"Company {number}")
    front.run(batch_size=3, on_progress=watch)
    assert told == [3, 6, 7]
