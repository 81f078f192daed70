"""What becomes of an offer that was sent: accepted, refused, asked about, or expired."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.errors import RuleViolationError
from crm_core.events import RecordsChanged
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import add_activity
from crm_core.services.checks import LINE, filled, optional
from crm_core.services.interactions import log_interaction
from crm_core.services.places import place_of
from crm_core.services.settings import company_day, load_settings
from crm_sales.errors import ChoiceChangedError, OfferAnsweredError, OfferClosedError
from crm_sales.events import QuoteAccepted, QuoteRefused
from crm_sales.models import (
    DealState,
    Opportunity,
    Quote,
    QuoteAnswer,
    QuoteLink,
    QuoteQuestion,
    QuoteState,
    TaxSource,
)
from crm_sales.permissions import QUOTE_EDIT
from crm_sales.services.next_steps import plan_step
from crm_sales.services.quote_choices import choose_lines, chosen_of
from crm_sales.services.quote_links import answerable_until
from crm_sales.services.quotes.amounts import reckon
from crm_sales.services.quotes.checks import permitted_quote, reckoning_for
from crm_sales.services.quotes.pricing import keep_totals, lines_of
from crm_sales.services.quotes.siblings import (
    close_siblings,
    held_with_siblings,
    salesperson_of,
)

MOST_TEXT, MOST_QUESTIONS = 2_000, 20
A_ROUND = 500
ANSWERED = (QuoteState.ACCEPTED, QuoteState.REFUSED, QuoteState.ORDERED)


def accept_quote(
    uow: UnitOfWork,
    quote_id: UUID,
    *,
    signed_by: str,
    chosen: Collection[UUID] | None = None,
    note: str | None = None,
    link: QuoteLink | None = None,
    seen_total: Decimal | None = None,
) -> Quote:
    """Have a customer accept an offer: what they chose stands from now on.

    Other open offers of the deal are withdrawn with it.

    Args:
        uow: A writing unit of work.
        quote_id: Which.
        signed_by: Who accepts, as they write their name.
        chosen: Ids of the options and alternatives taken; None for those that are chosen anyway.
        note: What they said to it.
        link: By which they answer; None where a salesperson writes down what they said.
        seen_total: The total that they saw; None not to compare.

    Raises:
        OfferClosedError: It is not open to an answer, or has expired.
        OfferAnsweredError: Somebody was quicker; the message says who and when.
        InputError, RuleViolationError: What is chosen will not do.
        ChoiceChangedError: It comes to another total than the one seen.
    """
    quote, others = _open_quote(uow, quote_id)
    name = filled(signed_by, "signed_by", most=LINE)
    lines = lines_of(uow, quote.id)
    if chosen is not None and set(chosen) != chosen_of(lines):
        choose_lines(uow, lines, chosen)
        by_erp = quote.tax_source == TaxSource.ERP
        keep_totals(quote, reckon(lines, reckoning_for(uow, quote.currency_code), by_erp=by_erp))
    if seen_total is not None and quote.total_amount != seen_total:
        total = place_of(uow, load_settings(uow)).money(quote.total_amount, quote.currency_code)
        raise ChoiceChangedError(
            t("What you chose comes to {total}: look at it and accept once more.", total=total)
        )
    answer = _answer(quote, name, optional(note, "note", most=MOST_TEXT), link)
    answer.is_accepted, answer.total_amount = True, quote.total_amount
    answer.chosen = sorted(map(str, chosen_of(lines)))
    closed = close_siblings(uow, quote, others)
    _keep(uow, quote, answer, QuoteState.ACCEPTED, closed)
    _log(uow, quote, answer, t("Offer {number} accepted by {name}", number=quote.number, name=name))
    uow.record(QuoteAccepted(quote.id, quote.opportunity_id, quote.customer_id))
    return quote


def refuse_quote(
    uow: UnitOfWork, quote_id: UUID, *, reason: str, signed_by: str, link: QuoteLink | None = None
) -> Quote:
    """Have a customer refuse an offer; its owner gets something to do about it.

    Args:
        uow: A writing unit of work.
        quote_id: Which.
        reason: Why, in their words.
        signed_by: Who refuses.
        link: By which they answer; None where a salesperson writes down what they said.

    Raises:
        OfferClosedError: It is not open to an answer, or has expired.
        OfferAnsweredError: Somebody was quicker; the message says who and when.
        InputError: There is no reason or no name.
    """
    quote, _ = _open_quote(uow, quote_id)
    name = filled(signed_by, "signed_by", most=LINE)
    why = filled(reason, "reason", most=MOST_TEXT)
    answer = _answer(quote, name, why, link)
    answer.is_accepted, answer.chosen = False, []
    _keep(uow, quote, answer, QuoteState.REFUSED)
    told = t("Offer {number} refused by {name}", number=quote.number, name=name)
    _log(uow, quote, answer, told)
    _have_done(uow, quote, told, why)
    uow.record(QuoteRefused(quote.id, quote.opportunity_id, quote.customer_id))
    return quote


def ask_about_quote(uow: UnitOfWork, quote_id: UUID, *, name: str, text: str) -> QuoteQuestion:
    """Have a customer ask something about an open offer; answering is for its owner to do.

    Raises:
        OfferClosedError: It is over; the message says whom to write to instead.
        InputError: Name or question is missing or too long.
        RuleViolationError: So many were asked that one had better talk.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    if quote.state != QuoteState.SENT or uow.now >= answerable_until(uow, quote):
        raise _asked_too_late(uow, quote)
    counted = select(func.count(QuoteQuestion.id)).where(QuoteQuestion.quote_id == quote.id)
    if uow.scalar(counted) >= MOST_QUESTIONS:
        raise RuleViolationError(
            t("Many questions were asked about this offer: call us, and we talk about it."),
            code="sales.quote.many_questions",
        )
    asked = uow.add(
        QuoteQuestion(
            quote_id=quote.id,
            at=uow.now,
            name=filled(name, "name", most=LINE),
            text=filled(text, "text", most=MOST_TEXT),
        )
    )
    told = t("Question about offer {number} by {name}", number=quote.number, name=asked.name)
    log_interaction(
        uow,
        quote.customer_id,
        channel="web",
        direction="inbound",
        subject=told,
        body=asked.text,
        about=(Quote.__entity__, quote.id),
    )
    asked.activity_id = _have_done(uow, quote, told, asked.text)
    uow.flush()
    return asked


def expire_quotes(uow: UnitOfWork) -> int:
    """Close offers whose last day is over without an answer, some at a time; return how many."""
    uow.actor.require(QUOTE_EDIT)
    over = select(Quote).where(
        Quote.state == QuoteState.SENT, Quote.valid_until_on < company_day(uow)
    )
    quotes = uow.scalars(over.order_by(Quote.valid_until_on).limit(A_ROUND).with_for_update()).all()
    for quote in quotes:
        quote.state, quote.updated_at = QuoteState.EXPIRED, uow.now
    uow.flush()
    if quotes:
        uow.record(RecordsChanged(Quote.__entity__, tuple(quote.id for quote in quotes)))
    return len(quotes)


def _open_quote(uow: UnitOfWork, quote_id: UUID) -> tuple[Quote, list[Quote]]:
    """Return an offer that takes an answer now and the others of its deal, all of them held."""
    quote, others = held_with_siblings(uow, quote_id)
    if quote.state in ANSWERED:
        raise _answered(uow, quote)
    is_over = uow.now >= answerable_until(uow, quote)
    if quote.state == QuoteState.SENT and not is_over:
        return quote, others
    place = place_of(uow, load_settings(uow))
    if quote.state == QuoteState.EXPIRED or (quote.state == QuoteState.SENT and is_over):
        raise OfferClosedError(
            t(
                "The offer {number} was good until {day} and has expired: ask for a new one.",
                number=quote.number,
                day=place.day(quote.valid_until_on),
            ),
            code="sales.quote.expired",
            details={"id": str(quote.id), "valid_until_on": quote.valid_until_on.isoformat()},
        )
    if quote.instead_id is not None:
        raise OfferClosedError(
            t(
                "The offer {number} takes no answer any more: another offer for the same was "
                "accepted.",
                number=quote.number,
            ),
            code="sales.quote.instead",
            details={"id": str(quote.id), "accepted_id": str(quote.instead_id)},
        )
    raise OfferClosedError(
        t(
            "The offer {number} takes no answer: it was not sent, or was withdrawn.",
            number=quote.number,
        ),
        details={"id": str(quote.id), "state": quote.state},
    )


def _asked_too_late(uow: UnitOfWork, quote: Quote) -> OfferClosedError:
    person = salesperson_of(uow, quote)
    told: dict[str, Any] = {"number": quote.number, "name": person.name if person else ""}
    if person is None:
        said = t(
            "The offer {number} is over, so nobody reads questions about it here. Answer the mail "
            "that it came with, or call us: we like to help.",
            **told,
        )
    elif not person.email:
        said = t(
            "The offer {number} is over, so nobody reads questions about it here. Call us and ask "
            "for {name}, who likes to help.",
            **told,
        )
    else:
        said = t(
            "The offer {number} is over, so nobody reads questions about it here. Write to {name}, "
            "{email}, who likes to help.",
            **told,
            email=person.email,
        )
    return OfferClosedError(said, details={"id": str(quote.id), "state": quote.state})


def _answered(uow: UnitOfWork, quote: Quote) -> OfferAnsweredError:
    answer = uow.find(QuoteAnswer, quote.id)
    at = quote.answered_at if answer is None else answer.at
    told: dict[str, Any] = {
        "number": quote.number,
        "name": answer.name if answer else "–",
        "at": place_of(uow, load_settings(uow)).moment(at),
    }
    said = t("The offer {number} was accepted by {name} on {at}.", **told)
    if quote.state == QuoteState.REFUSED:
        said = t("The offer {number} was refused by {name} on {at}.", **told)
    return OfferAnsweredError(said, details={"id": str(quote.id), "state": quote.state})


def _answer(quote: Quote, name: str, note: str | None, link: QuoteLink | None) -> QuoteAnswer:
    return QuoteAnswer(quote_id=quote.id, name=name, note=note, link_id=link.id if link else None)


def _keep(
    uow: UnitOfWork,
    quote: Quote,
    answer: QuoteAnswer,
    state: QuoteState,
    closed: Collection[UUID] = (),
) -> None:
    now = uow.now
    answer.at, answer.user_id = now, uow.actor.user_id
    quote.state, quote.answered_at, quote.updated_at = state, now, now
    quote.answer_note = answer.note
    uow.add(answer)
    uow.flush()
    uow.record(RecordsChanged(Quote.__entity__, (quote.id, *closed)))


def _log(uow: UnitOfWork, quote: Quote, answer: QuoteAnswer, told: str) -> None:
    log_interaction(
        uow,
        quote.customer_id,
        channel="web" if answer.link_id else "other",
        direction="inbound",
        subject=told,
        body=answer.note,
        about=(Quote.__entity__, quote.id),
    )


def _have_done(uow: UnitOfWork, quote: Quote, what: str, note: str) -> UUID:
    """Plan something for whoever works on an offer, and return its id."""
    person = salesperson_of(uow, quote)
    owner_id = person.id if person else None
    planned: dict[str, Any] = {"type": "task", "due_at": uow.now, "summary": what, "note": note}
    deal = uow.get(Opportunity, quote.opportunity_id)
    if deal.state == DealState.OPEN and owner_id is not None:
        return plan_step(uow, deal.id, owner_id=owner_id, **planned).id
    activity = add_activity(uow, quote.customer_id, owner_id=owner_id, **planned)
    uow.flush()
    return activity.id
