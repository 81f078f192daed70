"""Odoo's small tables by what people call their records: countries, states, languages, tags."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from crm_odoo.mappings.model import Lookup, Row
from crm_odoo.records import OdooRecords


class Tables:
    """Finds values of lookups; each table is read once, in one or two calls."""

    def __init__(self, records: OdooRecords) -> None:
        self._records = records
        self._tables: dict[str, dict[Any, list[Row]]] = {}

    def find(self, lookup: Lookup, value: Any, within: Any = None) -> Row | None:
        """Return the record that goes by this value; None when there is none.

        Args:
            lookup: Where to look.
            value: What it goes by.
            within: The id that the lookup's ``within`` field has to have; None when it is not
                known: then there has to be one such record only.
        """
        found = self._table(lookup).get(lookup.key(value), [])
        if not lookup.within:
            return found[0] if found else None
        if within is not None:
            return next((row for row in found if row[lookup.within] == within), None)
        return found[0] if len(found) == 1 else None

    def make(self, lookup: Lookup, value: Any) -> Row | None:
        """Make the record that is to go by this value, and return it."""
        values = {lookup.field: value}
        self._records.transport.execute(
            lookup.model, "create", values, context=self._records.context
        )
        self.forget(lookup.model)
        return self.find(lookup, value)

    def forget(self, model: str) -> None:
        """Read a table again when it is next needed: it was changed."""
        self._tables.pop(model, None)

    def _table(self, lookup: Lookup) -> dict[Any, list[Row]]:
        """Return a model's records by key, in ascending order of id.

        A model is looked up in one way only, so its name stands for the lookup.
        """
        if lookup.model not in self._tables:
            # Records that are switched off are no use, such as languages not installed.
            ids = self._records.search(lookup.model, [], active_only=True)
            fields = [lookup.field, *([lookup.within] if lookup.within else [])]
            rows = self._records.read_readable(lookup.model, ids, fields)
            table = defaultdict(list)
            for row in sorted(rows, key=lambda row: int(row["id"])):
                table[lookup.key(row[lookup.field])].append(row)
            self._tables[lookup.model] = dict(table)
        return self._tables[lookup.model]
