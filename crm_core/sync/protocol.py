"""What the sync engine asks of a remote, in words that name no ERP.

A connector turns its remote's records into *neutral records*: plain dicts of text, numbers,
booleans, None, lists and dicts, with decimals as text (``"12.50"``), dates as ISO text and absent,
False and empty all told as None. Field names and shapes per entity stand in
``crm_core.sync.records``. A field whose name ends in ``_ref`` holds another record's remote id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

RIGHT_MISSING = "core.sync.right_missing"
"""Code of a FatalSyncError that concerns one entity only: the others go on."""


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """One remote record, already neutral.

    Attributes:
        remote_id: Its id there, as text.
        label: How a person would call it in a message: a name or a number.
        values: The neutral record (see ``crm_core.sync.records``).
    """

    remote_id: str
    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteFault:
    """A remote record that could not be read or understood; it is set aside with the reason."""

    remote_id: str
    label: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemotePage:
    """Some records in ascending order of remote id, and how far they reach.

    ``last_id`` is what a resumed sweep passes as ``after``; ``total`` the number of records the
    whole sweep will give, where the remote can tell, for the progress bar.
    """

    records: Sequence[RemoteRecord]
    last_id: str
    faults: Sequence[RemoteFault] = ()
    total: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteEntity:
    """One entity a remote can give, as its mapping stands now.

    Attributes:
        name: Entity name, such as ``customer``.
        mapping_digest: Changes with the mapping or the remote's fields; a full sweep follows.
        warnings: What is left out, in plain words: a mapped field that is gone.
    """

    name: str
    mapping_digest: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of ``crm backend test``: what was tried, whether it worked, what to do if not."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class LinkSet:
    """A many-to-many relation as the remote holds it: members per linked record.

    ``field`` is the neutral record's list field (``tag_refs``), ``members`` maps a linked record's
    remote id to the remote ids of the records that carry it.
    """

    field: str
    members: Mapping[str, Iterable[str]]


@runtime_checkable
class RemoteBackend(Protocol):
    """An open connection to one configured remote; used from one thread at a time.

    Every method may raise RetryableSyncError (not reachable; retries are already used up),
    FatalSyncError (refused), or FatalSyncError with code ``RIGHT_MISSING`` (this entity only).
    """

    calls: int
    """How many remote calls were made so far."""

    def entities(self) -> Sequence[RemoteEntity]:
        """Return what can be pulled, in an order that gives referred records before referring."""
        ...

    def server_time(self) -> datetime:
        """Return the remote's own clock, aware, in UTC."""
        ...

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        """Yield the entity's records, archived ones included, in ascending order of remote id.

        Args:
            entity: Name of the entity.
            since: Only records touched at or after this moment of the remote's clock, whatever
                part of them was touched; None for all.
            after: Only records whose id comes after this one; None from the start.
            size: Records a page, at most.
        """
        ...

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return these records where they can still be read and lie in the entity's domain."""
        ...

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        """Yield batches of all ids in the entity's domain, archived ones included."""
        ...

    def fates(self, entity: str, remote_ids: Sequence[str]) -> Mapping[str, str]:
        """Say what became of ids that ``ids`` no longer gives: a ``BindingState`` value each.

        ``deleted`` (no such record), ``unreadable`` (it exists, we may not read it) or ``outside``
        (readable, but no longer in the entity's domain).
        """
        ...

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        """Return relations whose change does not touch the record that carries them."""
        ...

    def check(self) -> Sequence[CheckResult]:
        """Try everything a run needs, naming each right or module that is missing."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...
