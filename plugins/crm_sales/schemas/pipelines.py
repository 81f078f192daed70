"""The shape of a pipeline's design, as a file and as a page send it, checked as a whole."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_core.errors import InputError
from crm_core.messages import joined, t
from crm_core.services.checks import LINE

CODE = r"[a-z][a-z0-9_]{0,39}"
MOST_STAGES = 40
MOST_DAYS = 3_650
LARGEST_FILE = 1_000_000


def _code() -> fields.String:
    return fields.String(
        required=True,
        validate=validate.Regexp(
            rf"{CODE}\Z", error=t("up to 40 small letters, digits and _, a letter first")
        ),
    )


def _name() -> fields.String:
    return fields.String(required=True, validate=validate.Length(min=1, max=LINE))


class StageSchema(Schema):
    """A stage of a design."""

    code = _code()
    name = _name()
    probability = fields.Integer(strict=True, load_default=0, validate=validate.Range(0, 100))
    rotting_days = fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=validate.Range(1, MOST_DAYS)
    )
    is_won = fields.Boolean(load_default=False)
    required_fields = fields.List(fields.String(), load_default=list)
    checks = fields.List(fields.String(), load_default=list)
    moves_to = fields.List(fields.String(), load_default=list)


class LossReasonSchema(Schema):
    """A reason for which deals are lost."""

    code = _code()
    name = _name()
    needs_competitor = fields.Boolean(load_default=False)


class DesignSchema(Schema):
    """A pipeline as a whole, and what goes for all of them."""

    code = _code()
    name = _name()
    team = fields.String(allow_none=True, load_default=None)
    is_default = fields.Boolean()
    position = fields.Integer(strict=True, validate=validate.Range(0, 1_000))
    stages = fields.List(
        fields.Nested(StageSchema), required=True, validate=validate.Length(2, MOST_STAGES)
    )
    resettled = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    loss_reasons = fields.List(fields.Nested(LossReasonSchema), validate=validate.Length(1, 100))
    competitors = fields.List(fields.String(validate=validate.Length(min=1, max=LINE)))


@cache
def _schema() -> DesignSchema:
    return DesignSchema()


def read_design(content: bytes) -> dict[str, Any]:
    """Return the document in a TOML file; raises InputError that says where it goes wrong."""
    if len(content) > LARGEST_FILE:
        raise _invalid([t("The file is larger than a pipeline can be.")])
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid([t("The file is no TOML: {reason}.", reason=error)]) from None


def load_design(
    document: Mapping[str, Any], *, known_fields: Iterable[str], known_checks: Iterable[str]
) -> dict[str, Any]:
    """Return a design, checked as a whole.

    Args:
        document: As :func:`read_design` gives it.
        known_fields: What a stage may name in ``required_fields``.
        known_checks: What it may name in ``checks``.

    Raises:
        InputError: It will not do; the message lists all that is wrong.
    """
    try:
        design: dict[str, Any] = _schema().load(document)
    except ValidationError as error:
        told = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise _invalid([f"{place}: {text}" for place, text in _flat(told)]) from None
    faults = [
        *_faults_of_order(design["stages"]),
        *_unknown_words(design["stages"], set(known_fields), set(known_checks)),
        *_faults_of_moves(design),
    ]
    if faults:
        raise _invalid(faults)
    return design


def design_text(design: Mapping[str, Any]) -> str:
    """Return a design as a TOML file, which :func:`read_design` reads again."""
    plain = {name: value for name, value in design.items() if not _is_table(value)}
    lines = [*_pairs(plain)]
    for name, value in design.items():
        if isinstance(value, Mapping) and value:
            lines += ["", f"[{name}]", *_pairs(value)]
        elif _is_table(value):
            for each in value:
                lines += ["", f"[[{name}]]", *_pairs(each)]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    is_list = isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    return isinstance(value, Mapping) or is_list


def _pairs(values: Mapping[str, Any]) -> list[str]:
    # JSON's text, numbers and lists are TOML's too; but DEL has to be escaped there.
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        for name, value in values.items()
        if value is not None and value != []
    ]


def _faults_of_order(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    codes = [stage["code"] for stage in stages]
    faults: list[str] = [
        t("the stage {code} stands there twice", code=code)
        for code in dict.fromkeys(codes)
        if codes.count(code) > 1
    ]
    if [stage["is_won"] for stage in stages] != [False] * (len(stages) - 1) + [True]:
        faults.append(t("one stage is where deals are won (is_won = true), and it is the last"))
    first = stages[0]
    late = [*({"next_step", "quote"} & set(first["required_fields"])), *first["checks"]]
    if late:
        faults.append(
            t(
                "{stage}: a new deal cannot have {late} yet; ask for it in a later stage",
                stage=first["code"],
                late=", ".join(late),
            )
        )
    return faults


def _unknown_words(
    stages: Sequence[Mapping[str, Any]], known_fields: set[str], known_checks: set[str]
) -> list[str]:
    codes = {stage["code"] for stage in stages}
    asked = (("required_fields", known_fields), ("checks", known_checks), ("moves_to", codes))
    return [
        t(
            "{stage}: {field} names {word}, which is none of {known}",
            stage=stage["code"],
            field=field,
            word=repr(word),
            known=", ".join(sorted(known)),
        )
        for stage in stages
        for field, known in asked
        for word in stage[field]
        if word not in known
    ]


def _faults_of_moves(design: Mapping[str, Any]) -> list[str]:
    """Find stages from which a deal could never be won, and targets that are none."""
    stages = design["stages"]
    codes = [stage["code"] for stage in stages]
    ways = {stage["code"]: set(stage["moves_to"] or codes) for stage in stages}
    reaching = {codes[-1]}
    while more := {code for code in codes if code not in reaching and ways[code] & reaching}:
        reaching |= more
    faults: list[str] = [
        t("{stage}: from there no allowed moves lead to {won}", stage=code, won=codes[-1])
        for code in codes
        if code not in reaching
    ]
    for left, entered in design["resettled"].items():
        if left in codes or entered not in codes[:-1]:
            faults.append(
                t(
                    "resettled: {left} = {entered} has to lead from a stage that is no longer "
                    "there to an open one that is",
                    left=left,
                    entered=repr(entered),
                )
            )
    return faults


def _flat(messages: Any, place: str = "") -> list[tuple[str, str]]:
    if not isinstance(messages, Mapping):
        return [(place, " ".join(str(each) for each in messages))]
    found: list[tuple[str, str]] = []
    for name, inside in messages.items():
        label = str(name + 1) if isinstance(name, int) else str(name)
        found += _flat(inside, f"{place}.{label}" if place else label)
    return found


def _invalid(faults: Sequence[str]) -> InputError:
    return InputError(
        t("The pipeline cannot be taken as it is:\n{faults}", faults=joined(faults, "\n")),
        code="sales.pipeline.invalid",
        details={"faults": [str(fault) for fault in faults]},
    )
