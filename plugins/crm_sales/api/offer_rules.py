"""Floors, personal prices and bundles one at a time, and which price list holds for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields

from crm_core.persistence.paging import Page
from crm_sales.models import Bundle, PriceBand, PriceFloor
from crm_sales.permissions import CONFIGURE, QUOTE_VIEW
from crm_sales.schemas.quotes import BandSchema, BundleSchema, FloorSchema
from crm_sales.services.pricing.customer_lists import (
    customers_with_lists,
    give_price_list,
    open_price_list,
    take_price_list,
)
from crm_sales.services.pricing.single_rules import (
    list_bands,
    list_bundles,
    list_floors,
    set_band,
    set_bundle,
    set_floor,
    show_band,
    show_bundle,
    show_floor,
    take_out,
)
from crm_sales.services.quotes.reading import price_list_page
from crm_web.sdk import Api, Call, Flag, PageQuery, Result, Strict, Whole

api = Api("sales_offer_rules", title="Rules of offers", prefix="/sales/offer-rules")
FLOOR, BAND, BUNDLE = (f"/{part}/<uuid:item_id>" for part in ("floors", "bands", "bundles"))
OWN_LIST = "/customers/<uuid:customer_id>/price-lists/<currency_code>"


class FloorResult(Result):
    """A floor price."""

    id = fields.UUID(required=True)
    version = Whole(required=True)
    product = fields.String(metadata={"description": "Its reference, else its id."})
    product_name = fields.String()
    category = fields.String()
    price = fields.Decimal(as_string=True)
    currency = fields.String()
    percent_of_list = fields.Decimal(as_string=True)


class BandResult(Result):
    """A personal price."""

    id = fields.UUID(required=True)
    version = Whole(required=True)
    name = fields.String(required=True)
    percent = fields.Decimal(required=True, as_string=True)
    months = Whole(required=True)
    never_overdue = fields.Boolean(required=True)
    most_days_to_pay = fields.Integer()
    least_revenue = fields.Decimal(as_string=True)
    currency = fields.String()


class PartResult(Result):
    """A product in a bundle."""

    product = fields.String(required=True, metadata={"description": "Its reference, else its id."})
    product_name = fields.String()
    quantity = fields.Decimal(required=True, as_string=True)


class BundleResult(Result):
    """A bundle."""

    id = fields.UUID(required=True)
    version = Whole(required=True)
    name = fields.String(required=True)
    percent = fields.Decimal(as_string=True)
    price = fields.Decimal(as_string=True)
    currency = fields.String()
    parts = fields.List(fields.Nested(PartResult), required=True)


class PriceListResult(Result):
    """A price list."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    currency_code = fields.String(required=True)
    is_default = fields.Boolean(required=True)
    is_open = fields.Boolean(
        required=True, metadata={"description": "Going by it is no discount, for any customer."}
    )


class OpenSchema(Strict):
    """Whether going by a price list is no discount, for any customer."""

    is_open = Flag(required=True)


class GivenSchema(Strict):
    """The price list that a customer is given."""

    price_list_id = fields.UUID(required=True)


class GivenResult(Result):
    """The price list of a customer."""

    customer_id = fields.UUID(required=True)
    customer_name = fields.String()
    currency_code = fields.String(required=True)
    price_list_id = fields.UUID(required=True)
    price_list_name = fields.String()


@api.get("/floors", query=PageQuery, page=FloorResult, right=CONFIGURE)
def floors(call: Call) -> Page[dict[str, Any]]:
    """List the floor prices, the narrowest first."""
    return list_floors(call.uow, **call.query)


@api.post("/floors", body=FloorSchema, result=FloorResult, status=201, right=CONFIGURE)
def add_floor(call: Call) -> Mapping[str, Any]:
    """Add a floor price."""
    return show_floor(call.uow, set_floor(call.uow, call.body))


@api.put(FLOOR, body=FloorSchema, result=FloorResult, versioned=True, right=CONFIGURE)
def change_floor(call: Call, item_id: UUID) -> Mapping[str, Any]:
    """Change a floor price: what is left out is emptied."""
    set_floor(call.uow, call.body, item_id, expected_version=call.expected_version)
    return show_floor(call.uow, item_id)


@api.delete(FLOOR, right=CONFIGURE)
def drop_floor(call: Call, item_id: UUID) -> None:
    """Take a floor price away."""
    take_out(call.uow, PriceFloor, item_id)


@api.get("/bands", query=PageQuery, page=BandResult, right=CONFIGURE)
def bands(call: Call) -> Page[dict[str, Any]]:
    """List the personal prices in use."""
    return list_bands(call.uow, **call.query)


@api.post("/bands", body=BandSchema, result=BandResult, status=201, right=CONFIGURE)
def add_band(call: Call) -> Mapping[str, Any]:
    """Add a personal price."""
    return show_band(call.uow, set_band(call.uow, call.body))


@api.put(BAND, body=BandSchema, result=BandResult, versioned=True, right=CONFIGURE)
def change_band(call: Call, item_id: UUID) -> Mapping[str, Any]:
    """Change a personal price: what is left out is emptied."""
    set_band(call.uow, call.body, item_id, expected_version=call.expected_version)
    return show_band(call.uow, item_id)


@api.delete(BAND, right=CONFIGURE)
def drop_band(call: Call, item_id: UUID) -> None:
    """Take a personal price out of use; offers keep what they have."""
    take_out(call.uow, PriceBand, item_id)


@api.get("/bundles", query=PageQuery, page=BundleResult, right=CONFIGURE)
def bundles(call: Call) -> Page[dict[str, Any]]:
    """List the bundles in use."""
    return list_bundles(call.uow, **call.query)


@api.post("/bundles", body=BundleSchema, result=BundleResult, status=201, right=CONFIGURE)
def add_bundle(call: Call) -> Mapping[str, Any]:
    """Add a bundle."""
    return show_bundle(call.uow, set_bundle(call.uow, call.body))


@api.put(BUNDLE, body=BundleSchema, result=BundleResult, versioned=True, right=CONFIGURE)
def change_bundle(call: Call, item_id: UUID) -> Mapping[str, Any]:
    """Change a bundle: what is left out is emptied."""
    set_bundle(call.uow, call.body, item_id, expected_version=call.expected_version)
    return show_bundle(call.uow, item_id)


@api.delete(BUNDLE, right=CONFIGURE)
def drop_bundle(call: Call, item_id: UUID) -> None:
    """Take a bundle out of use; offers keep what they have."""
    take_out(call.uow, Bundle, item_id)


@api.get("/price-lists", query=PageQuery, page=PriceListResult, right=QUOTE_VIEW)
def price_lists(call: Call) -> Page[dict[str, Any]]:
    """List the price lists in use, in their order."""
    return price_list_page(call.uow, **call.query)


@api.patch(
    "/price-lists/<uuid:price_list_id>", body=OpenSchema, result=PriceListResult, right=CONFIGURE
)
def open_list(call: Call, price_list_id: UUID) -> Any:
    """Say whether going by a price list is no discount, for any customer."""
    return open_price_list(call.uow, price_list_id, **call.body)


@api.get("/customers/price-lists", query=PageQuery, page=GivenResult, right=CONFIGURE)
def given_lists(call: Call) -> Page[dict[str, Any]]:
    """List the customers that have a price list of their own."""
    return customers_with_lists(call.uow, **call.query)


@api.put(
    "/customers/<uuid:customer_id>/price-list",
    body=GivenSchema,
    result=GivenResult,
    right=CONFIGURE,
)
def give_list(call: Call, customer_id: UUID) -> Any:
    """Give a customer a price list, in the place of another of its currency."""
    return give_price_list(call.uow, customer_id, **call.body)


@api.delete(OWN_LIST, right=CONFIGURE)
def take_list(call: Call, customer_id: UUID, currency_code: str) -> None:
    """Have the default list of a currency hold for a customer again."""
    take_price_list(call.uow, customer_id, currency_code)
