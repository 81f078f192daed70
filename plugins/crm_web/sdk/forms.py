"""Forms: fields drawn from a marshmallow schema, the one that checks what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import Schema, fields, validate
from werkzeug.datastructures import MultiDict

from crm_core.errors import CrmError
from crm_core.messages import say, t

Choices = Sequence[tuple[str, str]]
SEE_BESIDE = t("Some fields cannot be taken as they are: see what stands beside them.")
_KINDS: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.Email, "email"),
    (fields.Url, "url"),
    (fields.Boolean, "checkbox"),
    (fields.Integer, "number"),
    (fields.Decimal, "decimal"),
    (fields.DateTime, "datetime-local"),
    (fields.Date, "date"),
)


@dataclass(frozen=True, slots=True)
class FormField:
    """One field as it is drawn.

    Attributes:
        name: Its name in the form.
        label: What people read.
        kind: ``text``, ``textarea``, ``select``, ``checkbox`` or an input's own type.
        value: What stands in it, as text; for several, a list.
        is_required: Whether it must be filled in.
        choices: Value and label of each, for ``select``.
        help: A line below it.
        error: What is wrong with it, or empty.
        longest: How many characters it takes; None for no limit.
        autocomplete: The browser's own word for what it is.
    """

    name: str
    label: str
    kind: str
    value: Any
    is_required: bool
    choices: Choices
    help: str
    error: str
    longest: int | None
    autocomplete: str


@dataclass
class Form:
    """A form to fill in, or to fill in again.

    Args:
        schema: Its fields. ``metadata`` of each: ``title``, ``help``, ``rows`` (a taller field),
            ``autocomplete``, ``kind`` where it is not told by the field's type (``checkboxes`` for
            a list of which several are chosen).
        values: What stands in it: text sent before, or values of a record.
        choices: For fields to be chosen from, those whose choices the schema does not name.
        error: Why it was not taken.
        time_zone: That moments are shown and typed in.
    """

    schema: Schema
    values: Mapping[str, Any] | MultiDict[str, str]
    choices: Mapping[str, Choices] | None = None
    error: CrmError | None = None
    time_zone: str = "UTC"

    @property
    def message(self) -> str:
        """What stands above the form, or empty."""
        if self.error is None:
            return ""
        beside = self.error.details.get("fields") or {}
        is_told = bool(beside) and set(beside) <= set(self.schema.fields)
        return say(SEE_BESIDE if is_told else self.error.message)

    def __iter__(self) -> Iterator[FormField]:
        return (self[name] for name in self.schema.fields)

    def __getitem__(self, name: str) -> FormField:
        field = self.schema.fields[name]
        told = field.metadata
        choices = (self.choices or {}).get(name) or _choices(field)
        errors = self.error.details.get("fields", {}) if self.error else {}
        length = next((v for v in field.validators if isinstance(v, validate.Length)), None)
        return FormField(
            name=name,
            label=say(told.get("title") or name.replace("_", " ").capitalize()),
            kind=told.get("kind") or _kind(field, choices),
            value=self._text(name),
            is_required=field.required,
            choices=choices,
            help=say(told.get("help", "")),
            error=say(errors.get(name, "")),
            longest=length.max if length else None,
            autocomplete=str(told.get("autocomplete", "off")),
        )

    def _text(self, name: str) -> Any:
        if isinstance(self.values, MultiDict):
            several = self.values.getlist(name)
            return several if len(several) > 1 else self.values.get(name, "")
        value = self.values.get(name)
        if isinstance(value, datetime):
            local = value.astimezone(ZoneInfo(self.time_zone))
            return local.strftime("%Y-%m-%dT%H:%M")
        if isinstance(value, date):
            return value.isoformat()
        if value is None or isinstance(value, bool | list | tuple):
            return value or ""
        return str(value)


def _choices(field: fields.Field[Any]) -> Choices:
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            labels = list(validator.labels) or [
                str(choice).replace("_", " ") for choice in validator.choices
            ]
            return list(zip(map(str, validator.choices), labels, strict=True))
    return ()


def _kind(field: fields.Field[Any], choices: Choices) -> str:
    if choices or isinstance(field, fields.List):
        return "select" if choices else "text"
    if "rows" in field.metadata:
        return "textarea"
    return next((kind for type_, kind in _KINDS if isinstance(field, type_)), "text")
