"""The relay: who hears of what, when, how often, and what happens when a handler fails."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from crm_core.access import system_actor
from crm_core.entities import Delivery, OutboxEvent, Setting, Subscription, Tag
from crm_core.errors import InputError, LockedError
from crm_core.outbox.relay import RelayReport, relay
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.deliveries import forget_plugin, sweep_deliveries
from crm_hooks.contributions import EventHandler


def note(uow: Any, message: Any) -> None:
    """An effect in the database that doing it twice would break."""
    uow.add(Tag(name=f"{message.payload['number']}"))


def numbers(desk: Any) -> list[int]:
    return sorted(int(row.name) for row in desk.rows(select(Tag.name)))


def test_each_handler_hears_of_each_event_once(desk: Any) -> None:
    heard: list[tuple[str, int]] = []
    for name in ("paper.note", "paper.post"):
        desk.hear(lambda _, message, n=name: heard.append((n, message.payload["number"])), name)
    desk.move(1, 2)
    assert desk.relay() == RelayReport(handled=4)
    assert desk.relay() == RelayReport()
    assert [number for name, number in heard if name == "paper.note"] == [1, 2]
    assert [number for name, number in heard if name == "paper.post"] == [1, 2]


def test_a_message_tells_what_happened_who_did_it_and_where_from(desk: Any) -> None:
    heard: list[Any] = []
    desk.hear(lambda uow, message: heard.append((uow.actor.origin, message)))
    began = datetime.now(UTC)
    desk.move(7)
    desk.relay()
    ((origin, message),) = heard
    assert origin == "event:paper.note"
    assert (message.name, message.version) == ("paper.parcel.moved", 1)
    assert dict(message.payload) == {"number": 7, "parcel": None}
    assert (message.actor_id, message.actor_login, message.origin) == (None, "system", "test")
    assert began <= message.at <= datetime.now(UTC)


def test_what_a_handler_records_is_heard_of_too(desk: Any) -> None:
    heard: list[int] = []

    def pass_on(uow: Any, message: Any) -> None:
        heard.append(message.payload["number"])
        if message.payload["number"] < 3:
            uow.record(type(desk).event(message.payload["number"] + 1))

    type(desk).event = sys.modules[type(desk).__module__].Moved
    desk.hear(pass_on)
    desk.move(1)
    assert desk.relay().handled == 3
    assert heard == [1, 2, 3]


def test_an_event_nobody_hears_of_is_put_away(desk: Any) -> None:
    desk.move(1)
    desk.relay()
    assert desk.rows(select(Delivery)) == []
    assert desk.rows(select(OutboxEvent).where(OutboxEvent.dispatched_at.is_(None))) == []


def test_of_a_batch_only_the_one_that_fails_is_left(desk: Any) -> None:
    def fussy(uow: Any, message: Any) -> None:
        note(uow, message)
        if message.payload["number"] == 5:
            raise InputError("Five is not welcome.")

    desk.hear(fussy)
    desk.move(*range(10))
    assert desk.relay() == RelayReport(handled=9, failed=1)
    assert numbers(desk) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert desk.states().count("done") == 9
    ((attempts, error),) = desk.rows(
        select(Delivery.attempts, Delivery.error).where(Delivery.next_at.is_not(None))
    )
    assert (attempts, error) == (1, "Five is not welcome.")


@pytest.mark.parametrize("fault", [SystemExit(3), ZeroDivisionError("oh"), LockedError("taken")])
def test_whatever_a_handler_raises_is_its_own_failure(desk: Any, fault: BaseException) -> None:
    heard: list[int] = []

    def break_down(_uow: Any, _message: Any) -> None:
        raise fault

    desk.hear(break_down, "paper.broken")
    desk.hear(lambda _, message: heard.append(message.payload["number"]))
    desk.move(1, 2)
    assert desk.relay() == RelayReport(handled=2, failed=2)
    assert heard == [1, 2]
    assert desk.states("paper.broken") == ["pending", "pending"]


def test_a_statement_that_fails_takes_back_what_the_handler_did(desk: Any) -> None:
    def twice(uow: Any, message: Any) -> None:
        note(uow, message)
        uow.flush()
        if message.payload["number"] == 2:
            note(uow, message)

    desk.hear(twice)
    desk.move(1, 2, 3)
    assert desk.relay() == RelayReport(handled=2, failed=1)
    assert numbers(desk) == [1, 3]


def test_a_handler_that_hangs_is_stopped(desk: Any) -> None:
    def hang(uow: Any, message: Any) -> None:
        note(uow, message)
        if message.payload["number"] == 2:
            time.sleep(60)

    desk.hear(hang, limit_seconds=2)  # of which the others take next to nothing
    desk.move(1, 2, 3)
    began = time.monotonic()
    assert desk.relay() == RelayReport(handled=2, failed=1)
    assert time.monotonic() - began < 60
    assert numbers(desk) == [1, 3]
    assert "hung" in desk.rows(select(Delivery.error).where(Delivery.error.is_not(None)))[0].error


def test_a_handler_may_not_commit(desk: Any) -> None:
    def commits(uow: Any, message: Any) -> None:
        note(uow, message)
        uow.commit()

    desk.hear(commits)
    desk.move(1)
    assert desk.relay() == RelayReport(failed=1)
    assert numbers(desk) == []


def test_a_handler_that_cannot_be_imported_waits_for_a_better_day(desk: Any) -> None:
    desk.hear(note)
    desk.handlers["paper.note"] = EventHandler("paper.note", ("paper.parcel.moved",), "no.such:one")
    desk.move(1)
    assert desk.relay() == RelayReport(failed=1)
    desk.hear(note)
    desk.pass_time()
    assert desk.relay() == RelayReport(handled=1)


def test_waits_grow_up_to_an_hour_then_the_delivery_is_dead(desk: Any) -> None:
    def break_down(_uow: Any, _message: Any) -> None:
        raise ZeroDivisionError("oh")

    desk.hear(break_down)
    desk.move(1)
    waits = []
    for _ in range(9):
        before = datetime.now(UTC)
        assert desk.relay() == RelayReport(failed=1)
        after = datetime.now(UTC)
        assert desk.relay() == RelayReport(), "it has to wait"
        next_at = desk.rows(select(Delivery.next_at))[0].next_at
        waits.append([(next_at - failed).total_seconds() for failed in (after, before)])
        desk.pass_time()
    expected = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    for (least, most), about in zip(waits, expected, strict=True):
        assert about * 0.8 <= most
        assert least <= about * 1.2
    assert desk.relay() == RelayReport(dead=1)
    ((row,),) = desk.rows(select(Delivery))
    assert (row.state, row.attempts, row.next_at) == ("dead", 10, None)
    assert row.error == "ZeroDivisionError: oh"


# --- order


def test_a_later_event_of_a_record_waits_for_one_that_failed(desk: Any) -> None:
    heard: list[int] = []

    def once_ill(_uow: Any, message: Any) -> None:
        if message.payload["number"] == 1 and not desk.is_well:
            raise ZeroDivisionError("ill")
        heard.append(message.payload["number"])

    desk.is_well = False
    desk.hear(once_ill)
    desk.move(1, 2, 3, parcel="a")
    desk.move(4, parcel="b")
    desk.move(5)
    desk.relay()
    assert sorted(set(heard)) == [4, 5]
    desk.move(6, parcel="a")
    desk.move(*range(100, 350), parcel="a")
    desk.move(7, parcel="b")
    desk.relay()
    assert 7 in heard, "what waits must not keep others waiting, however much it is"
    heard.clear()
    desk.is_well = True
    desk.pass_time()
    desk.relay()
    assert heard == [1, 2, 3, 6, *range(100, 350)]


def test_a_dead_delivery_holds_nothing_up(desk: Any) -> None:
    heard: list[int] = []

    def ill(_uow: Any, message: Any) -> None:
        if message.payload["number"] == 1:
            raise ZeroDivisionError("ill")
        heard.append(message.payload["number"])

    desk.hear(ill)
    desk.move(1, 2, parcel="a")
    for _ in range(10):
        assert heard == []
        desk.relay()
        desk.pass_time()
    desk.relay()
    assert heard == [2]
    assert desk.states() == ["dead", "done"]


def test_records_of_different_kinds_with_the_same_id_are_different(desk: Any) -> None:
    def ill(_uow: Any, message: Any) -> None:
        if message.payload["number"] == 1:
            raise ZeroDivisionError("ill")

    desk.hear(ill)
    desk.move(1, parcel="a")
    desk.relay()
    desk.move(2, parcel="a")
    with unit_of_work(desk.database, actor=desk.actor, write=True) as uow:
        uow.execute(update(OutboxEvent).values(entity_type="box").where(OutboxEvent.id == 2))
        uow.commit()
    assert desk.relay().handled == 1


# --- plugins that are away


def test_a_plugin_that_cannot_be_loaded_for_a_while_misses_nothing(desk: Any) -> None:
    desk.hear(note)
    desk.relay()
    desk.move(1)
    (away,) = desk.handlers.values()
    desk.handlers.clear()
    desk.move(2)
    assert desk.relay() == RelayReport()
    assert desk.states() == ["pending", "pending"]
    desk.handlers["paper.note"] = away
    assert desk.relay() == RelayReport(handled=2)
    assert numbers(desk) == [1, 2]


def test_a_plugin_that_was_disabled_hears_of_nothing_and_what_waited_is_dropped(desk: Any) -> None:
    desk.hear(note)
    desk.hear(note, "paperclip.note")
    desk.relay()
    desk.move(1)
    handlers = dict(desk.handlers)
    desk.handlers.clear()
    desk.relay()
    with unit_of_work(desk.database, actor=desk.actor, write=True) as uow:
        assert forget_plugin(uow, "paper") == 1
        uow.commit()
    desk.move(2)
    desk.relay()
    assert desk.states() == ["dropped"]
    assert desk.states("paperclip.note") == ["pending", "pending"], "another plugin's"
    assert "disabled" in desk.rows(select(Delivery.error).where(Delivery.error.is_not(None)))[0][0]
    desk.handlers.update(handlers)
    desk.handlers.pop("paperclip.note")
    desk.move(3)
    assert desk.relay().handled == 1
    assert numbers(desk) == [3]


def test_a_handler_that_a_new_version_lacks_leaves_nothing_behind(desk: Any) -> None:
    def ill(_uow: Any, _message: Any) -> None:
        raise ZeroDivisionError("ill")

    desk.hear(note)
    desk.hear(ill, "paper.old")
    desk.move(1)
    assert desk.relay() == RelayReport(handled=1, failed=1)
    desk.handlers.pop("paper.old")
    desk.move(2)
    assert desk.relay() == RelayReport(handled=1)
    assert desk.states("paper.old") == ["dropped"]
    assert [row.handler for row in desk.rows(select(Subscription.handler))] == ["paper.note"]


# --- bounds


def test_a_time_limit_leaves_the_rest_to_the_next_time(desk: Any, monkeypatch: Any) -> None:
    clock = SimpleNamespace(now=0.0)  # nothing but the handler takes time
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("crm_core.outbox.relay.time", clock)
    desk.hear(lambda *_: setattr(clock, "now", clock.now + 0.06))
    desk.move(*range(6))
    first = desk.relay(limit_seconds=0.1)
    assert 0 < first.handled < 6 or not desk.database.is_sqlite
    assert first.handled + desk.relay().handled == 6


def test_asked_to_stop_it_begins_nothing(desk: Any) -> None:
    desk.hear(note)
    desk.move(1)
    assert desk.relay(is_stopped=lambda: True) == RelayReport()
    assert desk.rows(select(func.count()).select_from(Delivery))[0][0] == 0


def test_a_batch_holds_sqlites_lock_for_a_moment_only(sqlite_desk: Any) -> None:
    batches: list[Any] = []

    def slow(uow: Any, _message: Any) -> None:
        time.sleep(0.03)
        batches.append(uow)

    sqlite_desk.hear(slow)
    sqlite_desk.move(*range(8))
    sqlite_desk.relay()
    assert sqlite_desk.states() == ["done"] * 8
    assert max(map(batches.count, batches)) <= 2


def test_nothing_to_do_takes_no_lock(sqlite_desk: Any) -> None:
    sqlite_desk.hear(note)
    sqlite_desk.move(1)
    sqlite_desk.relay()
    with unit_of_work(sqlite_desk.database, actor=system_actor("other"), write=True) as uow:
        uow.add(Setting(key="held", value=1))
        uow.flush()
        assert sqlite_desk.relay() == RelayReport()


def test_a_locked_database_is_told_in_our_words(sqlite_desk: Any) -> None:
    sqlite_desk.hear(note)
    sqlite_desk.move(1)
    impatient = Database(sqlite_desk.database.url, busy_timeout_ms=50)
    with unit_of_work(sqlite_desk.database, actor=system_actor("other"), write=True) as uow:
        uow.add(Setting(key="held", value=1))
        uow.flush()
        with pytest.raises(LockedError):
            relay(impatient, list(sqlite_desk.handlers.values()))
    impatient.dispose()
    assert sqlite_desk.relay() == RelayReport(handled=1)


def test_what_was_handled_a_week_ago_is_swept(desk: Any) -> None:
    def fussy(_uow: Any, message: Any) -> None:
        if message.payload["number"] == 2:
            raise ZeroDivisionError("two")

    desk.hear(fussy)
    desk.move(1, 2, 3)
    desk.relay()
    desk.move(4)
    with unit_of_work(desk.database, actor=desk.actor, write=True) as uow:
        assert sweep_deliveries(uow) == 0
        ago = uow.now - timedelta(days=8)
        uow.execute(
            update(OutboxEvent)
            .where(OutboxEvent.dispatched_at.is_not(None))
            .values(dispatched_at=ago)
        )
        uow.execute(update(Delivery).where(Delivery.done_at.is_not(None)).values(done_at=ago))
        uow.commit()
    with unit_of_work(desk.database, actor=desk.actor, write=True) as uow:
        assert sweep_deliveries(uow) == 2
        uow.commit()
    left = [row.payload["number"] for row in desk.rows(select(OutboxEvent.payload))]
    assert sorted(left) == [2, 4]
    assert desk.states() == ["pending"]
