"""The shape of a lead as it is typed, imported or told by another module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from crm_core.entities.interaction import Channel
from crm_core.errors import InputError
from crm_core.messages import Message, joined, t
from crm_core.normalize import (
    checked_contact,
    checked_email,
    checked_phone,
    parse_country,
    parse_language,
)
from crm_core.services.currencies import checked_code

NAME, LINE, TEXT = 250, 250, 20_000
MOST_AMOUNT = Decimal(10) ** 12


def _text(title: str, length: int = LINE, **told: Any) -> fields.String:
    limit = validate.Length(
        max=length, error=t("has more than {most} characters: shorten it.", most=length)
    )
    return fields.String(
        allow_none=True,
        validate=limit,
        metadata={"title": title, **told},
        error_messages={"invalid": t("is not text: write it as text.")},
    )


class LeadSchema(Schema):
    """A lead: who asks, what for, and how it came."""

    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE

    name = _text(t("Name"), NAME, autocomplete="off", help=t("Of the person, or what it is about."))
    company = _text(t("Company"), NAME)
    job_title = _text(t("Position"))
    email = _text(t("E-mail"))
    phone = _text(t("Phone"))
    website = _text(t("Website"))
    street = _text(t("Street"))
    postal_code = _text(t("Postal code"))
    city = _text(t("City"))
    country_code = _text(t("Country"), help=t("Two letters, such as GR, or its English name."))
    language = _text(t("Language"), help=t("Its code, such as el."))
    product = _text(t("Product"), help=t("Its reference."))
    expected_amount = fields.Decimal(
        allow_none=True,
        validate=validate.Range(
            0, MOST_AMOUNT, error=t("must be 0 to {most}: correct it.", most=MOST_AMOUNT)
        ),
        metadata={"title": t("Expected amount")},
        error_messages={
            "invalid": t("is not a number: write it like 1200.50."),
            "special": t("is not a number: write it like 1200.50."),
        },
    )
    currency_code = _text(t("Currency"), help=t("Such as EUR; the company's own unless said."))
    source = _text(t("Source"), help=t("Where it came from: fair, website, referral."))
    campaign = _text(t("Campaign"))
    channel = fields.String(
        allow_none=True,
        validate=validate.OneOf(
            [each.value for each in Channel],
            error=t("must be one of {choices}.", choices=", ".join(each.value for each in Channel)),
        ),
        metadata={"title": t("Channel")},
    )
    request = _text(t("What they asked for"), TEXT, rows=4)


FIELDS = tuple(LeadSchema().fields)


@cache
def _schema() -> LeadSchema:
    return LeadSchema()


def load_lead(
    values: Mapping[str, Any], *, partial: bool = False, region: str | None = None
) -> dict[str, Any]:
    """Return a lead's columns, checked; ``product`` stays as it was typed.

    Raises:
        InputError: ``details["fields"]`` says what is wrong with each field.
    """
    record, faults = read_lead(values, partial=partial, region=region)
    if faults:
        told = [t("{field}: {what}", field=name, what=what) for name, what in faults.items()]
        raise InputError(joined(told, " "), code="sales.lead.invalid", details={"fields": faults})
    return record


def read_lead(
    values: Mapping[str, Any], *, partial: bool = False, region: str | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Like :func:`load_lead`, but give back what is wrong with each field, not raise it."""
    faults: dict[str, str] = {}
    try:
        record: dict[str, Any] = _schema().load(
            {name: _clean(name, value, faults) for name, value in values.items()}
        )
    except ValidationError as error:
        messages: Any = error.messages
        for name, told in messages.items():
            faults.setdefault(str(name), told[0] if isinstance(told, list) else str(told))
        record = dict(error.valid_data) if isinstance(error.valid_data, dict) else {}
    _canonical(record, faults, region)
    if not partial and not (record.get("name") or record.get("company") or "name" in faults):
        faults["name"] = t("is missing: give a name, or the company's.")
    if not faults and not (partial and "name" not in record):
        record["name"] = record.get("name") or record.get("company")
    return record, faults


def _clean(name: str, value: Any, faults: dict[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    if "\x00" in value:
        faults[name] = t("holds a NUL character: remove it.")
    return value.strip() or None


def _canonical(record: dict[str, Any], faults: dict[str, str], region: str | None) -> None:
    """Make codes canonical, and add what e-mail addresses and numbers are compared by."""
    _replace(record, "country_code", parse_country, faults)
    _replace(record, "language", parse_language, faults)
    _replace(record, "currency_code", checked_code, faults)
    country = record.get("country_code") or region
    for name, check in (
        ("email", checked_email),
        ("phone", lambda value: checked_phone(value, country)),
    ):
        if name in record:
            record[f"{name}_key"] = _checked(record, name, check, faults)
    if record.get("website"):
        _checked(record, "website", lambda value: checked_contact("website", value), faults)


def _replace(
    record: dict[str, Any], name: str, parse: Callable[[str], str], faults: dict[str, str]
) -> None:
    found = _checked(record, name, parse, faults)
    if found is not None:
        record[name] = found


def _checked(
    record: dict[str, Any], name: str, check: Callable[[str], str], faults: dict[str, str]
) -> str | None:
    if not record.get(name) or name in faults:
        return None
    try:
        return check(record[name])
    except InputError as error:
        message = error.message
        what = message.params.get("what") if isinstance(message, Message) else None
        faults[name] = what or message
        return None
