"""Offers: their lines and sums, approval, versions, and what a company says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_core.services.checks import LINE, PAGES
from crm_sales.models import LineKind, LineRole, Quote, QuoteState
from crm_sales.permissions import CONFIGURE, QUOTE_APPROVE, QUOTE_EDIT, QUOTE_VIEW
from crm_sales.schemas.quotes import OfferRulesSchema
from crm_sales.services.pricing.offer_rules import change_offer_rules
from crm_sales.services.pricing.offer_rules_export import export_offer_rules
from crm_sales.services.quotes.approval import approve_quote, refuse_approval, submit_quote
from crm_sales.services.quotes.editing import add_quote, edit_quote, refresh_prices
from crm_sales.services.quotes.lines import add_bundle, add_line, edit_lines, move_line, remove_line
from crm_sales.services.quotes.reading import find_products, list_quotes, quotes_to_approve
from crm_sales.services.quotes.versions import revise_quote, withdraw_quote
from crm_sales.services.quotes.view import quote_view
from crm_web.sdk import Api, Call, Moment, PageQuery, Result, Said, Strict, Whole

api = Api("sales_quotes", title="Offers", prefix="/sales/quotes")
QUOTE = "/<uuid:quote_id>"
LINE_PATH = f"{QUOTE}/lines/<uuid:line_id>"


class QuoteQuery(PageQuery):
    """Which offers."""

    opportunity_id = fields.UUID(metadata={"description": "Only of this deal."})
    customer_id = fields.UUID(metadata={"description": "Only for this customer."})
    owner_id = fields.UUID(metadata={"description": "Only of this salesperson."})
    state = fields.String(validate=validate.OneOf([state.value for state in QuoteState]))
    text = fields.String(metadata={"description": "How the number begins."})


class ProductQuery(Strict):
    """What to look for."""

    text = fields.String(
        required=True,
        validate=validate.Length(2, 100),
        metadata={"description": "Part of the name or reference, or the barcode."},
    )


class ProductResult(Result):
    """Something that can be offered."""

    kind = fields.String(required=True, metadata={"description": "product or bundle"})
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    reference = fields.String()
    category = fields.String()
    unit = fields.String()
    list_price = fields.Decimal(as_string=True)
    currency_code = fields.String()


class HeaderSchema(Strict):
    """What stands around the lines; what is left out stays."""

    valid_until_on = fields.Date()
    price_list_id = fields.UUID(allow_none=True)
    payment_term_id = fields.UUID(allow_none=True)
    delivery_address_id = fields.UUID(allow_none=True)
    invoice_address_id = fields.UUID(allow_none=True)
    contact_id = fields.UUID(allow_none=True)
    language = fields.String(allow_none=True, validate=validate.Length(max=35))
    terms = fields.String(allow_none=True, validate=validate.Length(max=PAGES))
    note = fields.String(allow_none=True, validate=validate.Length(max=PAGES))


class NewQuoteSchema(HeaderSchema):
    """An offer to be made."""

    opportunity_id = fields.UUID(required=True)
    currency_code = fields.String(validate=validate.Length(equal=3))


class LineChangeSchema(Strict):
    """What changes of a line."""

    quantity = fields.Decimal()
    unit_price = fields.Decimal(
        allow_none=True, metadata={"description": "null for what the price list asks."}
    )
    discount_percent = fields.Decimal()
    tax_percent = fields.Decimal(allow_none=True, metadata={"description": "null to estimate it."})
    role = fields.String(validate=validate.OneOf([role.value for role in LineRole]))
    group = fields.String(allow_none=True, validate=validate.Length(max=100))
    is_chosen = fields.Boolean()
    description = fields.String(allow_none=True, validate=validate.Length(max=4_000))


class NewLineSchema(LineChangeSchema):
    """A line to be added."""

    kind = fields.String(validate=validate.OneOf([kind.value for kind in LineKind]))
    product_id = fields.UUID()


class NewBundleSchema(Strict):
    """A bundle to be added."""

    bundle_id = fields.UUID(required=True)
    quantity = fields.Decimal()


class MoveSchema(Strict):
    """Where a line goes."""

    steps = Whole(required=True, metadata={"description": "Lines down, or up below zero."})


class ReasonSchema(Strict):
    """Why."""

    reason = fields.String(validate=validate.Length(max=2_000))


class NeededReasonSchema(Strict):
    """Why; it has to be said."""

    reason = fields.String(required=True, validate=validate.Length(1, 2_000))


class NoteSchema(Strict):
    """Something to say to it."""

    note = fields.String(validate=validate.Length(max=2_000))


class ListedQuoteResult(Result):
    """An offer in a list."""

    id = fields.UUID(required=True)
    number = fields.String(required=True)
    version_number = Whole(required=True)
    state = fields.String(required=True)
    opportunity_id = fields.UUID(required=True)
    opportunity_name = fields.String()
    customer_id = fields.UUID(required=True)
    customer_name = fields.String()
    owner_id = fields.UUID()
    owner_name = fields.String()
    currency_code = fields.String(required=True)
    untaxed_amount = fields.Decimal(required=True, as_string=True)
    total_amount = fields.Decimal(required=True, as_string=True)
    tax_source = fields.String(required=True)
    discount_percent = fields.Decimal(required=True, as_string=True)
    valid_until_on = fields.Date(required=True)
    created_at = Moment(required=True)
    sent_at = Moment()
    answered_at = Moment()


class WaitingQuoteResult(ListedQuoteResult):
    """An offer that waits for approval."""

    percent = fields.Decimal(required=True, as_string=True)
    asked_at = Moment(required=True)
    asked_by = fields.String()


class LineResult(Result):
    """A line of an offer."""

    id = fields.UUID(required=True)
    position = Whole(required=True)
    kind = fields.String(required=True)
    role = fields.String(required=True)
    group = fields.String()
    is_chosen = fields.Boolean(required=True)
    bundle_line_id = fields.UUID()
    product_id = fields.UUID()
    product_reference = fields.String()
    description = fields.String()
    unit = fields.String()
    quantity = fields.Decimal(as_string=True)
    list_price = fields.Decimal(as_string=True)
    unpriced = fields.String(metadata={"description": "Why there is none: cost, price or rate."})
    rule_price = fields.Decimal(as_string=True)
    base_price = fields.Decimal(
        as_string=True,
        metadata={"description": "From which discount is counted, where another list is used."},
    )
    unit_price = fields.Decimal(as_string=True)
    discount_percent = fields.Decimal(as_string=True)
    floor_price = fields.Decimal(as_string=True)
    tax_percent = fields.Decimal(as_string=True)
    untaxed_amount = fields.Decimal(as_string=True)
    tax_amount = fields.Decimal(as_string=True)
    total_amount = fields.Decimal(as_string=True)


class TaxResult(Result):
    """What is taxed at one rate."""

    percent = fields.Decimal(required=True, as_string=True)
    untaxed_amount = fields.Decimal(required=True, as_string=True)
    tax_amount = fields.Decimal(required=True, as_string=True)


class QuoteResult(ListedQuoteResult):
    """An offer whole."""

    version = Whole(required=True)
    root_id = fields.UUID(required=True)
    price_list_id = fields.UUID()
    payment_term_id = fields.UUID()
    delivery_address_id = fields.UUID()
    invoice_address_id = fields.UUID()
    contact_id = fields.UUID()
    language = fields.String()
    terms = fields.String(validate=validate.Length(max=PAGES))
    note = fields.String()
    tax_amount = fields.Decimal(required=True, as_string=True)
    band_reason = Said(metadata={"description": "Why the customer pays less, if they do."})
    list_reason = Said(
        metadata={"description": "What another price list than the customer's takes off."}
    )
    instead_number = fields.String(
        metadata={"description": "The offer of the deal that was accepted instead."}
    )
    approved_at = Moment()
    answer_note = fields.String(validate=validate.Length(max=LINE * 100))
    lines = fields.List(fields.Nested(LineResult), required=True)
    taxes = fields.List(fields.Nested(TaxResult), required=True)


@api.get("/", query=QuoteQuery, page=ListedQuoteResult, right=QUOTE_VIEW)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List offers, the newest first."""
    return list_quotes(call.uow, **call.query)


@api.get("/to-approve", query=PageQuery, page=WaitingQuoteResult, right=QUOTE_APPROVE)
def to_approve(call: Call) -> Page[dict[str, Any]]:
    """List offers that wait for the caller to decide."""
    return quotes_to_approve(call.uow, **call.query)


@api.get("/products", query=ProductQuery, page=ProductResult, right=QUOTE_VIEW)
def products(call: Call) -> Sequence[Mapping[str, Any]]:
    """Find products and bundles that can be offered, up to twenty."""
    return find_products(call.uow, call.query["text"])


@api.get("/settings", result=OfferRulesSchema, as_is=True, right=CONFIGURE)
def settings(call: Call) -> dict[str, Any]:
    """Give the limits, floors, bands, bundles and rules of offers."""
    return export_offer_rules(call.uow)


@api.patch("/settings", body=OfferRulesSchema, result=OfferRulesSchema, as_is=True, right=CONFIGURE)
def set_settings(call: Call) -> dict[str, Any]:
    """Set parts of the settings of offers, each as a whole."""
    change_offer_rules(call.uow, OfferRulesSchema().dump(call.body))
    call.uow.flush()
    return export_offer_rules(call.uow)


@api.post("/", body=NewQuoteSchema, result=QuoteResult, status=201, right=QUOTE_EDIT)
def add(call: Call) -> dict[str, Any]:
    """Make an offer of a deal."""
    return _told(call, add_quote(call.uow, **call.body))


@api.get(QUOTE, result=QuoteResult, right=QUOTE_VIEW)
def show(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Show an offer whole."""
    return quote_view(call.uow, quote_id)


@api.patch(QUOTE, body=HeaderSchema, result=QuoteResult, versioned=True, right=QUOTE_EDIT)
def edit(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Change what stands around the lines."""
    version = call.expected_version
    return _told(call, edit_quote(call.uow, quote_id, call.body, expected_version=version))


@api.post(
    f"{QUOTE}/lines",
    body=NewLineSchema,
    result=QuoteResult,
    status=201,
    versioned=True,
    right=QUOTE_EDIT,
)
def add_line_(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Add a product, a heading or a remark."""
    add_line(call.uow, quote_id, expected_version=call.expected_version, **call.body)
    return quote_view(call.uow, quote_id)


@api.post(
    f"{QUOTE}/bundles",
    body=NewBundleSchema,
    result=QuoteResult,
    status=201,
    versioned=True,
    right=QUOTE_EDIT,
)
def add_bundle_(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Add a bundle with its parts."""
    add_bundle(call.uow, quote_id, expected_version=call.expected_version, **call.body)
    return quote_view(call.uow, quote_id)


@api.patch(LINE_PATH, body=LineChangeSchema, result=QuoteResult, versioned=True, right=QUOTE_EDIT)
def edit_line(call: Call, quote_id: UUID, line_id: UUID) -> dict[str, Any]:
    """Change a line."""
    version = call.expected_version
    changes = {line_id: call.body}
    return _told(call, edit_lines(call.uow, quote_id, changes, expected_version=version))


@api.delete(LINE_PATH, result=QuoteResult, versioned=True, right=QUOTE_EDIT)
def remove_line_(call: Call, quote_id: UUID, line_id: UUID) -> dict[str, Any]:
    """Take a line away, a bundle as a whole."""
    version = call.expected_version
    return _told(call, remove_line(call.uow, quote_id, line_id, expected_version=version))


@api.post(
    f"{LINE_PATH}/move", body=MoveSchema, result=QuoteResult, versioned=True, right=QUOTE_EDIT
)
def move_line_(call: Call, quote_id: UUID, line_id: UUID) -> dict[str, Any]:
    """Move a line up or down."""
    version = call.expected_version
    moved = move_line(call.uow, quote_id, line_id, expected_version=version, **call.body)
    return _told(call, moved)


@api.post(f"{QUOTE}/submit", result=QuoteResult, versioned=True, right=QUOTE_EDIT)
def submit(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Have an offer approved: at once within the caller's limit, else it waits."""
    return _told(call, submit_quote(call.uow, quote_id, expected_version=call.expected_version))


@api.post(
    f"{QUOTE}/approve", body=NoteSchema, result=QuoteResult, versioned=True, right=QUOTE_APPROVE
)
def approve(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Let an offer pass that waits."""
    version = call.expected_version
    return _told(call, approve_quote(call.uow, quote_id, expected_version=version, **call.body))


@api.post(
    f"{QUOTE}/refuse",
    body=NeededReasonSchema,
    result=QuoteResult,
    versioned=True,
    right=QUOTE_APPROVE,
)
def refuse(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Send an offer that waits back to its maker."""
    version = call.expected_version
    return _told(call, refuse_approval(call.uow, quote_id, expected_version=version, **call.body))


@api.post(f"{QUOTE}/revise", result=QuoteResult, status=201, versioned=True, right=QUOTE_EDIT)
def revise(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Make the next version of an offer."""
    return _told(call, revise_quote(call.uow, quote_id, expected_version=call.expected_version))


@api.post(
    f"{QUOTE}/withdraw", body=ReasonSchema, result=QuoteResult, versioned=True, right=QUOTE_EDIT
)
def withdraw(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Take an offer back."""
    version = call.expected_version
    return _told(call, withdraw_quote(call.uow, quote_id, expected_version=version, **call.body))


@api.post(f"{QUOTE}/reprice", result=QuoteResult, versioned=True, right=QUOTE_EDIT)
def reprice(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Price all lines as if they were added today."""
    return _told(call, refresh_prices(call.uow, quote_id, expected_version=call.expected_version))


def _told(call: Call, quote: Quote) -> dict[str, Any]:
    call.uow.flush()
    return quote_view(call.uow, quote.id)
