from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_odoo.settings import connection_settings
from crm_odoo.transport import pace as subject
from crm_odoo.transport.pace import Pace

OPTIONS = {"url": "https://erp.example.com", "database": "d", "login": "l"}


class Clock:
    """Time that passes only where somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@given(
    st.floats(0.1, 1_000),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_never_more_calls_than_the_rate_and_one_seconds_burst(rate, pauses):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "time", clock)
        pace, made = Pace(rate), []
        for pause in pauses:
            clock.now += pause
            pace.wait()
            made.append(clock.now)
    burst = max(1.0, rate)
    for first in range(len(made)):
        within = made[-1] - made[first]
        assert len(made) - first <= burst + within * rate + 1e-3 + 1


def test_after_a_rest_no_more_than_a_second_s_worth_goes_at_once(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(subject, "time", clock)
    pace = Pace(5)
    clock.now += 3_600
    for _ in range(5):
        pace.wait()
    assert clock.slept == 0
    for _ in range(10):
        pace.wait()
    assert clock.slept == pytest.approx(2)


def test_connections_share_it():
    pace, began = Pace(100), subject.time.monotonic()
    for _ in range(100):
        pace.wait()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pace.wait(), range(40)))
    assert subject.time.monotonic() - began >= 0.35


def test_the_options_say_how_fast_and_over_how_many_connections():
    free = connection_settings(OPTIONS, "x")
    assert (free.pace, free.connections) == (None, 1)
    held = connection_settings({**OPTIONS, "calls_per_second": "2", "connections": "4"}, "x")
    assert held.pace is not None
    assert held.connections == 4
    with pytest.raises(InputError, match="calls-per-second"):
        connection_settings({**OPTIONS, "calls_per_second": "fast"}, "x")


def test_each_request_is_paced(connect, fake_odoo, monkeypatch):
    waited = []
    pace = Pace(1_000)
    monkeypatch.setattr(pace, "wait", lambda: waited.append(1))
    transport = connect(pace=pace)
    transport.execute("res.partner", "search", [])
    assert len(waited) == transport.calls > 1
