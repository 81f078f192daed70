"""Orders: what the backend reads equals plain calls, by field."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

from odoo_plain import Amount, assert_equal, assert_lines, clean, line_of, of_customers, ref, rows


def test_orders(bot, pulled, split, seeded):
    fields = [
        "name",
        "client_order_ref",
        "state",
        "locked",
        "invoice_status",
        "delivery_status",
        "date_order",
        "currency_id",
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "user_id",
        "partner_id",
        "partner_invoice_id",
        "partner_shipping_id",
    ]
    orders = of_customers(rows(bot, "sale.order", fields), split)
    line_fields = [
        "order_id",
        "sequence",
        "display_type",
        "product_id",
        "name",
        "product_uom_qty",
        "qty_delivered",
        "product_uom",
        "product_uom_id",
        "price_unit",
        "discount",
        "price_subtotal",
        "price_total",
        "product_type",
    ]
    lines = defaultdict(list)
    for row in rows(bot, "sale.order.line", line_fields).values():
        lines[row["order_id"][0]].append(row)
    states = {"sale": "confirmed", "done": "done", "cancel": "cancelled"}

    def delivered(number, row):
        if bot.has("sale.order", "delivery_status"):
            told = row["delivery_status"] or None
            return {"started": "partial"}.get(told, told)
        goods = [
            line
            for line in lines[number]
            if line["product_type"] in ("product", "consu") and line["product_uom_qty"] > 0
        ]
        if row["state"] not in ("sale", "done") or not goods:
            return None
        left = [line["product_uom_qty"] - line["qty_delivered"] for line in goods]
        if max(left) <= 0:
            return "full"
        return "pending" if not any(line["qty_delivered"] for line in goods) else "partial"

    [user] = bot.execute("res.users", "read", [bot.uid], ["tz"])

    def there(moment):
        zone = ZoneInfo(user["tz"] or "UTC")
        return str(datetime.fromisoformat(f"{moment}+00:00").astimezone(zone).date())

    expected = {}
    for number, row in orders.items():
        other = [row[name] for name in ("partner_shipping_id", "partner_invoice_id")]
        shipping, invoice = [ref(v) if v and v != row["partner_id"] else None for v in other]
        state = states.get(row["state"], row["state"])
        expected[number] = {
            "kind": "order",
            "customer_ref": ref(row["partner_id"]),
            "number": row["name"],
            "reference": clean(row["client_order_ref"]),
            "state": "done" if row["locked"] and state == "confirmed" else state,
            "payment_state": None,
            "invoice_state": row["invoice_status"],
            "delivery_state": delivered(number, row),
            "is_outgoing": False,
            "issued_on": there(row["date_order"]),
            "due_on": None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount_untaxed"]),
            "tax_amount": Amount(row["amount_tax"]),
            "total_amount": Amount(row["amount_total"]),
            "open_amount": "0",
            "owner_ref": ref(row["user_id"]),
            "delivery_address_ref": shipping,
            "invoice_address_ref": invoice,
            "links": [],
        }
    found = pulled["order"]
    unit = (
        "product_uom_id"
        if any(r["product_uom_id"] for ls in lines.values() for r in ls)
        else "product_uom"
    )
    told_lines = {number: values["lines"] for number, values in found.items()}
    assert_equal(
        {n: {k: v for k, v in values.items() if k != "lines"} for n, values in found.items()},
        expected,
    )
    assert_lines(
        found,
        {
            number: [
                line_of(row, ordered="product_uom_qty", delivered="qty_delivered", unit=unit)
                for row in sorted(lines[number], key=lambda row: (row["sequence"], row["id"]))
            ]
            for number in orders
        },
    )
    if seeded is None:
        return
    assert len(seeded["order"]) == 84
    assert set(seeded["order"]) <= set(found)
    assert {"draft", "sent", "confirmed", "done", "cancelled"} == {
        v["state"] for v in found.values()
    }
    assert {"pending", "partial", "full", None} == {v["delivery_state"] for v in found.values()}
    waiting = rows(
        bot,
        "stock.picking",
        ["sale_id"],
        [("backorder_id", "!=", False), ("state", "not in", ("done", "cancel"))],
    )
    back_orders = {row["sale_id"][0] for row in waiting.values() if row["sale_id"]} & set(found)
    assert len(back_orders) >= 5
    assert {found[number]["delivery_state"] for number in back_orders} == {"partial"}
    assert {"USD", "EUR", "PLN", "JPY"} <= {v["currency"] for v in found.values()}
    assert sum(v["delivery_address_ref"] is not None for v in found.values()) >= 10
    assert sum(v["invoice_address_ref"] is not None for v in found.values()) >= 10
    kinds = [line["kind"] for lines_ in told_lines.values() for line in lines_]
    assert kinds.count("section") >= 10
    assert kinds.count("note") >= 10
    assert "12.5" in {line["discount_percent"] for lines_ in told_lines.values() for line in lines_}
