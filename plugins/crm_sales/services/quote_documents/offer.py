"""The PDF of an offer: drawn anew until it is sent, from then on the one that was sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from markupsafe import Markup

from crm_core.errors import ConfigurationError
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import QuoteDocument
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_documents.drawing import draw_pdf, library
from crm_sales.services.quote_documents.fonts import check_letters, faces
from crm_sales.services.quote_documents.letterhead import load_letterhead
from crm_sales.services.quote_documents.wording import page_of, style
from crm_sales.services.quotes.checks import permitted_quote

PDF = "application/pdf"
_BESIDES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Document:
    """A document of one version of an offer, as it stood when it was drawn."""

    quote_id: UUID
    version: int
    language: str
    file_name: str
    content: bytes


def document_of(uow: UnitOfWork, quote_id: UUID) -> Document:
    """Return the PDF of an offer: the one that was sent, else one drawn from what it says now.

    It takes a moment to draw: never do so while anything was written.

    Raises:
        NotFoundError: There is no such offer that the actor may see.
        ConfigurationError: A library, a font or a letter of a font is missing.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_VIEW)
    sent = uow.find(QuoteDocument, quote.id)
    if sent is not None:
        name = _file_name(quote.number)
        return Document(quote.id, quote.version, sent.language, name, sent.content)
    return _drawn(uow, offer_content(uow, quote.id), quote.id)


def why_undrawable(uow: UnitOfWork) -> str | None:
    """Return why no document can be drawn on this machine; None where all is there."""
    uow.actor.require(QUOTE_VIEW)
    try:
        library()
        faces(load_letterhead(uow).fonts)
    except ConfigurationError as error:
        return error.message
    return None


def _drawn(uow: UnitOfWork, offer: dict[str, Any], quote_id: UUID) -> Document:
    head = load_letterhead(uow)
    fonts = faces(head.fonts)
    sender = {
        "name": head.name,
        "lines": head.lines,
        "foot": head.foot,
        "pictures": list(head.pictures),
    }
    page = page_of(
        {"sender": sender, "offer": offer},
        language=offer["language"],
        currency_code=offer["currency_code"],
        decimals=offer["decimals"],
    )
    check_letters(Markup(page).striptags(), fonts)  # noqa: S704  ours, and only read
    content = draw_pdf(page, style(), fonts, head.pictures)
    name = _file_name(offer["number"])
    return Document(quote_id, offer["version"], offer["language"], name, content)


def _file_name(number: str) -> str:
    return _BESIDES.sub("-", number) + ".pdf"
