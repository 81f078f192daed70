"""What is done the same in every Odoo, and called differently in its versions."""

from __future__ import annotations

from typing import Any

from odoo_rpc import OdooAdmin


def groups_field(odoo: OdooAdmin) -> str:
    """The field of a user's groups."""
    return odoo.field("res.users", "groups_id", "group_ids")


def receivable(odoo: OdooAdmin) -> tuple[str, str, str]:
    """The condition for journal items that customers owe by."""
    if odoo.has("account.move.line", "account_internal_type"):
        return ("account_internal_type", "=", "receivable")
    return ("account_type", "=", "asset_receivable")


def unsettled(odoo: OdooAdmin, document: int) -> list[int]:
    """The journal items of a document that are still owed by."""
    still = [("move_id", "=", document), ("reconciled", "=", False), receivable(odoo)]
    return odoo.search("account.move.line", still)


def shipped(odoo: OdooAdmin, quantity: float) -> dict[str, Any]:
    """What is written to a stock move when so much of it leaves the shelf."""
    if odoo.has("stock.move", "quantity_done"):
        return {"quantity_done": quantity}
    return {"quantity": quantity, "picked": True}


def credit_note(
    odoo: OdooAdmin, invoice: int, values: dict[str, Any], **context: Any
) -> dict[str, Any]:
    """Make the draft of a credit note of a whole invoice; returns the window that Odoo opens."""
    asked, button = {"refund_method": "refund", **values}, "reverse_moves"
    if not odoo.has("account.move.reversal", "refund_method"):
        [row] = odoo.rows("account.move", [("id", "=", invoice)], ["journal_id"])
        asked, button = {**values, "journal_id": row["journal_id"][0]}, "refund_moves"
        asked.pop("refund_method", None)
    about = {"active_model": "account.move", "active_ids": [invoice], **context}
    wizard = odoo.execute("account.move.reversal", "create", asked, context=about)
    window: dict[str, Any] = odoo.execute("account.move.reversal", button, [wizard], context=about)
    return window
