"""Intervals and hours of schedules."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crm_core.sync.schedule import begun_at, is_past, is_within, seconds_of, told

FIVE = timedelta(minutes=5)


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_hours_began_within_the_last_day(a: time, b: time, now: datetime) -> None:
    if f"{a:%H:%M}" == f"{b:%H:%M}" or now.year == 1:  # nothing is before year 1
        return
    began = begun_at(f"{a:%H:%M}-{b:%H:%M}", now)
    assert (began is not None) == is_within(f"{a:%H:%M}-{b:%H:%M}", now.time())
    if began is not None:
        assert timedelta(0) <= now - began < timedelta(days=1)
        assert f"{began:%H:%M}" == f"{a:%H:%M}"


@given(st.integers(15, 30 * 86_400))
def test_times_are_told_as_they_are_typed(seconds: int) -> None:
    assert seconds_of(told(seconds)) == seconds


@given(st.times(), st.times(), st.times())
def test_the_hours_of_a_day_are_within_or_within_the_rest(a: time, b: time, moment: time) -> None:
    a, b = a.replace(second=0, microsecond=0), b.replace(second=0, microsecond=0)
    if a == b:
        return
    hours, rest = f"{a:%H:%M}-{b:%H:%M}", f"{b:%H:%M}-{a:%H:%M}"
    assert is_within(hours, moment) != is_within(rest, moment)
    assert is_within(hours, a)
    assert not is_within(hours, b)


@given(st.timedeltas(timedelta(0), timedelta(days=4_000)), st.booleans())
def test_how_long_ago_counts_in_both_directions(away: timedelta, is_ahead: bool) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    moment = now + away if is_ahead else now - away
    assert is_past(moment, FIVE, now) == (away >= FIVE)
    assert is_past(None, FIVE, now)
