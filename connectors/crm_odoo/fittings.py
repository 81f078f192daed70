"""Mappings as they stand on a server: which of their fields it has, and how they are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_odoo.mappings.model import EntityMapping
from crm_odoo.records import OdooRecords
from crm_odoo.shapes import FieldsInfo, Shape, chosen, fitted, remote_fields

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_TOLD_BY_COMPANY = ("currency", "order")
"""Entities with values that depend on the company, or on where its user is."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A mapping as it stands on this server."""

    mapping: EntityMapping
    shape: Shape
    line_shape: Shape | None
    cursors: tuple[str, ...]
    digest: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is left out."""
        lines = self.line_shape.warnings if self.line_shape else ()
        return self.shape.warnings + lines


class Fittings:
    """Fits mappings to one server; what the server says of its fields is asked once.

    Args:
        records: The connection.
        mappings: By name.
        domain: Which partners are customers: records are read anew when that changes.
    """

    def __init__(
        self,
        records: OdooRecords,
        mappings: Mapping[str, EntityMapping],
        domain: Sequence[Any],
    ) -> None:
        self._records = records
        self._mappings = mappings
        self._domain = tuple(domain)
        self._fitted: dict[str, Fitted | None] = {}
        self._info: dict[str, FieldsInfo | None] = {}

    def fit(self, name: str) -> Fitted | None:
        """Fit a mapping to the server, once; None when the server lacks the app."""
        if name not in self._fitted:
            self._fitted[name] = self._fitted_now(self._mappings[name])
        return self._fitted[name]

    def _fitted_now(self, mapping: EntityMapping) -> Fitted | None:
        related = mapping.related
        extra = [remote for part in mapping.derived for remote in part.remotes]
        if related is not None:
            extra += [name for name in (related.through, related.shown) if name]
        info = self.fields_of(mapping.model)
        if info is None:
            return None
        shape = fitted(mapping.model, info, mapping.fields, extra)
        cursors = tuple(path for path in mapping.cursors if chosen(path, info))
        line_shape = None
        if related is not None:
            line_info = self.fields_of(related.model) or {}
            line_shape = fitted(related.model, line_info, related.fields, related.remotes)
        described = repr(
            (
                mapping,
                self._domain,
                self._records.language,
                _described(shape, info),
                _described(line_shape, line_info) if line_shape else None,
                self._records.company() if mapping.name in _TOLD_BY_COMPANY else None,
            )
        )
        # A function is told by its name: where it lies in memory differs from process to process.
        lasting = _ADDRESS.sub("", described)
        digest = hashlib.blake2b(lasting.encode(), digest_size=16).hexdigest()
        return Fitted(mapping, shape, line_shape, cursors, digest)

    def fields_of(self, model: str) -> FieldsInfo | None:
        """Return what the server says of the fields that any mapping wants of a model."""
        if model not in self._info:
            self._info[model] = self._records.fields(model, sorted(self._wanted(model)))
        return self._info[model]

    def _wanted(self, model: str) -> set[str]:
        wanted: set[str] = set()
        for mapping in self._mappings.values():
            related = mapping.related
            if mapping.model == model:
                wanted |= remote_fields(
                    [
                        *(name for field in mapping.fields for name in field.remotes),
                        *(
                            name
                            for field in mapping.fields
                            if field.write
                            for name in field.write.into
                        ),
                        *(name for part in mapping.derived for name in part.remotes),
                        *mapping.cursors,
                        *((related.through, related.shown) if related else ()),
                    ]
                )
            if related is not None and related.model == model:
                wanted |= remote_fields(
                    [*related.remotes, *(n for field in related.fields for n in field.remotes)]
                )
        return wanted - {""}


def _described(shape: Shape, info: FieldsInfo) -> list[tuple[str, Any, Any]]:
    return [
        (name, info[name].get("type"), info[name].get("relation"))
        for name in sorted(shape.fields)
        if name in info
    ]
