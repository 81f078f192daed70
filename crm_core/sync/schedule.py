"""When the worker runs which backend and which of its entities, and what cursors miss.

All is told by how long ago something was, in either direction: a clock that jumps back leaves
moments in the future behind, and none of them may stop a schedule.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from crm_core.entities.schedule import SyncSchedule
from crm_core.entities.sync import SYNC_VIEW, Backend, SyncCursor, SyncRun
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named, enabled_backends
from crm_core.services.settings import load_settings
from crm_core.sync.apply import APPLIERS
from crm_core.sync.permit import is_reconciling

JITTER = 0.2
"""Part of an interval by which runs are spread, so that many workers do not ask at once."""
DEFAULT = "default"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LEAST, _MOST = 15, 30 * 86_400
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Turn:
    """A backend whose turn it is.

    Attributes:
        backend: Which.
        left_out: Entities whose turn it is not.
        sweep: Whether to look for records that are gone.
        full: Whether to read every record.
    """

    backend: Backend
    left_out: frozenset[str]
    sweep: bool
    full: bool


def due_turns(uow: UnitOfWork, default: timedelta, *, everything: bool = False) -> list[Turn]:
    """Return the backends that are to be run now, by name.

    Args:
        uow: A unit of work of the system.
        default: Between two runs of a backend that has no schedule of its own.
        everything: Also those that are not due; not those that are paused.
    """
    zone = ZoneInfo(load_settings(uow).time_zone)
    plans = {each.backend_id: each for each in uow.scalars(select(SyncSchedule))}
    turns = []
    for backend in enabled_backends(uow):
        plan = plans.get(backend.id) or SyncSchedule(entities={}, is_paused=False)
        if plan.is_paused:
            continue
        turn = _turn(uow, backend, plan, default, zone, everything)
        if turn is not None:
            turns.append(turn)
    return turns


def _turn(
    uow: UnitOfWork,
    backend: Backend,
    plan: SyncSchedule,
    default: timedelta,
    zone: ZoneInfo,
    everything: bool,
) -> Turn | None:
    now, spread = uow.now, random.uniform(1 - JITTER / 2, 1 + JITTER / 2)  # noqa: S311
    usual = timedelta(seconds=plan.every_seconds) if plan.every_seconds else default
    each = {name: timedelta(seconds=seconds) for name, seconds in plan.entities.items()}
    sweep = _Sweep.of(plan, spread, now.astimezone(zone))
    latest, cursors = _latest_run(uow, backend), _cursors(uow, backend)
    wait = min([usual, *each.values()]) * spread
    may_run = latest is None or latest.is_cut_off or is_past(latest.started_at, wait, now)
    unswept = {row.entity for row in cursors if sweep.is_missing(row.swept_at)}
    outdated = _outdated(plan, cursors, spread, sweep)
    if not (everything or may_run) and not (
        (unswept and sweep.is_past(latest.started_at))
        or (outdated and sweep.has_begun_since(latest.started_at))
    ):
        return None
    # One that no run may read stays half-way for ever: that calls for no run by itself.
    was_cut_short = latest is None or latest.state not in ("done", "partly")
    late = (
        unswept
        | outdated
        | {
            row.entity
            for row in cursors
            if everything
            or (row.is_under_way and was_cut_short)
            or is_past(row.began_at, each.get(row.entity, usual) * spread, now)
        }
    )
    if cursors and not late:
        return None
    left_out = frozenset(row.entity for row in cursors) - late
    if is_reconciling(backend) and _calls_for_all(
        backend, cursors, max([usual, *each.values()]) * spread, now
    ):
        left_out = frozenset()
    is_sweep = sweep.is_on and (
        not (plan.sweep_seconds and cursors)
        or any(sweep.is_past(row.swept_at) for row in cursors if row.entity in late)
    )
    return Turn(backend, left_out, is_sweep, bool(outdated))


def _outdated(plan: SyncSchedule, cursors: Sequence[Any], spread: float, sweep: _Sweep) -> set[str]:
    """Return the entities that are to be read as a whole; not those of which that has begun."""
    if plan.full_seconds is None or not sweep.is_on:
        return set()
    wait = timedelta(seconds=plan.full_seconds) * spread
    return {row.entity for row in cursors if row.has_mark and is_past(row.full_at, wait, sweep.now)}


def _calls_for_all(
    backend: Backend, cursors: Sequence[Any], longest: timedelta, now: datetime
) -> bool:
    """Return whether a database that is not in step again is to be run with nothing left out.

    At once when it was confirmed; where that did not end it, for want of a right say, as often as
    the entity with the longest time has its turn.
    """
    since = backend.confirmed_at
    return any(
        row.began_at is None
        or (since is not None and row.began_at < since)
        or is_past(row.began_at, longest, now)
        for row in cursors
    )


@dataclass(frozen=True, slots=True)
class _Sweep:
    """When a backend is looked through for what is gone.

    Attributes:
        is_on: Whether the hours for it are now, if it has any.
        since: When these hours began; None without hours.
        wait: Between two of them; None for at every run.
        now: By our clock.
    """

    is_on: bool
    since: datetime | None
    wait: timedelta | None
    now: datetime

    @classmethod
    def of(cls, plan: SyncSchedule, spread: float, now: datetime) -> _Sweep:
        """Read a schedule; ``now`` is in the company's time zone."""
        wait = timedelta(seconds=plan.sweep_seconds) * spread if plan.sweep_seconds else None
        since = begun_at(plan.heavy_hours, now) if plan.heavy_hours else None
        return cls(plan.heavy_hours is None or since is not None, since, wait, now)

    def has_begun_since(self, moment: datetime) -> bool:
        """Return whether the hours for it began after that moment."""
        return self.since is not None and not self.since <= moment <= self.now

    def is_missing(self, swept_at: datetime | None) -> bool:
        """Return whether an entity has to be looked through although it need not be read."""
        return self.is_on and bool(self.wait or self.since) and self.is_past(swept_at)

    def is_past(self, moment: datetime | None) -> bool:
        """Return whether what was last done then is to be done again."""
        if moment is None:
            return True
        if self.wait is not None and is_past(moment, self.wait, self.now):
            return True
        return self.wait is None and self.has_begun_since(moment)


def _latest_run(uow: UnitOfWork, backend: Backend) -> Any:
    # Stopped with its worker it is gone on with at once; not so one that a person stopped.
    is_cut_off = (SyncRun.state == "stopped") & SyncRun.stop_asked_by.is_(None)
    return uow.execute(
        select(SyncRun.started_at, SyncRun.state, is_cut_off.label("is_cut_off"))
        .where(SyncRun.backend_id == backend.id)
        .order_by(SyncRun.started_at.desc(), SyncRun.id.desc())
        .limit(1)
    ).first()


def _cursors(uow: UnitOfWork, backend: Backend) -> Sequence[Any]:
    columns = (SyncCursor.entity, SyncCursor.began_at, SyncCursor.swept_at, SyncCursor.full_at)
    # Whether there is one is all that counts: a damaged mark is told by the run.
    under_way = SyncCursor.sweep_mark.is_not(None).label("is_under_way")
    has_mark = SyncCursor.mark.is_not(None).label("has_mark")
    statement = select(*columns, under_way, has_mark).where(SyncCursor.backend_id == backend.id)
    return uow.execute(statement).all()


def is_past(moment: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Return whether a moment is that far away, in the past or, by a wrong clock, in the future."""
    return moment is None or abs(now - moment) >= interval


def begun_at(hours: str, now: datetime) -> datetime | None:
    """Return when ``22:00-06:00`` began, where it is that time now; else None.

    A day has these hours once, also one on which clocks are put forward over them or back into
    them: a time that is left out counts as on a clock that was not put forward.
    """
    begin, end = (time.fromisoformat(text) for text in hours.split("-"))
    for days in (1, 0, -1):
        day = now.date() + timedelta(days=days)
        began = datetime.combine(day, begin, now.tzinfo)
        ended = datetime.combine(day + timedelta(days=end <= begin), end, now.tzinfo)
        # By UTC: two times of one zone are compared as clocks on the wall show them.
        since, until = began.astimezone(UTC), ended.astimezone(UTC)
        if since >= until:  # 02:30-03:10, where 02:30 is left out
            since = began.replace(fold=1).astimezone(UTC)
        if since <= now.astimezone(UTC) < until:
            return since
    return None


def seconds_of(text: str) -> int | None:
    """Return the seconds of ``90s``, ``5m``, ``1h`` or ``1d``; None for ``default``."""
    if text == DEFAULT:
        return None
    found = re.fullmatch(r"(\d{1,7})([smhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _LEAST <= seconds <= _MOST:
        raise InputError(
            t(
                "{text!r} will not do: write a time from 15s to 30d, such as 90s, 5m, 1h or 1d, "
                "or {default}.",
                text=text,
                default=DEFAULT,
            ),
            code="core.sync.schedule",
        )
    return seconds


def told(seconds: int | None) -> str:
    """Return seconds as they are typed: ``5m``; empty for None."""
    if seconds is None:
        return ""
    unit = max((u for u, n in _UNITS.items() if seconds % n == 0), key=_UNITS.__getitem__)
    return f"{seconds // _UNITS[unit]}{unit}"


def set_schedule(uow: UnitOfWork, name: str, **changes: Any) -> SyncSchedule:
    """Change when the worker runs a backend.

    Args:
        uow: The unit of work.
        name: The backend's.
        **changes: ``every``, ``sweep`` and ``full`` as text for :func:`seconds_of`; ``entities``,
            texts such as ``customer=1m``; ``heavy_hours`` or ``default``; ``is_paused``. What is
            None or left out stays.

    Raises:
        NotFoundError: There is no such backend.
        InputError: A value will not do.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    plan = uow.find(SyncSchedule, backend.id)
    if plan is None:
        plan = uow.add(SyncSchedule(backend_id=backend.id, entities={}, is_paused=False))
    given = {key: value for key, value in changes.items() if value is not None}
    if "every" in given:
        plan.every_seconds = seconds_of(given["every"])
    if "sweep" in given:
        plan.sweep_seconds = seconds_of(given["sweep"])
    if "full" in given:
        plan.full_seconds = seconds_of(given["full"])
    if given.get("entities"):
        plan.entities = _entities(uow, backend, plan.entities, given["entities"])
    if "heavy_hours" in given:
        plan.heavy_hours = _hours(given["heavy_hours"])
    if "is_paused" in given:
        plan.is_paused = given["is_paused"]
    uow.flush()
    return plan


def schedule_of(uow: UnitOfWork, name: str, default: timedelta) -> dict[str, Any]:
    """Return when a backend is run, with times as they are typed."""
    uow.actor.require(SYNC_VIEW)
    backend = backend_named(uow, name)
    plan = uow.find(SyncSchedule, backend.id) or SyncSchedule(entities={}, is_paused=False)
    return {
        "id": backend.id,
        "backend": name,
        "is_enabled": backend.is_enabled,
        "is_paused": plan.is_paused,
        "every": told(plan.every_seconds or int(default.total_seconds())),
        "entities": {entity: told(seconds) for entity, seconds in sorted(plan.entities.items())},
        "sweep": told(plan.sweep_seconds) or None,
        "full": told(plan.full_seconds) or None,
        "heavy_hours": plan.heavy_hours,
    }


def interval_of(uow: UnitOfWork, backend_id: UUID, default: timedelta) -> timedelta | None:
    """Return the time between two runs of a backend; None for one that is paused."""
    plan = uow.find(SyncSchedule, backend_id)
    if plan is None:
        return default
    seconds = plan.every_seconds
    usual = timedelta(seconds=seconds) if seconds else default
    return None if plan.is_paused else usual


def _entities(
    uow: UnitOfWork, backend: Backend, before: Mapping[str, int], texts: Sequence[str]
) -> dict[str, int]:
    known = {*APPLIERS, *(row.entity for row in _cursors(uow, backend))}
    found: dict[str, int | None] = dict(before)
    for text in texts:
        entity, _, interval = text.partition("=")
        if entity in known and not interval:
            raise InputError(
                t(
                    "{text!r} lacks the time: write {entity}=TIME, such as {entity}=1m, or "
                    "{entity}={default}.",
                    text=text,
                    entity=entity,
                    default=DEFAULT,
                ),
                code="core.sync.schedule",
            )
        if entity not in known:
            raise InputError(
                t(
                    "{text!r} will not do: write ENTITY=TIME, such as customer=1m, where ENTITY "
                    "is one of {known}.",
                    text=text,
                    known=", ".join(sorted(known)),
                ),
                code="core.sync.schedule",
            )
        found[entity] = seconds_of(interval)
    return {entity: seconds for entity, seconds in found.items() if seconds is not None}


def _hours(text: str) -> str | None:
    if text == DEFAULT:
        return None
    match = _HOURS.fullmatch(text)
    if match is None or match.group(1, 2) == match.group(3, 4):
        raise InputError(
            t(
                "{text!r} will not do: write the hours for heavy work like 22:00-06:00, or "
                "{default}.",
                text=text,
                default=DEFAULT,
            ),
            code="core.sync.schedule",
        )
    return text
