"""Writing to a backend what changed here, entity by entity and batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Address
from crm_core.errors import CrmError, RetryableSyncError
from crm_core.messages import t
from crm_core.persistence.bulk import chunked
from crm_core.sync import push_queue
from crm_core.sync.apply.plugin import PluginApplier
from crm_core.sync.batch import STOPPING
from crm_core.sync.context import SyncContext
from crm_core.sync.protocol import BUSY, WritableBackend
from crm_core.sync.push_batch import PushBatch
from crm_core.sync.push_counts import PushCounts
from crm_core.sync.push_queue import Waiting


class Push:
    """One push of a run.

    Args:
        context: The run; a dry one writes nothing anywhere and only counts.
        remote: The backend, which can be written to.
        everything: Look at all records instead of those that wait: for a plan not yet accepted.
    """

    def __init__(
        self,
        context: SyncContext,
        remote: WritableBackend,
        *,
        everything: bool = False,
    ) -> None:
        self.context = context
        self.remote = remote
        self.size = context.batch_size
        self.everything = everything
        self.counts: dict[str, PushCounts] = {}

    def push(self, entity: str, items: Iterable[list[Waiting]] | None = None) -> None:
        """Write one entity: first what waits for nothing, then contacts of companies just made.

        Args:
            entity: Of the records.
            items: Which, in batches; None for all that wait.
        """
        later: list[Waiting] = []
        done = 0
        for chunk in self._chunks(entity) if items is None else items:
            later += self._write(entity, chunk)
            done += len(chunk)
            self.context.progress(t("writing {entity}", entity=entity), done, None)
        while later:
            left: list[Waiting] = []
            for chunk in chunked(later, self.size):
                left += self._write(entity, chunk)
                self.context.check_stopped()
            if len(left) == len(later):
                break
            later = left
        for chunk in chunked(later, self.size):
            self._write(entity, chunk, last=True)

    def link_known(self, entity: str) -> None:
        """Link what waits and is there already, where nothing may be written."""
        for chunk in self._chunks(entity):
            self._batch(entity, chunk).link_known()

    def refuse_waiting(self, entity: str, error: CrmError) -> None:
        """Tell the plugin that nothing of an entity can be written; all of it goes on waiting."""
        for chunk in self._chunks(entity):
            told = dict.fromkeys((item.local_id for item in chunk), (error.code, error.message))
            self._tell_refused(entity, told)

    def _tell_refused(self, entity: str, refusals: Mapping[UUID, tuple[str, str]]) -> None:
        """Tell a plugin before it is noted here: killed between the two, it is told again."""
        applier = self.context.appliers[entity]
        if refusals and isinstance(applier, PluginApplier):
            with self.context.writing() as uow:
                applier.refused(uow, refusals)
                uow.commit()

    def _chunks(self, entity: str) -> Iterator[list[Waiting]]:
        context, after = self.context, None
        if context.dry_run and entity in context.listers:
            with context.reading() as uow:
                unheard = push_queue.unheard(uow, context.backend_id, entity, context.listers)
            yield from chunked([Waiting(each, 0, False) for each in unheard], self.size)
        while True:
            with context.reading() as uow:
                if self.everything:
                    rows = push_queue.everything(uow, entity, after=after, limit=self.size)
                else:
                    rows = push_queue.waiting(
                        uow, context.backend_id, entity, after=after, limit=self.size
                    )
            if not rows:
                return
            yield [item for _, item in rows]
            after = rows[-1][0]

    def _write(self, entity: str, items: list[Waiting], *, last: bool = False) -> list[Waiting]:
        """Write a batch and what hangs on it; return those that wait for another record.

        One that fails as a whole is halved down to the record that makes it fail, which is set
        aside.
        """
        batch = self._batch(entity, items)
        waiting: set[UUID] = set()
        try:
            waiting = batch.run(last=last)
            if entity == "customer" and self.remote.writable("address"):
                self._write_addresses(batch, waiting)
        except Exception as error:
            if _concerns_the_run(error):
                raise
            if len(items) > 1:
                again = [item._replace(was_sent=True) for item in items]  # it may have been
                middle = len(again) // 2
                left = self._write(entity, again[:middle], last=last)
                return left + self._write(entity, again[middle:], last=last)
            batch.blame(error)
        self._count(batch)
        if not self.context.dry_run:
            failed = batch.failed.items()
            self._tell_refused(entity, {key: (code, reason) for key, (_, code, reason) in failed})
        batch.settle(waiting)
        return [item for item in items if item.local_id in waiting]

    def _write_addresses(self, customers: PushBatch, waiting: set[UUID]) -> None:
        found = _addresses_of(self.context, customers.there(waiting))
        addresses = self._batch("address", found)
        customers.failed |= addresses.run_for_customers()
        self._count(addresses)

    def _batch(self, entity: str, items: list[Waiting]) -> PushBatch:
        return PushBatch(self.context, self.remote, entity, items)

    def _count(self, batch: PushBatch) -> None:
        self.counts.setdefault(batch.entity, PushCounts()).take(batch.counts)


def _concerns_the_run(error: Exception) -> bool:
    """Return whether an error is no one record's fault: else it has to be found whose."""
    is_away = isinstance(error, RetryableSyncError) and error.code != BUSY
    return is_away or isinstance(error, STOPPING)


def _addresses_of(context: SyncContext, customer_ids: Sequence[UUID]) -> list[Waiting]:
    with context.reading() as uow:
        found: list[UUID] = []
        for chunk in chunked(customer_ids, context.batch_size):
            found += uow.scalars(
                select(Address.id).where(Address.customer_id.in_(chunk), Address.use != "main")
            )
    return [Waiting(address_id, 0, True) for address_id in found]
