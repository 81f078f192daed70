from __future__ import annotations

import pytest
import time_machine

from crm_core.cli import pace
from crm_core.cli.pace import Pace, left


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000.0

    monkeypatch.setattr(pace.time, "monotonic", lambda: Clock.now)
    return Clock


def test_rate_and_time_left_are_those_of_the_last_half_minute(clock):
    going = Pace()
    assert going.words(0, 10_000) == ""
    for _ in range(60):
        clock.now += 1
        slow = going.words(round(clock.now - 1_000) * 10, 10_000)
    assert slow == "10/s, 16 min left"
    for second in range(1, 41):
        clock.now += 1
        quick = going.words(600 + second * 100, 10_000)
    assert quick == "100/s, 54 s left"


def test_each_stage_has_its_own_pace(clock):
    going = Pace()
    going.words(0, None, "tags")
    clock.now += 10
    assert going.words(50, None, "tags") == "5.0/s"
    assert going.words(40, 100, "customers") == "", "what another stage did says nothing"
    clock.now += 1
    assert going.words(60, 100, "customers") == "20/s, 2 s left"
    assert going.words(10, 100, "customers") == "", "it began anew"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.4, "0 s"), (89, "89 s"), (91, "2 min"), (3_600, "60 min"), (9_000, "2.5 h")],
)
def test_a_time_to_wait_is_no_more_precise_than_it_can_be_known(seconds, words):
    assert left(seconds) == words


def test_a_wall_clock_that_jumps_does_not_matter():
    going = Pace()
    with time_machine.travel("2026-01-01", tick=False):
        going.words(0, 10)
    with time_machine.travel("2020-01-01", tick=False):
        assert going.words(0, 10) == ""
