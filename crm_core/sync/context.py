"""What one run of the sync engine carries with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm_core.access import Actor
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.sync.protocol import RemoteBackend, RemoteFault, RemoteRecord

Progress = Callable[[str, int, int | None], None]
"""Called with entity, records done so far in it, and how many there are (None: not known)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the binding of a remote record says."""

    binding_id: UUID
    local_id: UUID
    state: str
    digest: bytes
    snapshot: dict[str, Any] | None


@dataclass(slots=True)
class Change:
    """A remote record that differs from what was last synced.

    ``prepared`` is what the entity's applier made of it before the write transaction.
    """

    record: RemoteRecord
    digest: bytes
    bound: Bound | None
    prepared: Any = None

    @property
    def remote_id(self) -> str:
        """The record's id on the other side."""
        return self.record.remote_id

    def differs(self, name: str) -> bool:
        """Return whether the remote changed this field since it was last synced."""
        if self.bound is None or self.bound.snapshot is None:
            return True
        return bool(self.bound.snapshot.get(name) != self.record.values.get(name))


@dataclass(slots=True)
class Pending:
    """A reference whose target is not here yet."""

    owner_remote_id: str
    field: str
    target_entity: str
    target_remote_id: str


@dataclass(slots=True)
class Applied:
    """What an applier did with a batch: local ids by remote id, and what it could not do."""

    local_ids: dict[str, UUID] = field(default_factory=dict)
    faults: list[RemoteFault] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)

    def refuse(self, change: Change, code: str, reason: str) -> None:
        """Set one record aside with a reason a person can act on."""
        record = change.record
        self.faults.append(RemoteFault(record.remote_id, record.label, code, reason))


@dataclass
class SyncContext:
    """One run: where it reads, where it writes, and what it counts."""

    database: Database
    backend_id: UUID
    backend_name: str
    remote: RemoteBackend
    actor: Actor
    token: UUID
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    phone_region: str | None = None
    dry_run: bool = False
    on_progress: Progress | None = None
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    warnings: list[str] = field(default_factory=list)
    set_aside: set[str] = field(default_factory=set)
    """Entities that have records set aside, from earlier runs or this one."""
    reread: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Records to be read again because something they refer to has arrived or gone."""

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        """Open a reading unit of work as the system."""
        return unit_of_work(self.database, actor=self.actor)

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """Open a writing unit of work as the system."""
        return unit_of_work(self.database, actor=self.actor, write=True)

    def progress(self, entity: str, done: int, total: int | None) -> None:
        """Tell whoever watches how far an entity is."""
        if self.on_progress is not None:
            self.on_progress(entity, done, total)
