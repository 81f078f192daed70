"""What the demo company has already: its customers, orders, and the pipeline it sells through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities import Address, Customer, Product, TeamMember, Transaction, TransactionLine
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.tags import ensure_tags
from crm_sales.models import Competitor, LossReason, Stage
from crm_sales.services.pipelines import default_pipeline, live_stages

DAYS = 730
COMPETITORS = ("Nordic Supplies", "Καλός Προμηθευτής", "Hurtownia Mazur")
TAGS = ("Knows us", "Asks others too", "Urgent")


@dataclass(frozen=True, slots=True)
class Order:
    """An order, and what it was mainly about."""

    number: str
    customer_id: UUID
    issued_on: date
    currency_code: str
    amount: Decimal
    product_id: UUID | None


@dataclass(frozen=True, slots=True)
class Company:
    """What deals are made of.

    Attributes:
        today: The last day of its story.
        pipeline_id: The default one.
        stages: Of that, in their order, the won one last.
        reasons: Code of a loss reason to its id.
        competitors: Their ids.
        customers: By id: ``owner_id``, ``language``, ``country_code``, by their reference.
        orders: Of the last two years, by number.
        products: By id: ``name``, ``category``.
        teams: User to team.
        tags: Name to id.
    """

    today: date
    pipeline_id: UUID
    stages: Sequence[Stage]
    reasons: Mapping[str, UUID]
    competitors: Sequence[UUID]
    customers: Mapping[UUID, Any]
    orders: Sequence[Order]
    products: Mapping[UUID, Any]
    teams: Mapping[UUID, UUID]
    tags: Mapping[str, UUID]


def known(uow: UnitOfWork) -> Company:
    """Return what there is."""
    today = uow.scalar(select(func.max(Transaction.issued_on))) or uow.now.date()
    pipeline = default_pipeline(uow)
    rivals = [uow.add(Competitor(name=name)) for name in COMPETITORS]
    tags = dict(zip(TAGS, ensure_tags(uow, TAGS), strict=True))
    uow.flush()
    products = uow.execute(select(Product.id, Product.name, Product.category))
    members = uow.execute(select(TeamMember.user_id, TeamMember.team_id))
    reasons = uow.execute(select(LossReason.code, LossReason.id))
    return Company(
        today=today,
        pipeline_id=pipeline.id,
        stages=live_stages(uow, pipeline.id),
        reasons={row.code: row.id for row in reasons},
        competitors=[each.id for each in rivals],
        customers=_customers(uow),
        orders=_orders(uow, today),
        products={row.id: row for row in products},
        teams={row.user_id: row.team_id for row in members},
        tags=tags,
    )


def _customers(uow: UnitOfWork) -> dict[UUID, Any]:
    country = func.min(Address.country_code).label("country_code")
    statement = (
        select(Customer.id, Customer.owner_id, Customer.language, country)
        .outerjoin(Address, Address.customer_id == Customer.id)
        .where(Customer.archived_at.is_(None), Customer.merged_into_id.is_(None))
        .group_by(Customer.id, Customer.owner_id, Customer.language, Customer.reference)
        .order_by(Customer.reference)
    )
    return {row.id: row for row in uow.execute(statement)}


def _orders(uow: UnitOfWork, today: date) -> list[Order]:
    wanted = (
        (Transaction.kind == "order")
        & (Transaction.state != "cancelled")
        & (Transaction.issued_on > today - timedelta(days=DAYS))
    )
    lines = uow.execute(
        select(TransactionLine.transaction_id, TransactionLine.product_id)
        .join(Transaction, Transaction.id == TransactionLine.transaction_id)
        .where(wanted, TransactionLine.product_id.is_not(None))
        .order_by(TransactionLine.transaction_id, TransactionLine.position.desc())
    )
    mainly = defaultdict(lambda: None, {row.transaction_id: row.product_id for row in lines})
    rows = uow.execute(
        select(
            Transaction.id,
            Transaction.number,
            Transaction.customer_id,
            Transaction.issued_on,
            Transaction.currency_code,
            Transaction.untaxed_amount,
        )
        .where(wanted)
        .order_by(Transaction.number)
    )
    return [
        Order(
            row.number or "",
            row.customer_id,
            row.issued_on,
            row.currency_code,
            row.untaxed_amount,
            mainly[row.id],
        )
        for row in rows
    ]
