"""Price lists with their rules, which Odoo alone writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.converters import archived, money, plain, quantity, reference, required_text
from crm_odoo.mappings.model import Derived, EntityMapping, FieldMapping, Need, Related, Row
from crm_odoo.mappings.model import Surroundings as Around

_TARGETS = {
    "0_product_variant": "variant",
    "1_product": "product",
    "2_product_category": "category",
    "3_global": "all",
}
_METHODS = {"fixed": "fixed", "percentage": "percent", "formula": "formula"}
_BASES = {"list_price": "list", "standard_price": "cost", "pricelist": "price_list"}
_ITEM = (
    *("applied_on", "categ_id", "product_tmpl_id", "product_id", "base", "base_pricelist_id"),
    *("min_quantity", "date_start", "date_end", "compute_price", "fixed_price", "percent_price"),
    *("price_discount", "price_round", "price_surcharge", "price_min_margin", "price_max_margin"),
)


def rules(rows: Sequence[Row], around: Around) -> Mapping[int, list[dict[str, Any]]]:
    """Return each list's rules; one for a product with variants becomes one for each of them."""
    items = {row["id"]: around.related(row) for row in rows}
    every = [item for own in items.values() for item in own]
    variants = {
        row["id"]: row["product_variant_ids"]
        for row in around.read(
            "product.template", _ids(every, "product_tmpl_id"), ["product_variant_ids"]
        )
    }
    categories = {
        row["id"]: row["complete_name"]
        for row in around.read("product.category", _ids(every, "categ_id"), ["complete_name"])
    }
    return {
        list_id: [
            {**_rule(item, categories), "product_ref": product}
            for item in sorted(own, key=lambda item: int(item["id"]))
            for product in _products(item, variants)
        ]
        for list_id, own in items.items()
    }


def _ids(items: Iterable[Row], field: str) -> list[int]:
    return sorted({item[field] for item in items if item[field]})


def _products(item: Row, variants: Mapping[int, Sequence[int]]) -> list[str | None]:
    """Return the products a rule is for; none are left of a product that was emptied."""
    target = _TARGETS[item["applied_on"]]
    if target == "variant":
        return [reference(item["product_id"])]
    if target == "product":
        return [str(each) for each in variants.get(item["product_tmpl_id"], ())]
    return [None]


def _rule(item: Row, categories: Mapping[int, str]) -> dict[str, Any]:
    method, is_formula = _METHODS[item["compute_price"]], item["compute_price"] == "formula"
    percent = item["price_discount"] if is_formula else item["percent_price"]
    return {
        "position": item["id"],
        "target": _TARGETS[item["applied_on"]],
        "category": categories.get(item["categ_id"]) if item["categ_id"] else None,
        "min_quantity": quantity(item["min_quantity"]) or "0",
        "starts_at": _moment(item["date_start"]),
        "ends_at": _moment(item["date_end"]),
        "method": method,
        "base": _BASES[item["base"]] if method != "fixed" else "list",
        "base_price_list_ref": reference(item["base_pricelist_id"]),
        "fixed_price": quantity(item["fixed_price"]) if method == "fixed" else None,
        "percent": quantity(percent) if method != "fixed" else None,
        **{
            name: (money(item[field]) if is_formula and item[field] else None)
            for name, field in (
                ("rounding", "price_round"),
                ("surcharge", "price_surcharge"),
                ("min_margin", "price_min_margin"),
                ("max_margin", "price_max_margin"),
            )
        },
    }


def _moment(value: Any) -> str | None:
    """Return a UTC moment, or the begin of a day, as ISO text."""
    return f"{value[:10]}T{value[11:] or '00:00:00'}+00:00" if value else None


PRICE_LIST = EntityMapping(
    name="sales_price_list",
    model="product.pricelist",
    module="Sales",
    domain=(),
    cursors=("write_date", "item_ids.write_date"),
    label=("name",),
    needs=(Need("product.pricelist", t("price lists"), "Internal User (base.group_user)"),),
    requires=("name", "currency"),
    fields=(
        FieldMapping("name", "name", required_text),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("position", "sequence", int),
        FieldMapping("archived", "active", archived),
    ),
    related=Related("product.pricelist.item", through="item_ids", remotes=_ITEM),
    derived=(Derived("rules", (), rules),),
)
