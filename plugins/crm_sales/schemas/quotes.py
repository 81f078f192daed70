"""The shape of what a company says of its offers, as one document that a file or a page sends."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_core.errors import InputError
from crm_core.messages import joined, t
from crm_core.services.checks import LINE
from crm_sales.models import PriceBase, PriceMethod, RuleKind

LARGEST_FILE = 5_000_000
MOST = 10_000


def _text(*, required: bool = False, most: int = LINE) -> fields.String:
    return fields.String(required=required, validate=validate.Length(min=1, max=most))


def _percent(*, required: bool = False) -> fields.Decimal:
    return fields.Decimal(required=required, validate=validate.Range(Decimal(0), 100))


def _amount() -> fields.Decimal:
    return fields.Decimal(validate=validate.Range(Decimal(0), Decimal(100_000_000)))


def _number() -> fields.Decimal:
    return fields.Decimal(validate=validate.Range(-(10**8), 10**8))


def _list(schema: type[Schema]) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), validate=validate.Length(max=MOST))


class FloorSchema(Schema):
    """A floor price of a product, of a category, or of all."""

    product = _text()
    category = _text()
    price = _amount()
    currency = _text()
    percent_of_list = _percent()


class BandSchema(Schema):
    """A personal price band and its conditions."""

    name = _text(required=True)
    percent = _percent(required=True)
    months = fields.Integer(strict=True, load_default=12, validate=validate.Range(1, 120))
    never_overdue = fields.Boolean(load_default=False)
    most_days_to_pay = fields.Integer(strict=True, validate=validate.Range(0, 3_650))
    least_revenue = _amount()
    currency = _text()


class ProductRuleSchema(Schema):
    """A product or category that requires or excludes another."""

    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in RuleKind]))
    product = _text()
    category = _text()
    other_product = _text()
    other_category = _text()
    reason = _text(required=True, most=1_000)


class BundleSchema(Schema):
    """Products sold together: ``parts`` are pairs of a product and how many."""

    name = _text(required=True)
    percent = _percent()
    price = _amount()
    currency = _text()
    parts = fields.List(
        fields.Tuple((_text(required=True), fields.Decimal())),
        required=True,
        validate=validate.Length(1, 50),
    )


class PriceListSchema(Schema):
    """A price list of a company that has no ERP to bring one."""

    name = _text(required=True)
    currency = _text(required=True)
    is_default = fields.Boolean(load_default=False)
    is_open = fields.Boolean()


class PriceRuleSchema(Schema):
    """A rule of a price list."""

    price_list = _text(required=True)
    product = _text()
    category = _text()
    min_quantity = fields.Decimal(validate=validate.Range(Decimal(0)))
    starts_at = fields.AwareDateTime()
    ends_at = fields.AwareDateTime()
    method = fields.String(
        load_default=PriceMethod.FIXED.value,
        validate=validate.OneOf([m.value for m in PriceMethod]),
    )
    base = fields.String(
        load_default=PriceBase.LIST.value, validate=validate.OneOf([b.value for b in PriceBase])
    )
    base_price_list = _text()
    fixed_price = _amount()
    percent = _number()
    rounding = _amount()
    surcharge = _number()
    min_margin = _number()
    max_margin = _number()


class PaymentTermSchema(Schema):
    """When an invoice is to be paid."""

    name = _text(required=True)
    days = fields.Integer(strict=True, validate=validate.Range(0, 3_650))
    note = _text(most=1_000)
    is_default = fields.Boolean(load_default=False)


class OfferRulesSchema(Schema):
    """All of it; a part that is left out stays as it is."""

    limits = fields.Dict(keys=_text(), values=_percent())
    floors = _list(FloorSchema)
    bands = _list(BandSchema)
    rules = _list(ProductRuleSchema)
    bundles = _list(BundleSchema)
    price_lists = _list(PriceListSchema)
    price_rules = _list(PriceRuleSchema)
    payment_terms = _list(PaymentTermSchema)


@cache
def _schema() -> OfferRulesSchema:
    return OfferRulesSchema()


def read_offer_rules(content: bytes) -> dict[str, Any]:
    """Return the document in a TOML file; raises InputError that says where it goes wrong."""
    if len(content) > LARGEST_FILE:
        raise _invalid([t("The file is larger than such settings can be.")])
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid([t("The file is no TOML: {reason}.", reason=error)]) from None


def load_offer_rules(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a company says of its offers, checked; raises InputError listing all faults."""
    try:
        loaded: dict[str, Any] = _schema().load(document)
    except ValidationError as error:
        told = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise _invalid([f"{place}: {text}" for place, text in _flat(told)]) from None
    faults = [fault for fault in map(_fault_of_band, loaded.get("bands", ())) if fault]
    faults += [fault for fault in map(_fault_of_bundle, loaded.get("bundles", ())) if fault]
    faults += [fault for fault in map(_fault_of_floor, loaded.get("floors", ())) if fault]
    faults += [fault for fault in map(_fault_of_rule, loaded.get("rules", ())) if fault]
    if faults:
        raise _invalid(faults)
    return loaded


def _fault_of_band(band: Mapping[str, Any]) -> str | None:
    if "least_revenue" in band and "currency" not in band:
        return t("The band {name} names a revenue without its currency.", name=band["name"])
    return None


def _fault_of_bundle(bundle: Mapping[str, Any]) -> str | None:
    if ("price" in bundle) == ("percent" in bundle):
        return t("The bundle {name} needs either a price or a percentage.", name=bundle["name"])
    if "price" in bundle and "currency" not in bundle:
        return t("The bundle {name} names a price without its currency.", name=bundle["name"])
    if any(not 0 < quantity <= MOST for _, quantity in bundle["parts"]):
        return t("The parts of the bundle {name} need quantities.", name=bundle["name"])
    if len({product for product, _ in bundle["parts"]}) < len(bundle["parts"]):
        return t("A part of the bundle {name} is named twice.", name=bundle["name"])
    return None


def _fault_of_floor(floor: Mapping[str, Any]) -> str | None:
    if ("price" in floor) == ("percent_of_list" in floor):
        return t("A floor needs either a price or a percentage of the list price.")
    if "price" in floor and "currency" not in floor:
        return t("A floor names a price without its currency.")
    return None


def _fault_of_rule(rule: Mapping[str, Any]) -> str | None:
    if ("product" in rule) == ("category" in rule):
        return t("A rule is for either a product or a category: {reason}", reason=rule["reason"])
    if ("other_product" in rule) == ("other_category" in rule):
        return t(
            "A rule names either another product or another category: {reason}",
            reason=rule["reason"],
        )
    return None


def _flat(told: Any, place: str = "") -> list[tuple[str, str]]:
    if isinstance(told, Mapping):
        return [
            each
            for name, inner in told.items()
            for each in _flat(inner, f"{place}.{name}" if place else str(name))
        ]
    return [(place, str(text)) for text in (told if isinstance(told, list) else [told])]


def _invalid(faults: Sequence[str]) -> InputError:
    return InputError(
        joined([t("The settings of offers will not do:"), *faults], " "),
        code="sales.quote.settings",
        details={"faults": [str(fault) for fault in faults]},
    )
