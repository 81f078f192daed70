"""One run of a backend: every entity pulled, gone records followed, all of it resumable.

The steps and the reasons for their order stand in docs/sync.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from crm_core.access import system_actor
from crm_core.entities.sync import Backend, DeadLetter, SyncCursor, SyncRun
from crm_core.entities.system import Setting
from crm_core.errors import FatalSyncError, InputError
from crm_core.ids import new_id
from crm_core.persistence.bulk import rare_collections
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.sync import lock
from crm_core.sync.apply import APPLIERS
from crm_core.sync.apply.plugin import PLUGIN_STOPPED, PluginApplier
from crm_core.sync.batch import apply_page
from crm_core.sync.context import Progress, SyncContext
from crm_core.sync.prefetch import prefetched
from crm_core.sync.protocol import RIGHT_MISSING, RemoteBackend, RemoteEntity, WritableBackend
from crm_core.sync.push_queue import count_set_aside
from crm_core.sync.pushing import Pushing, pushing_for
from crm_core.sync.sweep import compare_links, find_vanished, read_waiting, retry_set_aside
from crm_core.sync.tell import TELLERS
from crm_hooks.contributions import SyncableEntity

PAGE_SIZE = 500
RUNS_KEPT = timedelta(days=90)
"""Older records of runs are dropped; a run every few minutes makes 100,000 a year."""
OVERLAP = timedelta(minutes=10)
"""Longer than the remote's longest transaction: rows bear the moment it began, not its commit."""


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        run_id: Key of the run's record; None for a dry run.
        state: ``done``, or ``partly`` when records or entities were left out.
        counts: Per entity: created, updated, unchanged, set_aside, vanished, deleted, …
        warnings: What was left out, in plain words.
        calls: Remote calls made.
        seconds: How long it took.
        stages: Seconds per stage.
        pushed: Per entity what was written to the remote, or would be: counts of created, updated,
            linked, set_aside, gone; and ``examples``, names of a few of each.
        push_refusal: Why nothing was written to the remote; None where it was, or never is.
    """

    run_id: UUID | None
    state: str
    counts: dict[str, dict[str, int]]
    warnings: list[str]
    calls: int
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    pushed: dict[str, dict[str, Any]] = field(default_factory=dict)
    push_refusal: str | None = None


def run(  # noqa: PLR0913  all but three are options of a command
    database: Database,
    backend: Backend,
    remote: RemoteBackend,
    *,
    entities: Collection[str] | None = None,
    full: bool = False,
    dry_run: bool = False,
    accept_vanished: bool = False,
    page_size: int = PAGE_SIZE,
    overlap: timedelta = OVERLAP,
    retry: bool = False,
    plugin_entities: Sequence[SyncableEntity] = (),
    on_progress: Progress | None = None,
) -> RunReport:
    """Pull what changed in a backend since its last run, then push what changed here.

    Nothing is pushed before the backend's plan was accepted (``crm_core.sync.permit``).

    Safe to kill at any point: the next run goes on where this one stopped and ends in the same
    state. Callers check the right ``core.sync.run``.

    Args:
        database: Where to write.
        backend: The backend's record.
        remote: An open connection to it, used by this call alone.
        entities: Only these; all when None.
        full: Read every record, not only what changed.
        dry_run: Count what would be written; write nothing.
        accept_vanished: Go on although very many records are gone at once.
        page_size: Records a page.
        overlap: How far to reach back before the mark.
        retry: Push again what was set aside, however lately.
        plugin_entities: What plugins in use declare.
        on_progress: Told about each page.

    Raises:
        LockedError: Another run of this backend is under way.
        RetryableSyncError: The remote cannot be reached.
        FatalSyncError: The remote refused us, or going on would do harm.
        InputError: An entity is unknown.
    """
    actor = system_actor(f"sync:{backend.name}")
    token = new_id() if dry_run else lock.acquire(database, actor, backend.id, backend.name)
    try:
        context = SyncContext(
            database,
            backend.id,
            backend.name,
            remote,
            actor,
            token,
            dry_run=dry_run,
            on_progress=on_progress,
        )
        plugins = {each.name: PluginApplier(each) for each in plugin_entities}
        context.appliers = {**APPLIERS, **plugins}
        context.listers = {name: each.all_ids for name, each in plugins.items()}
        context.tellers = {**TELLERS, **{name: each.tell for name, each in plugins.items()}}
        with rare_collections():
            return _Run(context, full, accept_vanished, page_size, overlap, retry).execute(entities)
    finally:
        if not dry_run:
            lock.release(database, actor, backend.id, token)


_STAGES = {
    "_push": "writing",
    **dict.fromkeys(("_vanished", "_links", "_retried", "_late"), "afterwards"),
}
"""What the time of each step is told as; reading is told by entity."""


@dataclass
class _Run:
    context: SyncContext
    full: bool
    accept_vanished: bool
    page_size: int
    overlap: timedelta
    retry: bool
    stages: dict[str, float] = field(default_factory=dict)
    pushing: Pushing | None = None
    offered: list[RemoteEntity] = field(default_factory=list)
    server_time: datetime | None = None
    """Asked before anything is read: what changes during the run is read again by the next."""

    def execute(self, wanted: Collection[str] | None) -> RunReport:
        """Do all steps and record the run."""
        context = self.context
        began = time.monotonic()
        run_id = None if context.dry_run else self._record_start()
        try:
            entities = self._entities(wanted)
            self._begin(wanted)
            for entity in self._unread(wanted):
                self._guarded(self._push, entity)
            kept = entities
            for step in (self._exchange, self._vanished, self._links, self._retried, self._late):
                kept = [entity for entity in kept if self._guarded(step, entity)]
            if not context.dry_run:
                # What was decided while reading, and what has waited for a record just read.
                kept = [entity for entity in kept if self._guarded(self._push, entity)]
            left = self._left_aside()
        except BaseException as error:
            self._record_end(run_id, "failed", str(error) or type(error).__name__)
            raise
        state = "partly" if left or len(kept) < len(entities) else "done"
        self._record_end(run_id, state, None)
        return RunReport(
            run_id=run_id,
            state=state,
            counts={name: dict(count) for name, count in context.counts.items()},
            warnings=context.warnings,
            calls=context.remote.calls,
            seconds=time.monotonic() - began,
            stages=self.stages,
            pushed=self.pushing.report() if self.pushing else {},
            push_refusal=self.pushing.refusal if self.pushing else None,
        )

    def _entities(self, wanted: Collection[str] | None) -> Sequence[RemoteEntity]:
        self.offered = [
            entity
            for entity in self.context.remote.entities()
            if entity.name in self.context.appliers
        ]
        for entity in self.offered:
            self.context.warnings.extend(entity.warnings)
        if wanted is None:
            return self.offered
        names = [entity.name for entity in self.offered]
        unknown = sorted(set(wanted) - set(names))
        if unknown:
            raise InputError(
                f"{self.context.backend_name} has no entity {', '.join(unknown)}; "
                f"it has {', '.join(names)}."
            )
        return [entity for entity in self.offered if entity.name in wanted]

    def _unread(self, wanted: Collection[str] | None) -> list[RemoteEntity]:
        """Return what the remote has none of yet, such as a file that its first record makes."""
        remote, told = self.context.remote, {each.name for each in self.offered}
        if not isinstance(remote, WritableBackend):
            return []
        names = [name for name in self.context.tellers if wanted is None or name in wanted]
        return [RemoteEntity(n, "") for n in names if n not in told and remote.writable(n)]

    def _begin(self, wanted: Collection[str] | None) -> None:
        context = self.context
        self.pushing = pushing_for(context, wanted, retry=self.retry)
        self.server_time = context.remote.server_time()
        with context.reading() as uow:
            context.phone_region = uow.scalar(
                select(Setting.value).where(Setting.key == "phone_region")
            )
            context.set_aside.update(
                uow.scalars(
                    select(DeadLetter.entity)
                    .where(DeadLetter.backend_id == context.backend_id)
                    .distinct()
                )
            )

    def _guarded(
        self,
        step: Callable[[RemoteEntity], None],
        entity: RemoteEntity,
        codes: Collection[str] = (RIGHT_MISSING, PLUGIN_STOPPED),
    ) -> bool:
        """Do a step for one entity; a missing right or a failing plugin leaves out it alone."""
        began = time.monotonic()
        try:
            step(entity)
        except FatalSyncError as error:
            if error.code not in codes:
                raise
            self.context.warnings.append(f"{entity.name}: {error.message}")
            return False
        finally:
            stage = _STAGES.get(step.__name__)
            if stage:
                self.stages[stage] = self.stages.get(stage, 0) + time.monotonic() - began
        return True

    def _exchange(self, entity: RemoteEntity) -> None:
        """Write an entity, then read it.

        In this order new records of both sides meet before either is made on the other.
        """
        # One that may not be written is read all the same; not so what its plugin cannot tell of,
        # or it would count as introduced.
        self._guarded(self._push, entity, (RIGHT_MISSING,))
        began = time.monotonic()
        self._sweep(entity)
        self.stages[entity.name] = time.monotonic() - began

    def _sweep(self, entity: RemoteEntity) -> None:
        """Read an entity from its cursor on and apply it page by page."""
        context = self.context
        cursor = self._opened(entity)
        since = cursor.mark - self.overlap if cursor.mark else None
        pages = prefetched(
            context.remote.pages(
                entity.name, since=since, after=cursor.sweep_after, size=self.page_size
            )
        )
        done = 0
        with closing(pages):  # so that nothing is being fetched any more when this fails
            for page in pages:
                last_id = page.last_id
                apply_page(
                    context,
                    entity.name,
                    page,
                    also=lambda uow, last_id=last_id: self._save(  # type: ignore[misc]
                        uow, entity.name, sweep_after=last_id
                    ),
                )
                done += len(page.records) + len(page.faults)
                context.progress(entity.name, done, page.total)
        if not context.dry_run:
            with context.writing() as uow:
                lock.renew(uow, context.backend_id, context.token)
                self._save(
                    uow,
                    entity.name,
                    mark=cursor.sweep_mark,
                    sweep_mark=None,
                    sweep_after=None,
                    refreshed_at=uow.now,
                )
                uow.commit()

    def _opened(self, entity: RemoteEntity) -> SyncCursor:
        """Return the entity's cursor, set for this sweep: a new one, or one to be gone on with."""
        context = self.context
        with unit_of_work(context.database, actor=context.actor, write=not context.dry_run) as uow:
            if not context.dry_run:
                lock.renew(uow, context.backend_id, context.token)
            cursor = uow.find(SyncCursor, (context.backend_id, entity.name))
            if cursor is None:
                cursor = SyncCursor(backend_id=context.backend_id, entity=entity.name)
                if not context.dry_run:
                    uow.add(cursor)
            stale = cursor.mapping_digest != entity.mapping_digest or self._is_ahead(cursor)
            if stale or self.full:
                cursor.mark = None
            if stale or self.full or cursor.sweep_mark is None:
                cursor.sweep_after = None
                cursor.sweep_mark = self.server_time
            cursor.mapping_digest = entity.mapping_digest
            if context.dry_run:
                uow.session.expunge_all()
            else:
                uow.commit()
        return cursor

    def _is_ahead(self, cursor: SyncCursor) -> bool:
        """Return whether a mark lies in the future: the remote's clock was wrong, then or now."""
        assert self.server_time is not None
        latest = self.server_time + self.overlap
        return any(mark and mark > latest for mark in (cursor.mark, cursor.sweep_mark))

    def _save(self, uow: UnitOfWork, entity: str, **values: Any) -> None:
        uow.execute(
            update(SyncCursor)
            .where(SyncCursor.backend_id == self.context.backend_id, SyncCursor.entity == entity)
            .values(**values)
            .execution_options(synchronize_session=False)
        )

    # What cursors cannot see, in the order in which one step may need the other.

    def _vanished(self, entity: RemoteEntity) -> None:
        find_vanished(self.context, entity.name, accept=self.accept_vanished)

    def _links(self, entity: RemoteEntity) -> None:
        compare_links(self.context, entity.name)

    def _retried(self, entity: RemoteEntity) -> None:
        if entity.name in self.context.set_aside:
            retry_set_aside(self.context, entity.name)

    def _late(self, entity: RemoteEntity) -> None:
        if not self.context.dry_run:
            read_waiting(self.context, entity.name)

    # What goes the other way.

    def _push(self, entity: RemoteEntity) -> None:
        if self.pushing is not None:
            self.pushing.push(entity.name)

    def _left_aside(self) -> int:
        context = self.context
        with context.reading() as uow:
            left: int = uow.scalar(
                select(func.count())
                .select_from(DeadLetter)
                .where(DeadLetter.backend_id == context.backend_id)
            )
            left += count_set_aside(uow, context.backend_id)
        return left + sum(count["set_aside"] for count in context.counts.values()) * context.dry_run

    def _record_start(self) -> UUID:
        """Write the run's record; runs that never ended are closed, since their lock is gone."""
        context = self.context
        with context.writing() as uow:
            uow.execute(
                update(SyncRun)
                .where(SyncRun.backend_id == context.backend_id, SyncRun.state == "running")
                .values(state="failed", finished_at=uow.now, message="It was stopped half-way.")
                .execution_options(synchronize_session=False)
            )
            uow.execute(
                delete(SyncRun)
                .where(
                    SyncRun.backend_id == context.backend_id,
                    SyncRun.started_at < uow.now - RUNS_KEPT,
                )
                .execution_options(synchronize_session=False)
            )
            run_id = new_id()
            uow.add(
                SyncRun(
                    id=run_id, backend_id=context.backend_id, state="running", started_at=uow.now
                )
            )
            uow.commit()
        return run_id

    def _record_end(self, run_id: UUID | None, state: str, message: str | None) -> None:
        if run_id is None:
            return
        context = self.context
        with context.writing() as uow:
            uow.execute(
                update(SyncRun)
                .where(SyncRun.id == run_id)
                .values(
                    state=state,
                    finished_at=uow.now,
                    message=message,
                    counts={
                        "entities": {name: dict(count) for name, count in context.counts.items()},
                        "warnings": context.warnings,
                        "pushed": self.pushing.report() if self.pushing else {},
                    },
                    remote_calls=context.remote.calls,
                )
                .execution_options(synchronize_session=False)
            )
            uow.commit()
