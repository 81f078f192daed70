"""Offers on their way: sent, their documents and links, and what was answered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.services.checks import LINE
from crm_sales.models import QuoteState
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.quote_answers import MOST_TEXT, accept_quote, refuse_quote
from crm_sales.services.quote_documents.offer import PDF, document_of
from crm_sales.services.quote_links import make_link, revoke_links
from crm_sales.services.quote_page import what_became
from crm_sales.services.quote_sending import CHANNELS, EMAIL, send_quote
from crm_web.sdk import Api, Call, Moment, Result, Strict, Whole

api = Api("sales_offers", title="Offers on their way", prefix="/sales/offers")
OFFER = "/<uuid:quote_id>"


class SendSchema(Strict):
    """How it goes out."""

    channel = fields.String(load_default=EMAIL, validate=validate.OneOf(list(CHANNELS)))
    to = fields.Email(metadata={"description": "The contact's or the customer's unless given."})


class AcceptSchema(Strict):
    """What a customer said who accepts."""

    signed_by = fields.String(required=True, validate=validate.Length(1, LINE))
    note = fields.String(validate=validate.Length(max=MOST_TEXT))
    chosen = fields.List(
        fields.UUID(),
        metadata={"description": "Options and alternatives taken; left out, as it stands."},
    )


class RefuseSchema(Strict):
    """What a customer said who refuses."""

    signed_by = fields.String(required=True, validate=validate.Length(1, LINE))
    reason = fields.String(required=True, validate=validate.Length(1, MOST_TEXT))


class SentResult(Result):
    """What came of sending."""

    id = fields.UUID(required=True)
    to = fields.String()
    link = fields.String(metadata={"description": "Told only now."})


class RevokedResult(Result):
    """How many links are no good any more."""

    revoked = Whole(required=True)


class AnswerResult(Result):
    """An answer."""

    name = fields.String(required=True)
    at = Moment(required=True)
    is_accepted = fields.Boolean(required=True)
    note = fields.String()
    total_amount = fields.Decimal(as_string=True)
    written_by = fields.String()


class QuestionResult(Result):
    """A question."""

    at = Moment(required=True)
    name = fields.String(required=True)
    text = fields.String(required=True)


class BecameResult(Result):
    """What became of an offer."""

    number = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([s.value for s in QuoteState]))
    sent_at = Moment()
    valid_until_on = fields.Date(required=True)
    can_answer = fields.Boolean(required=True)
    links = Whole(required=True, metadata={"description": "How many are good."})
    opened_at = Moment()
    answer = fields.Nested(AnswerResult)
    questions = fields.List(fields.Nested(QuestionResult), required=True)


@api.get(OFFER, result=BecameResult, right=QUOTE_VIEW)
def show(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Tell what became of an offer."""
    return what_became(call.uow, quote_id)


@api.get(f"{OFFER}/document", media=PDF, right=QUOTE_VIEW)
def document(call: Call, quote_id: UUID) -> Any:
    """Give its document: the one that was sent, or as it would look now."""
    found = document_of(call.uow, quote_id)
    return call.request.file(found.file_name, found.content, PDF)


@api.post(
    f"{OFFER}/send",
    body=SendSchema,
    result=SentResult,
    right=QUOTE_EDIT,
    opens_own=True,
    secret=True,
)
def send(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Send an offer, or send it once more."""
    application = call.request.application
    with application.unit_of_work(call.actor) as uow:
        drawn = document_of(uow, quote_id)
    with application.unit_of_work(call.actor, write=True) as uow:
        sent = send_quote(uow, quote_id, document=drawn, **call.body)
        uow.commit()
    return {"id": quote_id, "to": sent.address, "link": sent.link}


@api.post(f"{OFFER}/links", result=SentResult, status=201, right=QUOTE_EDIT, secret=True)
def add_link(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Make another link to an offer that was sent."""
    return {"id": quote_id, "to": None, "link": make_link(call.uow, quote_id)[1]}


@api.delete(f"{OFFER}/links", result=RevokedResult, right=QUOTE_EDIT)
def drop_links(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Have no link to an offer be good any more."""
    return {"revoked": revoke_links(call.uow, quote_id)}


@api.post(f"{OFFER}/accept", body=AcceptSchema, result=BecameResult, right=QUOTE_EDIT)
def accept(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Write down that the customer accepts."""
    accept_quote(call.uow, quote_id, **call.body)
    return what_became(call.uow, quote_id)


@api.post(f"{OFFER}/refuse", body=RefuseSchema, result=BecameResult, right=QUOTE_EDIT)
def refuse(call: Call, quote_id: UUID) -> dict[str, Any]:
    """Write down that the customer refuses."""
    refuse_quote(call.uow, quote_id, **call.body)
    return what_became(call.uow, quote_id)
