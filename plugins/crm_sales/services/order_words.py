"""What the words of orders are called by people."""

from __future__ import annotations

from collections.abc import Mapping

from crm_core.messages import Message, p, t
from crm_sales.models import OrderState

STATES: Mapping[str, tuple[Message, str]] = {
    OrderState.WAITING: (p("state of an order", "On its way to the back office"), "info"),
    OrderState.REFUSED: (p("state of an order", "Not taken by the back office"), "bad"),
    OrderState.DRAFT: (p("state of an order", "Draft in the back office"), "info"),
    OrderState.DIFFERENT: (p("state of an order", "Other sums than ours"), "warn"),
    OrderState.CONFIRMING: (p("state of an order", "Being confirmed"), "info"),
    OrderState.CONFIRMED: (p("state of an order", "Confirmed"), "good"),
    OrderState.CANCELLED: (p("state of an order", "Cancelled"), "bad"),
    OrderState.GONE: (p("state of an order", "Deleted in the back office"), "bad"),
}
DELIVERIES: Mapping[str, Message] = {
    "pending": p("of a delivery", "Not delivered yet"),
    "partial": p("of a delivery", "Partly delivered"),
    "full": p("of a delivery", "Delivered"),
}
PAYMENTS: Mapping[str, Message] = {
    "not_paid": p("of an invoice", "Not paid yet"),
    "in_payment": p("of an invoice", "Payment under way"),
    "partial": p("of an invoice", "Partly paid"),
    "paid": p("of an invoice", "Paid"),
    "reversed": p("of an invoice", "Reversed"),
}
SUMS: Mapping[str, Message] = {
    "untaxed_amount": t("Without tax"),
    "tax_amount": t("Tax"),
    "total_amount": t("Total"),
    "currency_code": t("Currency"),
}
