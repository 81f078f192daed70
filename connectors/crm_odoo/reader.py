"""Reading a page of one entity: a few calls for all its records, whatever they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crm_core.errors import RecordSyncError
from crm_core.messages import t
from crm_core.sync.protocol import RemoteFault, RemoteRecord
from crm_odoo.mappings.model import Company, EntityMapping, Row
from crm_odoo.records import OdooRecords
from crm_odoo.shapes import ABSENT, ConversionError, Shape

STAMPS = ("write_date", "write_uid")


class Reader:
    """Reads records of one entity for the length of one sweep.

    Implements ``mappings.model.Surroundings`` for the mapping's derived fields. What referred
    records say (a country's code, a category's path) is kept for the sweep.
    """

    def __init__(
        self,
        records: OdooRecords,
        mapping: EntityMapping,
        shape: Shape,
        line_shape: Shape | None,
    ) -> None:
        self._records = records
        self._mapping = mapping
        self._shape = shape
        self._line_shape = line_shape
        self._tables: dict[tuple[str, str], dict[int, Any]] = {}
        self._lines: dict[int, dict[str, Any]] = {}

    @property
    def company(self) -> Company:
        """The company of the user we log in as."""
        return self._records.company()

    def related(self, row: Row) -> Sequence[Row]:
        """Return the rows under this one."""
        assert self._mapping.related is not None
        return self._rows_of(row[self._mapping.related.through])

    def lines(self, row: Row) -> list[dict[str, Any]]:
        """Return the rows under this one as neutral lines, in the order people see."""
        related, shape = self._mapping.related, self._line_shape
        assert related is not None
        assert shape is not None
        shown = self._rows_of(row[related.shown or related.through])
        ordered = sorted(shown, key=lambda line: (line["sequence"], line["id"]))
        return [shape.convert(line) for line in ordered]

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Read records by id, those that may be read."""
        return self._records.read_readable(model, ids, fields)

    def page(self, ids: Sequence[int]) -> tuple[list[RemoteRecord], list[RemoteFault]]:
        """Return these records, and those that could not be understood.

        Raises:
            RecordSyncError: Odoo failed with one of them; which one is not known.
            SyncError: Something else went wrong.
        """
        stamps = STAMPS if self._mapping.tells_edits else ()
        rows = self._records.read(self._mapping.model, ids, (*self._shape.fields, *stamps))
        rows.sort(key=lambda row: row["id"])
        self._look_up(rows, self._shape)
        self._read_lines(rows)
        derived = self._derived(rows)
        records, faults = [], []
        for row in rows:
            try:
                values = self._shape.convert(row)
            except ConversionError as error:
                faults.append(self._fault(row, error.reason))
                continue
            for field, found in derived:
                values[field] = found[row["id"]]
            missing = [name for name in self._mapping.requires if not values[name]]
            if missing:
                faults.append(self._fault(row, t("{missing} is empty", missing=", ".join(missing))))
            else:
                edited = self._edited(row) if stamps else ()
                label = self._label(row, values)
                records.append(RemoteRecord(str(row["id"]), label, values, *edited))
        return records, faults

    def _derived(self, rows: Sequence[Row]) -> list[tuple[str, Mapping[int, Any]]]:
        try:
            return [(part.field, part.build(rows, self)) for part in self._mapping.derived]
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise RecordSyncError(
                t("{kind}: {error}", kind=type(error).__name__, error=error),
                code="odoo.record_not_understood",
            ) from error

    def _edited(self, row: Row) -> tuple[datetime | None, str | None]:
        """Return when and by whom a row was changed; nothing where it was us, which says little."""
        if row["write_uid"] == self._records.transport.user_id or not row["write_date"]:
            return None, None
        return datetime.fromisoformat(row["write_date"]).replace(tzinfo=UTC), str(row["write_uid"])

    def _rows_of(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        return [self._lines[line_id] for line_id in ids if line_id in self._lines]

    def _read_lines(self, rows: Sequence[dict[str, Any]]) -> None:
        related, shape = self._mapping.related, self._line_shape
        if related is None or shape is None:
            return
        ids = [line_id for row in rows for line_id in row[related.through]]
        lines = self._records.read_readable(related.model, ids, shape.fields)
        self._look_up(lines, shape)
        self._lines = {line["id"]: line for line in lines}

    def _look_up(self, rows: Sequence[dict[str, Any]], shape: Shape) -> None:
        """Put what referred records say into the rows, reading those not met before."""
        tables = [
            (key, field, self._table(model, inner, {i for row in rows for i in _ids(row[field])}))
            for key, field, (model, inner) in shape.lookups
        ]
        for row in rows:
            row[ABSENT] = False
            for key, field, table in tables:
                told = [table.get(each, False) for each in _ids(row[field])]
                row[key] = told if isinstance(row[field], list) else told[0]

    def _table(self, model: str, field: str, wanted: set[int]) -> dict[int, Any]:
        table = self._tables.setdefault((model, field), {})
        unknown = sorted(wanted - table.keys() - {False})
        for found in self._records.read_readable(model, unknown, [field]):
            table[found["id"]] = found[field]
        return table

    def _label(self, row: Row, values: dict[str, Any]) -> str:
        for name in self._mapping.label:
            if values.get(name):
                return str(values[name])
        return f"{self._mapping.model} {row['id']}"

    def _fault(self, row: Row, reason: str) -> RemoteFault:
        label = str(row.get("name") or row.get("display_name") or "").strip()
        return RemoteFault(
            str(row["id"]),
            label or f"{self._mapping.model} {row['id']}",
            "odoo.record_not_understood",
            t(
                "{model} {id} in Odoo: {reason}. Correct it there; it is tried again at every run.",
                model=self._mapping.model,
                id=row["id"],
                reason=reason,
            ),
        )


def _ids(value: Any) -> Sequence[Any]:
    """Return what a many-to-one or many-to-many field leads to."""
    return value if isinstance(value, list) else (value,)
