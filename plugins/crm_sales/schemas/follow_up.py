"""Shapes of follow-up sequences as a file or a program gives them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from crm_core.errors import InputError
from crm_core.messages import t

MOST_STEPS, MOST_DAYS = 50, 730
LARGEST_FILE = 1_000_000
_CODE = validate.Regexp(r"[a-z0-9_]{1,60}\Z")
_LINE = validate.Length(min=1, max=250)


class StepSchema(Schema):
    """One step of a sequence."""

    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE

    days_after = fields.Integer(
        required=True, strict=True, validate=validate.Range(0, MOST_DAYS), metadata={"minimum": 0}
    )
    type = fields.String(required=True, validate=validate.Length(min=1, max=60))
    summary = fields.String(required=True, validate=_LINE)
    note = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=5_000))


class SequenceSchema(Schema):
    """A sequence: what is planned when a deal enters a stage."""

    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE

    code = fields.String(required=True, validate=_CODE)
    name = fields.String(required=True, validate=_LINE)
    pipeline = fields.String(load_default=None, allow_none=True)
    stage = fields.String(required=True)
    steps = fields.List(
        fields.Nested(StepSchema), required=True, validate=validate.Length(min=1, max=MOST_STEPS)
    )


def read_sequences(content: bytes) -> dict[str, Any]:
    """Return what a TOML file says; raises InputError that says where it goes wrong."""
    if len(content) > LARGEST_FILE:
        raise InputError(
            t("The file is larger than sequences can be."), code="sales.sequence.invalid"
        )
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(
            t("The file is no TOML: {reason}.", reason=error), code="sales.sequence.invalid"
        ) from None


def sequences_text(sequences: Iterable[Mapping[str, Any]]) -> str:
    """Return sequences, as they are listed, as a TOML file that :func:`read_sequences` reads."""
    lines: list[str] = []
    for each in sequences:
        plain = {name: each[name] for name in ("code", "name", "pipeline", "stage")}
        lines += ["[[sequences]]", *_pairs(plain)]
        for step in each["steps"]:
            lines += ["[[sequences.steps]]", *_pairs(step)]
        lines.append("")
    return "\n".join(lines)


def load_sequences(given: Any) -> Sequence[Mapping[str, Any]]:
    """Return sequences, checked; raises InputError that says which field of which is wrong."""
    listed = given.get("sequences") if isinstance(given, Mapping) else given
    if not isinstance(listed, list) or not listed:
        raise InputError(
            t('Give {{"sequences": [...]}} with one sequence or more.'),
            code="sales.sequence.invalid",
        )
    try:
        loaded: list[dict[str, Any]] = SequenceSchema(many=True).load(listed)
    except ValidationError as error:
        raise InputError(
            t("These sequences cannot be taken: {reason}", reason=_told(error.messages)),
            code="sales.sequence.invalid",
        ) from None
    codes = [each["code"] for each in loaded]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise InputError(
            t("The sequence {code} stands there twice: keep one.", code=twice[0]),
            code="sales.sequence.invalid",
        )
    return loaded


def _told(messages: Any, path: str = "") -> str:
    """Return the first thing that is wrong, with where it stands: ``0.steps.1.type: ...``."""
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        path = f"{path}.{key}" if path else str(key)
    return f"{path}: {messages[0] if isinstance(messages, list) else messages}"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    # JSON's text and numbers are TOML's too; but DEL has to be escaped there.
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        for name, value in values.items()
        if value is not None
    ]
