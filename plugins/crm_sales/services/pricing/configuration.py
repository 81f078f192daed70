"""What goes with what: products that require or exclude each other, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Product
from crm_core.messages import Message, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import ProductRule, RuleKind
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.pricing.price_lists import is_within


def broken_rules(
    uow: UnitOfWork, product_ids: Iterable[UUID], *, kind: str | None = None
) -> list[Message]:
    """Return why these products cannot be sold together, in sentences; empty where they can.

    Args:
        uow: Any unit of work.
        product_ids: What is chosen.
        kind: Look at rules of this kind only: what lacks a required one may yet get it.
    """
    uow.actor.require(QUOTE_VIEW)
    wanted = sorted(set(product_ids))
    rules = select(ProductRule).where(ProductRule.archived_at.is_(None)).order_by(ProductRule.id)
    if kind is not None:
        rules = rules.where(ProductRule.kind == kind)
    asked = uow.scalars(rules).all()
    if not asked or not wanted:
        return []
    others = {rule.other_product_id for rule in asked} - {None}
    statement = select(Product.id, Product.name, Product.category).where(
        Product.id.in_(sorted({*wanted, *others}))
    )
    known = {row.id: row for row in uow.execute(statement)}
    chosen = [known[key] for key in wanted if key in known]
    told = []
    for rule in asked:
        ones = [each for each in chosen if _is_meant(each, rule.product_id, rule.category)]
        twos = [
            each for each in chosen if _is_meant(each, rule.other_product_id, rule.other_category)
        ]
        if ones and rule.kind == RuleKind.REQUIRES and not twos:
            other = known.get(rule.other_product_id)
            told.append(_requires(ones[0], rule, other.name if other else rule.other_category))
        if rule.kind == RuleKind.EXCLUDES:
            pair = next(((a, b) for a in ones for b in twos if a.id != b.id), None)
            told.extend([_excludes(*pair, rule)] if pair else [])
    return told


def _is_meant(product: Any, product_id: UUID | None, category: str | None) -> bool:
    if product_id is not None:
        return bool(product.id == product_id)
    return category is not None and is_within(product.category, category)


def _requires(product: Any, rule: ProductRule, other: str | None) -> Message:
    return t(
        "{product} requires {other}: {reason}",
        product=product.name,
        other=other or "",
        reason=rule.reason,
    )


def _excludes(product: Any, other: Any, rule: ProductRule) -> Message:
    return t(
        "{product} and {other} cannot be sold together: {reason}",
        product=product.name,
        other=other.name,
        reason=rule.reason,
    )
