"""One run of a backend: every entity pulled, gone records followed, all of it resumable.

The steps and the reasons for their order stand in docs/sync.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Update, func, select
from structlog.contextvars import bind_contextvars, bound_contextvars

from crm_core.access import Actor, system_actor
from crm_core.entities.sync import Backend, DeadLetter
from crm_core.entities.system import Setting
from crm_core.errors import CrmError, FatalSyncError, InputError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.bulk import rare_collections
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.sync import lock
from crm_core.sync.adopt import adopt, named_pages
from crm_core.sync.apply import APPLIERS
from crm_core.sync.apply.plugin import PLUGIN_STOPPED, PluginApplier
from crm_core.sync.batch import apply_page
from crm_core.sync.context import BATCH_SIZE, STOPPED, VANISH_SHARE, Progress, SyncContext
from crm_core.sync.cursors import (
    check_cursors,
    moved,
    open_cursor,
    reset_cursors,
    tried,
)
from crm_core.sync.failpoints import reach
from crm_core.sync.gone import restore_deleted
from crm_core.sync.merged_there import judge_suspicions
from crm_core.sync.merging_there import merge_there
from crm_core.sync.permit import note_reconciled
from crm_core.sync.prefetch import prefetched
from crm_core.sync.progress import noting_run
from crm_core.sync.protocol import RIGHT_MISSING, RemoteBackend, RemoteEntity, WritableBackend
from crm_core.sync.push_queue import count_set_aside
from crm_core.sync.pushing import Pushing, pushing_for
from crm_core.sync.run_record import RunReport, close_run, open_run
from crm_core.sync.stopping import heard
from crm_core.sync.sweep import compare_links, find_vanished, read_waiting, retry_set_aside
from crm_core.sync.tell import TELLERS
from crm_hooks.contributions import SyncableEntity

log = structlog.get_logger(__name__)
PAGE_SIZE = 1_000
OVERLAP = timedelta(minutes=10)
"""Longer than the remote's longest transaction: rows bear the moment it began, not its commit."""


def run(  # noqa: PLR0913  all but three are options of a command
    database: Database,
    backend: Backend,
    remote: RemoteBackend,
    *,
    entities: Collection[str] | None = None,
    left_out: Collection[str] = (),
    full: bool = False,
    sweep: bool = True,
    dry_run: bool = False,
    accept_vanished: bool = False,
    page_size: int = PAGE_SIZE,
    batch_size: int = BATCH_SIZE,
    overlap: timedelta = OVERLAP,
    retry: bool = False,
    vanish_share: float = VANISH_SHARE,
    plugin_entities: Sequence[SyncableEntity] = (),
    masters: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
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
        left_out: Not these, whose turn comes later.
        full: Read every record, not only what changed, whatever the cursors say.
        sweep: Look also for what cursors cannot see: records that are gone, links that moved.
        dry_run: Count what would be written; write nothing.
        accept_vanished: Go on although very many records are gone at once.
        page_size: Records a page.
        batch_size: Records written at a time.
        overlap: How far to reach back before the mark.
        retry: Push again what was set aside, however lately.
        vanish_share: How large a part of an entity may be gone at once.
        plugin_entities: What plugins in use declare.
        masters: Who wins which field, where that is not left to the backend's own choice.
        on_progress: Told about each page.
        is_stopped: Asked after each page, batch and step whether to end here.

    Raises:
        LockedError: Another run of this backend is under way.
        RetryableSyncError: The remote cannot be reached, or the run was asked to stop.
        FatalSyncError: The remote refused us, or going on would do harm.
        InputError: An entity is unknown.
    """
    actor = system_actor(f"sync:{backend.name}")
    run_id = None if dry_run else _opened(database, actor, backend)
    token = run_id or new_id()
    try:
        context = SyncContext(
            database,
            backend.id,
            backend.name,
            remote,
            actor,
            token,
            dry_run=dry_run,
            on_progress=noting_run(database, actor, run_id, on_progress),
            is_stopped=is_stopped,
            stop_asked_by=heard(database, actor, run_id),
            batch_size=batch_size,
            vanish_share=vanish_share,
            masters=masters or {},
        )
        plugins = {each.name: PluginApplier(each) for each in plugin_entities}
        context.appliers = {**APPLIERS, **plugins}
        context.listers = {name: each.all_ids for name, each in plugins.items()}
        context.tellers = {**TELLERS, **{name: each.tell for name, each in plugins.items()}}
        options = (full, sweep, accept_vanished, page_size, overlap, retry)
        with rare_collections(), bound_contextvars(backend=backend.name, run=None):
            return _Run(context, run_id, *options).execute(entities, left_out)
    except BaseException:
        if not dry_run:
            lock.release(database, actor, backend.id, token)
        raise


def _opened(database: Database, actor: Actor, backend: Backend) -> UUID:
    """Take the lease and write the run's record; return its key, which is the lease's token."""
    with unit_of_work(database, actor=actor, write=True) as uow:
        token = lock.take(uow, backend.id, backend.name)
        open_run(uow, backend.id, token)
        uow.commit()
    return token


_STAGES = {
    "_push": "writing",
    **dict.fromkeys(("_vanished", "_links", "_retried", "_late"), "afterwards"),
}
"""What the time of each step is told as; reading is told by entity."""


@dataclass
class _Run:
    context: SyncContext
    run_id: UUID | None
    full: bool
    sweep: bool
    accept_vanished: bool
    page_size: int
    overlap: timedelta
    retry: bool
    stages: dict[str, float] = field(default_factory=dict)
    pushing: Pushing | None = None
    offered: list[RemoteEntity] = field(default_factory=list)
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How far entities were read, as it is still to be written."""
    has_read: bool = False
    """Whether any of these had something new."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why entities were left out."""
    server_time: datetime | None = None
    """Asked before anything is read: what changes during the run is read again by the next."""

    def execute(self, wanted: Collection[str] | None, left_out: Collection[str]) -> RunReport:
        """Do all steps and record the run."""
        context = self.context
        began = time.monotonic()
        bind_contextvars(run=self.run_id and str(self.run_id))
        log.info("run began")
        try:
            entities = self._entities(wanted, left_out)
            self._begin(wanted, left_out, [entity.name for entity in entities])
            writes = self.pushing is not None and self.pushing.permit.writes
            if writes and not context.dry_run:
                merge_there(context)
            for entity in self._unread(wanted, left_out):
                self._guarded(self._push, entity)
            kept = entities
            unseen = (self._vanished, self._links) if self.sweep else ()
            kept = [entity for entity in kept if self._guarded(self._exchange, entity)]
            self._write_marks(tried(context, wanted, left_out, began_at=context.began_at))
            for step in (*unseen, self._retried, self._late):
                kept = [entity for entity in kept if self._guarded(step, entity)]
            if self.sweep:
                self._write_marks(tried(context, wanted, left_out, swept_at=datetime.now(UTC)))
            if not context.dry_run:
                self._settle_gone(kept)
                # What was decided while reading, and what has waited for a record just read.
                kept = [entity for entity in kept if self._guarded(self._push, entity)]
            left = self._left_aside()
            if wanted is None and not left_out:
                self._note_reconciled(each for each in entities if each not in kept)
        except BaseException as error:
            is_asked = isinstance(error, CrmError) and error.code == STOPPED
            told = error.message if isinstance(error, CrmError) else str(error)
            self._end("stopped" if is_asked else "failed", told or type(error).__name__)
            raise
        state = "partly" if left or len(kept) < len(entities) else "done"
        self._end(state, None)
        return RunReport(
            run_id=self.run_id,
            state=state,
            counts={name: dict(count) for name, count in context.counts.items()},
            warnings=context.warnings,
            calls=context.remote.calls,
            seconds=time.monotonic() - began,
            stages=self.stages,
            pushed=self.pushing.report() if self.pushing else {},
            push_refusal=self.pushing.refusal if self.pushing else None,
        )

    def _entities(
        self, wanted: Collection[str] | None, left_out: Collection[str]
    ) -> Sequence[RemoteEntity]:
        self.offered = [
            entity
            for entity in self.context.remote.entities()
            if entity.name in self.context.appliers
        ]
        for entity in self.offered:
            self.context.warnings.extend(entity.warnings)
        names = [entity.name for entity in self.offered]
        unread = {each.name for each in self._unread(wanted, ())} if wanted else set()
        unknown = sorted(set(wanted or ()) - set(names) - unread)
        if unknown:
            raise InputError(
                t(
                    "{backend_name} has no entity {unknown}; it has {names}.",
                    backend_name=self.context.backend_name,
                    unknown=", ".join(unknown),
                    names=", ".join(names),
                )
            )
        chosen = set(names if wanted is None else wanted).difference(left_out)
        return [entity for entity in self.offered if entity.name in chosen]

    def _unread(
        self, wanted: Collection[str] | None, left_out: Collection[str]
    ) -> list[RemoteEntity]:
        """Return what the remote has none of yet, such as a file that its first record makes."""
        remote, told = self.context.remote, {*left_out, *(each.name for each in self.offered)}
        if not isinstance(remote, WritableBackend):
            return []
        names = [name for name in self.context.tellers if wanted is None or name in wanted]
        return [RemoteEntity(n, "") for n in names if n not in told and remote.writable(n)]

    def _begin(
        self,
        wanted: Collection[str] | None,
        left_out: Collection[str],
        entities: Collection[str],
    ) -> None:
        context = self.context
        self.pushing = pushing_for(context, wanted, retry=self.retry)
        self.server_time = context.remote.server_time()
        context.clock_ahead = self.server_time - datetime.now(UTC)
        if self.full:
            reset_cursors(context, wanted, left_out)
        else:
            check_cursors(context, entities, self.server_time + self.overlap)
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
        self.context.check_stopped()
        began = time.monotonic()
        try:
            step(entity)
        except FatalSyncError as error:
            if error.code not in codes:
                raise
            self.refused[entity.name] = told = t(
                "{entity}: {why}", entity=entity.name, why=error.message
            )
            self.context.warnings.append(told)
            log.warning("entity left out", entity=entity.name, code=error.code)
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
        if self.has_read:  # or what fails from here on would have it read again by every run
            self._write_marks()
        # One that may not be written is read all the same; not so what its plugin cannot tell of,
        # or it would count as introduced.
        self._guarded(self._push, entity, (RIGHT_MISSING,))
        began = time.monotonic()
        self._sweep(entity)
        self.stages[entity.name] = seconds = time.monotonic() - began
        counts = dict(self.context.counts.get(entity.name, ()))
        log.info("entity read", entity=entity.name, counts=counts, seconds=round(seconds, 3))

    def _sweep(self, entity: RemoteEntity) -> None:
        """Read an entity from its cursor on and apply it page by page."""
        context = self.context
        assert self.server_time is not None
        cursor = open_cursor(context, entity, self.server_time, full=self.full)
        reach("pull.sweep_opened")
        since = cursor.mark - self.overlap if cursor.mark else None
        begun = {name: getattr(cursor, name) for name in ("mapping_digest", "began_at", "full_at")}
        under_way = {"mark": cursor.mark, "sweep_mark": cursor.sweep_mark, **begun}
        told = context.remote.pages(
            entity.name, since=since, after=cursor.sweep_after, size=self.page_size
        )
        pages = prefetched(named_pages(context, entity.name, told))
        done = 0
        with closing(pages):  # so that nothing is being fetched any more when this fails
            for named in pages:
                reach("pull.page_fetched")
                page = adopt(context, entity.name, named)
                last_id = page.last_id
                apply_page(
                    context,
                    entity.name,
                    page,
                    also=lambda uow, last_id=last_id: self._save(  # type: ignore[misc]
                        uow, entity.name, sweep_after=last_id, **under_way
                    ),
                )
                reach("pull.page_written")
                done += len(page.records) + len(page.faults)
                context.progress(entity.name, done, page.total)
        reach("pull.swept")
        end = {"mark": cursor.sweep_mark, "sweep_mark": None, "sweep_after": None, **begun}
        self.marks[entity.name] = end
        self.has_read = self.has_read or done > 0

    def _write_marks(self, *also: Update) -> None:
        """Write how far entities were read; those with nothing new in one transaction."""
        context = self.context
        if not context.dry_run:
            with context.keeping() as uow:
                for entity, values in self.marks.items():
                    self._save(uow, entity, refreshed_at=uow.now, **values)
                for statement in also:
                    uow.execute(statement)
        self.marks.clear()
        self.has_read = False

    def _save(self, uow: UnitOfWork, entity: str, **values: Any) -> None:
        uow.execute(moved(self.context, entity, **values))

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

    def _settle_gone(self, entities: Sequence[RemoteEntity]) -> None:
        """Judge what the records that were read again tell of those that are gone."""
        judge_suspicions(self.context)
        if self.pushing is not None and self.pushing.permit.writes:
            for entity in entities:
                if entity.name in self.context.tellers:
                    restore_deleted(self.context, entity.name)

    def _note_reconciled(self, failed: Iterable[RemoteEntity]) -> None:
        """Note that a restored database is in step again, or for want of which entities not."""
        context = self.context
        hindrances = [self.refused[entity.name] for entity in failed]
        if context.is_reconciling and context.writes and not context.dry_run:
            with context.writing() as uow:
                note_reconciled(uow, context.backend_id, hindrances)
                uow.commit()

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

    def _end(self, state: str, message: str | None) -> None:
        context = self.context
        log.info("run ended", state=state, calls=context.remote.calls)
        if self.run_id is not None:
            counts = {
                "entities": {name: dict(count) for name, count in context.counts.items()},
                "warnings": context.warnings,
                "pushed": self.pushing.report() if self.pushing else {},
                "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            }
            close_run(context, self.run_id, state, message, counts)
