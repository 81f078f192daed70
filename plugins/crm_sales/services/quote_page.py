"""What the page behind a link shows of an offer: all while it is open, little once it is over."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import QuoteAnswer, QuoteState
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_documents.offer import Document, document_of
from crm_sales.services.quote_links import answerable_until, offer_of_link

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
    ``language``, ``number``, ``valid_until_on``, ``answer`` (``name`` and ``at``, or None) and, of
    an open or accepted one, ``offer``: all that it says.

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
