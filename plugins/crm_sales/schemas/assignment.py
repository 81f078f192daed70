"""The shape of a rule by which leads are given to people, and of a file of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from crm_core.errors import InputError
from crm_core.messages import joined, t
from crm_core.normalize import parse_country, parse_language
from crm_core.services.currencies import checked_code
from crm_sales.models import Way

WORDS, LONGEST, MOST_TARGETS = 200, 250, 500
MOST_POSITION, MOST_WEIGHT = 10_000, 100
LARGEST_FILE = 1_000_000


class _Strict(Schema):
    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE

    error_messages = {  # noqa: RUF012  marshmallow's own declaration
        "unknown": t("is not known here: leave it out or correct its name.")
    }


def _words(title: str, told: str = "") -> fields.List[str]:
    word = fields.String(validate=validate.Length(min=1, max=LONGEST))
    return fields.List(
        word, validate=validate.Length(max=WORDS), metadata={"title": title, "help": told}
    )


def _amount(title: str) -> fields.Decimal:
    return fields.Decimal(
        allow_none=True, validate=validate.Range(0, 10**12), metadata={"title": title}
    )


class TargetSchema(_Strict):
    """A user by login, or a team by name."""

    user = fields.String(allow_none=True)
    team = fields.String(allow_none=True)
    weight = fields.Integer(strict=True, validate=validate.Range(1, MOST_WEIGHT))

    @validates_schema
    def _one_of_both(self, data: Mapping[str, Any], **_options: Any) -> None:
        if bool(data.get("user")) == bool(data.get("team")):
            raise ValidationError(t("name a user or a team."))


class RuleSchema(_Strict):
    """A rule: its conditions, whom it leads to, and how one of them is chosen."""

    name = fields.String(
        required=True, validate=validate.Length(min=1, max=LONGEST), metadata={"title": t("Name")}
    )
    position = fields.Integer(
        validate=validate.Range(0, MOST_POSITION),
        metadata={"title": t("Position"), "help": t("Lower ones are tried first.")},
    )
    is_active = fields.Boolean(metadata={"title": t("In use")})
    countries = _words(t("Countries"), t("Two letters each, such as GR, CY."))
    postal_prefixes = _words(t("Postal codes begin with"))
    products = _words(t("Products"), t("Their references."))
    categories = _words(t("Categories"), t("With all below them: All / Saleable."))
    languages = _words(t("Languages"), t("Their codes, such as el, en."))
    sources = _words(t("Sources"))
    least_amount = _amount(t("Amount from"))
    most_amount = _amount(t("Amount to"))
    currency_code = fields.String(allow_none=True, metadata={"title": t("Currency")})
    way = fields.String(
        validate=validate.OneOf(
            [each.value for each in Way],
            [t("In turn"), t("In turn, by weight"), t("Fewest open leads")],
        ),
        metadata={"title": t("Who of them")},
    )
    targets = fields.List(fields.Nested(TargetSchema), validate=validate.Length(max=MOST_TARGETS))


class PersonSchema(_Strict):
    """What one person takes on."""

    login = fields.String(required=True)
    takes_leads = fields.Boolean()
    daily_leads = fields.Integer(strict=True, allow_none=True)


class RuleFileSchema(_Strict):
    """All rules, and what people take on, as a file holds them."""

    rule = fields.List(fields.Nested(RuleSchema), required=True)
    person = fields.List(fields.Nested(PersonSchema))


@cache
def _schema(kind: type[Schema]) -> Schema:
    return kind()


def load_rule(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule, checked; raises InputError, whose ``details["fields"]`` names each fault."""
    return _canonical(_loaded(RuleSchema, values))


def read_rule_file(path: Path) -> dict[str, Any]:
    """Return what stands in a TOML file; raises InputError that says where it goes wrong."""
    try:
        content = path.read_bytes()[: LARGEST_FILE + 1]
    except OSError as error:
        raise InputError(
            t("{path} cannot be read: {reason}.", path=path, reason=error.strerror),
            code="sales.rule.file",
        ) from None
    try:
        if len(content) > LARGEST_FILE:
            raise ValueError(t("it is larger than rules can be"))
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            t("{path} is no TOML file of rules: {reason}.", path=path, reason=error),
            code="sales.rule.file",
        ) from None


def load_rule_file(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file of rules says, checked; raises InputError."""
    loaded = _loaded(RuleFileSchema, values)
    return {**loaded, "rule": [_canonical(rule) for rule in loaded["rule"]]}


def _loaded(kind: type[Schema], values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = dict(_schema(kind).load(values))
    except ValidationError as error:
        faults = dict(_flat(error.normalized_messages(), ()))  # type: ignore[no-untyped-call]
        told = [t("{field}: {what}", field=name, what=what) for name, what in faults.items()]
        raise InputError(
            joined(told, " "), code="sales.rule.invalid", details={"fields": faults}
        ) from None
    return loaded


def _flat(told: Any, path: tuple[str, ...]) -> Any:
    if isinstance(told, Mapping):
        for key, inner in told.items():
            yield from _flat(inner, path if key == "_schema" else (*path, str(key)))
    else:
        yield ".".join(path), told[0] if isinstance(told, list) else str(told)


def _canonical(rule: dict[str, Any]) -> dict[str, Any]:
    """Make codes canonical; raises InputError where an amount has no end or no currency."""
    if "countries" in rule:
        rule["countries"] = [parse_country(each, "countries") for each in rule["countries"]]
    if "languages" in rule:
        rule["languages"] = [parse_language(each, "languages") for each in rule["languages"]]
    if rule.get("currency_code"):
        rule["currency_code"] = checked_code(rule["currency_code"])
    least, most = rule.get("least_amount"), rule.get("most_amount")
    if least is not None and most is not None and most < least:
        what = t("is less than where the amounts begin.")
        raise InputError(
            t("{field}: {what}", field="most_amount", what=what),
            code="sales.rule.invalid",
            details={"fields": {"most_amount": what}},
        )
    return rule
