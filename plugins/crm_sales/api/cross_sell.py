"""What else customers might buy, in the REST API: ``/api/v1/sales/cross-sell``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_sales.models import AffinityCount
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW
from crm_sales.services.cross_sell.counting import count_affinities
from crm_sales.services.cross_sell.suggesting import (
    Suggestions,
    list_affinities,
    suggest_for_deal,
    suggest_products,
)
from crm_web.sdk import Api, Call, Moment, PageQuery, Result, Said, Strict, Whole

api = Api("sales_cross_sell", title="Cross-sell", prefix="/sales/cross-sell")
MOST = 50


class SuggestQuery(Strict):
    """How many."""

    limit = Whole(
        in_query=True,
        validate=validate.Range(1, MOST),
        metadata={"description": "How many, at most; 5 unless said."},
    )


class SuggestionResult(Result):
    """A product that a customer might buy, and why."""

    product_id = fields.UUID(required=True)
    name = fields.String(required=True)
    reference = fields.String()
    list_price = fields.Decimal(as_string=True)
    currency_code = fields.String()
    because_id = fields.UUID(required=True)
    because = fields.String(required=True)
    both = Whole(required=True)
    buyers = Whole(required=True)
    confidence = fields.Float(required=True)
    lift = fields.Float(required=True)
    reason = Said(required=True)


class ObjectionResult(Result):
    """Why nothing should be offered now."""

    message = Said(required=True)
    code = fields.String(required=True)


class SuggestionsResult(Result):
    """What might be offered to a customer."""

    items = fields.List(fields.Nested(SuggestionResult), required=True)
    objections = fields.List(fields.Nested(ObjectionResult), required=True)
    counted_at = Moment()


class PairResult(Result):
    """Two products that the same customers buy."""

    product_id = fields.UUID(required=True)
    name = fields.String(required=True)
    other_id = fields.UUID(required=True)
    other_name = fields.String(required=True)
    both = Whole(required=True)
    buyers = Whole(required=True)
    other_buyers = Whole(required=True)
    customers = Whole(required=True)
    confidence = fields.Float(required=True)
    lift = fields.Float(required=True)
    reason = Said(required=True)


class CountResult(Result):
    """When and how it was counted."""

    counted_at = Moment(required=True)
    customers = Whole(required=True)
    least_support = Whole(required=True)
    least_confidence = Whole(required=True)
    pairs = Whole(required=True)


@api.get(
    "/of/<uuid:customer_id>", query=SuggestQuery, result=SuggestionsResult, right=OPPORTUNITY_VIEW
)
def of_customer(call: Call, customer_id: UUID) -> Suggestions:
    """Suggest what a customer might buy."""
    return suggest_products(call.uow, customer_id, **call.query)


@api.get(
    "/deals/<uuid:opportunity_id>",
    query=SuggestQuery,
    result=SuggestionsResult,
    right=OPPORTUNITY_VIEW,
)
def of_deal(call: Call, opportunity_id: UUID) -> Suggestions:
    """Suggest what might be offered beside what a deal is about."""
    return suggest_for_deal(call.uow, opportunity_id, **call.query)


@api.get("/pairs", query=PageQuery, page=PairResult, right=OPPORTUNITY_VIEW)
def pairs(call: Call) -> Page[dict[str, Any]]:
    """List products that the same customers buy, the strongest pairs first."""
    return list_affinities(call.uow, **call.query)


@api.post("/count", result=CountResult, right=CONFIGURE)
def count(call: Call) -> AffinityCount:
    """Count anew which products the same customers buy."""
    return count_affinities(call.uow)
