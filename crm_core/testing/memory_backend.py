"""A connection to an in-memory back office: every question goes through the office's one door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from crm_core.sync.protocol import (
    CheckResult,
    Draft,
    Edit,
    LinkSet,
    Match,
    Probe,
    RemoteEntity,
    RemotePage,
    Written,
)
from crm_core.testing.memory_rows import FIELDS, WRITABLE, held


class Door(Protocol):
    """An office, in this process or reached from another."""

    def ask(self, method: str, *arguments: Any) -> Any:
        """Answer one call."""
        ...


class MemoryBackend:
    """The connection; see ``crm_core.sync.protocol`` for what each method promises."""

    def __init__(self, office: Door) -> None:
        self._office = office
        self.calls = 0

    def _ask(self, method: str, *arguments: Any) -> Any:
        self.calls += 1
        return self._office.ask(method, *arguments)

    # Reading.

    def entities(self) -> Sequence[RemoteEntity]:
        """Return all entities."""
        return [RemoteEntity(name, "1") for name in FIELDS]

    def server_time(self) -> datetime:
        """Return the office's clock."""
        time: datetime = self._ask("server_time")
        return time

    def pages(
        self, entity: str, *, since: datetime | None, after: str | None, size: int
    ) -> Iterator[RemotePage]:
        """Yield pages, each asked for when it is wanted."""
        while True:
            page: RemotePage = self._ask("page", entity, since, after, size)
            if page.records:
                yield page
            if len(page.records) == page.total:
                return
            after = page.last_id

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        """Return these records."""
        page: RemotePage = self._ask("read", entity, list(remote_ids))
        return page

    def ids(self, entity: str) -> Iterator[Sequence[str]]:
        """Yield all ids at once."""
        yield self._ask("ids", entity)

    def fates(self, entity: str, remote_ids: Sequence[str]) -> Mapping[str, str]:
        """Say what became of records."""
        fates: Mapping[str, str] = self._ask("fates", entity, list(remote_ids))
        return fates

    def link_sets(self, entity: str) -> Sequence[LinkSet]:
        """Return who bears which tag."""
        return (LinkSet("tag_refs", self._ask("tagged")),) if entity == "customer" else ()

    def check(self) -> Sequence[CheckResult]:
        """Nothing can be wrong."""
        return [CheckResult("office", ok=True, message="It is there.")]

    def close(self) -> None:
        """Nothing is held open."""

    # Writing.

    def writable(self, entity: str) -> frozenset[str]:
        """Return an entity's fields where it can be written."""
        return WRITABLE.get(entity, frozenset())

    def shaped(
        self, entity: str, records: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Return records as the office would hold them."""
        fields = self.writable(entity)
        shaped = []
        for record in records:
            told = held(entity, {name: value for name, value in record.items() if name in fields})
            if told.get("parent_ref"):
                told.pop("address", None)  # a contact has its company's
            shaped.append(told)
        return shaped

    def find(self, entity: str, probes: Sequence[Probe]) -> Mapping[str, Sequence[Match]]:
        """Look for records."""
        found: Mapping[str, Sequence[Match]] = self._ask("find", entity, list(probes))
        return found

    def named(self, entity: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Return remote ids by external id."""
        found: Mapping[str, str] = self._ask("named", entity, list(external_ids))
        return found

    def names(self, entity: str, remote_ids: Sequence[str], prefix: str) -> Mapping[str, str]:
        """Return external ids by remote id."""
        found: Mapping[str, str] = self._ask("borne", entity, list(remote_ids), prefix)
        return found

    def create(self, entity: str, drafts: Sequence[Draft]) -> Sequence[Written]:
        """Make records."""
        answers: Sequence[Written] = self._ask("create", entity, list(drafts))
        return answers

    def update(self, entity: str, edits: Sequence[Edit]) -> Sequence[Written]:
        """Change records."""
        answers: Sequence[Written] = self._ask("update", entity, list(edits))
        return answers

    def merge(self, entity: str, keep: str, drop: str) -> None:
        """Let one record go into another."""
        self._ask("merge", entity, keep, drop)
