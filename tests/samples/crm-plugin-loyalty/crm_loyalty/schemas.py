"""The shape of what comes in from people and from the sync."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from crm_core.errors import InputError
from marshmallow import Schema, ValidationError, fields, validate

from crm_loyalty.models import Tier

MOST_POINTS = 1_000_000
MOST_REASON = 200
NUMBER = r"[A-Z0-9][A-Z0-9-]{3,31}"


class CardSchema(Schema):
    """A card as it is typed or comes from a back office."""

    number = fields.String(
        validate=validate.Regexp(
            rf"{NUMBER}\Z", error="4 to 32 letters, digits and hyphens, such as L-00417"
        )
    )
    tier = fields.String(validate=validate.OneOf([tier.value for tier in Tier]))
    points = fields.Integer(validate=validate.Range(0, MOST_POINTS))
    issued_on = fields.Date()
    expires_on = fields.Date()


class EntrySchema(Schema):
    """Points to credit or to redeem."""

    points = fields.Integer(required=True, validate=validate.Range(1, MOST_POINTS))
    reason = fields.String(load_default="", validate=validate.Length(max=MOST_REASON))


@cache
def _card() -> CardSchema:
    return CardSchema()


@cache
def _entry() -> EntrySchema:
    return EntrySchema()


def load_card(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a card, checked; raises InputError that says what to correct."""
    known = {name: value for name, value in values.items() if value not in (None, "")}
    if "number" in known:
        known["number"] = str(known["number"]).strip().upper()
    return _loaded(_card(), known, "loyalty.card.invalid")


def load_entry(points: int, reason: str) -> dict[str, Any]:
    """Return points and why, checked; raises InputError that says what to correct."""
    values = {"points": points, "reason": reason.strip()}
    return _loaded(_entry(), values, "loyalty.points.invalid")


def _loaded(schema: Schema, values: Mapping[str, Any], code: str) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        faults = {name: " ".join(error.messages_dict[name]) for name in error.messages_dict}
        told = "; ".join(f"{name}: {text}" for name, text in faults.items())
        raise InputError(f"Correct this: {told}", code=code, details=faults) from None
    return loaded
