"""The page of an offer behind its link: the one page of ours that opens without signing in.

Looking changes nothing, for programs look at links too; only what a person sends does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm_core.access import system_actor
from crm_core.errors import CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import speak, spoken, t
from crm_sales.errors import OfferLinkGoneError
from crm_sales.services.quote_answers import accept_quote, ask_about_quote, refuse_quote
from crm_sales.services.quote_documents.offer import PDF
from crm_sales.services.quote_links import note_opened, offer_of_link
from crm_sales.services.quote_page import offer_file, offer_page
from crm_web.sdk import Pages, Request

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

pages = Pages("sales_offer", "crm_sales", title=t("Offer"), prefix="/sales/offer")

WRONG_LINKS, ANSWERS = 20, 30
"""How many are let pass from one network before each further one has to wait."""
ACTOR = "offer link"


@pages.get("/<token>", right="", is_public=True)
def show(request: Request, token: str) -> Any:
    """Show an offer, with the total of what is chosen."""
    return _page(request, token, chosen=_choice(request.args))


@pages.get("/<token>/document", right="", is_public=True)
def document(request: Request, token: str) -> Any:
    """Give the offer's document."""
    found = _read(request, lambda uow: offer_file(uow, token))
    if found is None:
        raise NotFoundError(
            t("This offer is over, and its document with it."), code="sales.quote.over"
        )
    return request.file(found.file_name, found.content, PDF)


@pages.post("/<token>/opened", right="", is_public=True)
def opened(request: Request, token: str) -> Any:
    """Note that somebody looks; sent by the page's script, not by fetching the page."""
    if _read(request, lambda uow: offer_of_link(uow, token))[1].opened_at is None:
        with request.application.unit_of_work(system_actor(ACTOR), write=True) as uow:
            note_opened(uow, token)
            uow.commit()
    return "", 204


@pages.post("/<token>/accept", right="", is_public=True)
def accept(request: Request, token: str) -> Any:
    """Accept what was chosen, for the total that was seen."""
    form = request.form

    def accepted(uow: UnitOfWork, quote: Any, link: Any) -> None:
        if "agreed" not in form:
            raise InputError(t("Tick that you accept the offer."), code="sales.quote.not_agreed")
        accept_quote(
            uow,
            quote.id,
            signed_by=form.get("name", ""),
            chosen=_choice(form),
            note=form.get("note"),
            link=link,
            seen_total=_amount(form.get("total", "")),
        )

    return _answered(request, token, accepted)


@pages.post("/<token>/refuse", right="", is_public=True)
def refuse(request: Request, token: str) -> Any:
    """Refuse the offer, saying why."""
    form = request.form

    def refused(uow: UnitOfWork, quote: Any, link: Any) -> None:
        name, reason = form.get("name", ""), form.get("reason", "")
        refuse_quote(uow, quote.id, reason=reason, signed_by=name, link=link)

    return _answered(request, token, refused)


@pages.post("/<token>/ask", right="", is_public=True)
def ask(request: Request, token: str) -> Any:
    """Ask something about the offer."""
    form = request.form

    def asked(uow: UnitOfWork, quote: Any, _link: Any) -> None:
        ask_about_quote(uow, quote.id, name=form.get("name", ""), text=form.get("text", ""))

    return _answered(request, token, asked, t("We have your question and will answer it."))


def _answered(
    request: Request, token: str, act: Callable[..., None], told: str | None = None
) -> Any:
    """Do what was sent, and show the offer as it is now; what went wrong stands above it."""
    request.slow_down("offer answer", free=ANSWERS)
    quote, _ = _read(request, lambda uow: offer_of_link(uow, token))
    _speak(request, quote.language)
    try:
        with request.application.unit_of_work(system_actor(ACTOR), write=True) as uow:
            act(uow, *offer_of_link(uow, token))
            uow.commit()
    except CrmError as error:
        return _page(request, token, chosen=_choice(request.form), error=error)
    if told:
        return request.done(told, to="sales_offer.show", token=token)
    return request.to("sales_offer.show", token=token)


def _page(
    request: Request, token: str, *, chosen: list[UUID] | None, error: CrmError | None = None
) -> Any:
    try:
        shown = _read(request, lambda uow: offer_page(uow, token, chosen=chosen))
    except (InputError, RuleViolationError) as wrong:  # what was chosen will not do
        error = error or wrong
        shown = _read(request, lambda uow: offer_page(uow, token))
    _speak(request, shown.pop("language"))
    status = 200 if error is None else error.http_status
    typed = request.form
    return request.refuse(
        "sales/offer/show.html", status, token=token, error=error, typed=typed, **shown
    )


def _read(request: Request, look: Callable[[UnitOfWork], Any]) -> Any:
    """Look something up by a link; who tries many that lead nowhere has to wait."""
    try:
        with request.application.unit_of_work(system_actor(ACTOR)) as uow:
            return look(uow)
    except OfferLinkGoneError:
        request.slow_down("offer link", free=WRONG_LINKS)
        raise


def _speak(request: Request, language: str | None) -> None:
    speak(spoken(language) or spoken(request.settings.language) or "en")


def _choice(sent: Any) -> list[UUID] | None:
    """Return what is chosen; None where nobody was asked yet."""
    return _chosen(sent) if "choose" in sent else None


def _chosen(sent: Any) -> list[UUID]:
    """Return the ids of what is chosen; alternatives are sent as ``either-…``, one of a group."""
    found = []
    for name, values in sent.lists():
        if name == "chosen" or name.startswith("either-"):
            for value in values:
                with suppress(ValueError):
                    found.append(UUID(value))
    return found


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
