"""``load``: many records in one call, all of them or none, so a bad one has to be found.

Odoo says which rows it stumbled over, but it may blame a good one, and stop before it met all bad
ones. So what it does not blame is loaded without the rest, and what it blames is halved until each
row that is refused was refused alone.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_core.errors import FatalSyncError, RecordSyncError, RetryableSyncError, SyncError
from crm_core.messages import t
from crm_core.sync.protocol import RIGHT_MISSING
from crm_odoo.mappings.model import LinesOut, Record
from crm_odoo.transport import OdooTransport
from crm_odoo.transport.faults import NOT_DONE
from crm_odoo.writing.outgoing import Outgoing, Value

BATCH = 500
ATTEMPTS = 5
_PAUSE_SECONDS = 0.3
# PostgreSQL's own words, which Odoo does not translate; the message has nothing else to tell by.
_BUSY = re.compile(r"could not serialize access|deadlock detected|ir_model_data_module_name_uniq")
_CLASS = re.compile(r"^.*?<class '[\w.]+'>: ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row or a record was refused, in Odoo's words."""

    reason: str
    code: str = "odoo.refused"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of one model with the same columns; ``key`` is ``id`` or ``.id``."""

    model: str
    key: str
    fields: Sequence[str]
    columns: Sequence[str]

    def rows(self, keyed: Sequence[tuple[str, Mapping[str, Value]]]) -> list[list[str]]:
        """Return records as rows of text, as ``load`` takes them."""
        return [[key, *[_cell(values[name]) for name in self.fields]] for key, values in keyed]


def with_lines(
    chosen: Sheet, rows: Sequence[list[str]], lines: LinesOut, each: Sequence[Sequence[Record]]
) -> tuple[Sheet, list[list[list[str]]]]:
    """Return a sheet with the columns of lines, and the rows of each record: a row a line."""
    names = (f"{lines.through}/id", *(f"{lines.through}/{name}" for name in lines.columns))
    blank = [""] * len(chosen.columns)
    groups = []
    for row, own in zip(rows, each, strict=True):
        cells = [
            [f"{row[0]}_{line['key']}", *(_cell(make(line)) for make in lines.columns.values())]
            for line in own
        ] or [[""] * len(names)]
        groups.append([[*(blank if at else row), *line] for at, line in enumerate(cells)])
    return Sheet(chosen.model, chosen.key, chosen.fields, (*chosen.columns, *names)), groups


def sheet(model: str, key: str, fields: Sequence[str], outgoing: Outgoing) -> Sheet:
    """Return how records with values in these fields are loaded; relations go by id."""
    columns = [f"{name}/.id" if outgoing.is_relation(name) else name for name in fields]
    return Sheet(model, key, tuple(fields), (key, *columns))


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


class Loader:
    """Loads rows over one connection."""

    def __init__(self, transport: OdooTransport) -> None:
        self._transport = transport

    def load(
        self, chosen: Sheet, rows: Sequence[list[str]], context: Mapping[str, Any]
    ) -> list[int | Refusal]:
        """Return for each row the record's id, or why it was refused.

        Raises:
            RetryableSyncError: Odoo went away, or stayed too busy with the same records.
        """
        answers: list[int | Refusal] = []
        for start in range(0, len(rows), BATCH):
            answers += self._loaded(chosen, rows[start : start + BATCH], context)
        return answers

    def load_together(
        self, chosen: Sheet, groups: Sequence[Sequence[list[str]]], context: Mapping[str, Any]
    ) -> list[int | Refusal]:
        """The same for records of several rows each, such as documents with their lines."""
        if not groups:
            return []
        ids, messages = self._call(chosen, [row for group in groups for row in group], context)
        if ids is not None:
            return list(ids)
        if len(groups) == 1:
            return [Refusal(_words(messages))]
        middle = len(groups) // 2
        first = self.load_together(chosen, groups[:middle], context)
        return first + self.load_together(chosen, groups[middle:], context)

    def _loaded(
        self,
        chosen: Sheet,
        rows: Sequence[list[str]],
        context: Mapping[str, Any],
        *,
        believe: bool = True,
    ) -> list[int | Refusal]:
        ids, messages = self._call(chosen, rows, context)
        if ids is not None:
            return list(ids)
        if len(rows) == 1:
            return [Refusal(_words(messages))]
        blamed = _blamed(messages, len(rows)) if believe else set()
        is_told = 0 < len(blamed) < len(rows)
        if not is_told:
            blamed = set(range(len(rows) // 2))
        answers: dict[int, int | Refusal] = {}
        for part in (sorted(set(range(len(rows))) - blamed), sorted(blamed)):
            # Where what was not blamed fails as well, it is halved: so it always comes to an end.
            taken = [rows[place] for place in part]
            found = self._loaded(chosen, taken, context, believe=not is_told)
            answers.update(zip(part, found, strict=True))
        return [answers[place] for place in range(len(rows))]

    def _call(
        self, chosen: Sheet, rows: Sequence[list[str]], context: Mapping[str, Any]
    ) -> tuple[Sequence[int] | None, Sequence[Mapping[str, Any]]]:
        """Load rows in one call, again while Odoo is busy with the same records."""
        for attempt in range(ATTEMPTS):
            if attempt:
                pause = _PAUSE_SECONDS * 2**attempt
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                told = self._transport.execute(
                    chosen.model, "load", list(chosen.columns), list(rows), context=dict(context)
                )
            except RecordSyncError as error:
                return None, [{"type": "error", "message": words(error)}]
            if told["ids"]:
                return told["ids"], ()
            messages = told["messages"]
            if not any(_BUSY.search(str(message.get("message"))) for message in messages):
                return None, messages
        raise RetryableSyncError(
            t("Odoo stayed too busy with the same {model} records. Run again.", model=chosen.model),
            code="core.sync.busy",
            details={"model": chosen.model, "outcome": NOT_DONE},
        )


def words(error: SyncError) -> str:
    """Return what Odoo said, without our words around it."""
    return str(error.details.get("words") or "") or error.message


def may_be_one_record(error: SyncError) -> bool:
    """Return whether an error can come from one record among several."""
    if isinstance(error, RecordSyncError):
        return True
    return isinstance(error, FatalSyncError) and error.code == RIGHT_MISSING


def _blamed(messages: Sequence[Mapping[str, Any]], count: int) -> set[int]:
    return {
        place
        for message in messages
        if message.get("type") == "error" and "rows" in message
        for place in range(message["rows"]["from"], message["rows"]["to"] + 1)
        if 0 <= place < count
    }


def _words(messages: Sequence[Mapping[str, Any]]) -> str:
    errors = [message for message in messages if message.get("type") == "error"] or messages
    text = str(errors[0].get("message", "")) if errors else ""
    lines = _CLASS.sub("", text).strip().splitlines()
    return lines[0][:300] if lines else t("Odoo gave no reason")
