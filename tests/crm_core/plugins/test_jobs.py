"""Jobs of plugins (crm_register_jobs): done once when due, apart from each other."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import JobRun, Tag
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.plugins.jobs import run_jobs
from crm_hooks.contributions import Job


def tag(uow: Any) -> None:
    uow.add(Tag(name=f"done {time.monotonic_ns()}"))


def fail(uow: Any) -> None:
    tag(uow)
    raise RuntimeError("boom")


def reach_out(database: Database) -> None:
    with unit_of_work(database, actor=Actor(None, "reaching"), write=True) as uow:
        tag(uow)
        uow.commit()


def leave(uow: Any) -> None:
    sys.exit(3)


def hang(uow: Any) -> None:
    time.sleep(30)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "the_jobs", sys.modules[__name__])


def job(name: str, **values: Any) -> dict[str, Job]:
    return {f"test.{name}": Job(f"test.{name}", f"the_jobs:{name}", **values)}


def count(database: Database, system: Actor, model: Any) -> int:
    with unit_of_work(database, actor=system) as uow:
        return int(uow.scalar(select(func.count()).select_from(model)))


def test_a_job_is_done_when_it_is_due_and_not_before(database: Database, system: Actor) -> None:
    assert run_jobs(database, job("tag"), everything=False) == {}
    assert run_jobs(database, job("tag"), everything=False) == {}
    assert count(database, system, Tag) == 1
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.get(JobRun, "test.tag").started_at -= timedelta(minutes=61)
        uow.commit()
    run_jobs(database, job("tag"), everything=False)
    assert count(database, system, Tag) == 2
    run_jobs(database, job("tag"), everything=True)
    assert count(database, system, Tag) == 3


@pytest.mark.parametrize(
    ("name", "says"), [("fail", "RuntimeError: boom"), ("leave", "SystemExit: 3"), ("hang", "hung")]
)
def test_one_that_fails_is_named_undone_and_holds_up_no_other(
    sqlite_database: Database, system: Actor, name: str, says: str
) -> None:
    # Of those that hang alone: another may be kept waiting for so long.
    limit = {"limit_seconds": 0.2} if name == "hang" else {}
    jobs = {**job(name, **limit), **job("tag")}
    failed = run_jobs(sqlite_database, jobs, everything=False)
    assert list(failed) == [f"test.{name}"]
    assert says in failed[f"test.{name}"]
    assert count(sqlite_database, system, Tag) == 1
    with unit_of_work(sqlite_database, actor=system) as uow:
        row = uow.get(JobRun, f"test.{name}")
        assert says in str(row.error)
        assert row.finished_at is not None


def test_two_workers_do_it_once(postgres_database: Database, system: Actor) -> None:
    def work(_: int) -> dict[str, str]:
        return run_jobs(postgres_database, job("tag"), everything=False)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [{}] * 4
    assert count(postgres_database, system, Tag) == 1


def test_one_whose_place_is_wrong_is_named(sqlite_database: Database) -> None:
    jobs = {"test.lost": Job("test.lost", "the_jobs:nothing")}
    failed = run_jobs(sqlite_database, jobs, everything=False)
    assert "names the_jobs:nothing, which cannot be imported" in failed["test.lost"]


def test_a_job_that_reaches_out_opens_its_own_units_of_work(
    database: Database, system: Actor
) -> None:
    assert run_jobs(database, job("reach_out", with_database=True), everything=False) == {}
    assert count(database, system, Tag) == 1
    assert count(database, system, JobRun) == 1
