"""Which of the demo company's customers are worth looking at, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select

from crm_core.entities import Customer, Transaction
from crm_core.entities.commerce import CurrencyRate
from crm_core.entities.customer import CustomerStage

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.persistence.unit_of_work import UnitOfWork

Sums = Mapping["UUID", Decimal]


def picks(uow: UnitOfWork, today: date) -> list[dict[str, Any]]:
    """Return customers to try commands on: ``what``, and their ``id``, ``reference``, ``name``.

    What there is no customer for is left out.
    """
    invoiced = _sums(uow, Transaction.total_amount)
    overdue = _sums(uow, Transaction.open_amount, Transaction.is_open, Transaction.due_on < today)
    lapsed = _among(uow, invoiced, Customer.stage == CustomerStage.LAPSED.value)
    wanted: Sequence[tuple[str, Sums]] = (
        ("the best customer", invoiced),
        ("has overdue invoices", overdue),
        ("lapsed", lapsed),
        ("in Greek", _among(uow, invoiced, Customer.language == "el-GR")),
        ("in Persian", _among(uow, invoiced, Customer.language == "fa-IR")),
    )
    found: list[dict[str, Any]] = []
    taken: set[UUID] = set()
    for what, sums in wanted:
        left = [customer_id for customer_id in sums if customer_id not in taken]
        if not left:
            continue
        best = max(left, key=lambda customer_id: (sums[customer_id], str(customer_id)))
        taken.add(best)
        row = uow.execute(
            select(Customer.id, Customer.reference, Customer.name).where(Customer.id == best)
        ).one()
        found.append({"what": what, **row._mapping})
    return found


def _sums(uow: UnitOfWork, amount: Any, *conditions: Any) -> Sums:
    """Return the sum of invoices by customer, in the base currency at the latest rates."""
    latest = select(CurrencyRate.currency_code, CurrencyRate.rate).order_by(CurrencyRate.on)
    rates = {row.currency_code: row.rate for row in uow.execute(latest)}
    statement: Select[Any] = (
        select(Transaction.customer_id, Transaction.currency_code, func.sum(amount).label("total"))
        .where(Transaction.kind == "invoice", *conditions)
        .group_by(Transaction.customer_id, Transaction.currency_code)
    )
    sums: dict[UUID, Decimal] = {}
    for row in uow.execute(statement):
        in_base = Decimal(row.total) / rates.get(row.currency_code, Decimal(1))
        sums[row.customer_id] = sums.get(row.customer_id, Decimal(0)) + in_base
    return sums


def _among(uow: UnitOfWork, sums: Sums, condition: Any) -> Sums:
    ids = uow.scalars(select(Customer.id).where(condition))
    return {customer_id: sums[customer_id] for customer_id in ids if customer_id in sums}
