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

CURSOR = "core.sync.cursor"
"""Code of the refusal to go on from a cursor that is damaged or lies in the future."""
RIGHT_MISSING = "core.sync.right_missing"
"""Code of a FatalSyncError that concerns one entity only: the others go on."""
BUSY = "core.sync.busy"
"""Code of a RetryableSyncError that concerns some records only: others keep them busy over there,
and nothing was done."""


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """One remote record, already neutral.

    Attributes:
        remote_id: Its id there, as text.
        label: How a person would call it in a message: a name or a number.
        values: The neutral record (see ``crm_core.sync.records``).
        changed_at: When it was last changed by the remote's clock, in UTC; None where it cannot
            tell. Decides between two edits where a field's master is ``newest``.
        changed_by: Who changed it, as the remote id of a user or a name; None where unknown.
    """

    remote_id: str
    label: str
    values: Mapping[str, Any]
    changed_at: datetime | None = None
    changed_by: str | None = None


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


@dataclass(frozen=True, slots=True)
class Probe:
    """A local record that may be there already, and what to look for.

    Attributes:
        key: The local record's id as text; answers bear it.
        external_id: The name our records go by over there, ``crm_<installation>.customer_<hex>``.
        values: The neutral record.
        may_be_there: Whether an earlier attempt to create it may have gone through unnoticed.
    """

    key: str
    external_id: str
    values: Mapping[str, Any]
    may_be_there: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A remote record that looks like a local one.

    ``by`` is ``external_id``, ``vat``, ``reference``, ``email`` or ``name`` (of a tag).
    """

    remote_id: str
    label: str
    by: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be made; ``values`` hold every field that is to be written.

    ``key`` is the local record's id as text, ``external_id`` as in :class:`Probe`.
    """

    key: str
    external_id: str
    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields of one remote record to be changed, each with its whole new value; None clears it."""

    remote_id: str
    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a draft (``key`` is its key) or an edit (``key`` is its remote id).

    ``remote_id`` is None where it failed; ``code`` and ``reason`` then say why.
    """

    key: str
    remote_id: str | None
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Priced:
    """What a draft would cost; ``values`` is None where the remote will not say, with the reason.

    ``values`` hold ``untaxed_amount``, ``tax_amount`` and ``total_amount`` as decimal text, and
    ``lines``: the same of each line, in the draft's order.
    """

    key: str
    values: Mapping[str, Any] | None
    code: str = ""
    reason: str = ""


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


@runtime_checkable
class WritableBackend(RemoteBackend, Protocol):
    """A remote that can also be written to."""

    def writable(self, entity: str) -> frozenset[str]:
        """Return the neutral fields of an entity that can be written; empty when it is read-only.

        May raise FatalSyncError with code ``RIGHT_MISSING``.
        """
        ...

    def shaped(
        self, entity: str, records: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Return records as this remote would tell them, had they been written to it.

        A remote holds less than we do, such as one e-mail address: what it would drop is dropped.
        A field it cannot hold at all for a record, such as a language that is not installed, is
        left out of that record, and so are fields that are not writable. May look things up, in
        batches and remembered.
        """
        ...

    def find(self, entity: str, probes: Sequence[Probe]) -> Mapping[str, Sequence[Match]]:
        """Return what is there already, by probe key; a probe without a match may be absent.

        Looked for by external id, then VAT number, then reference, then e-mail address (of the
        same kind of customer; without regard to case), archived records included: the first of
        these that matches anything gives all of its matches. Tags match by name. A constant number
        of calls a batch.
        """
        ...

    def named(self, entity: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the remote ids of the records that go by these external ids; others are left out.

        Archived records too. Where the remote merges records, the one that stays goes by the names
        of those it took in.
        """
        ...

    def names(self, entity: str, remote_ids: Sequence[str], prefix: str) -> Mapping[str, str]:
        """Return the external ids that these records go by, by remote id; others are left out.

        Args:
            entity: Of the records.
            remote_ids: Which.
            prefix: What the names have to begin with: ``crm_<installation>.``.
        """
        ...

    def create(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Written]:
        """Make records, each under its external id, in batches; one answer a draft.

        Making a record whose external id exists changes that record: after a lost reply the same
        call makes nothing twice. A record that is refused does not keep others from being made.

        Raises:
            RetryableSyncError: The remote went away; what was made is not known.
        """
        ...

    def update(self, entity: str, edits: Sequence[Edit]) -> Sequence[Written]:
        """Change records in batches; one answer an edit.

        One that is gone over there is refused with code ``core.sync.gone`` and never made again.
        """
        ...


@runtime_checkable
class MergingBackend(WritableBackend, Protocol):
    """A remote that can also be asked to merge two of its records."""

    def merge(self, entity: str, keep: str, drop: str) -> None:
        """Let record ``drop`` go into record ``keep``, with all that hangs on it.

        Done already counts as done: after a lost reply the same call merges nothing twice.

        Raises:
            RecordSyncError: It refuses; the reason is for people.
        """
        ...


@runtime_checkable
class PricingBackend(WritableBackend, Protocol):
    """A remote that can also work out what a record would cost, tax and all."""

    def price(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Priced]:
        """Return what drafts would cost, one answer each; nothing of them is kept over there.

        After a lost reply the same call leaves nothing behind.
        """
        ...
