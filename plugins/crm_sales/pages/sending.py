"""Sending offers and writing answers down: a panel on the page of an offer, and what it sends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.errors import CrmError
from crm_core.messages import n, t
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.quote_answers import accept_quote, refuse_quote
from crm_sales.services.quote_documents.offer import PDF, document_of
from crm_sales.services.quote_links import make_link, revoke_links
from crm_sales.services.quote_page import what_became
from crm_sales.services.quote_sending import CHANNELS, send_quote
from crm_web.sdk import Pages, Request

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

pages = Pages("sales_sending", "crm_sales", title=t("Sending offers"), prefix="/sales/sending")
OFFER = "/<uuid:quote_id>"


class SendSchema(Schema):
    """How an offer goes out."""

    channel = fields.String(required=True, validate=validate.OneOf(list(CHANNELS)))
    to = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=320))


class AcceptSchema(Schema):
    """What a customer said who accepts."""

    signed_by = fields.String(required=True)
    note = fields.String(load_default=None, allow_none=True)
    choose = fields.Boolean(load_default=False)
    chosen = fields.List(fields.UUID(), load_default=list)


class RefuseSchema(Schema):
    """What a customer said who refuses."""

    signed_by = fields.String(required=True)
    reason = fields.String(required=True)


@pages.panel("sales_quote", t("Sending and answer"), right=QUOTE_VIEW, position=10)
def of_quote(request: Request, quote_id: UUID) -> str:
    """Show what became of an offer, and what can be done next."""
    became = what_became(request.uow, quote_id)
    back = request.path.partition("?")[0]
    return request.render("sales/offer/panel.html", quote_id=quote_id, back=back, **became)


@pages.get(OFFER + "/document", right=QUOTE_VIEW)
def document(request: Request, quote_id: UUID) -> Any:
    """Give the document of an offer."""
    found = document_of(request.uow, quote_id)
    return request.file(found.file_name, found.content, PDF)


@pages.post(OFFER + "/send", right=QUOTE_EDIT, own_work=True)
def send(request: Request, quote_id: UUID) -> Any:
    """Send an offer; its document is drawn before anything is written."""
    try:
        given = request.read(SendSchema())
        with _work(request) as uow:
            drawn = document_of(uow, quote_id)
        with _work(request, write=True) as uow:
            sent = send_quote(uow, quote_id, document=drawn, **given)
            uow.commit()
    except CrmError as error:
        return _refused(request, error)
    if sent.address:
        return _back(request, t("It is on its way to {address}.", address=sent.address))
    return _back(request, _link_told(request, sent.link) if sent.link else t("It counts as sent."))


@pages.post(OFFER + "/link", right=QUOTE_EDIT, own_work=True)
def link(request: Request, quote_id: UUID) -> Any:
    """Make another link to pass on."""
    return _done(request, lambda uow: _link_told(request, make_link(uow, quote_id)[1]))


@pages.post(OFFER + "/revoke", right=QUOTE_EDIT, own_work=True)
def revoke(request: Request, quote_id: UUID) -> Any:
    """Have no link be good any more."""

    def revoked(uow: Any) -> str:
        count = revoke_links(uow, quote_id)
        return n("{count} link is no good any more.", "{count} links are no good any more.", count)

    return _done(request, revoked)


@pages.post(OFFER + "/accept", right=QUOTE_EDIT, own_work=True)
def accept(request: Request, quote_id: UUID) -> Any:
    """Write down that the customer accepts."""

    def accepted(uow: Any) -> str:
        given = request.read(AcceptSchema(), lists=("chosen",))
        chosen, is_chosen = given.pop("chosen"), given.pop("choose")
        accept_quote(uow, quote_id, chosen=chosen if is_chosen else None, **given)
        return t("Written down: accepted.")

    return _done(request, accepted)


@pages.post(OFFER + "/decline", right=QUOTE_EDIT, own_work=True)
def decline(request: Request, quote_id: UUID) -> Any:
    """Write down that the customer refuses."""

    def refused(uow: Any) -> str:
        refuse_quote(uow, quote_id, **request.read(RefuseSchema()))
        return t("Written down: refused.")

    return _done(request, refused)


def _done(request: Request, act: Callable[[Any], str]) -> Any:
    """Do something and go back to the offer; what went wrong is told there."""
    try:
        with _work(request, write=True) as uow:
            told = act(uow)
            uow.commit()
    except CrmError as error:
        return _refused(request, error)
    return _back(request, told)


def _work(request: Request, *, write: bool = False) -> AbstractContextManager[UnitOfWork]:
    assert request.actor is not None, "whoever sends something signed in"
    return request.application.unit_of_work(request.actor, write=write)


def _refused(request: Request, error: CrmError) -> Any:
    if error.http_status in (403, 404):
        raise error
    request.notices.append(("bad", error.message))
    return _back(request)


def _back(request: Request, told: str | None = None) -> Any:
    return request.back(told, otherwise="home.home")


def _link_told(request: Request, address: str) -> str:
    request.give_to_copy(address)
    return t("This link opens the offer. Copy it now: it is shown only this once.")
