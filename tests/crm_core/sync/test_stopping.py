"""Runs that somebody elsewhere asks to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from crm_core.access import Actor, Reach
from crm_core.entities import AuditEntry, Binding, SyncLock, SyncRun
from crm_core.errors import (
    NotFoundError,
    PermissionDeniedError,
    RetryableSyncError,
    RuleViolationError,
)
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import lock, stopping
from crm_core.sync.context import STOPPED, SyncContext
from crm_core.sync.run_record import close_run, open_run
from crm_core.sync.schedule import due_turns
from crm_core.sync.stopping import ask_stop, is_alive, running_of
from crm_files.backend import FilesBackend

OPERATOR = Actor(
    login="Ελένη", user_id=None, rights={"core.sync.run": Reach.ALL, "core.sync.view": Reach.ALL}
)
PATIENCE_SECONDS = 60.0
"""With what does not wait for ever, however busy the machine is."""


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: Any) -> None:
    monkeypatch.setattr(stopping, "SECONDS", 0.0)


def asked(office: Any, run_id: UUID | None = None, actor: Actor = OPERATOR) -> bool:
    """Ask for the end of a run, of the one under way where none is told, as another process."""
    with unit_of_work(office.database, actor=actor, write=True) as uow:
        is_heard = ask_stop(uow, run_id or running_of(uow, "main"))
        uow.commit()
    return is_heard


def runs(office: Any) -> list[Any]:
    columns = (SyncRun.id, SyncRun.state, SyncRun.message, SyncRun.stop_asked_by)
    return office.all(select(*columns).order_by(SyncRun.started_at, SyncRun.id))


def bound(office: Any) -> int:
    return int(office.all(select(func.count()).select_from(Binding))[0][0])


def stopped(office: Any) -> UUID:
    """Have a run stopped after its first page of customers, and return its id."""

    def after_a_page(entity: str, *_: Any) -> None:
        if entity == "customer":
            assert asked(office)

    with pytest.raises(RetryableSyncError, match="was stopped by Ελένη") as caught:
        office.run(on_progress=after_a_page)
    assert caught.value.code == STOPPED
    return UUID(str(runs(office)[-1].id))


def test_it_ends_at_its_next_page_and_the_next_goes_on_there(office: Any) -> None:
    run_id = stopped(office)
    (run,) = runs(office)
    assert (run.state, run.stop_asked_by) == ("stopped", "Ελένη")
    assert "Ελένη" in run.message
    assert office.all(select(SyncLock.token)) == [], "its lease was given back"
    [told] = office.all(select(AuditEntry).where(AuditEntry.action == "stop"))
    assert (told[0].actor_login, told[0].entity_id) == ("Ελένη", str(run_id))

    before = bound(office)
    assert before > 0
    report = office.run()
    assert report.state == "done", "what was asked of one run is not the next one's"
    assert report.counts["customer"]["created"] == 11, "four were on the first page"
    assert bound(office) > before


def test_two_who_ask_are_one_wish_and_the_first_is_named(office: Any) -> None:
    other = Actor(login="second", user_id=None, rights=OPERATOR.rights)

    def twice(entity: str, *_: Any) -> None:
        if entity == "customer":
            asked(office)
            asked(office, actor=other)

    with pytest.raises(RetryableSyncError, match="Ελένη"):
        office.run(on_progress=twice)
    assert runs(office)[0].stop_asked_by == "Ελένη"


def test_one_that_has_ended_is_not_stopped(office: Any) -> None:
    run_id = office.run().run_id
    with pytest.raises(RuleViolationError) as caught:
        asked(office, run_id)
    assert caught.value.code == "core.sync.run_ended"
    with pytest.raises(RuleViolationError) as caught:
        asked(office)
    assert caught.value.code == "core.sync.none_running"
    with pytest.raises(NotFoundError):
        asked(office, new_id())
    assert office.all(select(AuditEntry).where(AuditEntry.action == "stop")) == []
    assert office.run().state == "done"


def left_running(office: Any, **lease: Any) -> UUID:
    """Leave a run as a killed process does."""
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        token = lock.take(uow, office.backend.id, "main")
        uow.add(
            SyncRun(id=token, backend_id=office.backend.id, state="running", started_at=uow.now)
        )
        if lease:
            uow.execute(update(SyncLock).values(**lease))
        uow.commit()
    return token


def test_one_whose_process_is_gone_is_closed(office: Any) -> None:
    run_id = left_running(office, holder=f"{lock.socket.gethostname()}:1:not-when-it-began")
    assert not asked(office, run_id)
    (run,) = runs(office)
    assert run.state == "failed"
    assert office.all(select(SyncLock.token)) == []
    assert office.run().state == "done"


def test_one_of_another_machine_is_gone_when_its_lease_has_ended(office: Any) -> None:
    run_id = left_running(office, holder="elsewhere:1:1")
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        assert is_alive(uow, office.backend.id, run_id)
        uow.execute(update(SyncLock).values(expires_at=uow.now - timedelta(seconds=1)))
        assert not is_alive(uow, office.backend.id, run_id)
        uow.commit()
    assert not asked(office, run_id)
    assert runs(office)[0].state == "failed"


def test_one_that_lost_its_lease_is_no_ground_to_take_the_new_holders(office: Any) -> None:
    run_id = left_running(office, holder="elsewhere:1:1")
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(update(SyncLock).values(token=new_id()))  # as ``crm sync apply`` holds it
        uow.commit()
    assert not asked(office, run_id)
    assert len(office.all(select(SyncLock.token))) == 1


def test_one_that_is_taken_over_at_that_moment_holds_up_nobody(office: Any) -> None:
    run_id = left_running(office, holder=f"{lock.socket.gethostname()}:1:not-when-it-began")
    with taken_over(office, lambda: asked(office, run_id)) as asking:
        with pytest.raises(RuleViolationError) as caught:
            asking.result(PATIENCE_SECONDS)
    assert caught.value.code == "core.sync.run_ended"
    assert [run.state for run in runs(office)] == ["failed", "running"]


def test_one_that_ends_while_it_is_taken_over_holds_up_nobody(office: Any) -> None:
    run_id = left_running(office, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    told = (office.database, office.backend.id, "main", FilesBackend(office.folder), office.actor)
    with taken_over(
        office, lambda: close_run(SyncContext(*told, run_id), run_id, "done", None, {})
    ) as ending:
        ending.result(PATIENCE_SECONDS)
    assert [run.state for run in runs(office)] == ["done", "running"]


@contextmanager
def taken_over(office: Any, meanwhile: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Have a new run begin, and something happen elsewhere while it takes the lease."""
    with (
        ThreadPoolExecutor(1) as elsewhere,
        unit_of_work(office.database, actor=office.actor, write=True) as uow,
    ):
        token = lock.take(uow, office.backend.id, "main")
        done = elsewhere.submit(meanwhile)
        wait([done], 0.5)  # it waits for this transaction
        open_run(uow, office.backend.id, token)
        uow.commit()
        yield done
    assert office.all(select(SyncLock.token))[0][0] == token


def test_the_worker_takes_it_up_again_at_the_usual_time(office: Any) -> None:
    stopped(office)
    with unit_of_work(office.database, actor=office.actor) as uow:
        assert due_turns(uow, timedelta(minutes=5)) == []
        assert due_turns(uow, timedelta(0)) != []


def test_it_takes_the_right_to_run(office: Any) -> None:
    run_id = left_running(office)
    watcher = Actor(login="watcher", user_id=None, rights={"core.sync.view": Reach.ALL})
    with pytest.raises(PermissionDeniedError):
        asked(office, run_id, watcher)
    assert runs(office)[0].stop_asked_by is None
