"""Products: storable ones with stock, services, variants, categories, archived ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odoo_seed.world import World

_GOODS = (
    ("Ελαιόλαδο 5 lt", 48.5), ("Καφές ελληνικός 1 kg", 11.9), ("Ser żółty 500 g", 6.35),
    ("Łyżka drewniana", 2.2), ("Самовар «Тула»", 310.0), ("Ёлочная гирлянда", 19.99),
    ("Čebelji med 900 g", 12.75), ("Žlička", 0.333), ("فرش دستباف", 4200.0), ("زعفران ۵ گرم", 38.0),
    ('Chair "Oslo"', 129.0), ("Desk, 160 cm", 449.0), ("Pump 12 V", 89.9),
    ("Cable's end", 0.05), ("Toner & drum", 64.0),
)  # fmt: skip
_SERVICES = (
    ("Εγκατάσταση", 60.0), ("Szkolenie", 95.0), ("Обслуживание", 45.0), ("Montaža", 55.0),
    ("Repair hour", 72.0),
)  # fmt: skip


def make(world: World) -> None:
    categories = _categories(world)
    _simple(world, categories)
    _variants(world, categories)
    _stock(world)
    _translate(world)


def change(world: World) -> None:
    """What happens after products were sold: prices move, some leave the range."""
    templates = world.ids["goods_template"]
    world.write("product.template", templates[:1], list_price=52.0)
    world.write("product.template", templates[4:5], list_price=333.0, name="Самовар «Тула», новый")
    world.call("product.template", "action_archive", templates[-2:])
    world.call("product.template", "action_archive", world.ids["service_template"][-1:])
    world.call("product.product", "action_archive", world.ids["variant"][-1:])


def _categories(world: World) -> list[int]:
    top = world.create("category", "product.category", [{"name": "Εμπορεύματα"}])[0]
    middle = world.create(
        "category",
        "product.category",
        [{"name": "Τρόφιμα", "parent_id": top}, {"name": "Dom i ogród", "parent_id": top}],
    )
    deep = world.create(
        "category", "product.category", [{"name": "Olive oil", "parent_id": middle[0]}]
    )
    return [*middle, *deep]


def _simple(world: World, categories: list[int]) -> None:
    taxes = [world.ids["tax"][0], world.ids["tax"][1], world.odoo.search(
        "account.tax", [("type_tax_use", "=", "sale"), ("amount", "=", 15)])[0]]  # fmt: skip
    goods = [
        {
            **_common(name, price, f"G{number:03d}"),
            **_storable(world),
            "categ_id": categories[number % len(categories)],
            "taxes_id": [(6, 0, [taxes[number % len(taxes)]])],
            "invoice_policy": "delivery" if number % 3 == 0 else "order",
            "barcode": f"52{number:011d}",
            "standard_price": round(price * 0.6, 2),
            "weight": number / 10,
            "description_sale": f"{name}\nsecond line" if number % 5 == 0 else False,
        }
        for number, (name, price) in enumerate(_GOODS)
    ]
    services = [
        {
            **_common(name, price, f"S{number:03d}"),
            "type": "service",
            "invoice_policy": "order",
            "taxes_id": [(6, 0, taxes[:1] if number % 2 else world.ids["tax"][2:3])],
        }
        for number, (name, price) in enumerate(_SERVICES)
    ]
    world.create("goods_template", "product.template", goods)
    world.create("service_template", "product.template", services)
    _adopt_variants(world, "goods", world.ids["goods_template"])
    _adopt_variants(world, "service", world.ids["service_template"])


def _storable(world: World) -> dict[str, Any]:
    if world.odoo.has("product.template", "is_storable"):
        return {"type": "consu", "is_storable": True}
    return {"type": "product"}


def _common(name: str, price: float, code: str) -> dict[str, Any]:
    return {"name": name, "list_price": price, "default_code": code, "sale_ok": True}


def _variants(world: World, categories: list[int]) -> None:
    """A shirt in three sizes and four colours, a mug in two: fourteen products of two."""
    attributes = world.create(
        "attribute",
        "product.attribute",
        [
            {"name": "Μέγεθος", "create_variant": "always"},
            {"name": "Kolor", "create_variant": "always"},
        ],
    )
    sizes = _values(world, attributes[0], ("S", "M", "XL"))
    colours = _values(world, attributes[1], ("Czerwony", "Κίτρινο", "Синий", "Črna"))

    def line(attribute: int, values: list[int]) -> tuple[int, int, dict[str, Any]]:
        return (0, 0, {"attribute_id": attribute, "value_ids": [(6, 0, values)]})

    made = world.create(
        "variant_template",
        "product.template",
        [
            {"name": "T-shirt", **_storable(world), "list_price": 19.0, "categ_id": categories[1],
             "attribute_line_ids": [line(attributes[0], sizes), line(attributes[1], colours)]},
            {"name": "Mug ☕", "type": "consu", "list_price": 8.5, "categ_id": categories[1],
             "attribute_line_ids": [line(attributes[1], colours[:2])]},
        ],
    )  # fmt: skip
    _adopt_variants(world, "variant", made)
    for number, product in enumerate(world.ids["variant"]):
        world.write("product.product", [product], default_code=f"V{number:03d}")
    extra = world.odoo.search(
        "product.template.attribute.value",
        [("product_tmpl_id", "=", made[0]), ("product_attribute_value_id", "=", sizes[2])],
    )
    world.write("product.template.attribute.value", extra, price_extra=3.5)


def _values(world: World, attribute: int, names: Sequence[str]) -> list[int]:
    values = [{"name": name, "attribute_id": attribute} for name in names]
    return world.create("value", "product.attribute.value", values)


def _adopt_variants(world: World, kind: str, templates: list[int]) -> None:
    found = world.odoo.search("product.product", [("product_tmpl_id", "in", templates)], order="id")
    world.adopt(kind, "product.product", found)


def _stock(world: World) -> None:
    """Enough of everything: what an order leaves for later is chosen there."""
    shelf = world.odoo.rows("stock.warehouse", [], ["lot_stock_id"])[0]["lot_stock_id"][0]
    counted = world.odoo.field("stock.quant", "inventory_quantity_auto_apply", "inventory_quantity")
    shelf_stock = [
        {"product_id": product, "location_id": shelf, counted: 5000}
        for product in world.ids["goods"] + world.ids["variant"][:12]
    ]
    world.odoo.create("stock.quant", shelf_stock, context={"inventory_mode": True})


def _translate(world: World) -> None:
    names = {"el_GR": "Καρέκλα «Όσλο»", "pl_PL": "Krzesło „Oslo”", "fa_IR": "صندلی اسلو"}
    chair = [world.ids["goods_template"][10]]
    for language, name in names.items():
        world.odoo.write("product.template", chair, {"name": name}, context={"lang": language})
