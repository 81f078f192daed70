"""Rows and neutral records: what a row tells, and what is written to tell a record."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from crm_core.messages import t
from crm_files.folder import Folder
from crm_files.layout import (
    ADDRESS_COLUMNS,
    CONTACT_COLUMNS,
    DOCUMENTS,
    EXTERNAL_ID,
    LINE,
    LINES_FILE,
    LINK,
    LINKS_FILE,
    OWNER_COLUMNS,
    RATES_FILE,
    Convert,
    Layout,
)
from crm_files.table import FIELD_LIMIT, Facts, Row, circular

HAVE_PARENTS = ("customer", "address")


class RowError(ValueError):
    """One row cannot be read, or one record not be written.

    Args:
        reason: What is wrong and what to do.
        code: Stable identifier of the fault.
    """

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Records:
    """What the rows of a folder tell, with lines, links and rates from their own files.

    Made anew for each sweep, since those files are read once.
    """

    def __init__(self, folder: Folder, layouts: Mapping[str, Layout]) -> None:
        self._folder = folder
        self._layouts = layouts
        self._circles: tuple[list[Facts], set[str]] | None = None
        self._twice: set[str] = set()
        self._customers: set[str] = set()
        self._circular: set[str] = set()

    def look(self, entity: str) -> None:
        """Take up what is to be known of the files before some rows of an entity are told."""
        self._twice = self._folder.facts(self._layouts[entity]).twice
        if entity in HAVE_PARENTS:
            # Documents name a customer or an address by one id, so it must not be both.
            self._customers = self._folder.facts(self._layouts["customer"]).ids
            self._circular = self._in_circles()

    def values(self, entity: str, layout: Layout, row: Row) -> dict[str, Any]:
        """Return a row as a neutral record.

        Raises:
            RowError: It cannot be understood; the reason names the file.
        """
        self._check(entity, layout, row)
        try:
            values = told(entity, layout, row)
            if entity == "currency":
                values["rates"] = self._rates.get(values["code"], [])
            if entity in DOCUMENTS:
                key = (entity, row[layout.key])
                values["lines"] = [converted(LINE, line, {}) for line in self._lines.get(key, ())]
                values["links"] = [converted(LINK, link, {}) for link in self._links.get(key, ())]
        except ValueError as error:
            raise _row_error(
                layout, t("record {row}, {error}", row=row[layout.key], error=error)
            ) from None
        return values

    def _check(self, entity: str, layout: Layout, row: Row) -> None:
        row_id = row[layout.key]
        if row_id in self._twice:
            raise _row_error(
                layout,
                t(
                    "the id {row_id} stands there more than once, so it is not known which row it "
                    "means",
                    row_id=row_id,
                ),
                "files.twice",
            )
        missing = [name for name in layout.required if not row.get(name)]
        if missing:
            raise _row_error(layout, t("{missing} must be filled", missing=", ".join(missing)))
        if entity == "address" and row_id in self._customers:
            raise _row_error(
                layout,
                t(
                    "the id {row_id} is in {file} too",
                    row_id=row_id,
                    file=self._layouts["customer"].file,
                ),
            )
        if entity in HAVE_PARENTS and row_id in self._circular:
            raise _row_error(
                layout,
                t(
                    "the parent_ref of {row_id} leads back to {row_id} itself, directly or "
                    "through others",
                    row_id=row_id,
                ),
                "files.circle",
            )

    def _in_circles(self) -> set[str]:
        """Found anew when one of the two files has changed."""
        facts = [self._folder.facts(self._layouts[name]) for name in HAVE_PARENTS]
        if self._circles is None or any(
            one is not other for one, other in zip(facts, self._circles[0], strict=True)
        ):
            self._circles = (facts, circular(parents(self._folder, self._layouts)))
        return self._circles[1]

    @cached_property
    def _lines(self) -> dict[tuple[str, str], list[Row]]:
        return self._by_document(LINES_FILE)

    @cached_property
    def _links(self) -> dict[tuple[str, str], list[Row]]:
        return self._by_document(LINKS_FILE)

    @cached_property
    def _rates(self) -> dict[str, list[dict[str, str]]]:
        rates = defaultdict(list)
        if self._folder.has(RATES_FILE):
            for row in self._folder.rows(RATES_FILE, "currency"):
                rates[row["currency"]].append({"on": row["on"], "rate": row["rate"]})
        return rates

    def _by_document(self, file: str) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        if self._folder.has(file):
            for row in self._folder.rows(file, OWNER_COLUMNS[1]):
                found[row[OWNER_COLUMNS[0]], row[OWNER_COLUMNS[1]]].append(row)
        return found


def parents(folder: Folder, layouts: Mapping[str, Layout]) -> dict[str, str]:
    """Return id to the id above it, of all customers and addresses."""
    return {
        **folder.facts(layouts["address"]).parents,
        **folder.facts(layouts["customer"]).parents,
    }


def told(entity: str, layout: Layout, row: Row) -> dict[str, Any]:
    """Return what one row tells by itself; raises ValueError for a cell that is not understood."""
    values = converted(layout.columns, row, layout.defaults)
    if entity == "customer":
        values["contact_points"] = [
            {"kind": kind, "value": row[kind]} for kind in CONTACT_COLUMNS if row.get(kind)
        ]
        address = {name: row.get(name) or None for name in ADDRESS_COLUMNS}
        values["address"] = address if any(address.values()) else None
    return values


def converted(
    columns: Mapping[str, Convert], row: Row, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields that are a column each."""
    values: dict[str, Any] = dict(defaults)
    for name, convert in columns.items():
        cell = row.get(name)
        if not cell:
            values.setdefault(name, None)
            continue
        try:
            values[name] = convert(cell)
        except ValueError as error:
            raise ValueError(t("column {name}: {error}", name=name, error=error)) from None
    return values


def fields_of(entity: str, layout: Layout, header: Collection[str]) -> frozenset[str]:
    """Return the neutral fields that a file with these columns can hold."""
    fields = {name for name in layout.columns if name in header}
    if entity == "customer":
        if any(name in header for name in CONTACT_COLUMNS):
            fields.add("contact_points")
        if any(name in header for name in ADDRESS_COLUMNS):
            fields.add("address")
    return frozenset(fields)


def cells_of(
    entity: str, layout: Layout, values: Mapping[str, Any], header: Collection[str]
) -> dict[str, str]:
    """Return the cells that tell some fields of a record, as far as the file has the columns.

    Raises:
        RowError: A cell could not be read back.
    """
    cells: dict[str, str] = {}
    for name, value in values.items():
        if entity == "customer" and name == "contact_points":
            cells |= _contact_cells(value or ())
        elif entity == "customer" and name == "address":
            address = value or {}
            cells |= {column: _cell(address.get(column)) for column in ADDRESS_COLUMNS}
        elif name in layout.columns:
            cells[name] = _cell(value)
    kept = {name: cell for name, cell in cells.items() if name in header}
    for name, cell in kept.items():
        _check_cell(layout, name, cell)
    return kept


def _contact_cells(points: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """Return the first value of each kind: a row has one cell for it."""
    cells = dict.fromkeys(CONTACT_COLUMNS, "")
    for point in points:
        if not cells.get(point["kind"], "taken"):
            cells[point["kind"]] = _cell(point["value"])
    return cells


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        if any(isinstance(each, Mapping) for each in value):
            return json.dumps(value, ensure_ascii=False)
        return ";".join(value)
    return str(value).strip()


def _check_cell(layout: Layout, name: str, cell: str) -> None:
    if len(cell) > FIELD_LIMIT:
        raise RowError(
            t(
                "{name} has {count:,} characters, {file} takes {field_limit:,}: shorten it.",
                name=name,
                count=len(cell),
                file=layout.file,
                field_limit=FIELD_LIMIT,
            ),
            "files.too_long",
        )
    try:
        cell.encode()
        if cell and name in layout.columns:
            layout.columns[name](cell)
    except UnicodeEncodeError:
        raise RowError(
            t("{name} holds half a character, which no UTF-8 file can: correct it.", name=name),
            "files.bad_value",
        ) from None
    except ValueError as error:
        raise RowError(t("{name}: {error}", name=name, error=error), "files.bad_value") from None


def new_row(layout: Layout, external_id: str, cells: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of a row that is made here; its id is its external id."""
    return {layout.key: external_id, EXTERNAL_ID: external_id, **cells}


def _row_error(layout: Layout, what: str, code: str = "files.bad_row") -> RowError:
    return RowError(
        t("{file}: {what}. Correct the file and run again.", file=layout.file, what=what), code
    )
