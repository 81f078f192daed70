"""What a company says of its offers, written as the document that sets it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from crm_core.entities import Product
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Bundle, BundlePart, DiscountLimit, PriceBand, PriceFloor, ProductRule
from crm_sales.permissions import CONFIGURE

BANDS = select(
    PriceBand.name,
    PriceBand.percent,
    PriceBand.months,
    PriceBand.is_never_overdue.label("never_overdue"),
    PriceBand.most_days_to_pay,
    PriceBand.least_revenue,
    PriceBand.currency_code.label("currency"),
).where(PriceBand.archived_at.is_(None))
"""What a document tells of the bands in use."""


def export_offer_rules(uow: UnitOfWork) -> dict[str, Any]:
    """Return the document that :func:`change_offer_rules` takes; what an ERP brings is left out."""
    uow.actor.require(CONFIGURE)
    limits = uow.execute(select(DiscountLimit.role, DiscountLimit.percent))
    return {
        "limits": {row.role: _plain(row.percent) for row in limits.all()},
        "floors": _exported_floors(uow),
        "bands": _exported_bands(uow),
        "rules": _exported_rules(uow),
        "bundles": _exported_bundles(uow),
    }


def _exported_floors(uow: UnitOfWork) -> list[dict[str, Any]]:
    statement = (
        select(
            PriceFloor.product_id,
            Product.reference.label("product"),
            PriceFloor.category,
            PriceFloor.price,
            PriceFloor.currency_code.label("currency"),
            PriceFloor.percent_of_list,
        )
        .outerjoin(Product, Product.id == PriceFloor.product_id)
        .order_by(PriceFloor.id)
    )
    return [
        _filled({**row._mapping, "product": row.product or row.product_id}, "product_id")
        for row in uow.execute(statement)
    ]


def _exported_bands(uow: UnitOfWork) -> list[dict[str, Any]]:
    statement = BANDS.order_by(PriceBand.percent, PriceBand.name)
    return [_filled(dict(row._mapping)) for row in uow.execute(statement)]


def _exported_rules(uow: UnitOfWork) -> list[dict[str, Any]]:
    one, other = aliased(Product), aliased(Product)
    statement = (
        select(
            ProductRule.kind,
            ProductRule.product_id,
            one.reference.label("product"),
            ProductRule.category,
            ProductRule.other_product_id,
            other.reference.label("other_product"),
            ProductRule.other_category,
            ProductRule.reason,
        )
        .outerjoin(one, one.id == ProductRule.product_id)
        .outerjoin(other, other.id == ProductRule.other_product_id)
        .order_by(ProductRule.id)
    )
    exported = []
    for row in uow.execute(statement):
        named = {
            "product": row.product or row.product_id,
            "other_product": row.other_product or row.other_product_id,
        }
        exported.append(_filled({**row._mapping, **named}, "product_id", "other_product_id"))
    return exported


def _exported_bundles(uow: UnitOfWork) -> list[dict[str, Any]]:
    parts: dict[UUID, list[list[Any]]] = {}
    statement = (
        select(BundlePart.bundle_id, BundlePart.product_id, Product.reference, BundlePart.quantity)
        .join(Product, Product.id == BundlePart.product_id)
        .order_by(BundlePart.position)
    )
    for row in uow.execute(statement):
        named = [row.reference or str(row.product_id), _plain(row.quantity)]
        parts.setdefault(row.bundle_id, []).append(named)
    bundles = select(
        Bundle.id, Bundle.name, Bundle.percent, Bundle.price, Bundle.currency_code.label("currency")
    ).where(Bundle.archived_at.is_(None))
    return [
        {**_filled(dict(row._mapping), "id"), "parts": parts.get(row.id, [])}
        for row in uow.execute(bundles.order_by(Bundle.name))
    ]


def _filled(values: Mapping[str, Any], *dropped: str) -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, value in values.items()
        if value is not None and name not in dropped
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return str(value) if isinstance(value, UUID) else value
