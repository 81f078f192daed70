"""Records that a database or the code cannot take, and faults that are no record's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_core.entities import Customer, DeadLetter, SyncRun, Transaction
from crm_core.entities.sync import Binding
from crm_core.errors import ConfigurationError
from crm_core.sync import batch, sweep
from crm_core.sync.apply import APPLIERS
from crm_core.sync.protocol import RemotePage
from crm_files.backend import FilesBackend


def count(office: Any, model: Any, *where: Any) -> int:
    return office.all(select(func.count()).select_from(model).where(*where))[0][0]


def noise(length: int) -> str:
    """Return text that no compression makes short."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(random.Random(7).choices(letters, k=length))


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a\x00b"},
        {"name": noise(20_000)},
        {"website": "https://example.com/" + noise(20_000)},
        {"reference": noise(20_000)},
    ],
    ids=["nul", "long name", "long address", "long reference"],
)
def test_a_record_that_a_database_cannot_hold_stops_nobody_else(
    office: Any, values: dict[str, str]
) -> None:
    office.set("customers.csv", "c13", **values)
    office.run()
    assert count(office, Transaction) == 15
    assert count(office, Customer) + count(office, DeadLetter) == 15


def test_a_record_that_breaks_the_code_is_set_aside(office: Any, monkeypatch: Any) -> None:
    applier = APPLIERS["customer"]
    real = applier.prepare

    def breaking(context: Any, change: Any) -> Any:
        if change.remote_id == "c13":
            raise AttributeError("nobody thought of this")
        return real(context, change)

    monkeypatch.setattr(applier, "prepare", breaking)
    assert office.run().state == "partly"
    assert office.all(select(DeadLetter.remote_id)) == [("c13",)]
    assert count(office, Transaction) == 15


def test_the_same_record_twice_in_a_page_is_set_aside(office: Any) -> None:
    office.edit("customers.csv", lambda rows: [*rows, rows[-1] | {"name": "Its double"}])
    office.run(page_size=50)
    assert count(office, Customer) == 14
    reason = office.all(select(DeadLetter.reason).where(DeadLetter.remote_id == "c15"))[0].reason
    assert "more than once" in reason


def test_a_database_that_fails_in_the_middle_sets_no_record_aside(
    office: Any, monkeypatch: Any
) -> None:
    real = APPLIERS["customer"].apply

    def failing(context: Any, uow: Any, changes: Any) -> Any:
        real(context, uow, changes)
        if office.database.is_sqlite:
            raise ConfigurationError("The disk is full.", code="core.database.disk_full")
        uow.connection().exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(APPLIERS["customer"], "apply", failing)
    with pytest.raises(ConfigurationError):
        office.run()
    monkeypatch.undo()
    assert count(office, DeadLetter) == count(office, Customer) == 0
    assert office.all(select(SyncRun.state))[0].state == "failed"
    assert office.run().state == "done"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # only a server does that
def test_a_statement_that_takes_too_long_stops_the_run(office: Any, monkeypatch: Any) -> None:

    def slow(context: Any, uow: Any, changes: Any) -> Any:
        uow.connection().exec_driver_sql("SET LOCAL statement_timeout = 20")
        uow.connection().exec_driver_sql("SELECT pg_sleep(2)")

    monkeypatch.setattr(APPLIERS["customer"], "apply", slow)
    with pytest.raises(ConfigurationError):
        office.run()
    assert count(office, DeadLetter) == 0


def test_very_many_set_aside_are_tried_again_a_part_at_a_time(
    office: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sweep, "RETRIES", 3)

    class Unmoved(FilesBackend):
        reads = 0

        def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
            return iter(())

        def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
            self.reads += len(remote_ids)
            return super().read(entity, remote_ids)

    office.edit("customers.csv", lambda rows: [row | {"kind": "robot"} for row in rows])
    office.run(entities=["customer"])
    remote = Unmoved(office.folder)
    for _ in range(5):
        office.run(remote, entities=["customer"])
    assert remote.reads == 15
    attempts = office.all(select(DeadLetter.attempts))
    assert {row.attempts for row in attempts} == {2}, "each had its turn"


def test_batches_keep_their_counts_when_they_are_halved(office: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(batch.log, "warning", lambda *_, **__: None)
    office.set("orders.csv", "o3", total_amount="9" * 30)
    report = office.run(entities=["user", "currency", "product", "customer", "address", "order"])
    assert report.counts["order"]["set_aside"] == 1
    assert count(office, DeadLetter) == 1
    assert report.counts["order"]["created"] == count(office, Binding, Binding.entity == "order")
