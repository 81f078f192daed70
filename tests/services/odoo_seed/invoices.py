"""Invoices of orders and without one, in several currencies, and their credit notes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from odoo_seed.ways import credit_note, unsettled
from odoo_seed.world import FAR_FUTURE, QUIET, World, every

FREE_INVOICES = 70
OF_ORDERS = 44


def make(world: World) -> None:
    _of_orders(world)
    _free(world)
    _settle_states(world)
    _refunds(world)
    _free_refunds(world)


def _of_orders(world: World) -> None:
    """One invoice an order, and one for two orders of the same customer."""
    confirmed = world.ids["confirmed"]
    open_orders = world.odoo.search(
        "sale.order", [("id", "in", confirmed), ("invoice_status", "=", "to invoice")], order="id"
    )
    for orders in _together(world, open_orders[:OF_ORDERS]):
        _invoice_orders(world, orders)
    made = world.odoo.rows("sale.order", [("id", "in", open_orders[:OF_ORDERS])], ["invoice_ids"])
    invoices = sorted({invoice for row in made for invoice in row["invoice_ids"]})
    world.adopt("order_invoice", "account.move", invoices)
    for row in world.odoo.rows("account.move", [("id", "in", invoices)], ["ref", "invoice_origin"]):
        _date(world, row, world.day(250), overdue=row["id"] % 3 != 0)


def _together(world: World, orders: list[int]) -> list[list[int]]:
    """Single orders, but the first two of a customer in the same currency as a pair."""
    rows = world.odoo.rows(
        "sale.order", [("id", "in", orders)], ["partner_invoice_id", "currency_id"]
    )
    groups: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        key = (row["partner_invoice_id"][0], row["currency_id"][0])
        groups.setdefault(key, []).append(row["id"])
    pairs = [group[:2] for group in groups.values() if len(group) > 1]
    world.counts["invoices_of_two_orders"] = len(pairs)
    single = [
        order for group in groups.values() for order in (group if len(group) == 1 else group[2:])
    ]
    return [*pairs, *([order] for order in single)]


def _invoice_orders(world: World, orders: list[int]) -> None:
    world.wizard(
        "sale.advance.payment.inv",
        {"advance_payment_method": "delivered"},
        "create_invoices",
        active_model="sale.order",
        active_ids=orders,
    )


def _date(world: World, row: dict[str, Any], day: date, *, overdue: bool) -> None:
    world.write(
        "account.move",
        [row["id"]],
        invoice_date=str(day),
        date=str(day),
        invoice_payment_term_id=False,
        invoice_date_due=str(day + timedelta(days=30)) if overdue else FAR_FUTURE,
        # Odoo joins the texts of several orders in another order on every run.
        ref=_in_order(row["ref"]),
        invoice_origin=_in_order(row["invoice_origin"]),
    )


def _in_order(joined: str | bool) -> str | bool:
    return ", ".join(sorted(joined.split(", "))) if isinstance(joined, str) else joined


def _free(world: World) -> None:
    values = [_invoice(world, number, "out_invoice") for number in range(FREE_INVOICES)]
    world.create("free_invoice", "account.move", values, default_move_type="out_invoice")


def _invoice(world: World, number: int, kind: str) -> dict[str, Any]:
    day = world.day(250)
    values: dict[str, Any] = {
        "move_type": kind,
        "partner_id": _customer(world, number),
        "invoice_date": str(day),
        "invoice_date_due": FAR_FUTURE if number % 4 == 0 else str(day + timedelta(days=30)),
        "invoice_user_id": world.pick(world.ids["salesperson"]),
        "ref": f"Ref. №{number}" if number % 3 == 0 else False,
        "invoice_line_ids": [(0, 0, line) for line in _lines(world, number)],
    }
    if number % 3 == 0:
        values["currency_id"] = world.ids[("EUR", "PLN", "JPY")[number // 3 % 3]][0]
    return values


def _customer(world: World, number: int) -> int:
    """Anybody; but some customers buy again, in the same currency."""
    if number % 6 in (1, 4):
        return world.ids["company"][number // 18]
    return world.pick(world.ids["company"] + world.ids["person"] + world.ids["invoice"])


def _lines(world: World, number: int) -> list[dict[str, Any]]:
    taxes = world.ids["tax"]
    lines: list[dict[str, Any]] = [
        {
            "product_id": world.pick(world.ids["goods"] + world.ids["service"]),
            "name": f"Γραμμή {index} / pozycja «{number}»",
            "quantity": world.pick((1, 2, 5, 7.5)),
            "price_unit": round(world.chance.uniform(5, 900), 2),
            "discount": 10 if index == 2 else 0,
            "tax_ids": [(6, 0, [] if index == 1 else [taxes[(number + index) % len(taxes)]])],
        }
        for index in range(1 + number % 4)
    ]
    if number % 10 == 0:
        lines[0]["product_id"] = False
        lines.append({"display_type": "line_note", "name": "Ευχαριστούμε!"})
    return lines


def _settle_states(world: World) -> None:
    """Some stay drafts, some are cancelled, the rest is posted."""
    free = world.ids["free_invoice"]
    world.ids["draft_invoice"] = free[-8:] + world.ids["order_invoice"][-3:]
    cancelled = free[-14:-8] + world.ids["order_invoice"][-5:-3]
    posted = world.ids["order_invoice"][:-3] + free[:-8]
    world.call("account.move", "action_post", posted)
    world.call("account.move", "button_draft", cancelled)
    world.call("account.move", "button_cancel", cancelled)
    world.ids["posted"] = [invoice for invoice in posted if invoice not in cancelled]
    world.counts["cancelled_invoices"] = len(cancelled)


def _refunds(world: World) -> None:
    """Credit notes of invoices: whole ones, parts, whole ones by cancelling, drafts."""
    refunded = every(world.ids["posted"], 4)
    world.ids["refunded"] = refunded
    whole, part, cancelling = refunded[0::3], refunded[1::3], refunded[2::3]
    for invoice in refunded:
        _reverse(world, invoice, is_cancelling=invoice in cancelling)
    drafts = _reversals(world, whole + part)
    for refund in _reversals(world, part):
        _halve(world, refund)
    world.call("account.move", "action_post", drafts[:-3])
    # On Odoo 14 posting does not settle a credit note against its invoice: somebody must.
    # Newer versions do it.
    for refund in every(drafts[:-3], 2):
        _settle(world, refund)
    world.adopt("refund", "account.move", _reversals(world, refunded))


def _reverse(world: World, invoice: int, *, is_cancelling: bool) -> None:
    """Make a credit note of a whole invoice: a draft, or one that settles it at once."""
    values: dict[str, Any] = {"reason": "Επιστροφή / zwrot", "date": "2025-11-03"}
    if is_cancelling:
        values["refund_method"] = "cancel"  # where there is no such choice, posting settles it
    credit_note(world.odoo, invoice, values, **QUIET)
    if is_cancelling and not world.odoo.has("account.move.reversal", "refund_method"):
        world.call("account.move", "action_post", _reversals(world, [invoice]))


def _settle(world: World, refund: int) -> None:
    row = world.odoo.rows("account.move", [("id", "=", refund)], ["reversed_entry_id"])[0]
    if lines := unsettled(world.odoo, refund):
        invoice = row["reversed_entry_id"][0]
        world.call("account.move", "js_assign_outstanding_line", [invoice], lines[0])


def _reversals(world: World, invoices: list[int]) -> list[int]:
    return world.odoo.search(
        "account.move",
        [("reversed_entry_id", "in", invoices), ("move_type", "=", "out_refund")],
        order="id",
    )


def _halve(world: World, refund: int) -> None:
    shown: tuple[str, str, Any] = ("display_type", "=", "product")
    if world.odoo.has("account.move.line", "exclude_from_invoice_tab"):
        shown = ("exclude_from_invoice_tab", "=", False)
    lines = world.odoo.rows(
        "account.move.line",
        [("move_id", "=", refund), shown],
        ["quantity"],
    )
    edits = [(1, line["id"], {"quantity": line["quantity"] / 2}) for line in lines]
    world.write("account.move", [refund], invoice_line_ids=edits)


def _free_refunds(world: World) -> None:
    """Credit notes that belong to no invoice and stay open."""
    values = [_invoice(world, number, "out_refund") for number in range(20)]
    made = world.create("free_refund", "account.move", values, default_move_type="out_refund")
    world.call("account.move", "action_post", made[:-2])
