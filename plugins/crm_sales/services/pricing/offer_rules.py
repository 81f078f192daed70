"""What a company says of its offers, set by one document; some of it is there at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from crm_core.entities import Product, Role
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.messages import joined, t
from crm_core.persistence.base import Versioned
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import ensure_currency
from crm_core.services.roles import MANAGE as ROLES
from crm_core.services.settings import load_settings
from crm_sales.models import (
    Bundle,
    BundlePart,
    DiscountLimit,
    PaymentTerm,
    PriceBand,
    PriceFloor,
    PriceList,
    PriceListRule,
    ProductRule,
    RuleTarget,
)
from crm_sales.permissions import CONFIGURE
from crm_sales.schemas.quotes import load_offer_rules
from crm_sales.services.pricing.formulas import HUNDRED
from crm_sales.services.pricing.limits import own_limit

_OF_RULE = (
    *("category", "starts_at", "ends_at", "method", "base", "fixed_price", "percent"),
    *("rounding", "surcharge", "min_margin", "max_margin"),
)
DEFAULTS: Mapping[str, Any] = {
    "limits": {"employee": "10", "manager": "25", "admin": "100"},
    "floors": [{"percent_of_list": "50"}],
}
RELIABLE = {"name": "Pays on time", "percent": "2", "never_overdue": True, "most_days_to_pay": 30}
VALUED = {"name": "Key customer", "percent": "5", "never_overdue": True, "least_revenue": "50000"}
TERMS = ({"name": "30 days", "days": 30, "is_default": True}, {"name": "At once", "days": 0})


def seed_offer_rules(uow: UnitOfWork) -> None:
    """See to it that there are limits, a floor, bands and payment terms; what is there stays."""
    uow.actor.require(CONFIGURE)
    if uow.scalar(select(func.count(DiscountLimit.role))) == 0:
        change_offer_rules(uow, DEFAULTS)
    if uow.scalar(select(func.count(PriceBand.id))) == 0:
        base = load_settings(uow).base_currency
        change_offer_rules(uow, {"bands": [RELIABLE, {**VALUED, "currency": base}]})
    if uow.scalar(select(func.count(PaymentTerm.id))) == 0:
        change_offer_rules(uow, {"payment_terms": TERMS})


def change_offer_rules(uow: UnitOfWork, document: Mapping[str, Any]) -> list[str]:
    """Make limits, floors, bands, rules, bundles and price lists as a document says.

    A part that it names is replaced as a whole; price lists and payment terms, which an ERP may
    bring, are added or changed by name. What it leaves out stays.

    Returns:
        The parts that were set.

    Raises:
        InputError: The document will not do, or names a role, product or list that is not there.
    """
    uow.actor.require(CONFIGURE)
    given = load_offer_rules(document)
    products = NamedProducts(uow, given)
    for name, change in _CHANGES.items():
        if name in given:
            change(uow, given[name], products)
            uow.flush()
    return [name for name in _CHANGES if name in given]


class NamedProducts:
    """The products that a document names, by reference or id; looked up at once."""

    def __init__(self, uow: UnitOfWork, given: Mapping[str, Any]) -> None:
        names = {
            each[key]
            for part in ("floors", "rules", "price_rules")
            for each in given.get(part, ())
            for key in ("product", "other_product")
            if key in each
        }
        names |= {name for bundle in given.get("bundles", ()) for name, _ in bundle["parts"]}
        keys = {_key(name) for name in names} - {None}
        statement = select(Product.id, Product.reference).where(
            or_(Product.reference.in_(sorted(names)), Product.id.in_(keys))
        )
        self.known: dict[str, UUID] = {}
        for row in uow.execute(statement.order_by(Product.archived_at.is_(None), Product.id)):
            self.known[str(row.id)] = row.id
            if row.reference:
                self.known[row.reference] = row.id
        missing = sorted(names - self.known.keys())
        if missing:
            raise InputError(
                t("There are no such products: {names}.", names=joined(missing, ", ")),
                code="sales.quote.product",
                details={"products": missing},
            )

    def __call__(self, name: str | None) -> UUID | None:
        """Return the id of the product that a document calls so; None for no name."""
        return None if name is None else self.known[name]


def _key(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _set_limits(uow: UnitOfWork, limits: Mapping[str, Decimal], _known: NamedProducts) -> None:
    roles = set(uow.scalars(select(Role.code)))
    unknown = sorted(limits.keys() - roles)
    if unknown:
        raise InputError(
            t("There is no role {role}. See crm user role list.", role=unknown[0]),
            code="sales.quote.role_unknown",
            details={"roles": unknown},
        )
    known = {limit.role: limit for limit in uow.scalars(select(DiscountLimit))}
    before = {role: limit.percent for role, limit in known.items()}
    # Who gives roles their rights could take a higher limit anyhow; a zero locks nobody out.
    most = HUNDRED if uow.actor.may(ROLES) else own_limit(uow)
    if any(each > most and each != before.get(role) for role, each in limits.items()):
        raise PermissionDeniedError(
            t(
                "Nobody sets a limit above their own: yours is {most} %.",
                most=f"{most.normalize():f}",
            ),
            code="sales.quote.limit_beyond_own",
        )
    for role, limit in known.items():
        if role not in limits:
            uow.delete(limit)
    for role, percent in limits.items():
        if role in known:
            known[role].percent = percent
        else:
            uow.add(DiscountLimit(role=role, percent=percent))


def _set_floors(
    uow: UnitOfWork, floors: Sequence[Mapping[str, Any]], products: NamedProducts
) -> None:
    for old in uow.scalars(select(PriceFloor)):
        uow.delete(old)
    for floor in floors:
        values = floor_values(uow, floor, products)
        uow.add(PriceFloor(**values, created_at=uow.now, updated_at=uow.now))


def floor_values(
    uow: UnitOfWork, floor: Mapping[str, Any], products: NamedProducts
) -> dict[str, Any]:
    """Return the columns of a floor as a document tells it."""
    uow.actor.require(CONFIGURE)
    return {
        "product_id": products(floor.get("product")),
        "category": floor.get("category"),
        "price": floor.get("price"),
        "currency_code": _currency(uow, floor),
        "percent_of_list": floor.get("percent_of_list"),
    }


def _set_bands(
    uow: UnitOfWork, bands: Sequence[Mapping[str, Any]], _products: NamedProducts
) -> None:
    values = {band["name"]: band_values(uow, band) for band in bands}
    _by_name(uow, PriceBand, values, archives=True)


def band_values(uow: UnitOfWork, band: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a band as a document tells it, but its name."""
    uow.actor.require(CONFIGURE)
    return {
        "percent": band["percent"],
        "months": band["months"],
        "is_never_overdue": band["never_overdue"],
        "most_days_to_pay": band.get("most_days_to_pay"),
        "least_revenue": band.get("least_revenue"),
        "currency_code": _currency(uow, band),
    }


def _set_rules(
    uow: UnitOfWork, rules: Sequence[Mapping[str, Any]], products: NamedProducts
) -> None:
    for old in uow.scalars(select(ProductRule)):
        uow.delete(old)
    for rule in rules:
        uow.add(
            ProductRule(
                kind=rule["kind"],
                product_id=products(rule.get("product")),
                category=rule.get("category"),
                other_product_id=products(rule.get("other_product")),
                other_category=rule.get("other_category"),
                reason=rule["reason"],
            )
        )


def _set_bundles(
    uow: UnitOfWork, bundles: Sequence[Mapping[str, Any]], products: NamedProducts
) -> None:
    values = {bundle["name"]: bundle_values(uow, bundle) for bundle in bundles}
    kept = _by_name(uow, Bundle, values, archives=True)
    set_parts(uow, {kept[bundle["name"]].id: bundle["parts"] for bundle in bundles}, products)


def bundle_values(uow: UnitOfWork, bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a bundle as a document tells it, but its name."""
    uow.actor.require(CONFIGURE)
    return {
        "percent": bundle.get("percent"),
        "price": bundle.get("price"),
        "currency_code": _currency(uow, bundle),
    }


def set_parts(
    uow: UnitOfWork,
    parts: Mapping[UUID, Sequence[tuple[str, Decimal]]],
    products: NamedProducts,
) -> None:
    """Make these the parts of bundles, in their order."""
    uow.actor.require(CONFIGURE)
    for part in uow.scalars(select(BundlePart).where(BundlePart.bundle_id.in_(list(parts)))):
        uow.delete(part)
    uow.flush()
    for bundle_id, pairs in parts.items():
        for position, (product, quantity) in enumerate(pairs):
            uow.add(
                BundlePart(
                    bundle_id=bundle_id,
                    product_id=products(product),
                    quantity=quantity,
                    position=position,
                )
            )


def _set_price_lists(
    uow: UnitOfWork, lists: Sequence[Mapping[str, Any]], _products: NamedProducts
) -> None:
    values = {
        each["name"]: {
            "currency_code": _currency(uow, each),
            "is_default": each["is_default"],
            "position": position,
            **({"is_open": each["is_open"]} if "is_open" in each else {}),
        }
        for position, each in enumerate(lists)
    }
    _by_name(uow, PriceList, values)


def _set_price_rules(
    uow: UnitOfWork, rules: Sequence[Mapping[str, Any]], products: NamedProducts
) -> None:
    lists = {row.name: row.id for row in uow.execute(select(PriceList.id, PriceList.name))}
    named = {rule["price_list"] for rule in rules}
    named |= {rule["base_price_list"] for rule in rules if "base_price_list" in rule}
    missing = sorted(named - lists.keys())
    if missing:
        raise InputError(
            t("There is no price list {name}.", name=missing[0]), code="sales.quote.price_list"
        )
    changed = [lists[rule["price_list"]] for rule in rules]
    for old in uow.scalars(select(PriceListRule).where(PriceListRule.price_list_id.in_(changed))):
        uow.delete(old)
    for position, rule in enumerate(rules):
        target = (
            RuleTarget.VARIANT
            if "product" in rule
            else RuleTarget.CATEGORY
            if "category" in rule
            else RuleTarget.ALL
        )
        uow.add(
            PriceListRule(
                **{name: rule.get(name) for name in _OF_RULE},
                price_list_id=lists[rule["price_list"]],
                position=-position,
                target=target,
                product_id=products(rule.get("product")),
                min_quantity=rule.get("min_quantity", Decimal(0)),
                base_price_list_id=lists.get(rule.get("base_price_list", "")),
            )
        )


def _set_terms(
    uow: UnitOfWork, terms: Sequence[Mapping[str, Any]], _products: NamedProducts
) -> None:
    values = {
        term["name"]: {
            "days": term.get("days"),
            "note": term.get("note"),
            "is_default": term["is_default"],
            "position": position,
        }
        for position, term in enumerate(terms)
    }
    _by_name(uow, PaymentTerm, values)


_CHANGES: Mapping[str, Callable[[UnitOfWork, Any, NamedProducts], None]] = {
    "limits": _set_limits,
    "floors": _set_floors,
    "bands": _set_bands,
    "rules": _set_rules,
    "bundles": _set_bundles,
    "price_lists": _set_price_lists,
    "price_rules": _set_price_rules,
    "payment_terms": _set_terms,
}


def _by_name(
    uow: UnitOfWork, model: Any, values: Mapping[str, Mapping[str, Any]], *, archives: bool = False
) -> dict[str, Any]:
    """Add or change records by name; those not named are archived where ``archives`` says so."""
    known = {record.name: record for record in uow.scalars(select(model).order_by(model.id))}
    for name, record in known.items():
        if archives and name not in values and record.archived_at is None:
            record.archived_at = uow.now
    for name, each in values.items():
        if name not in known:
            known[name] = uow.add(model(name=name, **_touched(uow, model)))
        put_values(uow, known[name], {**each, "archived_at": None})
    uow.flush()
    return {name: known[name] for name in values}


def put_values(uow: UnitOfWork, record: Any, values: Mapping[str, Any]) -> None:
    """Set the fields of a record that are others now, and when it was touched if any is."""
    uow.actor.require(CONFIGURE)
    changed = {name: value for name, value in values.items() if getattr(record, name) != value}
    for name, value in changed.items():
        setattr(record, name, value)
    if changed and isinstance(record, Versioned):
        record.updated_at = uow.now


def _touched(uow: UnitOfWork, model: Any) -> dict[str, Any]:
    is_versioned = issubclass(model, Versioned)
    return {"created_at": uow.now, "updated_at": uow.now} if is_versioned else {}


def _currency(uow: UnitOfWork, given: Mapping[str, Any]) -> str | None:
    return ensure_currency(uow, given["currency"]).code if "currency" in given else None
