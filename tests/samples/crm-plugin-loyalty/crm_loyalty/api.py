"""Cards in the REST API: ``/api/v1/loyalty/cards``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.persistence.paging import Page
from crm_web.sdk import Api, Call, Flag, PageQuery, Result, Strict
from marshmallow import fields, validate

from crm_loyalty.models import LoyaltyCard, Tier
from crm_loyalty.permissions import ISSUE, REDEEM, VIEW
from crm_loyalty.schemas import CardSchema, EntrySchema
from crm_loyalty.services import find_card, issue_card, list_cards, redeem_points

api = Api("loyalty", title="Loyalty cards")


class CardQuery(PageQuery):
    """Which cards."""

    customer_id = fields.UUID()
    tier = fields.String(validate=validate.OneOf([tier.value for tier in Tier]))
    ended = Flag(in_query=True)


class NewCardSchema(Strict):
    """A card to issue."""

    customer_id = fields.UUID(required=True)
    number = CardSchema().fields["number"]
    tier = CardSchema().fields["tier"]
    expires_on = fields.Date()


class CardResult(Result):
    """A card."""

    id = fields.UUID(required=True)
    customer_id = fields.UUID()
    number = fields.String()
    tier = fields.String()
    points = fields.Integer()
    issued_on = fields.Date()
    expires_on = fields.Date()
    ended_at = fields.DateTime()
    version = fields.Integer()


@api.get("/cards", query=CardQuery, page=CardResult, right=VIEW)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List cards, the latest first."""
    return list_cards(call.uow, **call.query)


@api.post("/cards", body=NewCardSchema, result=CardResult, status=201, right=ISSUE)
def issue(call: Call) -> LoyaltyCard:
    """Give a customer a card."""
    return issue_card(call.uow, **call.body)


@api.get("/cards/<uuid:card_id>", result=CardResult, right=VIEW)
def card(call: Call, card_id: UUID) -> LoyaltyCard:
    """Return a card."""
    return find_card(call.uow, str(card_id))


@api.post("/cards/<uuid:card_id>/redeem", body=EntrySchema, result=CardResult, right=REDEEM)
def redeem(call: Call, card_id: UUID) -> LoyaltyCard:
    """Take points off a card: never more than are on it."""
    return redeem_points(call.uow, card_id, **call.body)
