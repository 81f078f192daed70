"""Orders on their way to Odoo: what stands in the way, told in plain words, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_core.messages import t
from crm_core.sync.protocol import Draft, Priced
from crm_odoo.mappings.converters import money
from crm_odoo.mappings.model import Row
from crm_odoo.records import OdooRecords
from crm_odoo.writing.loading import Refusal

GONE = "odoo.order.product_gone"
ARCHIVED = "odoo.order.product_archived"
BLOCKED = "odoo.order.blocked"
_MODEL = "sale.order"
_BLOCK = "block"


def obstacles(records: OdooRecords, drafts: Sequence[Draft]) -> dict[str, Refusal]:
    """Return why drafts cannot become orders, by key: what Odoo shows people, but not programs."""
    partners = _table(records, "res.partner", [_partner(draft) for draft in drafts], "sale_warn")
    wanted = [ref for draft in drafts for ref in _products(draft)]
    products = _table(records, "product.product", wanted, "sale_line_warn")
    found = {}
    for draft in drafts:
        partner = partners.get(_partner(draft))
        refusal = _blocked(partner, "sale_warn") if partner else None
        for line in draft.values.get("lines") or ():
            if refusal is None and line["kind"] == "product":
                refusal = _line_refusal(line, products)
        if refusal is not None:
            found[draft.key] = refusal
    return found


def _partner(draft: Draft) -> int:
    return int(draft.values.get("customer_ref") or 0)


def _products(draft: Draft) -> Iterable[int]:
    lines = draft.values.get("lines") or ()
    return (int(line["product_ref"]) for line in lines if line.get("product_ref"))


def _table(
    records: OdooRecords, model: str, ids: Iterable[int], warning: str
) -> dict[int, Mapping[str, Any]]:
    """Return records by id with ``active`` and, where this Odoo has them, the warnings set."""
    fields = records.fields(model, [warning, f"{warning}_msg"]) or {}
    there = records.search(model, [["id", "in", sorted(set(ids))]])
    rows = records.read(model, there, ["active", "display_name", *fields])
    return {row["id"]: row for row in rows}


def _line_refusal(line: Mapping[str, Any], products: Mapping[int, Row]) -> Refusal | None:
    said = str(line.get("description") or "").partition("\n")[0]
    product = products.get(int(line.get("product_ref") or 0))
    if product is None:
        told = t(
            "The product of the line {line!r} is not in Odoo any more. Make a new version of the "
            "offer with another product, or have it made there again.",
            line=said,
        )
        return Refusal(told, GONE)
    if not product["active"]:
        told = t(
            "{product} is archived in Odoo, so it is not sold any more. Make a new version of the "
            "offer with another product, or have it brought back into use there.",
            product=product["display_name"],
        )
        return Refusal(told, ARCHIVED)
    return _blocked(product, "sale_line_warn")


def _blocked(row: Row, warning: str) -> Refusal | None:
    if row.get(warning) != _BLOCK:
        return None
    told = t(
        "Odoo sells nothing with {name}: {message}",
        name=row["display_name"],
        message=row[f"{warning}_msg"] or t("it is blocked there"),
    )
    return Refusal(told, BLOCKED)


def costs(records: OdooRecords, key: str, order_id: int) -> Priced:
    """Return what an order costs, as Odoo worked it out."""
    [order] = records.read(
        _MODEL, [order_id], ["amount_untaxed", "amount_tax", "amount_total", "order_line"]
    )
    fields = ["sequence", "display_type", "price_subtotal", "price_tax", "price_total"]
    lines = records.read("sale.order.line", order["order_line"], fields)
    lines.sort(key=lambda line: (line["sequence"], line["id"]))
    told = [
        {
            "untaxed_amount": money(line["price_subtotal"]),
            "tax_amount": money(line["price_tax"]),
            "total_amount": money(line["price_total"]),
        }
        for line in lines
    ]
    values = {
        "untaxed_amount": money(order["amount_untaxed"]),
        "tax_amount": money(order["amount_tax"]),
        "total_amount": money(order["amount_total"]),
        "lines": told,
    }
    return Priced(key, values)


def forget(records: OdooRecords, ids: Sequence[int], context: Mapping[str, Any]) -> None:
    """Delete drafts that were made to be asked about."""
    if ids:
        records.transport.execute(_MODEL, "unlink", list(ids), context=dict(context))
