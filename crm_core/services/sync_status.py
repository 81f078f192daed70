"""How syncing stands: what was read when, what waits, what is left to people, what runs did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.exc import DataError

from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.hold import SyncHold
from crm_core.entities.outbox import Delivery, DeliveryState, OutboxEvent
from crm_core.entities.schedule import AlertNotice, LoginRefusal, SyncSchedule
from crm_core.entities.sync import SYNC_VIEW, Binding, DeadLetter, PushItem, SyncCursor, SyncRun
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import list_backends

STANDING = ("waiting", "unwritten", "set_aside", "conflicts", "held")
READ = ("created", "updated", "unchanged", "set_aside")
LOOKED_BACK = 50
"""Runs among which an entity's last one is looked for."""


def list_standing(uow: UnitOfWork, usual: timedelta | None = None) -> list[dict[str, Any]]:
    """Return every backend as ``list_backends`` does, and what keeps the worker from running it.

    With ``usual``, the time between two runs where no other is set, ``next_at`` is when its turn
    comes; None where the worker leaves it alone.

    ``is_paused`` tells of its schedule; ``login_refused_at`` is when its password was refused and
    none has gone through since; ``standstill`` says in words why it stands still, None if not.
    """
    times = (SyncSchedule.backend_id, SyncSchedule.is_paused, SyncSchedule.every_seconds)
    plans = {row.backend_id: row for row in uow.execute(select(*times))}
    columns = (LoginRefusal.backend_id, LoginRefusal.refused_at)
    refused = {row.backend_id: row.refused_at for row in uow.execute(select(*columns))}
    found = []
    for item in list_backends(uow):
        told = {
            "is_paused": item["id"] in plans and plans[item["id"]].is_paused,
            "login_refused_at": refused.get(item["id"]),
        }
        reasons = {
            t("switched off"): not item["is_enabled"],
            t("paused"): told["is_paused"],
            t("login refused"): told["login_refused_at"] is not None,
        }
        standstill = joined((reason for reason, is_so in reasons.items() if is_so), ", ") or None
        if usual is not None:
            seconds = plans[item["id"]].every_seconds if item["id"] in plans else None
            wait = timedelta(seconds=seconds) if seconds else usual
            told["next_at"] = None if standstill else (item["started_at"] or uow.now) + wait
        found.append({**item, **told, "standstill": standstill})
    return found


def standing_counts(uow: UnitOfWork) -> dict[tuple[UUID, str], dict[str, int]]:
    """Return by backend and entity what waits or is left to people.

    ``waiting`` to be written, ``unwritten`` since it could not be, ``set_aside`` since it could not
    be read, ``conflicts`` that are open, ``held`` until a person has said what it is over there.
    """
    uow.actor.require(SYNC_VIEW)
    found: dict[tuple[UUID, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(STANDING, 0))
    parts: list[Any] = []
    for name, model, where in (
        ("waiting", PushItem, (~PushItem.is_set_aside,)),
        ("unwritten", PushItem, (PushItem.is_set_aside,)),
        ("set_aside", DeadLetter, ()),
        ("conflicts", Conflict, (Conflict.state == ConflictState.OPEN.value,)),
        ("held", SyncHold, ()),
    ):
        columns: Any = (model.backend_id, model.entity)
        counted = select(*columns, literal(name).label("what"), func.count().label("n"))
        parts.append(counted.where(*where).group_by(*columns))
    for row in uow.execute(union_all(*parts)):
        found[row.backend_id, row.entity][row.what] = row.n
    return found


def last_read(uow: UnitOfWork) -> dict[UUID, dict[str, datetime | None]]:
    """Return by backend and entity when it was last read to the end."""
    uow.actor.require(SYNC_VIEW)
    columns = (SyncCursor.backend_id, SyncCursor.entity, SyncCursor.refreshed_at)
    found: dict[UUID, dict[str, datetime | None]] = defaultdict(dict)
    for row in uow.execute(select(*columns).order_by(SyncCursor.entity)):
        found[row.backend_id][row.entity] = row.refreshed_at
    return found


def latest_runs(uow: UnitOfWork, each: int) -> dict[UUID, list[dict[str, Any]]]:
    """Return by backend its last runs as :func:`told_run` tells them, the oldest first."""
    uow.actor.require(SYNC_VIEW)
    columns = ("id", "backend_id", "state", "started_at", "finished_at", "counts", "message")
    newest = (SyncRun.started_at.desc(), SyncRun.id.desc())
    place = func.row_number().over(partition_by=SyncRun.backend_id, order_by=newest)
    ranked = select(SyncRun.id, place.label("place")).subquery()
    statement: Any = select(*(getattr(SyncRun, name) for name in columns))
    statement = statement.join(ranked, ranked.c.id == SyncRun.id).where(ranked.c.place <= each)
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in uow.execute(statement.order_by(SyncRun.started_at, SyncRun.id)):
        found[row.backend_id].append(told_run(dict(row._mapping)))
    return found


def list_entities(uow: UnitOfWork, backend_id: UUID) -> list[dict[str, Any]]:
    """Return how each entity of a backend stands, by name.

    ``mark`` is the remote's time up to which all is known; by our clock, ``refreshed_at`` is when
    it was last read to the end, ``age_seconds`` ago, and ``swept_at`` when its ids were last
    compared; ``is_under_way`` tells that reading was left half-way. ``bound`` counts by state; then
    come those of :func:`standing_counts`, and ``last_run``.
    """
    uow.actor.require(SYNC_VIEW)
    standing = {
        entity: counts
        for (owner, entity), counts in standing_counts(uow).items()
        if owner == backend_id
    }
    cursors = {row["entity"]: row for row in _cursors(uow, backend_id)}
    bound = _bound(uow, backend_id)
    runs = _last_runs(uow, backend_id)
    return [
        {
            "entity": entity,
            **cursors.get(entity, _NO_CURSOR),
            "bound": bound.get(entity, {}),
            **standing.get(entity, dict.fromkeys(STANDING, 0)),
            "last_run": runs.get(entity),
        }
        for entity in sorted({*cursors, *bound, *standing})
    ]


_NO_CURSOR = dict.fromkeys(("mark", "refreshed_at", "began_at", "swept_at", "age_seconds"))
_NO_CURSOR["is_under_way"] = None


def _cursors(uow: UnitOfWork, backend_id: UUID) -> list[dict[str, Any]]:
    columns = ("mark", "refreshed_at", "began_at", "swept_at")
    statement = select(
        SyncCursor.entity,
        *(getattr(SyncCursor, name) for name in columns),
        SyncCursor.sweep_mark.is_not(None).label("is_under_way"),
    ).where(SyncCursor.backend_id == backend_id)
    try:
        rows = uow.execute(statement).all()
    except (ValueError, DataError):  # a damaged cursor, which the next run refuses with its name
        names = select(SyncCursor.entity).where(SyncCursor.backend_id == backend_id)
        return [{**_NO_CURSOR, "entity": entity} for entity in uow.scalars(names)]
    return [{**row._mapping, "age_seconds": _seconds(row.refreshed_at, uow.now)} for row in rows]


def _bound(uow: UnitOfWork, backend_id: UUID) -> dict[str, dict[str, int]]:
    columns = (Binding.entity, Binding.state)
    statement = select(*columns, func.count().label("n")).where(Binding.backend_id == backend_id)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in uow.execute(statement.group_by(*columns)):
        found[row.entity][row.state] = row.n
    return found


def _last_runs(uow: UnitOfWork, backend_id: UUID) -> dict[str, dict[str, Any]]:
    columns = (SyncRun.id, SyncRun.state, SyncRun.started_at, SyncRun.finished_at, SyncRun.counts)
    statement = select(*columns).where(SyncRun.backend_id == backend_id)
    newest = statement.order_by(SyncRun.started_at.desc(), SyncRun.id.desc()).limit(LOOKED_BACK)
    found: dict[str, dict[str, Any]] = {}
    for run in uow.execute(newest):
        for entity in entities_of_run(run.counts):
            told = {key: entity[key] for key in ("records", "seconds", "rate")}
            where = {"id": run.id, "state": run.state, "started_at": run.started_at}
            found.setdefault(entity["entity"], {**where, **told})
    return found


def entities_of_run(counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a run read, by entity: its counts, ``records``, ``seconds`` and ``rate``."""
    stages = counts.get("stages", {})
    return [
        {"entity": entity, **numbers, **pace(numbers, stages.get(entity))}
        for entity, numbers in counts.get("entities", {}).items()
    ]


def pace(numbers: Mapping[str, int], seconds: float | None) -> dict[str, Any]:
    """Return ``records`` read, the ``seconds`` it took and the ``rate`` in records a second."""
    records = sum(numbers.get(name, 0) for name in READ)
    rate = round(records / seconds, 1) if seconds and records else None
    return {"records": records, "seconds": seconds, "rate": rate}


def told_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with its ``seconds``, the ``records`` it read and its ``rate``."""
    seconds = _seconds(run["started_at"], run["finished_at"])
    every = run["counts"].get("entities", {}).values()
    records = {name: sum(numbers.get(name, 0) for numbers in every) for name in READ}
    return {**run, **pace(records, seconds)}


def conflicts_of_run(uow: UnitOfWork, run: Mapping[str, Any]) -> int:
    """Return how many fields were found changed on both sides while a run lasted."""
    statement = select(func.count()).where(
        Conflict.backend_id == run["backend_id"], Conflict.opened_at >= run["started_at"]
    )
    if run["finished_at"] is not None:
        statement = statement.where(Conflict.opened_at <= run["finished_at"])
    return int(uow.scalar(statement))


def left_by_stop(uow: UnitOfWork, backend_id: UUID) -> dict[str, Any]:
    """Return what a stopped run left: ``entities`` half-way, ``waiting`` records to go there."""
    half = [row["entity"] for row in _cursors(uow, backend_id) if row["is_under_way"]]
    counts = standing_counts(uow)
    waiting = sum(each["waiting"] for (owner, _), each in counts.items() if owner == backend_id)
    return {"entities": sorted(half), "waiting": waiting}


def backlog(uow: UnitOfWork) -> dict[str, int]:
    """Return how many events, deliveries, deliveries given up and alerts wait."""
    counted: Mapping[str, Sequence[Any]] = {
        "events": (OutboxEvent, OutboxEvent.dispatched_at.is_(None)),
        "deliveries": (Delivery, Delivery.next_at.is_not(None)),
        "dead_deliveries": (
            Delivery,
            (Delivery.state == DeliveryState.DEAD.value) & Delivery.error.is_not(None),
        ),
        "alerts": (AlertNotice, AlertNotice.attempts >= 0),
    }
    return {
        name: int(uow.scalar(select(func.count()).select_from(model).where(where)))
        for name, (model, where) in counted.items()
    }


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if begin and end else None
