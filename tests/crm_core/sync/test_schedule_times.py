"""Intervals and hours of schedules."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from crm_core.sync.schedule import begun_at, is_past, seconds_of, told

FIVE = timedelta(minutes=5)


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_hours_began_within_the_last_day(a: time, b: time, now: datetime) -> None:
    if f"{a:%H:%M}" == f"{b:%H:%M}" or now.year in (1, 9999):  # nothing is before or after those
        return
    began = begun_at(f"{a:%H:%M}-{b:%H:%M}", now)
    if began is not None:
        assert timedelta(0) <= now - began < timedelta(days=1)
        assert f"{began:%H:%M}" == f"{a:%H:%M}"


def springs(zone: ZoneInfo) -> list[date]:
    """Return the days on which clocks are put forward or back."""
    days = [date(2025, 1, 3) + timedelta(days=number) for number in range(720)]
    noons = [datetime.combine(day, time(12), zone).utcoffset() for day in days]
    return [days[at] for at in range(1, 720) if noons[at] != noons[at - 1]]


ZONES = ("Europe/Vienna", "America/Havana", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Tehran")
SPRINGS = [
    (zone, day) for zone in map(ZoneInfo, ZONES) for day in springs(zone) or [date(2026, 3, 29)]
]
FIVES = st.integers(0, 287).map(lambda fives: f"{fives // 12:02}:{fives % 12 * 5:02}")


@given(st.sampled_from(SPRINGS), FIVES, FIVES)
@example((ZoneInfo("Europe/Vienna"), date(2026, 3, 29)), "02:30", "04:00")
@example((ZoneInfo("Europe/Vienna"), date(2026, 3, 29)), "02:15", "02:45")
@example((ZoneInfo("Europe/Vienna"), date(2026, 3, 29)), "02:30", "03:10")
@example((ZoneInfo("Europe/Vienna"), date(2026, 10, 25)), "02:15", "02:45")
def test_each_day_has_its_hours_once_whatever_the_clocks_do(
    spring: tuple[ZoneInfo, date], begin: str, end: str
) -> None:
    if begin == end:
        return
    zone, day = spring
    first, last = (
        datetime.combine(day + timedelta(days=days), time.fromisoformat(begin), zone)
        for days in (-2, 2)
    )
    moment, done = first.astimezone(UTC), datetime.min.replace(tzinfo=UTC)
    due = []
    while moment < last.astimezone(UTC):
        began = begun_at(f"{begin}-{end}", moment.astimezone(zone))
        if began is not None and not began <= done <= moment:
            due.append(moment)
            done = moment
        moment += FIVE
    assert len(due) == 4


@given(st.integers(15, 30 * 86_400))
def test_times_are_told_as_they_are_typed(seconds: int) -> None:
    assert seconds_of(told(seconds)) == seconds


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_the_hours_of_a_day_are_within_or_within_the_rest(a: time, b: time, now: datetime) -> None:
    a, b = a.replace(second=0, microsecond=0), b.replace(second=0, microsecond=0)
    if a == b or now.year in (1, 9999):
        return
    hours, rest = f"{a:%H:%M}-{b:%H:%M}", f"{b:%H:%M}-{a:%H:%M}"
    assert (begun_at(hours, now) is None) != (begun_at(rest, now) is None)
    assert begun_at(hours, datetime.combine(now, a, UTC)) is not None
    assert begun_at(hours, datetime.combine(now, b, UTC)) is None


@given(st.timedeltas(timedelta(0), timedelta(days=4_000)), st.booleans())
def test_how_long_ago_counts_in_both_directions(away: timedelta, is_ahead: bool) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    moment = now + away if is_ahead else now - away
    assert is_past(moment, FIVE, now) == (away >= FIVE)
    assert is_past(None, FIVE, now)
