"""Creating and changing records of one Odoo, in batches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.messages import t
from crm_core.sync.protocol import Draft, Edit, Written
from crm_odoo.mappings.written import tag_depth
from crm_odoo.records import OdooRecords
from crm_odoo.writing.loading import (
    BATCH,
    Loader,
    Refusal,
    may_be_one_record,
    sheet,
    with_lines,
    words,
)
from crm_odoo.writing.outgoing import NotHeldError, Outgoing, Value
from crm_odoo.writing.shares import TRIAL_WRITES, Seconds, Shares, Way

GONE = "core.sync.gone"
_MISSING_ERROR = "odoo.exceptions.MissingError"
_PARTNER = "res.partner"

Values = Mapping[str, Value]
Answer = int | Refusal


class Writer:
    """Writes records of any entity over one connection.

    Args:
        records: The connection.
        context: What Odoo is told with each call that writes.
    """

    def __init__(self, records: OdooRecords, context: Callable[[str], dict[str, Any]]) -> None:
        self._records = records
        self._context = context
        self._loader = Loader(records.transport)
        self._seconds: Seconds = {}
        self._others: list[Writer] | None = None

    def create(self, model: str, outgoing: Outgoing, drafts: Sequence[Draft]) -> list[Written]:
        """Make records under their external ids, those with the same columns together."""
        answers: dict[str, Answer] = {}
        sheets: dict[tuple[str, ...], dict[str, Values]] = defaultdict(dict)
        names = {draft.key: draft.external_id for draft in drafts}
        records = {draft.key: draft.values for draft in drafts}
        for draft in drafts:
            try:
                values = outgoing.written(draft.values, draft.values, is_new=True)
            except NotHeldError as error:
                answers[draft.key] = Refusal(error.reason)
            else:
                sheets[tuple(sorted(values))][draft.key] = values
        for fields, keyed in sheets.items():
            chosen = sheet(model, "id", fields, outgoing)
            rows = chosen.rows([(names[key], values) for key, values in keyed.items()])
            context = {**self._context(model), "mail_create_nolog": True}
            if outgoing.lines is None:
                found = self._loader.load(chosen, rows, context)
            else:
                lines = [records[key].get(outgoing.lines.field) or () for key in keyed]
                found = self._loader.load_together(
                    *with_lines(chosen, rows, outgoing.lines, lines), context
                )
            answers.update(zip(keyed, found, strict=True))
        return [_told(draft.key, answers[draft.key]) for draft in drafts]

    def update(
        self,
        model: str,
        outgoing: Outgoing,
        edits: Sequence[Edit],
        known: Mapping[str, Mapping[str, Any]],
    ) -> list[Written]:
        """Change records: those that get the same values together, others the faster way.

        Args:
            model: Their model.
            outgoing: How they are written.
            edits: What is to be changed.
            known: The records as they are, where the edit alone does not say enough.
        """
        answers: dict[int, Answer] = {}
        alike: dict[str, dict[int, Values]] = defaultdict(dict)
        for edit in edits:
            record_id = int(edit.remote_id)
            refusal = self._do(model, outgoing, record_id, edit.values)
            if refusal is not None:
                answers[record_id] = refusal
                continue
            try:
                values = outgoing.written(
                    edit.values, {**known.get(edit.remote_id, {}), **edit.values}
                )
            except NotHeldError as error:
                answers[record_id] = Refusal(error.reason)
                continue
            if values:
                alike[json.dumps(values, sort_keys=True)][record_id] = values
            else:
                answers[record_id] = record_id
        single: dict[tuple[str, ...], dict[int, Values]] = defaultdict(dict)
        for group in alike.values():
            if len(group) == 1:
                ((record_id, own),) = group.items()
                single[tuple(sorted(own))][record_id] = own
            else:
                answers |= self._write_alike(model, list(group), next(iter(group.values())))
        for fields, differing in single.items():
            answers |= self._write_differing(model, outgoing, fields, differing)
        return [_told(edit.remote_id, answers[int(edit.remote_id)]) for edit in edits]

    def _do(
        self, model: str, outgoing: Outgoing, record_id: int, values: Mapping[str, Any]
    ) -> Refusal | None:
        """Call the methods that an edit takes; return why Odoo would not."""
        records = self._records
        for deed in outgoing.deeds:
            if values.get(deed.field, ...) != deed.value:
                continue
            try:
                if records.search(model, [["id", "=", record_id], *map(list, deed.left)]):
                    context = self._context(model)
                    records.transport.execute(model, deed.method, [record_id], context=context)
            except (RecordSyncError, FatalSyncError) as error:
                if not may_be_one_record(error):
                    raise
                return Refusal(words(error))
        return None

    def _write_alike(self, model: str, ids: Sequence[int], values: Values) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for start in range(0, len(ids), BATCH):
            answers |= self._written(model, ids[start : start + BATCH], values)
        return answers

    def _written(self, model: str, ids: Sequence[int], values: Values) -> dict[int, Answer]:
        """Write the same values to records; what refuses one of them keeps no other from it."""
        try:
            self._records.transport.execute(
                model, "write", list(ids), _write_values(values), context=self._context(model)
            )
        except (RecordSyncError, FatalSyncError) as error:
            if not may_be_one_record(error):
                raise
            if error.details.get("error") == _MISSING_ERROR:
                there = self._records.existing(model, ids)
                if len(there) < len(ids):
                    left = [record_id for record_id in ids if record_id in there]
                    gone = _gone(model, set(ids) - there)
                    return gone | (self._written(model, left, values) if left else {})
            if len(ids) == 1:
                return {ids[0]: Refusal(words(error))}
            middle = len(ids) // 2
            first = self._written(model, ids[:middle], values)
            return first | self._written(model, ids[middle:], values)
        return {record_id: record_id for record_id in ids}

    def _write_differing(
        self,
        model: str,
        outgoing: Outgoing,
        fields: tuple[str, ...],
        edits: Mapping[int, Values],
    ) -> dict[int, Answer]:
        """Write records one by one, or load them all: whichever proved faster on this server."""
        lanes = self._lanes()[: max(1, len(edits) // TRIAL_WRITES)]
        families = (
            self._families(model, list(edits)) if len(lanes) > 1 else [[key] for key in edits]
        )
        shares = Shares(families, len(lanes), self._seconds)
        answers: dict[int, Answer] = {}

        def work(lane: Writer) -> None:
            def write(way: Way, ids: list[int]) -> None:
                own = {record_id: edits[record_id] for record_id in ids}
                answers.update(lane.write_by(way, model, outgoing, fields, own))

            shares.work_off(write)

        if len(lanes) == 1:
            work(self)
            return answers
        with ThreadPoolExecutor(len(lanes), thread_name_prefix="odoo-write") as workers:
            under_way = [workers.submit(copy_context().run, work, lane) for lane in lanes]
        for each in under_way:  # all have ended before an error rises
            each.result()
        return answers

    def write_by(
        self,
        way: Way,
        model: str,
        outgoing: Outgoing,
        fields: tuple[str, ...],
        edits: Mapping[int, Values],
    ) -> dict[int, Answer]:
        """Write records over this connection, one by one or by loading them."""
        if way == "load":
            return self._load_existing(model, outgoing, fields, edits)
        answers: dict[int, Answer] = {}
        for record_id, values in edits.items():
            answers |= self._written(model, [record_id], values)
        return answers

    def _lanes(self) -> list[Writer]:
        """Return a writer for each connection that may be used at once, this one first."""
        if self._others is None:
            language = self._records.language
            connections = self._records.transport.connections()[1:]
            self._others = [
                Writer(OdooRecords(each, language), self._context) for each in connections
            ]
        return [self, *self._others]

    def _families(self, model: str, ids: list[int]) -> list[list[int]]:
        """Return records in groups of which no two write to the same row.

        A partner's company and its other contacts are written to with it.
        """
        families = {record_id: record_id for record_id in ids}
        if model == _PARTNER:
            rows = self._records.read_readable(model, ids, ["commercial_partner_id"])
            families |= {row["id"]: row["commercial_partner_id"] or row["id"] for row in rows}
        together: dict[int, list[int]] = defaultdict(list)
        for record_id in ids:
            together[families[record_id]].append(record_id)
        return list(together.values())

    def _load_existing(
        self,
        model: str,
        outgoing: Outgoing,
        fields: tuple[str, ...],
        edits: Mapping[int, Values],
    ) -> dict[int, Answer]:
        """Load records by id; only those that are there, for ``load`` is for making others."""
        there = self._records.existing(model, list(edits))
        left = [record_id for record_id in edits if record_id in there]
        chosen = sheet(model, ".id", fields, outgoing)
        rows = chosen.rows([(str(record_id), edits[record_id]) for record_id in left])
        found = self._loader.load(chosen, rows, self._context(model))
        return _gone(model, edits.keys() - there) | dict(zip(left, found, strict=True))


def by_depth(drafts: Iterable[Draft]) -> list[list[Draft]]:
    """Return drafts of tags in groups, parents before those under them."""
    groups: dict[int, list[Draft]] = defaultdict(list)
    for draft in drafts:
        groups[tag_depth(str(draft.values.get("name")))].append(draft)
    return [groups[depth] for depth in sorted(groups)]


def _write_values(values: Values) -> dict[str, Any]:
    def sent(value: Value) -> Any:
        if isinstance(value, list):
            return [[6, 0, value]]
        return False if value is None else value

    return {name: sent(value) for name, value in values.items()}


def _gone(model: str, ids: Iterable[int]) -> dict[int, Answer]:
    return {
        number: Refusal(
            t("Odoo has no {model} {number} any more.", model=model, number=number), GONE
        )
        for number in ids
    }


def _told(key: str, answer: Answer) -> Written:
    if isinstance(answer, Refusal):
        return Written(key, None, answer.code, answer.reason)
    return Written(key, str(answer))
