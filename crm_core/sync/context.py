"""What one run of the sync engine carries with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_core.access import Actor
from crm_core.entities.sync import BindingState
from crm_core.errors import RetryableSyncError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.sync import lock
from crm_core.sync.protocol import RemoteBackend, RemoteFault, RemoteRecord

Progress = Callable[[str, int, int | None], None]
"""Called with entity, records done so far in it, and how many there are (None: not known)."""
BATCH_SIZE = 500
STOPPED = "core.sync.stopped"
"""Code of a run that ended because somebody asked it to."""


GONE = {
    BindingState.DELETED.value,
    BindingState.UNREADABLE.value,
    BindingState.OUTSIDE.value,
    BindingState.RESTORING.value,
}
LEFT_ALONE = {BindingState.UNREADABLE.value, BindingState.OUTSIDE.value}
"""States in which a record stays here as it was."""

VANISH_SHARE = 0.2
LONELY = "core.sync.customer_missing"
"""Code of a record whose customer is not here."""


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
    kept: dict[str, set[str]] = field(default_factory=dict)
    """Fields that stay as they are here although the remote changed them; of one that is merged by
    part, which parts."""

    undecided: dict[str, set[str]] = field(default_factory=dict)
    """Of those, the ones that a person has to decide on: nothing new is agreed on for them."""
    overruled: set[str] = field(default_factory=set)
    """Fields that people changed here too, where the remote's value was given right."""
    is_shared: bool = False
    """Whether another record in use there is the same customer, since two were merged here."""
    sets: frozenset[str] = frozenset()
    """Fields of a plugin's record that merge as sets."""
    is_further: bool = False
    """Another remote record is the customer's first (two were merged here): this one's fields are
    left alone, and only what hangs on it follows."""

    def keep(self, name: str, part: str = "") -> None:
        """Leave a field, or a part of it, as it is here."""
        self.kept.setdefault(name, set()).update({part} if part else ())

    def leave(self, name: str, part: str = "") -> None:
        """Leave a field, or a part of it, as each side has it, until a person decides."""
        self.keep(name, part)
        self.undecided.setdefault(name, set()).update({part} if part else ())

    def agreed(self) -> dict[str, Any]:
        """Return the record as both sides agree on it: what is undecided as it was before."""
        values = dict(self.record.values)
        for name, parts in self.undecided.items():
            before = self.before(name)
            if parts:
                old = {part: (before or {}).get(part) for part in parts}
                values[name] = {**(values[name] or {}), **old}
            else:
                values[name] = before
        return values

    @property
    def remote_id(self) -> str:
        """The record's id on the other side."""
        return self.record.remote_id

    @property
    def has_arrived(self) -> bool:
        """Whether the record is new here, or was gone."""
        return self.bound is None or self.bound.state in GONE

    @property
    def tells_archived(self) -> bool:
        """Whether to follow the remote in being archived or not.

        A record that was out of sight or outside the domain was left alone meanwhile: what people
        made of it stands. Others that are back may have been archived here for being gone.
        """
        was_kept = self.bound is not None and self.bound.state in LEFT_ALONE
        return (self.has_arrived and not was_kept and not self.is_further) or self.differs(
            "archived"
        )

    def before(self, name: str) -> Any:
        """Return the field as last agreed on; None where nothing was."""
        return (self.bound.snapshot or {}).get(name) if self.bound else None

    def differs(self, name: str) -> bool:
        """Return whether the remote changed this field since it was last synced.

        A field that the record does not have, such as one that the remote's new version lacks,
        is left as it is.
        """
        if self.is_further:
            return False
        if self.bound is None or self.bound.snapshot is None:
            return True
        if name in self.kept and not self.kept[name]:
            return False
        values = self.record.values
        return name in values and bool(self.bound.snapshot.get(name) != values[name])


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

    def refuse_without_customer(self, change: Change, name: str) -> None:
        """Set aside a record whose customer, told in field ``name``, is not here yet."""
        ref = change.record.values[name]
        self.refuse(
            change,
            LONELY,
            t(
                "Its customer (remote id {ref}) is not in the front office. It is tried again at "
                "later runs; check that the customer is within the backend's domain and was not "
                "set aside itself.",
                ref=ref,
            ),
        )
        if ref:
            self.pending.append(Pending(change.remote_id, name, "customer", ref))


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
    appliers: Mapping[str, Any] = field(default_factory=dict)
    """How each entity's records are written here (``crm_core.sync.apply.Applier``)."""
    tellers: Mapping[str, Any] = field(default_factory=dict)
    """How local records are told as neutral ones (``crm_core.sync.tell``)."""
    listers: Mapping[str, Any] = field(default_factory=dict)
    """How all records of a plugin's entity are listed, to tell a backend of them once."""
    is_merging: bool = False
    """Whether the remote is written to, so that both sides' changes are merged by field."""
    writes: bool = False
    """Whether this run may write to the remote."""
    vanish_share: float = VANISH_SHARE
    """A run stops when a larger part of an entity is gone at once."""
    masters: Mapping[str, str] = field(default_factory=dict)
    """``entity.field`` to its master (``crm_core.sync.masters``), where it is not the default."""
    prefix: str = ""
    """What the names begin with that our records go by over there: ``crm_<installation>.``; empty
    where nothing is written."""
    clock_ahead: timedelta = timedelta(0)
    """How far the remote's clock is ahead of ours."""
    is_reconciling: bool = False
    """Whether this database was restored or copied and has not been in step since: what it holds
    may be older than what it last agreed on."""
    apart: frozenset[UUID] = frozenset()
    """Local records that a person said are none of those over there, however much alike."""
    dry_run: bool = False
    on_progress: Progress | None = None
    is_stopped: Callable[[], bool] = lambda: False
    """Asked after each page, batch and step: whether to end here and leave the rest."""
    stop_asked_by: Callable[[], str | None] = lambda: None
    """Asked likewise: who, anywhere, asked this run to end; None while nobody has."""
    batch_size: int = BATCH_SIZE
    """Records that are written to the remote at a time."""
    moved: dict[UUID, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """What this run took from a customer and gave to another: entity and remote id."""
    gone_unasked: Counter[str] = field(default_factory=Counter)
    """Records that a push met as gone, by entity: few are followed at once, many by the sweep."""
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    warnings: list[str] = field(default_factory=list)
    set_aside: set[str] = field(default_factory=set)
    """Entities that have records set aside, from earlier runs or this one."""
    tried: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Records set aside in this run."""
    counted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Records that a dry run has counted: nothing in the database tells that they were met."""

    def reading(self) -> AbstractContextManager[UnitOfWork]:
        """Open a reading unit of work as the system."""
        return unit_of_work(self.database, actor=self.actor)

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """Open a writing unit of work as the system."""
        return unit_of_work(self.database, actor=self.actor, write=True)

    @contextmanager
    def keeping(self) -> Iterator[UnitOfWork]:
        """Open a writing unit of work under the run's lease, and commit it in the end."""
        with self.writing() as uow:
            lock.renew(uow, self.backend_id, self.token)
            yield uow
            uow.commit()

    def progress(self, entity: str, done: int, total: int | None) -> None:
        """Tell whoever watches how far an entity is."""
        if self.on_progress is not None:
            self.on_progress(entity, done, total)
        self.check_stopped()

    def check_stopped(self) -> None:
        """Raise RetryableSyncError where somebody asked the run to end."""
        if self.is_stopped():
            raise RetryableSyncError(
                t(
                    "The run of {backend_name} was asked to stop. All that it did is kept, and "
                    "the next run goes on where this one ended.",
                    backend_name=self.backend_name,
                ),
                code=STOPPED,
            )
        login = self.stop_asked_by()
        if login is not None:
            raise RetryableSyncError(
                t(
                    "The run of {backend_name} was stopped by {login}. All that it did is kept, "
                    "and the next run goes on where this one ended.",
                    backend_name=self.backend_name,
                    login=login,
                ),
                code=STOPPED,
            )
