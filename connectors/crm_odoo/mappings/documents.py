"""Orders, customer payments, customer invoices and credit notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crm_core.entities.commerce import PaymentState, TransactionKind, TransactionState
from crm_core.messages import t
from crm_odoo.mappings.converters import (
    choice,
    constant,
    day,
    lines_of_text,
    money,
    number_text,
    plain,
    quantity,
    reference,
    reference_if_other,
    text,
)
from crm_odoo.mappings.document_parts import (
    delivery_states,
    document_lines,
    invoice_links,
    order_days,
)
from crm_odoo.mappings.domains import of_customers
from crm_odoo.mappings.model import Derived, EntityMapping, FieldMapping, Need, Related

_ACCOUNTING = "Show Accounting Features - Readonly (account.group_account_readonly)"
_SALES = f"User: All Documents (sales_team.group_sale_salesman_all_leads) or {_ACCOUNTING}"
_LINE_KINDS = {
    False: "product",
    "product": "product",
    "line_section": "section",
    "line_subsection": "section",
    "line_note": "note",
}
_INVOICE_STATES = {
    "draft": TransactionState.DRAFT.value,
    "posted": TransactionState.CONFIRMED.value,
    "cancel": TransactionState.CANCELLED.value,
}
_PAYMENT_STATES = {
    "draft": TransactionState.DRAFT.value,
    "posted": TransactionState.CONFIRMED.value,
    "in_process": TransactionState.CONFIRMED.value,
    "paid": TransactionState.DONE.value,
    "cancel": TransactionState.CANCELLED.value,
    "canceled": TransactionState.CANCELLED.value,
    "rejected": TransactionState.CANCELLED.value,
}
_ORDER_STATES = {
    "draft": TransactionState.DRAFT.value,
    "sent": TransactionState.SENT.value,
    "sale": TransactionState.CONFIRMED.value,
    "done": TransactionState.DONE.value,
    "cancel": TransactionState.CANCELLED.value,
}
_HOW_PAID = {state.value: state.value for state in PaymentState} | {
    "blocked": PaymentState.NOT_PAID.value,
    "invoicing_legacy": None,
    False: None,
}

_order_state = choice(_ORDER_STATES)
_invoice_state = choice(_INVOICE_STATES)
_MOVE_KINDS = {
    "out_invoice": TransactionKind.INVOICE.value,
    "out_refund": TransactionKind.REFUND.value,
}


def order_state(state: Any, locked: Any) -> str:
    """Return an order's state; from Odoo 17 "done" is a confirmed order that is locked."""
    found: str = _order_state(state)
    if locked and found == TransactionState.CONFIRMED:
        return TransactionState.DONE.value
    return found


def invoice_state(state: Any, paid: Any) -> str:
    """Return an invoice's state: done once it is paid or reversed."""
    found: str = _invoice_state(state)
    if found == TransactionState.CONFIRMED and paid in ("paid", "reversed"):
        return TransactionState.DONE.value
    return found


def open_amount(residual: Any, state: Any) -> str | None:
    """Return what is still to be paid; nothing is owed on a draft or a cancelled invoice."""
    return money(residual) if state == "posted" else "0"


def on_product_line(convert: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a converter that gives None on sections and notes, where Odoo keeps zeros."""

    def converted(value: Any, display_type: Any) -> Any:
        return convert(value) if display_type in (False, "product") else None

    return converted


def _lines(*, ordered: str, delivered: str | None, unit: str) -> tuple[FieldMapping, ...]:
    """Return a line's fields; the arguments name what orders and invoices call differently."""
    number = on_product_line(quantity)
    amount = on_product_line(money)
    delivery = (
        FieldMapping("delivered_quantity", (delivered, "display_type"), number)
        if delivered
        else FieldMapping("delivered_quantity", "id", constant(None))
    )
    return (
        FieldMapping("kind", "display_type", choice(_LINE_KINDS)),
        FieldMapping("product_ref", "product_id", reference),
        FieldMapping("description", "name", lines_of_text),
        FieldMapping("quantity", (ordered, "display_type"), number),
        delivery,
        FieldMapping("unit", (unit, "display_type"), on_product_line(plain)),
        FieldMapping("unit_price", ("price_unit", "display_type"), number),
        FieldMapping("discount_percent", ("discount?", "display_type"), number),
        FieldMapping("untaxed_amount", ("price_subtotal", "display_type"), amount),
        FieldMapping("total_amount", ("price_total", "display_type"), amount),
    )


ORDER = EntityMapping(
    name="order",
    model="sale.order",
    module="Sales",
    domain=of_customers(),
    # A merge of partners moves documents by raw SQL and writes to the partner that stays.
    cursors=("write_date", "order_line.write_date", "partner_id.write_date"),
    label=("number",),
    needs=(
        Need("sale.order", "orders", _SALES),
        Need("sale.order.line", t("lines of orders"), _SALES),
    ),
    fields=(
        FieldMapping("kind", "id", constant(TransactionKind.ORDER.value)),
        FieldMapping("customer_ref", "partner_id", reference),
        FieldMapping("number", "name", number_text),
        FieldMapping("reference", "client_order_ref", text),
        FieldMapping("state", ("state", "locked?"), order_state),
        FieldMapping("payment_state", "id", constant(None)),
        FieldMapping("invoice_state", "invoice_status", text),
        FieldMapping("is_outgoing", "id", constant(False)),
        FieldMapping("due_on", "id", constant(None)),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("untaxed_amount", "amount_untaxed", money),
        FieldMapping("tax_amount", "amount_tax", money),
        FieldMapping("total_amount", "amount_total", money),
        FieldMapping("open_amount", "id", constant("0")),
        FieldMapping("owner_ref", "user_id", reference),
        FieldMapping(
            "delivery_address_ref", ("partner_shipping_id", "partner_id"), reference_if_other
        ),
        FieldMapping(
            "invoice_address_ref", ("partner_invoice_id", "partner_id"), reference_if_other
        ),
        FieldMapping("links", "id", constant([])),
    ),
    related=Related(
        "sale.order.line",
        through="order_line",
        remotes=("sequence", "product_type?"),
        fields=_lines(
            ordered="product_uom_qty",
            delivered="qty_delivered",
            unit="product_uom_id.name|product_uom.name",
        ),
    ),
    derived=(
        Derived("issued_on", ("date_order",), order_days),
        Derived("lines", (), document_lines),
        Derived("delivery_state", ("state", "delivery_status?"), delivery_states),
    ),
)

PAYMENT = EntityMapping(
    name="payment",
    model="account.payment",
    module="Invoicing",
    domain=of_customers(("partner_type", "=", "customer")),
    cursors=("write_date", "move_id.write_date", "partner_id.write_date"),
    label=("number",),
    needs=(Need("account.payment", "payments", _ACCOUNTING),),
    fields=(
        FieldMapping("kind", "id", constant(TransactionKind.PAYMENT.value)),
        FieldMapping("customer_ref", "partner_id", reference),
        FieldMapping("number", "name", number_text),
        FieldMapping("reference", "memo|ref", text),
        FieldMapping("state", "state", choice(_PAYMENT_STATES)),
        FieldMapping("payment_state", "id", constant(None)),
        FieldMapping("invoice_state", "id", constant(None)),
        FieldMapping("delivery_state", "id", constant(None)),
        FieldMapping("is_outgoing", "payment_type", choice({"inbound": False, "outbound": True})),
        FieldMapping("issued_on", "date", day),
        FieldMapping("due_on", "id", constant(None)),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("untaxed_amount", "amount", money),
        FieldMapping("tax_amount", "id", constant("0")),
        FieldMapping("total_amount", "amount", money),
        FieldMapping("open_amount", "id", constant("0")),
        FieldMapping("owner_ref", "id", constant(None)),
        FieldMapping("delivery_address_ref", "id", constant(None)),
        FieldMapping("invoice_address_ref", "id", constant(None)),
        FieldMapping("lines", "id", constant([])),
        # Reconciling touches the invoice and not the payment, so the invoice tells who pays it.
        FieldMapping("links", "id", constant([])),
    ),
)

INVOICE = EntityMapping(
    name="invoice",
    model="account.move",
    module="Invoicing",
    domain=of_customers(("move_type", "in", tuple(_MOVE_KINDS))),
    cursors=("write_date", "line_ids.write_date", "partner_id.write_date"),
    label=("number",),
    needs=(
        Need("account.move", t("invoices and credit notes"), _ACCOUNTING),
        Need("account.move.line", t("lines of invoices"), _ACCOUNTING),
        Need("account.partial.reconcile", t("which payment pays which invoice"), _ACCOUNTING),
    ),
    fields=(
        FieldMapping("kind", "move_type", choice(_MOVE_KINDS)),
        FieldMapping("customer_ref", "partner_id", reference),
        FieldMapping("number", "name", number_text),
        FieldMapping("reference", "ref", text),
        FieldMapping("state", ("state", "payment_state"), invoice_state),
        FieldMapping("payment_state", "payment_state", choice(_HOW_PAID)),
        FieldMapping("invoice_state", "id", constant(None)),
        FieldMapping("delivery_state", "id", constant(None)),
        FieldMapping("is_outgoing", "id", constant(False)),
        FieldMapping("issued_on", "invoice_date", day),
        FieldMapping("due_on", "invoice_date_due", day),
        FieldMapping("currency", "currency_id.name", plain),
        FieldMapping("untaxed_amount", "amount_untaxed", money),
        FieldMapping("tax_amount", "amount_tax", money),
        FieldMapping("total_amount", "amount_total", money),
        FieldMapping("open_amount", ("amount_residual", "state"), open_amount),
        FieldMapping("owner_ref", "invoice_user_id", reference),
        FieldMapping(
            "delivery_address_ref", ("partner_shipping_id?", "partner_id"), reference_if_other
        ),
        FieldMapping("invoice_address_ref", "id", constant(None)),
    ),
    related=Related(
        "account.move.line",
        through="line_ids",
        shown="invoice_line_ids",
        remotes=("sequence", "sale_line_ids?", "matched_debit_ids", "matched_credit_ids"),
        fields=_lines(ordered="quantity", delivered=None, unit="product_uom_id.name"),
    ),
    derived=(
        Derived("lines", (), document_lines),
        Derived("links", ("move_type", "reversed_entry_id"), invoice_links),
    ),
)
