"""Floors, bands and bundles one at a time, as pages and programs change them.

What each may hold is what the document of all of them may: ``crm_sales.schemas.quotes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Float, case, cast, func, literal, select

from crm_core.entities import Product
from crm_core.errors import DuplicateError, NotFoundError, RuleViolationError
from crm_core.messages import Message, t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_by, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services import audit
from crm_sales.models import Bundle, BundlePart, PriceBand, PriceFloor
from crm_sales.permissions import CONFIGURE
from crm_sales.schemas.quotes import MOST, load_offer_rules
from crm_sales.services.pricing.offer_rules import (
    NamedProducts,
    band_values,
    bundle_values,
    floor_values,
    put_values,
    set_parts,
)
from crm_sales.services.pricing.offer_rules_export import BANDS

Values = Mapping[str, Any]


_FLOORS = select(
    PriceFloor.id,
    PriceFloor.version,
    PriceFloor.product_id,
    Product.reference,
    Product.name.label("product_name"),
    PriceFloor.category,
    PriceFloor.price,
    PriceFloor.currency_code.label("currency"),
    PriceFloor.percent_of_list,
).outerjoin(Product, Product.id == PriceFloor.product_id)
_NARROWEST = case(
    (PriceFloor.product_id.is_not(None), literal("0 ").concat(Product.name)),
    (PriceFloor.category.is_not(None), literal("1 ").concat(PriceFloor.category)),
    else_=literal("2"),
)
_BANDS = BANDS.add_columns(PriceBand.id, PriceBand.version)
_BUNDLES = select(
    Bundle.id,
    Bundle.version,
    Bundle.name,
    Bundle.percent,
    Bundle.price,
    Bundle.currency_code.label("currency"),
).where(Bundle.archived_at.is_(None))


def list_floors(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of the floor prices, the narrowest first.

    Each has ``id, version, product`` (its reference, else its id), ``product_name, category, price,
    currency, percent_of_list``.
    """
    uow.actor.require(CONFIGURE)
    page = page_by(
        uow,
        _FLOORS,
        key=_NARROWEST,
        tie=PriceFloor.id,
        name="narrowest",
        is_nullable=False,
        limit=limit,
        cursor=cursor,
    )
    return Page([_with_product(item) for item in page.items], page.next_cursor)


def list_bands(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of the personal price bands in use, the smallest first.

    Each has ``id, version`` and what a document tells of a band.
    """
    uow.actor.require(CONFIGURE)
    return page_by(
        uow,
        _BANDS,
        key=cast(PriceBand.percent, Float),
        tie=PriceBand.name,
        name="percent",
        is_nullable=False,
        limit=limit,
        cursor=cursor,
    )


def list_bundles(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return a page of the bundles in use by name.

    Each has ``id, version, name, percent, price, currency`` and ``parts``, which have ``product``
    (its reference, else its id), ``product_name`` and ``quantity``.
    """
    uow.actor.require(CONFIGURE)
    page = page_of(uow, _BUNDLES, keys=(Bundle.name,), limit=limit, cursor=cursor)
    return Page(_with_parts(uow, page.items), page.next_cursor)


def show_floor(uow: UnitOfWork, floor_id: UUID) -> dict[str, Any]:
    """Return one floor price as :func:`list_floors` does; raises NotFoundError when it is gone."""
    return _with_product(_one(uow, _FLOORS.where(PriceFloor.id == floor_id)))


def show_band(uow: UnitOfWork, band_id: UUID) -> dict[str, Any]:
    """Return one band as :func:`list_bands` does; raises NotFoundError when it is out of use."""
    return _one(uow, _BANDS.where(PriceBand.id == band_id))


def show_bundle(uow: UnitOfWork, bundle_id: UUID) -> dict[str, Any]:
    """Return one bundle as :func:`list_bundles` does; raises NotFoundError when it is gone."""
    return _with_parts(uow, [_one(uow, _BUNDLES.where(Bundle.id == bundle_id))])[0]


def _one(uow: UnitOfWork, statement: Any) -> dict[str, Any]:
    uow.actor.require(CONFIGURE)
    row = uow.execute(statement).first()
    if row is None:
        raise _gone()
    return dict(row._mapping)


def _with_parts(uow: UnitOfWork, bundles: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    parts: dict[UUID, list[dict[str, Any]]] = {}
    statement = (
        select(
            BundlePart.bundle_id,
            BundlePart.product_id,
            Product.reference,
            Product.name.label("product_name"),
            BundlePart.quantity,
        )
        .join(Product, Product.id == BundlePart.product_id)
        .where(BundlePart.bundle_id.in_([bundle["id"] for bundle in bundles]))
        .order_by(BundlePart.position)
    )
    for row in uow.execute(statement):
        part = _with_product(dict(row._mapping))
        parts.setdefault(part.pop("bundle_id"), []).append(part)
    return [{**bundle, "parts": parts.get(bundle["id"], [])} for bundle in bundles]


def set_floor(
    uow: UnitOfWork,
    told: Values,
    floor_id: UUID | None = None,
    *,
    expected_version: int | None = None,
) -> UUID:
    """Add a floor price or change one, and return its id.

    Raises:
        InputError: It will not do, or the product is not known.
        DuplicateError: There is another for the same.
        RuleViolationError: There are as many as there may be.
        NotFoundError, StaleVersionError: The one to be changed is gone, or was changed meanwhile.
    """
    uow.actor.require(CONFIGURE)
    given, products = _checked(uow, "floors", told)
    values = floor_values(uow, given, products)
    same = [getattr(PriceFloor, name).is_not_distinct_from(values[name]) for name in _TARGET]
    _refuse_second(uow, PriceFloor, same, floor_id, t("There is a floor for the same already."))
    found: UUID = _put(uow, PriceFloor, values, floor_id, expected_version).id
    return found


def set_band(
    uow: UnitOfWork,
    told: Values,
    band_id: UUID | None = None,
    *,
    expected_version: int | None = None,
) -> UUID:
    """Add a personal price band or change one, and return its id; raises as :func:`set_floor`."""
    uow.actor.require(CONFIGURE)
    given, _ = _checked(uow, "bands", told)
    values = {"name": given["name"], **band_values(uow, given)}
    found: UUID = _named(uow, PriceBand, values, band_id, expected_version).id
    return found


def set_bundle(
    uow: UnitOfWork,
    told: Values,
    bundle_id: UUID | None = None,
    *,
    expected_version: int | None = None,
) -> UUID:
    """Add a bundle or change one, and return its id; raises as :func:`set_floor`.

    Offers in which it stands keep the parts that they have.
    """
    uow.actor.require(CONFIGURE)
    given, products = _checked(uow, "bundles", told)
    values = {"name": given["name"], **bundle_values(uow, given)}
    bundle: Bundle = _named(uow, Bundle, values, bundle_id, expected_version)
    bundle.updated_at = uow.now  # parts alone may have changed: who read it before is to hear of it
    set_parts(uow, {bundle.id: given["parts"]}, products)
    uow.flush()
    return bundle.id


def take_out(uow: UnitOfWork, model: Any, record_id: UUID) -> None:
    """Take a floor away, or a band or bundle out of use: offers still name those.

    Raises:
        NotFoundError: It was taken out already.
    """
    uow.actor.require(CONFIGURE)
    record = _in_use(uow, model, record_id)
    if isinstance(record, PriceFloor):
        uow.delete(record)
    else:
        record.archived_at = record.updated_at = uow.now
    uow.flush()


_TARGET = ("product_id", "category")


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of rule, by the part of the document that holds it."""

    model: Any
    list_some: Callable[..., Page[dict[str, Any]]]
    show: Callable[[UnitOfWork, UUID], dict[str, Any]]
    keep: Callable[..., UUID]


KINDS: Mapping[str, Kind] = {
    "floors": Kind(PriceFloor, list_floors, show_floor, set_floor),
    "bands": Kind(PriceBand, list_bands, show_band, set_band),
    "bundles": Kind(Bundle, list_bundles, show_bundle, set_bundle),
}


def _checked(uow: UnitOfWork, part: str, told: Values) -> tuple[Values, NamedProducts]:
    given = load_offer_rules({part: [told]})
    return given[part][0], NamedProducts(uow, given)


def _named(
    uow: UnitOfWork, model: Any, values: Values, record_id: UUID | None, version: int | None
) -> Any:
    """Add or change what has a name of its own; one taken out before comes back by its name."""
    gone = select(model.id).where(model.name == values["name"], model.archived_at.is_not(None))
    if record_id is not None:
        _in_use(uow, model, record_id)
    else:
        _expect_room(uow, model)
        record_id = uow.scalar(gone)
    said = t("{name} is there already, or was once: choose another name.", name=values["name"])
    _refuse_second(uow, model, [model.name == values["name"]], record_id, said)
    return _put(uow, model, {**values, "archived_at": None}, record_id, version)


def _in_use(uow: UnitOfWork, model: Any, record_id: UUID) -> Any:
    """Return a rule that was not taken out."""
    record = uow.find(model, record_id)
    if record is None or getattr(record, "archived_at", None) is not None:
        raise _gone()
    return record


def _gone() -> NotFoundError:
    return NotFoundError(t("It is not there any more."), code="sales.quote.rule_gone")


def _expect_room(uow: UnitOfWork, model: Any) -> None:
    """Refuse one more than a document of all of them may hold."""
    statement = select(func.count()).select_from(model)
    if hasattr(model, "archived_at"):
        statement = statement.where(model.archived_at.is_(None))
    if (uow.scalar(statement) or 0) >= MOST:
        raise RuleViolationError(
            t("There are {most} already, and no more can be kept: take some out first.", most=MOST),
            code="sales.quote.too_many_rules",
        )


def _refuse_second(
    uow: UnitOfWork, model: Any, same: list[Any], record_id: UUID | None, said: Message | str
) -> None:
    known = uow.scalar(select(model.id).where(*same, model.id != record_id).limit(1))
    if known is not None:
        raise DuplicateError(said, code="sales.quote.rule_twice", details={"id": str(known)})


def _put(
    uow: UnitOfWork, model: Any, values: Values, record_id: UUID | None, version: int | None
) -> Any:
    if record_id is None:
        _expect_room(uow, model)
        record = uow.add(model(**values, created_at=uow.now, updated_at=uow.now))
    else:
        record = uow.get(model, record_id)
        changed = t("It was changed since you read it.")
        audit.expect_unchanged(uow, record, version, changed)
        put_values(uow, record, values)
    uow.flush()
    return record


def _with_product(row: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(row)
    product_id, reference = values.pop("product_id"), values.pop("reference")
    return {**values, "product": reference or (product_id and str(product_id))}
