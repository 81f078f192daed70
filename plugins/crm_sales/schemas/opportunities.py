"""The shape of deals as people and programs send them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.services.checks import LINE, PAGES

MOST = Decimal(10) ** 12
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


class OpportunitySchema(Schema):
    """A deal as it is typed; the services take the same fields."""

    name = fields.String(
        required=True,
        validate=validate.Length(min=1, max=LINE),
        metadata={"title": t("Name")},
    )
    expected_amount = fields.Decimal(
        allow_none=True,
        allow_nan=False,
        validate=validate.Range(0, MOST),
        metadata={"title": t("Expected amount")},
    )
    currency_code = fields.String(
        allow_none=True, validate=validate.Length(equal=3), metadata={"title": t("Currency")}
    )
    expected_close_on = fields.Date(
        allow_none=True,
        validate=validate.Range(FIRST_DAY, LAST_DAY),
        metadata={"title": t("Expected to close on")},
    )
    is_committed = fields.Boolean(
        metadata={
            "title": t("Committed"),
            "help": t("It counts whole in the forecast: you stand for it."),
        }
    )
    contact_id = fields.UUID(allow_none=True, metadata={"title": t("Contact")})
    product_id = fields.UUID(allow_none=True, metadata={"title": t("Product")})
    source = fields.String(
        allow_none=True, validate=validate.Length(max=LINE), metadata={"title": t("Source")}
    )
    campaign = fields.String(
        allow_none=True, validate=validate.Length(max=LINE), metadata={"title": t("Campaign")}
    )
    country_code = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"[A-Za-z]{2}\Z", error=t("two letters, such as GR")),
        metadata={"title": t("Country")},
    )
    language = fields.String(
        allow_none=True, validate=validate.Length(max=35), metadata={"title": t("Language")}
    )
    note = fields.String(
        allow_none=True,
        validate=validate.Length(max=PAGES),
        metadata={"title": t("Note"), "rows": 4},
    )
    tags = fields.List(
        fields.String(validate=validate.Length(min=1, max=LINE)),
        validate=validate.Length(max=50),
        metadata={"title": t("Tags")},
    )


@cache
def _schema() -> OpportunitySchema:
    return OpportunitySchema()


def load_opportunity(values: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return fields of a deal, checked; raises InputError that says what to correct."""
    given = {
        name: value.strip() or None if isinstance(value, str) else _plain(value)
        for name, value in values.items()
    }
    try:
        loaded: dict[str, Any] = _schema().load(given, partial=partial)
    except ValidationError as error:
        faults = {name: _told(found) for name, found in error.messages_dict.items()}
        told = "; ".join(f"{name}: {text}" for name, text in faults.items())
        raise InputError(
            t("The deal cannot be taken as it is. {faults}", faults=told),
            code="sales.opportunity.invalid",
            details={"fields": faults},
        ) from None
    return loaded


def _plain(value: Any) -> Any:
    """Return what the schema takes for a value that is a day already."""
    return value.isoformat() if isinstance(value, date) else value


def _told(found: Any) -> str:
    while isinstance(found, Mapping):
        found = next(iter(found.values()))
    return " ".join(str(each) for each in found) if isinstance(found, list) else str(found)
