"""What the page behind a link shows of an offer: all while it is open, little once it is over."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities import User
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import QuoteAnswer, QuoteLink, QuoteQuestion, QuoteState
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_documents.offer import Document, document_of
from crm_sales.services.quote_links import answerable_until, offer_of_link
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.siblings import salesperson_of

OPEN, ACCEPTED, REFUSED, EXPIRED, OVER = "open", "accepted", "refused", "expired", "over"
SHOWN = (OPEN, ACCEPTED)
"""When all that it says is shown."""
_STATES = {
    QuoteState.ACCEPTED: ACCEPTED,
    QuoteState.ORDERED: ACCEPTED,
    QuoteState.REFUSED: REFUSED,
    QuoteState.EXPIRED: EXPIRED,
}


def offer_page(
    uow: UnitOfWork, token: str, *, chosen: Collection[UUID] | None = None
) -> dict[str, Any]:
    """Return what the page of a link shows.

    It holds ``standing`` (``open``, ``accepted``, ``refused``, ``expired`` or ``over``),
    ``language``, ``number``, ``valid_until_on``, ``answer`` (``name`` and ``at``, or None), of one
    that is over ``seller`` (``name`` and ``email``, or None) and ``is_replaced`` (another of its
    deal was accepted), and, of an open or accepted one, ``offer``: all that it says.

    Args:
        uow: Any unit of work; the page changes nothing by being looked at.
        token: Of the link.
        chosen: Options and alternatives as they might be taken; None for as it stands.

    Raises:
        OfferLinkGoneError: The link leads nowhere.
        InputError, RuleViolationError: What is chosen will not do.
    """
    uow.actor.require(QUOTE_VIEW)
    quote, _ = offer_of_link(uow, token)
    answer = uow.find(QuoteAnswer, quote.id)
    standing = _standing(uow, quote)
    offer = None
    if standing in SHOWN:
        offer = offer_content(uow, quote.id, chosen=chosen if standing == OPEN else None)
    return {
        "standing": standing,
        "language": quote.language,
        "number": quote.number,
        "valid_until_on": quote.valid_until_on,
        "answer": {"name": answer.name, "at": answer.at} if answer else None,
        "offer": offer,
        "seller": None if standing in SHOWN else salesperson_of(uow, quote),
        "is_replaced": quote.instead_id is not None,
    }


def offer_file(uow: UnitOfWork, token: str) -> Document | None:
    """Return the document of a link's offer; None once it is over.

    Raises:
        OfferLinkGoneError: The link leads nowhere.
    """
    uow.actor.require(QUOTE_VIEW)
    quote, _ = offer_of_link(uow, token)
    return document_of(uow, quote.id) if _standing(uow, quote) in SHOWN else None


def _standing(uow: UnitOfWork, quote: Any) -> str:
    if quote.state == QuoteState.SENT:
        return OPEN if uow.now < answerable_until(uow, quote) else EXPIRED
    return _STATES.get(quote.state, OVER)


def what_became(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any]:
    """Return what happened to an offer since it was made, for whoever works on it.

    It holds ``number, state, sent_at, valid_until_on, currency_code, language, can_answer, links``
    (how many are good), ``opened_at``, ``answer`` (``name, at, is_accepted, note, total_amount,
    written_by``, or None), ``questions`` (``at, name, text``, the latest first) and ``choices``
    (what the customer may choose).

    Raises:
        NotFoundError: There is no such offer that the actor may see.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_VIEW)
    asked = select(QuoteQuestion.at, QuoteQuestion.name, QuoteQuestion.text)
    asked = asked.where(QuoteQuestion.quote_id == quote.id).order_by(QuoteQuestion.id.desc())
    links = select(
        func.count(QuoteLink.id).filter(QuoteLink.revoked_at.is_(None)).label("good"),
        func.min(QuoteLink.opened_at).label("opened_at"),
    )
    link = uow.execute(links.where(QuoteLink.quote_id == quote.id)).one()
    can_answer = _standing(uow, quote) == OPEN
    return {
        "number": quote.number,
        "state": quote.state,
        "version": quote.version,
        "sent_at": quote.sent_at,
        "valid_until_on": quote.valid_until_on,
        "currency_code": quote.currency_code,
        "can_answer": can_answer,
        "links": link.good,
        "opened_at": link.opened_at,
        "answer": _answer(uow, quote.id),
        "questions": [dict(row._mapping) for row in uow.execute(asked)],
        "choices": offer_content(uow, quote.id)["choices"] if can_answer else [],
    }


def _answer(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any] | None:
    statement = (
        select(
            QuoteAnswer.name,
            QuoteAnswer.at,
            QuoteAnswer.is_accepted,
            QuoteAnswer.note,
            QuoteAnswer.total_amount,
            User.name.label("written_by"),
        )
        .outerjoin(User, User.id == QuoteAnswer.user_id)
        .where(QuoteAnswer.quote_id == quote_id)
    )
    row = uow.execute(statement).one_or_none()
    return None if row is None else dict(row._mapping)
