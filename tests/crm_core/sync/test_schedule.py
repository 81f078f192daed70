from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from crm_core.entities import Backend, SyncCursor, SyncRun
from crm_core.errors import FatalSyncError, InputError, RetryableSyncError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.settings import set_setting
from crm_core.sync import schedule as subject
from crm_core.sync.permit import place_of
from crm_core.sync.protocol import RIGHT_MISSING
from crm_core.sync.schedule import due_turns, set_schedule
from crm_files.backend import FilesBackend

FIVE = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _without_jitter(monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "JITTER", 0)


@pytest.fixture
def set_(office: Any) -> Any:
    def act(**changes: Any) -> None:
        with unit_of_work(office.database, actor=office.actor, write=True) as uow:
            set_schedule(uow, "main", **changes)
            uow.commit()

    return act


@pytest.fixture
def turn(office: Any) -> Any:
    def act(**options: Any) -> Any:
        with unit_of_work(office.database, actor=office.actor) as uow:
            turns = due_turns(uow, FIVE, **options)
        assert len(turns) < 2
        return turns[0] if turns else None

    return act


def pass_time(office: Any, by: timedelta) -> None:
    """Have all that was done been done so much longer ago."""
    write(office, SyncRun, started_at=by)
    write(office, SyncCursor, began_at=by, swept_at=by)


def write(office: Any, model: Any, **back: timedelta) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        keys = [model.backend_id, model.entity] if model is SyncCursor else [model.id]
        for row in uow.execute(subject.select(*keys, *(getattr(model, n) for n in back))).all():
            values = {n: v - by for n, by in back.items() if (v := getattr(row, n)) is not None}
            where = [key == getattr(row, key.key) for key in keys]
            if values:
                uow.execute(
                    update(model)
                    .where(*where)
                    .values(**values)
                    .execution_options(synchronize_session=False)
                )
        uow.commit()


def test_without_a_schedule_all_of_it_runs_at_the_usual_interval(office: Any, turn: Any) -> None:
    assert turn().left_out == frozenset()
    assert turn().sweep
    office.run()
    assert turn() is None
    pass_time(office, FIVE - timedelta(minutes=2))  # the rest is for a machine that is busy
    assert turn() is None
    pass_time(office, timedelta(minutes=2))
    assert turn().left_out == frozenset()


def test_an_interval_of_its_own_wins_over_the_usual_one(office: Any, turn: Any, set_: Any) -> None:
    set_(every="1h")
    office.run()
    pass_time(office, FIVE)
    assert turn() is None
    pass_time(office, timedelta(hours=1))
    assert turn() is not None


def test_entities_have_intervals_of_their_own(office: Any, turn: Any, set_: Any) -> None:
    set_(every="10m", entities=["customer=3m", "invoice=1h"])
    office.run()
    pass_time(office, timedelta(minutes=1))  # the rest is for a machine that is busy
    assert turn() is None
    pass_time(office, timedelta(minutes=2))
    left_out = turn().left_out
    assert "customer" not in left_out
    assert {"invoice", "order", "tag"} <= left_out
    office.run(left_out=left_out)
    assert turn() is None
    pass_time(office, timedelta(minutes=10))
    assert turn().left_out == {"invoice"}
    pass_time(office, timedelta(hours=1))
    assert turn().left_out == frozenset()


def test_what_is_left_out_is_neither_read_nor_written(office: Any) -> None:
    office.run()
    office.set("customers.csv", "c05", name="Νέο Όνομα")
    office.set("tags.csv", "t1", name="Renamed")
    before = office.state()
    report = office.run(left_out={"customer", "tag"})
    assert "customer" not in report.counts
    assert office.state() == before
    assert office.run().counts["customer"]["updated"] == 1


def test_one_that_was_stopped_half_way_is_gone_on_with(office: Any, turn: Any, set_: Any) -> None:
    set_(entities=["customer=1m"])
    office.run()
    write_sweep = update(SyncCursor).where(SyncCursor.entity == "invoice")
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(write_sweep.values(sweep_mark=datetime.now(UTC)))
        uow.execute(update(SyncRun).values(state="running"))
        uow.commit()
    pass_time(office, timedelta(minutes=2))
    assert {"customer", "invoice"} & turn().left_out == set()


def test_what_is_gone_is_looked_for_at_its_own_interval(office: Any, turn: Any, set_: Any) -> None:
    set_(sweep="1h")
    assert turn().sweep
    office.run()
    pass_time(office, FIVE)
    assert not turn().sweep
    office.drop("tags.csv", "t1")
    assert "vanished" not in office.run(sweep=False).counts["tag"]
    pass_time(office, timedelta(hours=1))
    assert turn().sweep
    assert office.run(sweep=True).counts["tag"]["vanished"] == 1
    pass_time(office, FIVE)
    assert not turn().sweep


def test_heavy_work_keeps_to_its_hours_in_the_companys_time_zone(
    office: Any, turn: Any, set_: Any
) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        set_setting(uow, "time_zone", "Asia/Tehran")  # 3:30 ahead of UTC
        uow.commit()
    here = datetime.now(UTC) + timedelta(hours=3, minutes=30)
    around = [(here + timedelta(hours=h)).strftime("%H:00") for h in (-1, 2, 4)]
    set_(heavy_hours=f"{around[0]}-{around[1]}")
    assert turn().sweep
    set_(heavy_hours=f"{around[1]}-{around[2]}")
    assert not turn().sweep
    set_(heavy_hours="default")
    assert turn().sweep


class NoInvoices(FilesBackend):
    """One whose user may not read invoices."""

    def pages(self, entity: str, **options: Any) -> Any:
        if entity == "invoice":
            raise FatalSyncError("The right to read invoices is missing.", code=RIGHT_MISSING)
        return super().pages(entity, **options)


class WithoutInvoices(FilesBackend):
    """One that offers no invoices any more."""

    def entities(self) -> Any:
        return [each for each in super().entities() if each.name != "invoice"]


@pytest.mark.parametrize("kind", [NoInvoices, WithoutInvoices])
def test_what_cannot_be_read_makes_no_run_due_and_none_look_for_what_is_gone(
    office: Any, turn: Any, set_: Any, kind: Any
) -> None:
    set_(every="10m", entities=["customer=1m"], sweep="1h")
    office.run()
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        invoice = update(SyncCursor).where(SyncCursor.entity == "invoice")
        uow.execute(invoice.values(sweep_mark=uow.now, swept_at=None))
        uow.commit()
    pass_time(office, timedelta(hours=2))
    assert turn().sweep
    office.run(kind(office.folder), left_out=turn().left_out)
    assert turn() is None
    pass_time(office, timedelta(minutes=2))
    found = turn()
    assert {"invoice", "tag"} <= found.left_out
    assert "customer" not in found.left_out
    assert not found.sweep
    office.run(kind(office.folder), left_out=found.left_out, sweep=False)
    pass_time(office, timedelta(minutes=10))
    assert turn().left_out == frozenset()
    assert not turn().sweep


def test_one_that_is_swept_often_does_not_hide_the_others(
    office: Any, turn: Any, set_: Any
) -> None:
    set_(every="1h", entities=["customer=1m"], sweep="2h")
    office.run()
    pass_time(office, timedelta(minutes=90))
    others = {row.entity for row in office.all(subject.select(SyncCursor.entity))} - {"customer"}
    office.run(left_out=others, sweep=True)
    pass_time(office, timedelta(minutes=40))
    assert turn().sweep
    assert turn().left_out == frozenset()


def test_the_search_for_what_is_gone_makes_a_run_due(office: Any, turn: Any, set_: Any) -> None:
    set_(every="1d", sweep="1h")
    office.run()
    pass_time(office, timedelta(minutes=50))
    assert turn() is None
    pass_time(office, timedelta(minutes=11))
    assert turn().sweep
    write(office, SyncCursor, began_at=-timedelta(minutes=61), swept_at=timedelta(0))
    office_failed_just_now(office)
    assert turn() is None, "it failed just now"


def office_failed_just_now(office: Any) -> None:
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(update(SyncRun).values(state="failed", started_at=uow.now))
        uow.commit()


def test_the_hours_of_heavy_work_make_a_run_due_once(office: Any, turn: Any, set_: Any) -> None:
    hours = [(datetime.now(UTC) + timedelta(minutes=m)).strftime("%H:%M") for m in (-60, 60)]
    set_(every="12h", heavy_hours="-".join(hours))
    office.run()
    assert turn() is None
    pass_time(office, timedelta(hours=2))
    assert turn().sweep
    assert turn().left_out == frozenset()
    office_failed_just_now(office)
    assert turn() is None, "it failed just now"
    office.run()
    assert turn() is None
    later = [(datetime.now(UTC) + timedelta(hours=h)).strftime("%H:%M") for h in (2, 3)]
    set_(heavy_hours="-".join(later))
    pass_time(office, timedelta(hours=2))
    assert turn() is None


def test_nothing_is_left_out_until_a_confirmed_copy_is_in_step(
    office: Any, turn: Any, set_: Any
) -> None:
    set_(every="10m", entities=["customer=1m"])
    office.run()
    pass_time(office, timedelta(minutes=2))
    assert turn().left_out
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        values = {"plan_accepted_at": uow.now, "writes_from": place_of(office.database)}
        moments = {"confirmed_at": uow.now, "reconciled_at": None}
        uow.execute(update(Backend).values(**values, **moments))
        uow.commit()
    assert turn().left_out == frozenset()
    office.run(left_out=turn().left_out)
    pass_time(office, timedelta(minutes=2))
    assert turn().left_out, "it is in step"


def test_a_copy_that_cannot_be_brought_in_step_is_not_run_whole_ever_and_again(
    office: Any, turn: Any, set_: Any
) -> None:
    set_(every="10m", entities=["customer=1m"])
    office.run()
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        values = {"plan_accepted_at": uow.now, "writes_from": place_of(office.database)}
        moments = {"confirmed_at": uow.now, "reconciled_at": None}
        uow.execute(update(Backend).values(**values, **moments))
        uow.commit()
    pass_time(office, timedelta(minutes=2))
    assert turn().left_out == frozenset(), "it was not tried yet"
    with unit_of_work(office.database, actor=office.actor) as uow:
        columns = (Backend.hindrances, Backend.reconciled_at)
        before = uow.execute(subject.select(*columns)).one()
    office.run(NoInvoices(office.folder), dry_run=True)
    office.run(dry_run=True)
    assert office.all(subject.select(*columns)) == [before], "a dry run notes nothing"
    office.run(NoInvoices(office.folder))
    assert office.all(subject.select(Backend.hindrances))[0][0] == [
        "invoice: The right to read invoices is missing."
    ]
    assert turn() is None
    write(office, Backend, confirmed_at=timedelta(minutes=2))
    pass_time(office, timedelta(minutes=2))
    left_out = turn().left_out
    assert {"invoice", "tag"} <= left_out
    office.run(NoInvoices(office.folder), left_out=left_out)
    assert office.all(subject.select(Backend.hindrances))[0][0], "it still stands"
    write(office, Backend, confirmed_at=timedelta(minutes=10))
    pass_time(office, timedelta(minutes=10))
    assert turn().left_out == frozenset(), "it is tried again with the slowest"
    office.run(left_out=turn().left_out)
    assert office.all(subject.select(Backend.hindrances))[0][0] == []
    write(office, Backend, confirmed_at=timedelta(minutes=2), reconciled_at=timedelta(minutes=2))
    pass_time(office, timedelta(minutes=2))
    assert turn().left_out, "it is in step"


def test_every_record_is_read_again_at_an_interval_of_its_own(
    office: Any, turn: Any, set_: Any
) -> None:
    office.run()
    pass_time(office, timedelta(days=30))
    assert not turn().full, "off by default"
    set_(full="7d")
    office.run()
    assert turn() is None
    age(office, timedelta(days=3))
    assert not turn().full
    age(office, timedelta(days=4))
    assert turn().full
    office.run(full=turn().full, left_out=turn().left_out)
    pass_time(office, FIVE)
    assert not turn().full


def age(office: Any, by: timedelta) -> None:
    pass_time(office, by)
    write(office, SyncCursor, full_at=by)


def test_a_full_read_keeps_to_the_hours_of_heavy_work_and_calls_for_a_run_then(
    office: Any, turn: Any, set_: Any
) -> None:
    hours = [(datetime.now(UTC) + timedelta(minutes=m)).strftime("%H:%M") for m in (-60, 60)]
    later = [(datetime.now(UTC) + timedelta(hours=h)).strftime("%H:%M") for h in (2, 3)]
    set_(every="20d", sweep="20d", full="1d", heavy_hours="-".join(later))
    office.run()
    age(office, timedelta(days=2))
    assert turn() is None
    set_(heavy_hours="-".join(hours))
    assert turn().full
    assert turn().left_out == frozenset()
    office_failed_just_now(office)
    assert turn() is None, "it failed just now"


def test_a_full_read_that_was_cut_short_is_gone_on_with_and_not_begun_anew(
    office: Any, turn: Any, set_: Any
) -> None:
    set_(full="1d")
    office.run()
    age(office, timedelta(days=2))
    assert turn().full

    def after_a_page(entity: str, *_: Any) -> None:
        if entity == "customer":
            raise RetryableSyncError("The line is down.")

    with pytest.raises(RetryableSyncError):
        office.run(full=True, on_progress=after_a_page)
    pass_time(office, FIVE)
    assert not turn().full, "what is left of it has no mark, so it is read as a whole anyway"
    report = office.run()
    assert report.counts["invoice"]["unchanged"] > 0
    whole = subject.select(SyncCursor.full_at, SyncCursor.mark)
    assert all(row.full_at and row.mark for row in office.all(whole))
    age(office, timedelta(days=1))
    assert turn().full


@pytest.mark.parametrize("kind", [NoInvoices, WithoutInvoices])
def test_what_cannot_be_read_does_not_have_every_run_read_all(
    office: Any, turn: Any, set_: Any, kind: Any
) -> None:
    set_(full="1d")
    office.run()
    age(office, timedelta(days=2))
    assert turn().full
    office.run(kind(office.folder), full=True, left_out=turn().left_out)
    pass_time(office, FIVE)
    assert not turn().full
    office.run()
    assert office.all(subject.select(SyncCursor.full_at).where(SyncCursor.full_at.is_(None))) == []
    age(office, timedelta(days=2))
    assert turn().full


def test_a_history_that_was_cleared_stops_no_schedule(office: Any, turn: Any, set_: Any) -> None:
    set_(sweep="1h", full="1d")
    office.run()
    age(office, timedelta(days=2))
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(delete(SyncRun))
        uow.commit()
    assert turn().full
    assert turn().sweep


def test_paused_and_resumed(office: Any, turn: Any, set_: Any) -> None:
    set_(is_paused=True)
    assert turn() is None
    assert turn(everything=True) is None
    set_(is_paused=False)
    assert turn() is not None


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)])
def test_a_clock_that_jumps_does_not_stop_the_schedule(
    office: Any, turn: Any, set_: Any, jump: timedelta
) -> None:
    set_(every="5m", entities=["customer=1m"], sweep="1h")
    office.run()
    assert turn() is None
    pass_time(office, jump)
    assert turn().left_out == frozenset()
    assert turn().sweep


def test_a_run_that_was_stopped_is_gone_on_with_at_once(office: Any, turn: Any) -> None:
    office.run()
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(update(SyncRun).values(state="stopped"))
        uow.execute(update(SyncCursor).values(began_at=None))
        uow.commit()
    assert turn() is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"every": "5"},
        {"every": "1s"},
        {"every": "40d"},
        {"every": "-5m"},
        {"sweep": "often"},
        {"full": "sometimes"},
        {"entities": ["unicorn=5m"]},
        {"entities": ["customer"]},
        {"entities": ["customer=x"]},
        {"heavy_hours": "22-6"},
        {"heavy_hours": "22:00-24:00"},
        {"heavy_hours": "06:00-06:00"},
        {"heavy_hours": ""},
    ],
)
def test_what_will_not_do_is_refused(set_: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        set_(**changes)
    assert caught.value.code == "core.sync.schedule"
