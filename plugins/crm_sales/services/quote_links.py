"""Links by which customers open offers: random, kept as a hash, good for a while, revocable."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.errors import OfferClosedError, OfferLinkGoneError
from crm_sales.models import Quote, QuoteLink, QuoteState
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.settings import site_address

BYTES = 32
LONGEST_TOKEN = 100
PATH = "/sales/offer/{token}"
"""Of the page that a link opens; the rest of its address is the web's own setting."""
TELLS = timedelta(days=90)
"""For how long after an offer has expired its link still says so."""


def make_link(uow: UnitOfWork, quote_id: UUID) -> tuple[QuoteLink, str]:
    """Return a new link to an offer that was sent, and its address, which is told only now.

    Links made before stay good.

    Raises:
        OfferClosedError: It was not sent, or takes no answer any more.
        RuleViolationError: The web is not in use, or the address of this site is not known.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT)
    if quote.state != QuoteState.SENT or uow.now >= answerable_until(uow, quote):
        raise OfferClosedError(
            t(
                "The offer {number} is not open to an answer ({state}, good until {day}): send a "
                "version that is.",
                number=quote.number,
                state=quote.state,
                day=quote.valid_until_on,
            ),
            details={"id": str(quote.id), "state": quote.state},
        )
    token = secrets.token_urlsafe(BYTES)
    address = _site(uow) + PATH.format(token=token)
    link = uow.add(
        QuoteLink(
            quote_id=quote.id,
            token_hash=_hashed(token),
            created_at=uow.now,
            created_by_id=uow.actor.user_id,
        )
    )
    uow.flush()
    return link, address


def revoke_links(uow: UnitOfWork, quote_id: UUID) -> int:
    """Have no link to an offer be good any more, and return how many were."""
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT)
    links = uow.scalars(
        select(QuoteLink).where(QuoteLink.quote_id == quote.id, QuoteLink.revoked_at.is_(None))
    ).all()
    for link in links:
        link.revoked_at = uow.now
    uow.flush()
    return len(links)


def offer_of_link(uow: UnitOfWork, token: str) -> tuple[Quote, QuoteLink]:
    """Return the offer that a link opens, whatever became of it.

    Raises:
        OfferLinkGoneError: The link was revoked, is too old, or never was one.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(Quote, QuoteLink)
        .join(QuoteLink, QuoteLink.quote_id == Quote.id)
        .where(QuoteLink.token_hash == _hashed(token), QuoteLink.revoked_at.is_(None))
    )
    found: Any = uow.execute(statement).one_or_none() if len(token) <= LONGEST_TOKEN else None
    if found is None or uow.now >= answerable_until(uow, found.Quote) + TELLS:
        raise OfferLinkGoneError(
            t("This link leads to no offer any more: ask whoever sent it for a new one.")
        )
    return found.Quote, found.QuoteLink


def note_opened(uow: UnitOfWork, token: str) -> None:
    """Note when somebody first looked at an offer; asking again changes nothing."""
    _, link = offer_of_link(uow, token)
    first = QuoteLink.id == link.id, QuoteLink.opened_at.is_(None)
    uow.execute(update(QuoteLink).where(*first).values(opened_at=uow.now))


def answerable_until(uow: UnitOfWork, quote: Any) -> datetime:
    """Return the moment from which an offer takes no answer any more: the end of its last day."""
    uow.actor.require(QUOTE_VIEW)
    zone = ZoneInfo(load_settings(uow).time_zone)
    after = quote.valid_until_on + timedelta(days=1)
    return datetime.combine(after, time(), zone).astimezone(UTC)


def _site(uow: UnitOfWork) -> str:
    """Return what the addresses of this site begin with; raises RuleViolationError."""
    address = site_address(uow)
    if address is None:
        raise RuleViolationError(
            t("Links to offers open in the web, which is off: crm plugins enable web."),
            code="sales.quote_link.no_web",
        )
    if not address:
        raise RuleViolationError(
            t("The address of this site is not known: set web.base_url first."),
            code="sales.quote_link.no_site",
        )
    return address


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
