"""Orders made of our accepted offers. All orders, these too, are mirrored by ``documents``.

They are told by their source document, which people can change there: then the order goes on
without us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.converters import (
    lines_of_text,
    money,
    number_text,
    plain,
    reference,
    reference_if_other,
    required_text,
    text,
)
from crm_odoo.mappings.documents import order_state
from crm_odoo.mappings.domains import of_customers
from crm_odoo.mappings.model import Deed, EntityMapping, FieldMapping, LinesOut, Need, Record, Write
from crm_odoo.mappings.written import blankable, note, one, remote_id

MARK = "CRM "
"""What the source document of an order of ours begins with."""
ASKED = "? "
"""What that of a draft begins with that is made to be asked what it costs."""
_SALES = "User: All Documents (sales_team.group_sale_salesman_all_leads)"
_WAITING = ("draft", "sent")


def offer_of(origin: Any) -> str:
    """Return the number of the offer that an order is made of."""
    return required_text(str(origin or "").removeprefix(MARK))


def is_confirmed(state: Any) -> bool:
    """Return whether an order is confirmed, locked or not."""
    return state not in (*_WAITING, "cancel")


def _address(remote: str) -> Write:
    """Return how an address is written: where none is named, the customer itself."""

    def values(value: Any, record: Record) -> Mapping[str, Any]:
        return {remote: remote_id(value or record["customer_ref"]), **_partner(record)}

    return Write(values, (remote,), beside=("customer_ref",))


def _partner(record: Record) -> Mapping[str, Any]:
    return {"partner_id": remote_id(record["customer_ref"])}


def _origin(value: Any, _: Record) -> Mapping[str, Any]:
    """Return the source document; drafts that are only asked about bear no mark."""
    return {"origin": value if value.startswith(ASKED) else f"{MARK}{value}"}


def _confirmation(value: Any, _: Record) -> Mapping[str, Any]:
    return {"state": "sale" if value else "draft"}


def _of_product(name: str, convert: Callable[[Any], Any] = blankable) -> Callable[[Record], Any]:
    """Return what makes a cell of a line with a product; sections and notes leave it empty."""

    def cell(line: Record) -> Any:
        return convert(line.get(name)) if line["kind"] == "product" else None

    return cell


def _display_type(line: Record) -> str | None:
    return None if line["kind"] == "product" else f"line_{line['kind']}"


SALES_ORDER = EntityMapping(
    name="sales_order",
    model="sale.order",
    module="Sales",
    domain=of_customers(("origin", "=like", f"{MARK}%")),
    cursors=("write_date", "order_line.write_date", "partner_id.write_date"),
    label=("number", "offer"),
    needs=(
        Need("sale.order", "orders", _SALES),
        Need("sale.order.line", t("lines of orders"), _SALES),
    ),
    fields=(
        FieldMapping("offer", "origin", offer_of, Write(_origin, ("origin",))),
        FieldMapping("customer_ref", "partner_id", reference, one("partner_id", remote_id)),
        FieldMapping(
            "delivery_address_ref",
            ("partner_shipping_id", "partner_id"),
            reference_if_other,
            _address("partner_shipping_id"),
        ),
        FieldMapping(
            "invoice_address_ref",
            ("partner_invoice_id", "partner_id"),
            reference_if_other,
            _address("partner_invoice_id"),
        ),
        FieldMapping("owner_ref", "user_id", reference, one("user_id", remote_id)),
        FieldMapping("price_list_ref", "pricelist_id", reference, one("pricelist_id", remote_id)),
        FieldMapping(
            "payment_term_ref", "payment_term_id", reference, one("payment_term_id", remote_id)
        ),
        FieldMapping("reference", "client_order_ref", text, one("client_order_ref", blankable)),
        FieldMapping("note", "note", lines_of_text, one("note", note)),
        FieldMapping("is_confirmed", "state", is_confirmed, Write(_confirmation, ())),
        FieldMapping("order_ref", "id", reference),
        FieldMapping("number", "name", number_text),
        FieldMapping("state", ("state", "locked?"), order_state),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("untaxed_amount", "amount_untaxed", money),
        FieldMapping("tax_amount", "amount_tax", money),
        FieldMapping("total_amount", "amount_total", money),
    ),
    lines=LinesOut(
        "lines",
        "order_line",
        {
            "sequence": lambda line: str(line["position"]),
            "display_type": _display_type,
            "name": lambda line: note(line.get("description")) or "-",
            "product_id/.id": _of_product("product_ref"),
            "product_uom_qty": _of_product("quantity"),
            "price_unit": _of_product("unit_price"),
            "discount": _of_product("discount_percent"),
        },
    ),
    grants_writing=_SALES,
    deeds=(Deed("is_confirmed", True, (("state", "in", _WAITING),), "action_confirm"),),
)
