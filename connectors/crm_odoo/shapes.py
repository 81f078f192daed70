"""A mapping fitted to a server: which fields to read there and how a row becomes neutral values.

Versions differ in their fields, so what is there is asked for (``fields_get``), not derived from a
version number. What is not there is left out, with a warning where the mapping expects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.converters import html_text, lines_of_text
from crm_odoo.mappings.model import Converter, FieldMapping, Row

FieldsInfo = Mapping[str, Mapping[str, Any]]
ABSENT = ""
"""Key under which every row holds False, for fields that the server does not have."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a remote name comes to on a server: the row's key, and what is looked up for it."""

    key: str
    field: str
    lookup: tuple[str, str] | None = None


class ConversionError(ValueError):
    """A field's value was not understood."""

    def __init__(self, field: str, reason: Exception) -> None:
        self.reason = t("{field}: {why}", field=field, why=reason)
        super().__init__(self.reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one model are read and converted.

    Attributes:
        fields: Odoo's fields to read.
        lookups: (key in the row, its many-to-one field, model and field looked up).
        plan: (neutral field, converter, key, keys): ``keys`` when the converter takes several.
        warnings: What the server does not have.
    """

    fields: tuple[str, ...]
    lookups: tuple[tuple[str, str, tuple[str, str]], ...]
    plan: tuple[tuple[str, Converter, str, tuple[str, ...] | None], ...]
    warnings: tuple[str, ...]

    def convert(self, row: Row) -> dict[str, Any]:
        """Return a row's neutral values.

        Raises:
            ConversionError: A value was not understood.
        """
        values: dict[str, Any] = {}
        field = ""
        try:
            for field, converter, key, keys in self.plan:
                if keys is None:
                    values[field] = converter(row[key])
                else:
                    values[field] = converter(*[row[name] for name in keys])
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise ConversionError(field, error) from error
        return values


def remote_fields(remotes: Iterable[str]) -> set[str]:
    """Return every field of Odoo's that these remote names may come to."""
    return {
        alternative.partition(".")[0]
        for remote in remotes
        for alternative in remote.removesuffix("?").split("|")
    }


def chosen(remote: str, info: FieldsInfo) -> Chosen | None:
    """Return what a remote name comes to on this server; None when it has no such field."""
    for alternative in remote.removesuffix("?").split("|"):
        field, _, inner = alternative.partition(".")
        if field in info:
            lookup = (str(info[field]["relation"]), inner) if inner else None
            return Chosen(alternative, field, lookup)
    return None


def fitted(
    model: str, info: FieldsInfo, mappings: Sequence[FieldMapping], extra: Sequence[str] = ()
) -> Shape:
    """Return how a model's rows are read and converted on this server.

    Args:
        model: The model, for warnings.
        info: What the server says of its fields.
        mappings: The mapping's fields.
        extra: Remote names that are read besides.
    """
    fields: dict[str, None] = {"id": None}
    lookups: dict[str, tuple[str, str, tuple[str, str]]] = {}
    warnings: dict[str, None] = {}

    def take(remote: str) -> str:
        found = chosen(remote, info)
        if found is None:
            if not remote.endswith("?"):
                warnings[_gone(model, remote)] = None
            return ABSENT
        fields[found.field] = None
        if found.lookup:
            lookups[found.key] = (found.key, found.field, found.lookup)
        return found.key

    plan = []
    for mapping in mappings:
        keys = tuple("id" if name == "id" else take(name) for name in mapping.remotes)
        converter = mapping.converter
        if len(keys) == 1 and converter is lines_of_text:
            converter = _text_converter(info.get(keys[0]))
        plan.append((mapping.field, converter, keys[0], keys if len(keys) > 1 else None))
    for remote in extra:
        take(remote)
    return Shape(tuple(fields), tuple(lookups.values()), tuple(plan), tuple(warnings))


def _gone(model: str, remote: str) -> str:
    name = remote.replace("|", " or ")
    return t(
        "{model} has no field {name} that this user may see; it is left out. Newer versions "
        "of Odoo drop fields, and some are for certain groups only.",
        model=model,
        name=name,
    )


def _text_converter(info: Mapping[str, Any] | None) -> Converter:
    """Notes are plain text in older versions and HTML in newer ones; the server says which."""
    return html_text if info is not None and info["type"] == "html" else lines_of_text
