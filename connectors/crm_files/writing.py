"""Finding, making and changing rows: what each draft or edit comes to, given the file as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from crm_core.messages import t
from crm_core.normalize import compact_vat
from crm_core.sync.protocol import Draft, Edit, Match, Probe, Written
from crm_files.folder import Changes, Folder
from crm_files.layout import EXTERNAL_ID, Layout
from crm_files.records import HAVE_PARENTS, RowError, cells_of, fields_of, new_row, parents, told
from crm_files.table import PARENT, Facts, Row, upwards

GONE = "core.sync.gone"
VATS_REMEMBERED = 100_000
"""Numbers whose form is known: the same rows are looked through for each batch."""


def shape(
    entity: str, layout: Layout, header: Sequence[str], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a record as it would be read after it was written; what cannot be held is left out."""
    fields = fields_of(entity, layout, header)
    row: Row = {}
    kept = []
    for name, value in record.items():
        if name in fields:
            try:
                row |= cells_of(entity, layout, {name: value}, header)
            except RowError:
                continue
            kept.append(name)
    values = told(entity, layout, row)
    return {name: values[name] for name in kept}


class _Batch(NamedTuple):
    """What a batch is planned on: the file as it is, who is above whom, and what comes of it."""

    facts: Facts
    ties: dict[str, str]
    changes: Changes


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns one batch of drafts or edits into changes of a file.

    Attributes:
        entity: Which one.
        layouts: All entities of the folder.
        folder: Where.
    """

    entity: str
    layouts: Mapping[str, Layout]
    folder: Folder

    @property
    def layout(self) -> Layout:
        """The entity's own layout."""
        return self.layouts[self.entity]

    def create(self, drafts: Sequence[Draft]) -> Sequence[Written]:
        """Make rows, or change those that bear the external id already."""

        def one(draft: Draft, batch: _Batch) -> str:
            there = _bearers(batch.facts, draft.external_id)
            remote_id = there[0] if there else draft.external_id
            if len(there) > 1 or remote_id in batch.facts.twice:
                raise self._ambiguous(draft.external_id)
            cells = self._cells(draft.values, batch, remote_id, self.layout.required)
            if there:
                batch.changes.edits.setdefault(remote_id, {}).update(cells)
            else:
                row = new_row(self.layout, draft.external_id, cells)
                batch.changes.new.setdefault(remote_id, {}).update(row)
            return remote_id

        return self._written([(draft.key, draft) for draft in drafts], one)

    def update(self, edits: Sequence[Edit]) -> Sequence[Written]:
        """Change rows that are there; raises FatalSyncError where the whole file is gone."""
        self.folder.require(self.layout)

        def one(edit: Edit, batch: _Batch) -> str:
            if edit.remote_id not in batch.facts.ids:
                raise RowError(
                    t(
                        "{label} ({remote_id}) is no longer in {file}.",
                        label=edit.label,
                        remote_id=edit.remote_id,
                        file=self.layout.file,
                    ),
                    GONE,
                )
            if edit.remote_id in batch.facts.twice:
                raise self._ambiguous(edit.remote_id)
            required = [name for name in self.layout.required if name in edit.values]
            cells = self._cells(edit.values, batch, edit.remote_id, required)
            batch.changes.edits.setdefault(edit.remote_id, {}).update(cells)
            return edit.remote_id

        return self._written([(edit.remote_id, edit) for edit in edits], one)

    def _written(
        self, items: Sequence[tuple[str, Any]], one: Callable[[Any, _Batch], str]
    ) -> Sequence[Written]:
        answers: list[Written] = []

        def plan(facts: Facts) -> Changes:
            ties = parents(self.folder, self.layouts) if self.entity in HAVE_PARENTS else {}
            batch = _Batch(facts, ties, Changes())
            answers.clear()
            for key, item in items:
                try:
                    answers.append(Written(key, one(item, batch)))
                except RowError as error:
                    answers.append(Written(key, None, error.code, error.reason))
            return batch.changes

        if items:
            self.folder.rewrite(self.entity, self.layouts, plan)
        return answers

    def _cells(
        self, values: Mapping[str, Any], batch: _Batch, remote_id: str, required: Iterable[str]
    ) -> dict[str, str]:
        cells = cells_of(self.entity, self.layout, values, batch.facts.header)
        missing = [name for name in required if not cells.get(name)]
        if missing:
            raise RowError(
                t(
                    "{missing} must be filled for {file}: fill it here.",
                    missing=", ".join(missing),
                    file=self.layout.file,
                ),
                "files.incomplete",
            )
        above = cells.get(PARENT)
        if above and self.entity in HAVE_PARENTS:
            if remote_id in upwards(batch.ties, above):
                raise RowError(
                    t(
                        "it would be above itself, directly or through others: name another "
                        "company."
                    ),
                    "files.circle",
                )
            batch.ties[remote_id] = above
        return cells

    def _ambiguous(self, name: str) -> RowError:
        return RowError(
            t(
                "{name} stands more than once in {file}, so it is not known which row it means: "
                "correct the file.",
                name=name,
                file=self.layout.file,
            ),
            "files.twice",
        )


def _bearers(facts: Facts, external_id: str) -> list[str]:
    """Return the rows that are ours; one whose external id was lost still has it as its id."""
    found = facts.external.get(external_id, [])
    if external_id in facts.ids and external_id not in found:
        return [external_id, *found]
    return found


def bearers_of(rows: Iterable[Row], layout: Layout) -> dict[str, list[str]]:
    """Return the rows that go by each external id; a row's own id is one of its names."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for name in {row[layout.key], row.get(EXTERNAL_ID) or row[layout.key]}:
            found.setdefault(name, []).append(row[layout.key])
    return found


# What a row can be found by, in this order; each gives the keys of a probe or row.
Keys = Callable[[Mapping[str, Any]], Iterable[str]]


def find_rows(
    entity: str, layout: Layout, rows: Iterable[Row], probes: Sequence[Probe]
) -> dict[str, list[Match]]:
    """Return the rows that look like each probe, by the first trait that any row shares."""
    traits: dict[str, Keys] = {}
    if entity == "tag":
        traits = {"name": lambda values: _filled(values.get("name"))}
    elif entity == "customer":
        traits = {"vat": _vat, "reference": lambda v: _filled(v.get("reference")), "email": _email}
    wanted: dict[tuple[str, str], list[str]] = {}
    for probe in probes:
        wanted.setdefault(("external_id", probe.external_id), []).append(probe.key)
        for by, keys in traits.items():
            for key in keys(probe.values):
                wanted.setdefault((by, key), []).append(probe.key)
    asked = {by: traits[by] for by, _ in wanted if by in traits}
    found: dict[str, dict[str, list[Match]]] = {}
    for row in rows:
        row_id = row[layout.key]
        label = row.get(layout.label) or row_id
        own = {("external_id", row_id), ("external_id", row.get(EXTERNAL_ID, ""))}
        facts = _as_found(row)
        own |= {(by, key) for by, keys in asked.items() for key in keys(facts)}
        for trait in own & wanted.keys():
            for key in wanted[trait]:
                match = Match(row_id, label, trait[0])
                matches = found.setdefault(key, {}).setdefault(trait[0], [])
                if match not in matches:
                    matches.append(match)
    order = ("external_id", *traits)
    return {
        key: next(by_trait[by] for by in order if by in by_trait) for key, by_trait in found.items()
    }


def _as_found(row: Row) -> dict[str, Any]:
    """Return what of a row is looked for, in the words of a neutral record."""
    return {
        **row,
        "contact_points": [{"kind": "email", "value": row.get("email", "")}],
        "address": {"country_code": row.get("country_code")},
    }


def _filled(value: Any) -> list[str]:
    text = str(value or "").strip()
    return [text] if text else []


def _vat(values: Mapping[str, Any]) -> list[str]:
    country = (values.get("address") or {}).get("country_code")
    return [_compact(vat, country) for vat in _filled(values.get("vat"))]


_compact = lru_cache(maxsize=VATS_REMEMBERED)(compact_vat)


def _email(values: Mapping[str, Any]) -> list[str]:
    kind = values.get("kind")
    return [
        f"{kind} {address.casefold()}"
        for point in values.get("contact_points") or ()
        if point["kind"] == "email"
        for address in _filled(point["value"])
    ]
