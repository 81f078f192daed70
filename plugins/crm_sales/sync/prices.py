"""Price lists and payment terms as the back office has them: they are read, never written there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import ensure_currency
from crm_hooks.contributions import IncomingRecord
from crm_sales.models import PaymentTerm, PriceList, PriceListRule

_NUMBERS = (
    *("min_quantity", "fixed_price", "percent", "rounding", "surcharge"),
    *("min_margin", "max_margin"),
)


def read_none(_uow: UnitOfWork, _ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """Tell nothing of them: the back office alone writes them."""
    return {}


def apply_terms(uow: UnitOfWork, records: Sequence[IncomingRecord]) -> Sequence[UUID]:
    """Take over payment terms; one of a name that is in use here already is that one."""
    alike = {
        row.name.strip().casefold(): row.id
        for row in uow.execute(
            select(PaymentTerm.id, PaymentTerm.name).where(PaymentTerm.archived_at.is_(None))
        )
    }
    written = []
    for record in records:
        known = record.local_id
        if known is None:
            known = alike.pop(str(record.values.get("name")).strip().casefold(), None)
        told = IncomingRecord(known, record.values)
        written.append(_written(uow, PaymentTerm, told, ("name", "days", "note")).id)
    return written


def apply_price_lists(uow: UnitOfWork, records: Sequence[IncomingRecord]) -> Sequence[UUID]:
    """Take over price lists; the rules of one that changed are all written anew."""
    written = []
    for record in records:
        if record.values.get("currency"):
            ensure_currency(uow, record.values["currency"])
        row = _written(uow, PriceList, record, ("name",), {"currency_code": "currency"})
        written.append(row.id)
    uow.flush()
    changed = {
        list_id: record.values["rules"] or ()
        for list_id, record in zip(written, records, strict=True)
        if "rules" in record.values
    }
    for chunk in chunked(list(changed), PARAMETERS):
        uow.execute(
            delete(PriceListRule)
            .where(PriceListRule.price_list_id.in_(chunk))
            .execution_options(synchronize_session=False)
        )
    for list_id, rules in changed.items():
        for rule in rules:
            uow.add(PriceListRule(**_rule(list_id, rule)))
    _choose_defaults(uow)
    return written


def _choose_defaults(uow: UnitOfWork) -> None:
    """Let offers that name no price list go by the first of their currency, as over there."""
    in_use = select(PriceList).where(PriceList.archived_at.is_(None))
    by_currency: dict[str, list[PriceList]] = {}
    for each in uow.scalars(in_use.order_by(PriceList.position, PriceList.id)):
        by_currency.setdefault(each.currency_code, []).append(each)
    for lists in by_currency.values():
        if not any(each.is_default for each in lists):
            lists[0].is_default = True


def archive_terms(uow: UnitOfWork, ids: Sequence[UUID]) -> None:
    """Put payment terms that were deleted over there out of use; offers still name them."""
    _archive(uow, PaymentTerm, ids)


def archive_price_lists(uow: UnitOfWork, ids: Sequence[UUID]) -> None:
    """Put price lists that were deleted over there out of use; offers still name them."""
    _archive(uow, PriceList, ids)


def _written(
    uow: UnitOfWork,
    model: Any,
    record: IncomingRecord,
    plain: Sequence[str],
    renamed: Mapping[str, str] | None = None,
) -> Any:
    values = record.values
    fields = {name: values[name] for name in plain if name in values}
    fields |= {ours: values[told] for ours, told in (renamed or {}).items() if told in values}
    if values.get("position") is not None:
        fields["position"] = values["position"]
    if "archived" in values:
        fields["archived_at"] = uow.now if values["archived"] else None
    row = uow.find(model, record.local_id) if record.local_id else None
    if row is None:
        return uow.add(model(id=record.local_id or new_id(), **fields))
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def _rule(list_id: UUID, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "price_list_id": list_id,
        "position": told.get("position") or 0,
        "target": told["target"],
        "product_id": told.get("product_ref"),
        "category": told.get("category"),
        "starts_at": _moment(told.get("starts_at")),
        "ends_at": _moment(told.get("ends_at")),
        "method": told["method"],
        "base": told.get("base") or "list",
        "base_price_list_id": told.get("base_price_list_ref"),
        **{name: _number(told.get(name)) for name in _NUMBERS},
        "min_quantity": _number(told.get("min_quantity")) or Decimal(0),
    }


def _number(told: str | None) -> Decimal | None:
    return None if told is None else Decimal(told)


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def _archive(uow: UnitOfWork, model: Any, ids: Sequence[UUID]) -> None:
    rows = select(model).where(model.id.in_(list(ids)), model.archived_at.is_(None))
    for row in uow.scalars(rows):
        row.archived_at = uow.now
