"""The writing half of a run: whether it may, what it does for each entity, and what it tells."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from crm_core.entities.sync import Backend
from crm_core.errors import FatalSyncError
from crm_core.services.settings import load_settings
from crm_core.sync import push_queue
from crm_core.sync.conflicts import answered
from crm_core.sync.context import SyncContext
from crm_core.sync.permit import Permit, permit_of
from crm_core.sync.pricing import answer_questions
from crm_core.sync.protocol import RIGHT_MISSING, WritableBackend
from crm_core.sync.push import Push

RETRIES = 200
RETRY_AFTER = timedelta(hours=1)
"""Records set aside are tried again by themselves, not all at once and not at every run."""
WITHIN_OTHERS = frozenset({"address"})
"""Written along with their customers."""


class Pushing:
    """What a run writes to its backend.

    Attributes:
        permit: Whether it may.
    """

    def __init__(self, context: SyncContext, permit: Permit, push: Push) -> None:
        self.context = context
        self.permit = permit
        self._push = push

    @property
    def refusal(self) -> str | None:
        """Why nothing is written; None where it is."""
        return self.permit.refusal

    def push(self, entity: str) -> None:
        """Write an entity; a dry run counts also what may not be written yet."""
        context = self.context
        if not ((self.permit.is_accepted or context.dry_run) and self._may_write(entity)):
            return
        if not (context.writes or context.dry_run):
            self._push.link_known(entity)
            return
        if entity in context.listers and not context.dry_run:
            with context.writing() as uow:
                push_queue.introduce(uow, context.backend_id, entity, context.listers)
                uow.commit()
        self._push.push(entity)
        if not context.dry_run:
            answer_questions(context, entity)

    def report(self) -> dict[str, dict[str, Any]]:
        """Return what was written, or would be, by entity."""
        return {
            entity: {**counts.counts, "examples": counts.examples}
            for entity, counts in self._push.counts.items()
            if counts.counts
        }

    def _may_write(self, entity: str) -> bool:
        try:
            return self._is_writable(entity)
        except FatalSyncError as error:
            if error.code == RIGHT_MISSING and self.context.writes and not self.context.dry_run:
                self._push.refuse_waiting(entity, error)
            raise

    def _is_writable(self, entity: str) -> bool:
        remote = self.context.remote
        known = entity in self.context.tellers and entity not in WITHIN_OTHERS
        return known and isinstance(remote, WritableBackend) and bool(remote.writable(entity))


def pushing_for(
    context: SyncContext, entities: Collection[str] | None, *, retry: bool
) -> Pushing | None:
    """Return a run's writing half; None for a remote that cannot be written to.

    Args:
        context: The run; it learns whether both sides are merged, and by which masters.
        entities: Those it is about; all when None.
        retry: Try all of them that was set aside again, however lately.
    """
    remote = context.remote
    with context.reading() as uow:
        backend = uow.get(Backend, context.backend_id)
        context.masters = {**backend.masters, **context.masters}
        if not isinstance(remote, WritableBackend):
            return None
        permit = permit_of(uow, backend)
        installation = load_settings(uow).installation_id or str(context.backend_id)
        context.prefix = f"crm_{installation.replace('-', '')}."
        context.is_merging = permit.is_accepted
        context.is_reconciling, context.writes = permit.is_reconciling, permit.writes
    if permit.writes and not context.dry_run:
        with context.writing() as uow:
            before, limit = (None, None) if retry else (uow.now - RETRY_AFTER, RETRIES)
            backend_id = context.backend_id
            push_queue.try_again(uow, backend_id, entities=entities, before=before, limit=limit)
            for entity, ids in answered(uow, backend_id, context.masters):
                push_queue.enqueue(uow, backend_id, entity, ids)
            uow.commit()
    everything = context.dry_run and not permit.is_accepted
    push = Push(context, remote, everything=everything)
    return Pushing(context, permit, push)
