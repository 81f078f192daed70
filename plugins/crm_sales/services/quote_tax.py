"""The tax of an offer, as the back office works it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.errors import RuleViolationError
from crm_core.events import RecordsChanged
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.events import TaxAsked
from crm_sales.models import LineKind, Quote, QuoteState, TaxQuestion, TaxSource
from crm_sales.permissions import QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.order_backends import order_backend
from crm_sales.services.quote_lines_sold import sold_lines
from crm_sales.services.quotes.checks import permitted_quote

ASKABLE = (QuoteState.DRAFT, QuoteState.WAITING, QuoteState.APPROVED)
MOST_QUESTIONS = 50
"""Questions that are answered in a run."""
_SUMS = ("untaxed_amount", "tax_amount", "total_amount")
_HUNDRED = Decimal(100)


def ask_tax(uow: UnitOfWork, quote_id: UUID) -> TaxQuestion:
    """Have the back office say what tax an offer bears; it answers at its next run.

    Raises:
        RuleViolationError: The offer was sent, so its sums stand, it has no products, or nobody has
            said which of several back offices gets orders.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    if quote.state not in ASKABLE:
        raise RuleViolationError(
            t(
                "The offer {number} was sent, so its sums stand. Make a new version to change it.",
                number=quote.number,
            ),
            code="sales.tax.sent",
        )
    lines = sold_lines(uow, [quote.id]).get(quote.id, ())
    if not any(line.kind == LineKind.PRODUCT for line in lines):
        raise RuleViolationError(
            t("The offer {number} has no products yet.", number=quote.number),
            code="sales.tax.nothing",
        )
    order_backend(uow, quote)
    question: TaxQuestion | None = uow.find(TaxQuestion, quote.id)
    if question is None:
        question = uow.add(TaxQuestion(quote_id=quote.id))
    question.quote_version, question.asked_at = quote.version, uow.now
    question.is_open, question.problem = True, None
    uow.flush()
    uow.record(TaxAsked(quote.id, quote.opportunity_id, quote.customer_id))
    return question


def tax_question(uow: UnitOfWork, quote_id: UUID) -> TaxQuestion | None:
    """Return what was last asked of an offer's tax: ``is_open, asked_at, problem``."""
    uow.actor.require(QUOTE_VIEW)
    question: TaxQuestion | None = uow.find(TaxQuestion, quote_id)
    return question


def tax_standing(uow: UnitOfWork, quote_id: UUID) -> dict[str, Any]:
    """Return where an offer's tax comes from: ``may_be_asked, by_erp, is_open, asked_at, problem``.

    ``is_open`` says that the back office was asked and has not answered yet.
    """
    uow.actor.require(QUOTE_VIEW)
    statement = (
        select(
            Quote.state,
            Quote.tax_source,
            TaxQuestion.is_open,
            TaxQuestion.asked_at,
            TaxQuestion.problem,
        )
        .outerjoin(TaxQuestion, TaxQuestion.quote_id == Quote.id)
        .where(Quote.id == quote_id)
    )
    row = uow.execute(statement).one_or_none()
    return {
        "may_be_asked": row is not None and row.state in ASKABLE,
        "by_erp": row is not None and row.tax_source == TaxSource.ERP,
        "is_open": bool(row and row.is_open),
        "asked_at": row and row.asked_at,
        "problem": row and row.problem,
    }


def open_questions(uow: UnitOfWork) -> Sequence[UUID]:
    """Return the offers whose tax is asked for, those first that have waited longest."""
    uow.actor.require(QUOTE_VIEW)
    waiting = select(TaxQuestion.quote_id).where(TaxQuestion.is_open)
    found: Sequence[UUID] = uow.scalars(
        waiting.order_by(TaxQuestion.asked_at).limit(MOST_QUESTIONS)
    ).all()
    return found


def answer_tax(
    uow: UnitOfWork, quote_id: UUID, told: Mapping[str, Any] | None, reason: str = ""
) -> None:
    """Take over what the back office said, unless the offer was changed meanwhile.

    Args:
        uow: A writing unit of work.
        quote_id: Of the offer.
        told: Its sums, and under ``lines`` those of each line sold; None where it would not say.
        reason: Why not.
    """
    quote = permitted_quote(uow, quote_id, QUOTE_EDIT, lock=True)
    question: TaxQuestion = uow.get(TaxQuestion, quote.id)
    lines = sold_lines(uow, [quote.id]).get(quote.id, [])
    question.is_open = False
    if told is None:
        question.problem = reason
    elif question.quote_version != quote.version or len(told["lines"]) != len(lines):
        question.problem = t("The offer was changed meanwhile: ask again.")
    else:
        for line, sums in zip(lines, told["lines"], strict=True):
            if line.kind == LineKind.PRODUCT:
                _take(line, sums)
        _take_sums(quote, told)
        quote.tax_source, quote.updated_at = TaxSource.ERP, uow.now
        uow.record(RecordsChanged(Quote.__entity__, (quote.id,)))
    uow.flush()


def _take_sums(record: Any, told: Mapping[str, Any]) -> None:
    for name in _SUMS:
        setattr(record, name, Decimal(told[name] or "0"))


def _take(line: Any, told: Mapping[str, Any]) -> None:
    _take_sums(line, told)
    if line.untaxed_amount:
        percent = line.tax_amount / line.untaxed_amount * _HUNDRED
        line.tax_percent = percent.quantize(Decimal("0.01"))
