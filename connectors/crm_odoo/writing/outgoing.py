"""A mapping's way out, fitted to a server: neutral records as Odoo's values, and back again.

What a record is told as once it was written is what the reader's own converters make of the values
that would be written, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.model import Company, EntityMapping, IfMissing, Lookup, Record, Row, Unheld
from crm_odoo.mappings.written import as_html
from crm_odoo.shapes import FieldsInfo, Shape, chosen
from crm_odoo.writing.tables import Tables

Value = str | bool | int | list[int] | None
"""What goes into one of Odoo's fields; None clears it."""


class NotHeldError(Exception):
    """A record cannot be written as it is; says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Placed:
    """A neutral field's values: as they are written, and as they are read back."""

    written: Mapping[str, Value]
    read: Mapping[str, Any]


class Outgoing:
    """Turns one entity's records into Odoo's values.

    Args:
        mapping: The entity's mapping.
        shape: How it is read from this server.
        info: What the server says of the model's fields.
        tables: Where lookups are made.
        company: Tells the company of the user.
    """

    def __init__(
        self,
        mapping: EntityMapping,
        shape: Shape,
        info: FieldsInfo,
        tables: Tables,
        company: Callable[[], Company],
    ) -> None:
        self._info = info
        self._tables = tables
        self._company = company
        self.lines = mapping.lines
        self.deeds = mapping.deeds
        self._writes = {
            field.field: field.write
            for field in mapping.fields
            if field.write is not None
            # What goes into no field is done by a method.
            and (not field.write.into or any(chosen(name, info) for name in field.write.into))
        }
        self._into = {
            field: {remote.partition(".")[0] for remote in write.into}
            for field, write in self._writes.items()
        }
        self._readers = {
            field: (converter, keys or (key,)) for field, converter, key, keys in shape.plan
        }
        own = {self.lines.field} if self.lines else set()
        self.fields = frozenset(self._writes) | own

    def needs(self, fields: Iterable[str]) -> bool:
        """Return whether more of a record has to be known than these fields to write them."""
        given = set(fields)
        return any(
            not given.issuperset(self._writes[field].beside)
            for field in given & self._writes.keys()
        )

    def told(self, record: Record) -> dict[str, Any]:
        """Return a record as ``read`` would tell it, had it been written."""
        shown: dict[str, Any] = {}
        for field, value in record.items():
            if self.lines and field == self.lines.field:
                shown[field] = value
            if field not in self._writes:
                continue
            try:
                placed = self._placed(field, value, record, strict=False)
            except NotHeldError:
                continue
            if placed is Unheld.TOLD_AS_NONE:
                shown[field] = None
            elif isinstance(placed, _Placed):
                converter, keys = self._readers[field]
                shown[field] = converter(*[placed.read.get(key, False) for key in keys])
        return shown

    def written(
        self, fields: Iterable[str], record: Record, *, is_new: bool = False
    ) -> dict[str, Value]:
        """Return Odoo's values for some fields of a record.

        Args:
            fields: The fields.
            record: All that is known of the record.
            is_new: Whether Odoo would fill in its default where nothing is written.

        Raises:
            NotHeldError: Odoo cannot hold the record so.
        """
        values: dict[str, Value] = {}
        for field in fields:
            if field in self._writes:
                placed = self._placed(field, record[field], record, strict=True)
                if isinstance(placed, _Placed):
                    values |= placed.written
                elif is_new and self._writes[field].lookups and placed is Unheld.LEFT_OUT:
                    values |= dict.fromkeys(self._writes[field].into)
        return values

    def is_relation(self, field: str) -> bool:
        """Return whether one of Odoo's fields holds ids."""
        return self._info[field]["type"] in ("many2one", "many2many")

    def _placed(self, field: str, value: Any, record: Record, *, strict: bool) -> _Placed | Unheld:
        write = self._writes[field]
        try:
            given = write.values(value, record)
        except (ValueError, TypeError, KeyError) as error:
            raise NotHeldError(
                t(
                    "{field}: {value!r} cannot be written ({error})",
                    field=field,
                    value=value,
                    error=error,
                )
            ) from error
        if isinstance(given, Unheld):
            return given
        if write.currency and given[write.currency] not in (None, self._company().currency_code):
            return Unheld.LEFT_OUT
        written: dict[str, Value] = {}
        read: dict[str, Any] = {}
        for remote, plain in given.items():
            name = remote.partition(".")[0]
            if name not in self._info:
                continue
            lookup = write.lookups.get(remote)
            if lookup is None or plain is None:
                written[name] = read[remote] = self._plain(name, plain)
                continue
            if isinstance(plain, list):
                written[name], read[remote] = self._all_found(lookup, plain, strict=strict)
                continue
            found = self._found(lookup, plain, given, written)
            if found is None and lookup.if_missing is IfMissing.LEFT_OUT:
                return Unheld.LEFT_OUT
            if found is None and lookup.if_missing is IfMissing.REFUSED and strict:
                raise NotHeldError(
                    t(
                        "{field}: Odoo has no {plain!r} yet. Create that first.",
                        field=field,
                        plain=plain,
                    )
                )
            written[name] = found[lookup.gives] if found else None
            # What is refused is told as it is: told as nothing, it would be cleared over there.
            missing = plain if lookup.if_missing is IfMissing.REFUSED else None
            read[remote] = found[lookup.field] if found else missing
        into = self._into[field]
        return _Placed({name: sent for name, sent in written.items() if name in into}, read)

    def _all_found(
        self, lookup: Lookup, values: Sequence[Any], *, strict: bool
    ) -> tuple[list[int], list[Any]]:
        """Look several values up, as they are written and read; to write them they are made."""
        make = strict and lookup.if_missing is IfMissing.MADE
        written, read = [], []
        for each in values:
            found = self._tables.find(lookup, each)
            if found is None and make:
                found = self._tables.make(lookup, each)
            if found is not None:
                written.append(int(found[lookup.gives]))
            read.append(found[lookup.field] if found else each)
        return sorted(written), read

    def _found(
        self,
        lookup: Lookup,
        plain: Any,
        given: Mapping[str, Any],
        written: Mapping[str, Value],
    ) -> Row | None:
        """Look a value up, within what was found for the value that narrows it."""
        if not lookup.within:
            return self._tables.find(lookup, plain)
        narrows = any(
            value is not None for name, value in given.items() if name.startswith(lookup.within)
        )
        owner = written.get(lookup.within)
        if narrows and owner is None:
            return None
        return self._tables.find(lookup, plain, owner)

    def _plain(self, name: str, value: Any) -> Any:
        is_html = isinstance(value, str) and self._info.get(name, {}).get("type") == "html"
        return as_html(value) if is_html else value
