"""Orders in every state, with notes and sections, delivered in full, in part or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from odoo_seed.ways import shipped
from odoo_seed.world import World, every

ORDERS = 84
DRAFTS, SENT, CANCELLED = 10, 5, 7
CONFIRMED = ORDERS - DRAFTS - SENT - CANCELLED


def make(world: World) -> None:
    dates = [world.day() for _ in range(ORDERS)]
    orders = world.create(
        "order", "sale.order", [_order(world, number) for number in range(ORDERS)]
    )
    confirmed = orders[:CONFIRMED]
    world.ids["confirmed"] = confirmed
    world.call("sale.order", "action_confirm", confirmed)
    cancelled = orders[CONFIRMED : CONFIRMED + CANCELLED]
    world.call("sale.order", "action_confirm", cancelled[:3])
    world.call("sale.order", "action_cancel", cancelled, disable_cancel_warning=True)
    world.write("sale.order", orders[-SENT:], state="sent")
    for number, order in enumerate(orders):
        # Confirming set the date to now.
        world.write("sale.order", [order], date_order=f"{dates[number]} 09:{number % 60:02d}:00")
    _deliver(world, confirmed)
    lock = "action_lock" if world.odoo.has("sale.order", "locked") else "action_done"
    world.call("sale.order", lock, every(confirmed, 20, 1))


def _order(world: World, number: int) -> dict[str, Any]:
    partner, invoice, delivery = _partners(world, number)
    order: dict[str, Any] = {
        "partner_id": partner,
        "user_id": world.pick([*world.ids["salesperson"], world.odoo.uid]),
        "client_order_ref": f"PO/{number:04d}" if number % 3 == 0 else False,
        "order_line": _lines(world, number),
        "note": "Παράδοση μόνο πρωί" if number % 8 == 0 else False,
        "validity_date": str(world.day() + timedelta(days=30)) if number % 5 == 0 else False,
    }
    if invoice:
        order["partner_invoice_id"] = invoice
    if delivery:
        order["partner_shipping_id"] = delivery
    if number % 11 == 0:
        order["pricelist_id"] = world.ids["pricelist"][number // 11 % 3]
    return order


def _partners(world: World, number: int) -> tuple[int, int | None, int | None]:
    """Companies with addresses of their own, contacts, and persons take turns."""
    if number % 4 == 0:
        chosen = number // 4 % len(world.ids["delivery"])
        return world.ids["delivery_company"][chosen], None, world.ids["delivery"][chosen]
    if number % 4 == 1:
        chosen = number // 4 % len(world.ids["invoice"])
        return world.ids["invoice_company"][chosen], world.ids["invoice"][chosen], None
    if number % 4 == 2:
        return world.ids["contact"][number % len(world.ids["contact"])], None, None
    if number % 12 == 3:
        return world.ids["person"][number // 24], None, None
    return world.pick(world.ids["person"] + world.ids["company"]), None, None


def _lines(world: World, number: int) -> list[tuple[int, int, dict[str, Any]]]:
    sold = world.chance.sample(world.ids["goods"] + world.ids["variant"], 1 + number % 4)
    if number % 3 == 0:
        sold.append(world.pick(world.ids["service"]))
    lines: list[dict[str, Any]] = [
        {"product_id": product, "product_uom_qty": world.pick((1, 2, 3, 10, 12, 2.5))}
        for product in sold
    ]
    if number % 6 == 0:
        lines[0]["discount"] = 12.5
    if number % 7 == 0:
        lines[-1]["price_unit"] = 77.77
    if number % 9 == 0:
        lines[0][world.odoo.field("sale.order.line", "tax_id", "tax_ids")] = [
            (6, 0, world.ids["tax"][:2])
        ]
    if number % 5 == 0:
        lines.insert(0, {"display_type": "line_section", "name": "Ενότητα Α"})
        lines.append({"display_type": "line_note", "name": "Note: «хрупкое» & <b>kruche</b>"})
    return [(0, 0, {**line, "sequence": 10 + index}) for index, line in enumerate(lines)]


def _deliver(world: World, confirmed: list[int]) -> None:
    """Of three orders one is delivered whole, one leaves a back-order, one waits."""
    rows = world.odoo.rows("sale.order", [("id", "in", confirmed)], ["picking_ids"])
    whole = [row["picking_ids"][0] for row in rows[0::3] if row["picking_ids"]]
    parts = [row["picking_ids"][0] for row in rows[1::3] if row["picking_ids"]]
    moves = world.odoo.rows(
        "stock.move",
        [("picking_id", "in", whole + parts), ("state", "not in", ("done", "cancel"))],
        ["picking_id", "product_uom_qty"],
    )
    partly = set(parts)
    for move in moves:
        quantity = move["product_uom_qty"]
        if move["picking_id"][0] in partly:
            quantity = round(quantity * 0.4, 2)
        world.write("stock.move", [move["id"]], **shipped(world.odoo, quantity))
    for picking in whole + parts:
        # A picking that lacks something comes back with the wizard for the rest.
        world.call("stock.picking", "button_validate", [picking],
                   skip_sms=True, skip_backorder=True)  # fmt: skip
    world.counts["delivered_whole"] = len(whole)
    world.counts["back_orders"] = world.odoo.count(
        "stock.picking", [("backorder_id", "in", whole + parts)]
    )
