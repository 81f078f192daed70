"""Products: Odoo's variants, each a thing that can stand on an order."""

from __future__ import annotations

from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.converters import (
    archived,
    flag,
    lines_of_text,
    plain,
    quantity,
    required_text,
    text,
)
from crm_odoo.mappings.model import EntityMapping, FieldMapping, Need


def product_kind(value: Any) -> str:
    """Return ``service`` or ``goods``; what is stored differs between versions, what moves not."""
    return "service" if value == "service" else "goods"


PRODUCT = EntityMapping(
    name="product",
    model="product.product",
    module="Sales or Invoicing",
    domain=(),
    # Price and name stand on the template, a variant's surcharge and colour on its values.
    cursors=(
        "write_date",
        "product_tmpl_id.write_date",
        "categ_id.write_date",
        "categ_id.parent_id.write_date",
        "categ_id.parent_id.parent_id.write_date",
        "uom_id.write_date",
        "product_template_attribute_value_ids.write_date",
        "product_template_attribute_value_ids.product_attribute_value_id.write_date",
    ),
    label=("name", "reference"),
    needs=(
        Need("product.product", "products", "Internal User (base.group_user)"),
        Need("product.category", t("product categories"), "Internal User (base.group_user)"),
    ),
    fields=(
        # With the variant's values, "T-shirt (S, Red)", and without the reference in brackets.
        FieldMapping("name", "display_name", required_text),
        FieldMapping("reference", "default_code", text),
        FieldMapping("barcode", "barcode", text),
        FieldMapping("category", "categ_id.complete_name", plain),
        FieldMapping("kind", "type", product_kind),
        FieldMapping("description", "description_sale", lines_of_text),
        FieldMapping("unit", "uom_id.name", plain),
        FieldMapping("list_price", "lst_price", quantity),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("is_sold", "sale_ok", flag),
        FieldMapping("archived", "active", archived),
    ),
)
