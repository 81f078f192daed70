"""Odoo as a remote of the sync engine: reads and writes what the mappings name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_core.entities.sync import BindingState
from crm_core.errors import FatalSyncError, InputError, RecordSyncError, SyncError
from crm_core.messages import t
from crm_core.sync.protocol import (
    CURSOR,
    RIGHT_MISSING,
    CheckResult,
    Draft,
    Edit,
    LinkSet,
    Match,
    Priced,
    Probe,
    RemoteEntity,
    RemoteFault,
    RemotePage,
    RemoteRecord,
    Written,
)
from crm_odoo import checks
from crm_odoo.fittings import Fitted, Fittings
from crm_odoo.mappings import ENTITIES
from crm_odoo.mappings.domains import (
    DEFAULT_CUSTOMER_DOMAIN,
    INTERNAL_USERS,
    IS_INTERNAL_USER,
    OWN_COMPANIES,
    conjunction,
    resolved,
)
from crm_odoo.mappings.model import EntityMapping
from crm_odoo.reader import Reader
from crm_odoo.records import OdooRecords
from crm_odoo.transport import OdooTransport
from crm_odoo.writing.finder import Finder
from crm_odoo.writing.outgoing import Outgoing
from crm_odoo.writing.writable import Writing

ID_BATCH = 50_000
PAGES_AHEAD = 10


class OdooBackend:
    """A ``WritableBackend`` on an Odoo database; connects when first used.

    Args:
        transport: A client of the database, used by this backend alone.
        language: Odoo's code of the language that product names and the like come in; the user's
            own when None.
        customer_domain: Which partners are customers; see ``mappings.domains``.
        mappings: What is pulled and pushed.
    """

    def __init__(
        self,
        transport: OdooTransport,
        *,
        language: str | None = None,
        customer_domain: Sequence[Any] = DEFAULT_CUSTOMER_DOMAIN,
        mappings: Sequence[EntityMapping] = ENTITIES,
    ) -> None:
        self._transport = transport
        self._records = OdooRecords(transport, language)
        self._writing = Writing(self._records)
        self._customer_domain = tuple(customer_domain)
        self._mappings = {mapping.name: mapping for mapping in mappings}
        self._fittings = Fittings(self._records, self._mappings, self._customer_domain)
        self._special_ids: dict[str, list[int]] | None = None
        self._clock: tuple[datetime, float] | None = None

    @property
    def calls(self) -> int:
        """How many requests were sent so far."""
        return self._transport.calls

    def entities(self) -> Sequence[RemoteEntity]:
        """Return what this server can give; what its missing apps would bring is left out."""
        return [
            RemoteEntity(found.mapping.name, found.digest, found.warnings)
            for name in self._mappings
            if (found := self._fittings.fit(name)) is not None
        ]

    def server_time(self) -> datetime:
        """Return Odoo's clock: asked once, then counted on."""
        if self._clock is None:
            told = self._transport.execute("mail.message", "default_get", ["date"])["date"]
            self._clock = (datetime.fromisoformat(told).replace(tzinfo=UTC), time.monotonic())
        told_at, then = self._clock
        return told_at + timedelta(seconds=time.monotonic() - then)

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        """Yield an entity's records in ascending order of id."""
        found = self._needed(entity)
        start = _position(entity, after)
        if since is None:
            yield from self._full(found, start, size)
        else:
            yield from self._touched(found, since, start, size)

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return those of these records that are in the entity's domain."""
        found = self._needed(entity)
        ids = self._search(found, [["id", "in", [int(key) for key in remote_ids]]])
        return self._page(found, self._reader(found), ids, len(ids))

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        """Yield all ids in the entity's domain."""
        found = self._needed(entity)
        last = 0
        while batch := self._search(found, [["id", ">", last]], limit=ID_BATCH):
            yield [str(record_id) for record_id in batch]
            last = batch[-1]
            if len(batch) < ID_BATCH:
                return

    def fates(self, entity: str, remote_ids: Sequence[str]) -> Mapping[str, str]:
        """Say what became of ids that are no longer in the domain."""
        model = self._mappings[entity].model
        asked = [int(key) for key in remote_ids]
        there = self._records.existing(model, asked)
        readable = set(self._records.search(model, [["id", "in", sorted(there)]]))
        return {
            str(record_id): (
                BindingState.DELETED.value
                if record_id not in there
                else BindingState.OUTSIDE.value
                if record_id in readable
                else BindingState.UNREADABLE.value
            )
            for record_id in asked
        }

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        """Return tags with their customers: adding one from the tag's side touches no customer."""
        if entity != "customer":
            return []
        rows = self._records.rows("res.partner.category", [], ["partner_ids"])
        members = {str(row["id"]): [str(partner) for partner in row["partner_ids"]] for row in rows}
        return [LinkSet("tag_refs", members)]

    def writable(self, entity: str) -> frozenset[str]:
        """Return the fields that can be written; none of what Odoo lacks or is master of."""
        if entity not in self._mappings or self._fittings.fit(entity) is None:
            return frozenset()
        outgoing = self._outgoing(entity)
        if outgoing.fields:
            self._writing.require(self._mappings[entity])
        return outgoing.fields

    def shaped(
        self, entity: str, records: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Return records as ``read`` would tell them, had they been written."""
        outgoing = self._outgoing(entity)
        return [outgoing.told(record) for record in records]

    def find(self, entity: str, probes: Sequence[Probe]) -> Mapping[str, Sequence[Match]]:
        """Return what is there already of an entity, in its domain only."""
        return self._writing.find(self._mappings[entity], self._finder(entity), probes)

    def named(self, entity: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the records of an entity's domain that go by these external ids."""
        probes = [Probe(name, name, {}, may_be_there=True) for name in external_ids]
        found = self._finder(entity).by_external_id(probes)
        return {name: matches[0].remote_id for name, matches in found.items()}

    def names(self, entity: str, remote_ids: Sequence[str], prefix: str) -> Mapping[str, str]:
        """Return the external ids of ours that records go by."""
        return self._finder(entity).names(remote_ids, entity, prefix)

    def _finder(self, entity: str) -> Finder:
        found = self._needed(entity)
        domain = self._domain(found.mapping)

        def read(narrower: Sequence[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
            whole = [*conjunction(narrower), *domain]
            return self._records.rows(found.mapping.model, whole, fields)

        return Finder(self._records, found.mapping.model, read)

    def create(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Written]:
        """Make records under their external ids; the same call again makes nothing twice."""
        return self._writing.create(self._mappings[entity], self._outgoing(entity), drafts)

    def update(self, entity: str, edits: Sequence[Edit]) -> Sequence[Written]:
        """Change records that are there."""
        outgoing = self._outgoing(entity)
        unclear = [edit.remote_id for edit in edits if outgoing.needs(edit.values)]
        known = {
            record.remote_id: record.values
            for record in (self.read(entity, unclear).records if unclear else ())
        }
        return self._writing.update(self._mappings[entity], outgoing, edits, known)

    def price(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Priced]:
        """See ``PricingBackend.price``."""
        return self._writing.price(self._mappings[entity], self._outgoing(entity), drafts)

    def merge(self, entity: str, keep: str, drop: str) -> None:
        """See ``MergingBackend.merge``: as the assistant in Odoo's contacts does."""
        self._writing.merge(self._needed(entity).mapping, int(keep), int(drop))

    def check(self) -> Sequence[CheckResult]:
        """Try all that a run needs; a connection that fails raises its own error."""
        clock = self.server_time()
        results = checks.connection(self._transport, self._records, clock)
        if any(each.name == "language" and not each.ok for each in results):
            return results  # newer versions refuse whatever is asked in a language they lack
        for name, mapping in self._mappings.items():
            found = self._fittings.fit(name)
            results += checks.entity(mapping, found is not None, self._records)
            if found is not None:
                results += checks.fields(mapping, found.warnings)
                if any(field.write for field in mapping.fields):
                    results += checks.writing(mapping, self._writing.may(mapping.model))
        return checks.merged(results)

    def close(self) -> None:
        """Release the connection."""
        self._transport.close()

    def _full(self, found: Fitted, start: int, size: int) -> Iterator[RemotePage]:
        reader = self._reader(found)
        total = self._records.count(
            found.mapping.model, [["id", ">", start], *self._domain(found.mapping)]
        )
        last = start
        # For some pages at once: Odoo finds a page's ids in an eighth of the time it reads it in.
        while ids := self._search(found, [["id", ">", last]], limit=PAGES_AHEAD * size):
            for begin in range(0, len(ids), size):
                yield self._page(found, reader, ids[begin : begin + size], total)
            last = ids[-1]
            if len(ids) < PAGES_AHEAD * size:
                return

    def _touched(
        self, found: Fitted, since: datetime, start: int, size: int
    ) -> Iterator[RemotePage]:
        moment = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        touched: list[Any] = ["|"] * (len(found.cursors) - 1)
        touched += [[path, ">=", moment] for path in found.cursors]
        ids = self._search(found, [["id", ">", start], *touched])
        reader = self._reader(found)
        for begin in range(0, len(ids), size):
            yield self._page(found, reader, ids[begin : begin + size], len(ids))

    def _page(self, found: Fitted, reader: Reader, ids: Sequence[int], total: int) -> RemotePage:
        if not ids:
            return RemotePage([], "", total=total)
        records, faults = self._bisected(found, reader, ids)
        if len(faults) == len(ids) > 1:
            self._refuse_all(found, faults)
        return RemotePage(records, str(ids[-1]), faults, total)

    def _bisected(
        self, found: Fitted, reader: Reader, ids: Sequence[int]
    ) -> tuple[list[RemoteRecord], list[RemoteFault]]:
        """Read records; where one of them breaks the call, find it and go on with the rest."""
        try:
            return reader.page(ids)
        except SyncError as error:
            if not self._concerns_records(found, error):
                raise
            if len(ids) == 1:
                fault = RemoteFault(
                    str(ids[0]), f"{found.mapping.model} {ids[0]}", error.code, error.message
                )
                return [], [fault]
        middle = len(ids) // 2
        records, faults = self._bisected(found, reader, ids[:middle])
        more_records, more_faults = self._bisected(found, reader, ids[middle:])
        return records + more_records, faults + more_faults

    def _concerns_records(self, found: Fitted, error: SyncError) -> bool:
        if isinstance(error, RecordSyncError):
            return True
        if error.code != RIGHT_MISSING or error.details.get("model") != found.mapping.model:
            return False
        return self._records.readable(found.mapping.model)

    def _refuse_all(self, found: Fitted, faults: Sequence[RemoteFault]) -> None:
        raise FatalSyncError(
            t(
                "None of {count} {mapping} records in a row could be read; the first says: "
                "{reason}",
                count=len(faults),
                mapping=found.mapping.name,
                reason=faults[0].reason,
            ),
            code="odoo.nothing_readable",
            details={"entity": found.mapping.name, "first_id": faults[0].remote_id},
        )

    def _search(
        self, found: Fitted, domain: Sequence[Any], *, limit: int | None = None
    ) -> list[int]:
        whole = [*domain, *self._domain(found.mapping)]
        return self._records.search(found.mapping.model, whole, limit=limit)

    def _reader(self, found: Fitted) -> Reader:
        return Reader(self._records, found.mapping, found.shape, found.line_shape)

    def _domain(self, mapping: EntityMapping) -> list[Any]:
        return resolved(mapping.domain, self._customer_domain, self._specials())

    def _specials(self) -> dict[str, list[int]]:
        """Return the partner ids that the placeholders in domains stand for, read once."""
        if self._special_ids is None:
            users = self._records.search("res.users", resolved(IS_INTERNAL_USER, (), {}))
            rows = self._records.read("res.users", users, ["partner_id"])
            self._special_ids = {
                OWN_COMPANIES: self._records.search(
                    "res.partner", [["ref_company_ids", "!=", False]]
                ),
                INTERNAL_USERS: sorted({row["partner_id"] for row in rows}),
            }
        return self._special_ids

    def _needed(self, entity: str) -> Fitted:
        found = self._fittings.fit(entity) if entity in self._mappings else None
        if found is None:
            raise InputError(t("This Odoo has no entity {entity!r} to pull.", entity=entity))
        return found

    def _outgoing(self, entity: str) -> Outgoing:
        found = self._needed(entity)
        info = self._fittings.fields_of(found.mapping.model) or {}
        return self._writing.outgoing(found.mapping, found.shape, info)


def _position(entity: str, after: str | None) -> int:
    if after and not after.isdecimal():
        raise FatalSyncError(
            t(
                "The place up to which {entity} records were read is damaged: {after!r} is no id. "
                "Read all of them again: crm sync run NAME --full --entity {entity}",
                entity=entity,
                after=after,
            ),
            code=CURSOR,
            details={"entity": entity},
        )
    return int(after or 0)
