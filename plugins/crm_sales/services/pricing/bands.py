"""The personal price of a customer: a band that their payment record and value earn, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from crm_core.entities import Transaction, TransactionLink
from crm_core.messages import joined, n, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import RateTable, rates_on
from crm_sales.models import PriceBand
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.formulas import rounded

DAYS_A_MONTH = 30.4375
SETTLED = ("confirmed", "done")


@dataclass(frozen=True, slots=True)
class PersonalBand:
    """The band that a customer is in.

    Attributes:
        id: Of the band.
        percent: Off the price list.
        facts: What it rests on, as plain values; ``band_reason`` puts them into a sentence.
    """

    id: UUID
    percent: Decimal
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """How a customer paid and what they bought since a day."""

    invoices: int
    late: int
    days_to_pay: Decimal | None
    revenue: Decimal | None


def personal_band(uow: UnitOfWork, customer_id: UUID, today: date) -> PersonalBand | None:
    """Return the best band whose conditions a customer meets, or None; in three statements.

    Args:
        uow: Any unit of work; documents that the actor may not see count for nothing.
        customer_id: Whose price.
        today: The company's day.
    """
    uow.actor.require(QUOTE_VIEW)
    bands = uow.scalars(select(PriceBand).where(PriceBand.archived_at.is_(None))).all()
    if not bands:
        return None
    since = today - timedelta(days=round(max(band.months for band in bands) * DAYS_A_MONTH))
    documents = _documents(uow, customer_id, since)
    codes = {row.currency_code for row in documents}
    codes |= {band.currency_code for band in bands if band.currency_code}
    rates = rates_on(uow, codes, today) if len(codes) > 1 else RateTable(today, {})
    earned = []
    for band in bands:
        record = _record(documents, band, today, rates)
        if record.invoices and _is_met(band, record):
            earned.append(PersonalBand(band.id, band.percent, _facts(band, record)))
    return max(earned, key=lambda each: (each.percent, each.id), default=None)


def band_reason(facts: Mapping[str, Any]) -> str:
    """Return in a sentence why a customer has a band, from the facts kept with an offer."""
    months = int(facts["months"])
    reasons = []
    if facts.get("is_never_overdue"):
        reasons.append(t("no invoice paid late"))
    if facts.get("days_to_pay") is not None:
        days = round(Decimal(facts["days_to_pay"]))
        reasons.append(n("paid within {count} day", "paid within {count} days on average", days))
    if facts.get("revenue") is not None:
        reasons.append(
            t(
                "{revenue} {currency} invoiced",
                revenue=Decimal(facts["revenue"]),
                currency=facts["currency"],
            )
        )
    over = n("in the last month", "in the last {count} months", months)
    return t(
        "{band}: {percent} % off, for {reasons} {over}",
        band=facts["name"],
        percent=f"{Decimal(facts['percent']).normalize():f}",
        reasons=joined(reasons, ", ") if reasons else t("being a customer"),
        over=over,
    )


def _documents(uow: UnitOfWork, customer_id: UUID, since: date) -> Sequence[Any]:
    """Select invoices and refunds, with the day on which the last payment of each came."""
    payment = aliased(Transaction)
    paid_on = (
        select(func.max(payment.issued_on))
        .join(TransactionLink, TransactionLink.from_transaction_id == payment.id)
        .where(
            TransactionLink.to_transaction_id == Transaction.id,
            TransactionLink.kind == "pays",
            payment.kind == "payment",
        )
        .correlate(Transaction)
        .scalar_subquery()
    )
    statement = select(
        Transaction.kind,
        Transaction.issued_on,
        Transaction.due_on,
        Transaction.is_open,
        Transaction.currency_code,
        Transaction.untaxed_amount,
        paid_on.label("paid_on"),
    ).where(
        Transaction.customer_id == customer_id,
        Transaction.kind.in_(("invoice", "refund")),
        Transaction.state.in_(SETTLED),
        or_(Transaction.issued_on >= since, Transaction.is_open.is_(True)),
    )
    return uow.execute(statement).all()


def _record(
    documents: Sequence[Any], band: PriceBand, today: date, rates: RateTable
) -> PaymentRecord:
    since = today - timedelta(days=round(band.months * DAYS_A_MONTH))
    recent = [row for row in documents if row.issued_on is not None and row.issued_on >= since]
    invoices = [row for row in recent if row.kind == "invoice"]
    # One that is overdue now counts however old it is.
    late = [row for row in documents if row.kind == "invoice" and _is_late(row, today, since)]
    days = [
        (row.paid_on - row.issued_on).days for row in invoices if row.paid_on and not row.is_open
    ]
    mean = rounded(Decimal(sum(days)) / len(days), 1) if days else None
    revenue = None
    if band.least_revenue is not None and band.currency_code:
        revenue = Decimal(0)
        for row in recent:
            amount = rates.convert(row.untaxed_amount, row.currency_code, band.currency_code)
            # What no dated rate leads to is left out: too little is the careful side.
            signed = amount.amount if amount else Decimal(0)
            revenue += signed if row.kind == "invoice" else -signed
    return PaymentRecord(len(invoices), len(late), mean, revenue)


def _is_late(row: Any, today: date, since: date) -> bool:
    if row.due_on is None:
        return False
    if row.is_open:
        return bool(row.due_on < today)
    return bool(
        row.paid_on and row.paid_on > row.due_on and row.issued_on and row.issued_on >= since
    )


def _is_met(band: PriceBand, record: PaymentRecord) -> bool:
    if band.is_never_overdue and record.late:
        return False
    if band.most_days_to_pay is not None and (
        record.days_to_pay is None or record.days_to_pay > band.most_days_to_pay
    ):
        return False
    return band.least_revenue is None or (record.revenue or Decimal(0)) >= band.least_revenue


def _facts(band: PriceBand, record: PaymentRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": band.name,
        "percent": str(band.percent),
        "months": band.months,
        "is_never_overdue": band.is_never_overdue,
        "days_to_pay": None,
        "revenue": None,
        "currency": band.currency_code,
    }
    if band.most_days_to_pay is not None:
        facts["days_to_pay"] = str(record.days_to_pay)
    if band.least_revenue is not None:
        facts["revenue"] = str(record.revenue)
    return facts
