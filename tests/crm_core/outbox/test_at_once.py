"""Several relays at once, and relays that are killed: nothing lost, nothing twice, in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from crm_core.entities import Delivery, OutboxEvent, Tag
from crm_core.persistence.unit_of_work import unit_of_work

RELAYS = 4
PATIENCE_SECONDS = 120
"""With what does not wait for ever, however busy the machine is."""


def test_many_relays_share_the_work_and_keep_each_records_order(postgres_desk: Any) -> None:
    desk, heard, lock = postgres_desk, [], threading.Lock()

    def hear(uow: Any, message: Any) -> None:
        number, parcel = message.payload["number"], message.payload["parcel"]
        uow.add(Tag(name=f"{parcel}:{number}"))
        uow.flush()
        with lock:
            heard.append((parcel, number))
        if random.random() < 0.02:
            time.sleep(0.005)

    desk.hear(hear)
    desk.hear(lambda *_: None, "paper.other")
    for number in range(60):
        for parcel in "abcdefgh":
            desk.move(number, parcel=parcel)

    def work(_: int) -> int:
        done = 0
        for _ in range(2_000):
            done += desk.relay().handled
            # Of both: one may find nothing to take only because another looks at it just now.
            states = desk.states() + desk.states("paper.other")
            if "pending" not in states and len(states) == 480 * 2:
                break
            time.sleep(0.01)
        return done

    with ThreadPoolExecutor(RELAYS) as threads:
        handled = list(threads.map(work, range(RELAYS)))
    assert sum(handled) == 480 * 2
    assert len(heard) == len(set(heard)) == 480
    for parcel in "abcdefgh":
        assert [number for each, number in heard if each == parcel] == list(range(60))
    assert len(desk.rows(select(Tag.id))) == 480


def test_a_later_event_waits_for_one_that_another_relay_is_at(postgres_desk: Any) -> None:
    desk, heard = postgres_desk, []
    begun, go_on = threading.Event(), threading.Event()

    def hear(_uow: Any, message: Any) -> None:
        if message.payload["number"] == 1:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
        heard.append(message.payload["number"])

    desk.hear(hear, limit_seconds=2 * PATIENCE_SECONDS)
    desk.move(1, parcel="a")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(desk.relay)
        assert begun.wait(PATIENCE_SECONDS)
        desk.move(2, parcel="a")
        desk.move(3, parcel="b")
        assert desk.relay().handled == 1
        assert heard == [3]
        go_on.set()
        assert first.result().handled == 2
    assert heard == [3, 1, 2]


def test_an_event_that_commits_late_is_not_passed_over(postgres_desk: Any) -> None:
    desk, heard = postgres_desk, []
    desk.hear(lambda _, message: heard.append(message.payload["number"]))
    event = sys.modules[type(desk).__module__].Moved
    with unit_of_work(desk.database, actor=desk.actor, write=True) as late:
        late.record(event(1))
        late._write_events()  # has its number and is not committed yet
        desk.move(2)
        desk.relay()
        late.commit()
    desk.relay()
    assert heard == [2, 1]
    numbers = desk.rows(select(OutboxEvent.id).order_by(OutboxEvent.id))
    assert [row.id for row in numbers] == [1, 2]


def test_a_failure_is_not_written_over_what_another_relay_achieved(postgres_desk: Any) -> None:
    desk = postgres_desk

    def overtaken(_uow: Any, message: Any) -> None:
        raise ZeroDivisionError("oh")

    desk.hear(overtaken)
    desk.move(1)
    from crm_core.outbox import relay as module

    real = module.mark_failed

    def later(connection: Any, failed: Any, reason: str, now: Any) -> Any:
        with unit_of_work(desk.database, actor=desk.actor, write=True) as uow:
            uow.execute(update(Delivery).values(state="done", next_at=None, done_at=uow.now))
            uow.commit()
        return real(connection, failed, reason, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "mark_failed", later)
        report = desk.relay()
    assert (report.handled, report.failed, report.dead) == (0, 0, 0)
    assert desk.states() == ["done"]


# --- killed

KILLED = """
import logging, os, random, signal, sys, time
import structlog
from crm_core.entities import Tag
from crm_core.outbox.relay import relay
from crm_core.persistence.database import Database
from crm_hooks.contributions import EventHandler

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
url, log, seed = sys.argv[1:]
chance = random.Random(int(seed))
left = chance.randrange(1, 300)
out = open(log, "a", buffering=1)

def maybe_die():
    global left
    left -= 1
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

def hear(uow, message):
    maybe_die()
    number, parcel = message.payload["number"], message.payload["parcel"]
    if number % 17 == 0 and chance.random() < 0.3:
        raise ZeroDivisionError("ill")
    uow.add(Tag(name=f"{parcel}:{number}"))
    uow.flush()
    out.write(f"{parcel} {number}\\n")
    if chance.random() < 0.2:
        maybe_die()

def outlive(function):
    def call(*arguments, **named):
        maybe_die()
        result = function(*arguments, **named)
        maybe_die()
        return result
    return call

from crm_core.outbox import claim, dispatch, relay as module
for name in ("claim", "mark_done", "mark_failed"):
    setattr(module, name, outlive(getattr(module, name)))
dispatch._deliver = outlive(dispatch._deliver)
module._HandlersUnitOfWork.finish = outlive(module._HandlersUnitOfWork.finish)
sys.modules["killed"] = sys.modules["__main__"]
database = Database(url)
relay(database, [EventHandler("paper.note", ("paper.parcel.moved",), "killed:hear")])
"""


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3])
def test_relays_killed_again_and_again_lose_nothing_and_do_nothing_twice(
    desk: Any, tmp_path: Path, at_once: int
) -> None:
    if desk.database.is_sqlite and at_once > 1:
        at_once = 2  # they wait for each other's lock, which is what is tried
    events = [(number, parcel) for number in range(60) for parcel in "abcde"]
    for number, parcel in events:
        desk.move(number, parcel=parcel)
    log, kills = tmp_path / "heard", 0
    url = desk.database.url.render_as_string(hide_password=False)
    for turn in range(60):
        running = [
            subprocess.Popen(
                [sys.executable, "-c", KILLED, url, str(log), str(turn * 10 + each)],
                stderr=subprocess.PIPE,
            )
            for each in range(at_once)
        ]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL), errors.decode()
            kills += process.returncode == -signal.SIGKILL
        desk.pass_time()
        states = desk.states()
        if len(states) == len(events) and set(states) == {"done"}:
            break
    assert set(desk.states()) == {"done"}
    assert kills >= 4
    done = [row.name for row in desk.rows(select(Tag.name).order_by(Tag.id))]
    assert sorted(done) == sorted(f"{parcel}:{number}" for number, parcel in events)
    for parcel in "abcde":
        mine = [int(line.split()[1]) for line in log.read_text().splitlines() if line[0] == parcel]
        firsts = [number for at, number in enumerate(mine) if number not in mine[:at]]
        assert firsts == list(range(60)), "attempts are in order"
        effects = [int(name[2:]) for name in done if name[0] == parcel]
        assert effects == list(range(60)), "and so are effects"
