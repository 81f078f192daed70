"""Plans as files: Excel, in which a person changes decisions, or JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import orjson

from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import n, say, t
from crm_core.normalize import shortened
from crm_core.services.table_files import SPREADSHEETS, read_table
from crm_core.sync.planning.plan import (
    Decision,
    Plan,
    PlanHead,
    PlanRow,
    Side,
    check_of,
    refused,
)

SCHEMA = "sync.plan_file/1"
EXCEL_ROWS = 1_048_575
"""Without the header."""
SHEET = "Plan"
LONGEST = 500
"""Characters of a name."""
LIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Signs that no cell may hold, or that reorder what stands around them."""
COLUMNS = (
    "decision",
    "side",
    "our name",
    "their name",
    "score",
    "reason",
    "entity",
    "our id",
    "their id",
    "our state",
    "their state",
    "plan",
    "check",
)
"""Of the Excel file; the last six are for us alone."""


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan; a file that is there is replaced once the new one is complete.

    Raises:
        InputError: The ending is neither ``.xlsx`` nor ``.json``, or Excel cannot hold it.
        ConfigurationError: The file cannot be written.
    """
    if path.suffix.lower() not in (".xlsx", ".json"):
        raise InputError(
            t("A plan is written as .xlsx or .json, not as {path}.", path=path.name),
            code="core.sync.plan_file",
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix.lower() == ".json":
            draft.write_bytes(_json(plan))
        else:
            _write_excel(plan, draft)
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(
            t(
                "{path} cannot be written: {reason}. Check the folder, the rights on it and the "
                "space left.",
                path=path,
                reason=error.strerror or error,
            ),
            code="core.sync.plan_file",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def read_plan(path: Path) -> tuple[PlanHead, list[PlanRow], dict[int, int]]:
    """Return the head and rows of a plan's file, and each row's line in it.

    Raises:
        InputError: It is no plan, or more than its decisions was changed; says where.
    """
    if path.suffix.lower() == ".json":
        return _read_json(path)
    if path.suffix.lower() not in SPREADSHEETS:
        raise InputError(
            t(
                "{path} is no plan: give the .xlsx or .json that crm sync plan --out wrote.",
                path=path.name,
            ),
            code="core.sync.plan_file",
        )
    return _read_excel(path)


def _json(plan: Plan) -> bytes:
    rows = [{**asdict(row), "check": check_of(plan.head, row)} for row in plan.rows]
    return orjson.dumps(
        {"schema": SCHEMA, "head": asdict(plan.head), "rows": rows}, option=orjson.OPT_INDENT_2
    )


def _write_excel(plan: Plan, path: Path) -> None:
    from rustpy_xlsxwriter import write_worksheet

    if len(plan.rows) > EXCEL_ROWS:
        raise InputError(
            t(
                "Excel holds {excel_rows:,} rows and the plan has {count:,}: write it as .json.",
                excel_rows=EXCEL_ROWS,
                count=len(plan.rows),
            ),
            code="core.sync.plan_file",
        )
    records: Iterator[dict[str, str | None]] = (_cells(plan.head, row) for row in plan.rows)
    if not plan.rows:  # it can be accepted all the same
        records = iter([{**dict.fromkeys(COLUMNS), "plan": plan.head.mark}])
    try:
        with path.open("wb") as handle:  # every value is text, so nothing in it is a formula
            write_worksheet(records, handle, sheet_name=SHEET, freeze_row=1)
    except RuntimeError as error:
        raise InputError(
            t("The plan does not fit an Excel file: {error} Write it as .json.", error=error),
            code="core.sync.plan_file",
        ) from error


def _cells(head: PlanHead, row: PlanRow) -> dict[str, str | None]:
    values = (
        row.decision,
        row.side,
        _inert(row.local_name),
        _inert(row.remote_name),
        row.score,
        _inert(say(row.reason)),
        row.entity,
        row.local_id,
        row.remote_id,
        row.local_state,
        row.remote_state,
        head.mark,
        check_of(head, row),
    )
    told = ("" if value is None else str(value) for value in values)
    return {name: value or None for name, value in zip(COLUMNS, told, strict=True)}


def _inert(text: str) -> str:
    return shortened(LIVE.sub(" ", text), LONGEST)


def _read_excel(path: Path) -> tuple[PlanHead, list[PlanRow], dict[int, int]]:
    lines = read_table(path)
    _, header = next(lines)
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise refused(1, missing[0], t("the column is missing; make the plan anew"))
    places = {name: header.index(name) for name in COLUMNS}
    head: PlanHead | None = None
    rows: list[PlanRow] = []
    line_of: dict[int, int] = {}
    for line, cells in lines:
        told = {name: cells[at] if at < len(cells) else "" for name, at in places.items()}
        of_line = _head(told["plan"], line)
        if head is not None and of_line != head:
            raise refused(line, "plan", t("the row is of another plan; take it out"))
        head = of_line
        if not any(cell for name, cell in told.items() if name != "plan"):
            continue
        line_of[len(rows)] = line
        rows.append(_row(told, head, line))
    if head is None:
        raise refused(1, "plan", t("there is no row"))
    return _whole(head, rows, line_of), rows, line_of


def _whole(head: PlanHead, rows: Sequence[PlanRow], line_of: Mapping[int, int]) -> PlanHead:
    """Return the head; raises InputError where rows are missing: nobody would decide on those."""
    first: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows):  # one that stands twice hides one that is missing
        key = (row.entity, row.side, row.local_id, row.remote_id)
        if key in first:
            raise refused(
                line_of[number],
                "plan",
                t(
                    "it is the row of line {other} once more; take one of them out, or make the "
                    "plan anew",
                    other=line_of[first[key]],
                ),
            )
        first[key] = number
    if len(rows) != head.rows:
        raise refused(
            len(rows) + 1,
            "plan",
            n(
                "the plan has {count} row and the file {found}; write ignore instead of "
                "taking a row out, or make the plan anew",
                "the plan has {count} rows and the file {found}; write ignore instead of "
                "taking a row out, or make the plan anew",
                head.rows,
                found=len(rows),
            ),
        )
    return head


def _head(mark: str, line: int) -> PlanHead:
    parts = mark.split()
    if len(parts) != 5 or not parts[2].isdecimal():
        raise refused(line, "plan", t("it does not say which plan this is; make the plan anew"))
    backend, made_at, rows, backend_id, database = parts
    return PlanHead(backend, backend_id, database, made_at, int(rows))


def _row(told: dict[str, str], head: PlanHead, line: int) -> PlanRow:
    try:
        side = Side(told["side"])
    except ValueError:
        raise refused(line, "side", t("write both, here or there, as it was")) from None
    row = PlanRow(
        told["entity"],
        side,
        _decision(told["decision"], line),
        _local_id(told["our id"], line),
        told["our name"],
        told["their id"] or None,
        told["their name"],
        None,
        told["reason"],
        told["our state"],
        told["their state"],
    )
    return _checked(row, head, told["check"], line)


def _decision(text: Any, line: int) -> Decision:
    try:
        return Decision(str(text or "").strip().lower())
    except ValueError:
        raise refused(
            line,
            "decision",
            t(
                "{text!r} is no decision; write link, create or ignore, or leave it empty",
                text=shortened(str(text)),
            ),
        ) from None


def _local_id(text: str, line: int) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise refused(line, "our id", t("it is no id any more; make the plan anew")) from None


def _checked(row: PlanRow, head: PlanHead, check: str, line: int) -> PlanRow:
    if check_of(head, row) != check:
        raise refused(
            line, "check", t("more than the decision was changed in this row; make the plan anew")
        )
    return row


def _read_json(path: Path) -> tuple[PlanHead, list[PlanRow], dict[int, int]]:
    try:
        told = orjson.loads(path.read_bytes())
        head = PlanHead(**told["head"])
        items: Sequence[Any] = told["rows"]
        is_known = told["schema"] == SCHEMA and isinstance(items, list) and _is_typed(head)
    except OSError as error:
        raise InputError(
            t(
                "{path} cannot be read: {reason}. Nothing was written.",
                path=path.name,
                reason=error.strerror,
            ),
            code="core.sync.plan_file",
        ) from None
    except (ValueError, KeyError, TypeError):
        is_known = False
    if not is_known:
        raise InputError(
            t(
                "{path} is no plan: give the .xlsx or .json that crm sync plan --out wrote.",
                path=path.name,
            ),
            code="core.sync.plan_file",
        )
    rows = [_from_json(item, head, number) for number, item in enumerate(items, 1)]
    line_of = {number: number + 1 for number in range(len(rows))}
    return _whole(head, rows, line_of), rows, line_of


def _is_typed(told: PlanHead | PlanRow) -> bool:
    """Return whether each value is of the type that it was written as."""
    types = get_type_hints(type(told))
    return all(isinstance(getattr(told, name), wanted) for name, wanted in types.items())


def _from_json(item: Any, head: PlanHead, line: int) -> PlanRow:
    try:
        values = dict(item)
        check = values.pop("check")
        values["decision"] = _decision(values["decision"], line)
        values["side"] = Side(values["side"])
        is_text = isinstance(values["local_id"], str | None)
        values["local_id"] = _local_id(str(values["local_id"] or ""), line)
        row = PlanRow(**values)
        if not (is_text and _is_typed(row)):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise refused(line, "rows", t("it is not as it was written; make the plan anew")) from None
    return _checked(row, head, check, line)
