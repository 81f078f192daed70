"""Sending an offer: its document and a link to it, in the customer's language."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, select

from crm_core.channels import MailFile
from crm_core.entities import ContactPoint, ContactPointKind
from crm_core.errors import InputError, RuleViolationError, StaleVersionError
from crm_core.events import RecordsChanged
from crm_core.locale_format import Place
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.interactions import log_interaction
from crm_core.services.mail import queue_mail
from crm_core.services.settings import load_settings
from crm_sales.events import QuoteSent
from crm_sales.models import Quote, QuoteDocument, QuoteState
from crm_sales.permissions import QUOTE_EDIT
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_documents.offer import PDF, Document, document_of
from crm_sales.services.quote_links import answerable_until, make_link
from crm_sales.services.quotes.approval import refuse_incomplete, submit_quote
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.pricing import lines_of

EMAIL, LINK, POST = "email", "link", "post"
CHANNELS = {EMAIL: "email", LINK: "other", POST: "post"}
"""How an offer goes out, each with the channel that the customer's log names."""
LEAST_USEFUL = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending: the offer, to whom it was mailed, and the link, told only now."""

    quote: Quote
    address: str | None
    link: str | None


def send_quote(
    uow: UnitOfWork,
    quote_id: UUID,
    *,
    channel: str = EMAIL,
    to: str | None = None,
    document: Document | None = None,
) -> Sent:
    """Send an offer, or send one again; a draft within the actor's limit is approved with it.

    Args:
        uow: A writing unit of work.
        quote_id: Which.
        channel: ``email`` with document and link, ``link`` to pass on by oneself, or ``post`` for
            what goes out on paper.
        to: The address; the contact's or the customer's unless said.
        document: What :func:`document_of` drew before, which takes its time; drawn here without.

    Raises:
        RuleViolationError: It has to be approved first, has expired, or has no link to go by.
        StaleVersionError: It was changed since the document was drawn.
        InputError: There is no such way, or no address to mail to.
    """
    if channel not in CHANNELS:
        raise InputError(
            t(
                "{channel!r} is no way to send an offer: choose email, link or post.",
                channel=channel,
            ),
            code="sales.quote.channel",
        )
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    _check_drawn(quote, document)
    address = (to or _address_for(uow, quote)) if channel == EMAIL else None
    if quote.state != QuoteState.SENT:
        _let_go(uow, quote)
        document = document or document_of(uow, quote.id)
        _keep(uow, quote, document)
    link = make_link(uow, quote.id)[1] if channel != POST else None
    if address is not None:
        assert link is not None
        _mail(uow, quote, address, link)
    log_interaction(
        uow,
        quote.customer_id,
        channel=CHANNELS[channel],
        direction="outbound",
        subject=t("Offer {number} sent", number=quote.number),
        about=(Quote.__entity__, quote.id),
    )
    uow.flush()
    uow.record(QuoteSent(quote.id, quote.opportunity_id, quote.customer_id))
    uow.record(RecordsChanged(Quote.__entity__, (quote.id,)))
    return Sent(quote, address, link)


def _check_drawn(quote: Quote, document: Document | None) -> None:
    drawn_of = None if document is None else (document.quote_id, document.version)
    if drawn_of is not None and drawn_of != (quote.id, quote.version):
        raise StaleVersionError(
            t(
                "The offer {number} was changed while it was made ready: look at it again and "
                "send it then.",
                number=quote.number,
            ),
            details={"id": str(quote.id), "version": quote.version},
        )


def _let_go(uow: UnitOfWork, quote: Quote) -> None:
    """Check that an offer may be sent now."""
    if quote.state == QuoteState.DRAFT:
        submit_quote(uow, quote.id)
    if quote.state in (QuoteState.WAITING, QuoteState.DRAFT):
        raise RuleViolationError(
            t(
                "The offer {number} goes beyond your limit: ask for its approval first.",
                number=quote.number,
            ),
            code="sales.quote.unapproved",
            details={"id": str(quote.id)},
        )
    if quote.state != QuoteState.APPROVED:
        raise RuleViolationError(
            t("The offer {number} is over: make a new version of it.", number=quote.number),
            code="sales.quote.closed",
            details={"id": str(quote.id), "state": quote.state},
        )
    refuse_incomplete(uow, quote, lines_of(uow, quote.id))


def _keep(uow: UnitOfWork, quote: Quote, document: Document) -> None:
    now = uow.now
    uow.add(
        QuoteDocument(
            quote_id=quote.id,
            language=document.language,
            made_at=now,
            sha256=hashlib.sha256(document.content).hexdigest(),
            content=document.content,
        )
    )
    quote.state, quote.sent_at, quote.updated_at = QuoteState.SENT, now, now
    uow.flush()


def _address_for(uow: UnitOfWork, quote: Quote) -> str:
    """Return the first e-mail address of the contact, else of the customer."""
    people = [person for person in (quote.contact_id, quote.customer_id) if person]
    statement = (
        select(ContactPoint.value)
        .where(
            ContactPoint.customer_id.in_(people),
            ContactPoint.kind == ContactPointKind.EMAIL,
            ContactPoint.normalized.is_not(None),
        )
        .order_by(case((ContactPoint.customer_id == people[0], 0), else_=1), ContactPoint.position)
        .limit(1)
    )
    address: str | None = uow.scalar(statement)
    if address is None:
        raise InputError(
            t(
                "Neither the customer of {number} nor the contact has an e-mail address: add one, "
                "or send a link.",
                number=quote.number,
            ),
            code="sales.quote.no_address",
            details={"id": str(quote.id)},
        )
    return address


def _mail(uow: UnitOfWork, quote: Quote, address: str, link: str) -> None:
    settings, document = load_settings(uow), uow.get(QuoteDocument, quote.id)
    offer = offer_content(uow, quote.id)
    told: dict[str, Any] = {
        "name": offer["contact"] or offer["customer"],
        "number": quote.number,
        "day": Place.of(document.language).day(quote.valid_until_on),
        "link": link,
        "seller": offer["seller"],
        "company": settings.company,
    }
    text = t(
        "Dear {name},\n\nthis is our offer {number}, which is good until {day}. Here you can look "
        "at it, choose, ask and answer:\n\n{link}\n\nThe same stands in the file that comes with "
        "this mail.\n\n{seller}\n{company}\n",
        **told,
    )
    subject = t("Our offer {number} – {company}", number=quote.number, company=settings.company)
    queue_mail(
        uow,
        address,
        subject,
        text,
        kind="sales.offer",
        language=document.language,
        useful=max(answerable_until(uow, quote) - uow.now, LEAST_USEFUL),
        files=[MailFile(f"{quote.number}.pdf", PDF, document.content)],
    )
