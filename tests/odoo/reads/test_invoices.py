"""Invoices, credit notes and payments: what the backend reads equals plain calls, by field."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal

import pytest

from odoo_plain import Amount, assert_equal, assert_lines, clean, line_of, of_customers, ref, rows


@pytest.fixture(scope="module")
def moves(bot, split):
    fields = [
        "name",
        "ref",
        "move_type",
        "state",
        "payment_state",
        "invoice_date",
        "invoice_date_due",
        "currency_id",
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "amount_residual",
        "invoice_user_id",
        "partner_id",
        "partner_shipping_id",
        "reversed_entry_id",
        "invoice_payments_widget",
    ]
    found = rows(bot, "account.move", fields, [("move_type", "in", ("out_invoice", "out_refund"))])
    return of_customers(found, split)


def paid_by(row, moves):
    """(entity, ref) → amount, from what Odoo shows under an invoice."""
    widget = row["invoice_payments_widget"]
    widget = json.loads(widget) if isinstance(widget, str) else widget
    amounts = defaultdict(float)
    for item in (widget or {}).get("content", []):
        if item.get("account_payment_id"):
            amounts["payment", str(item["account_payment_id"])] += item["amount"]
        elif row["move_type"] == "out_invoice" and item["move_id"] in moves:
            amounts["invoice", str(item["move_id"])] += item["amount"]
    return amounts


def test_invoices_and_refunds(bot, pulled, moves, seeded):
    states = {"draft": "draft", "posted": "confirmed", "cancel": "cancelled"}
    expected = {}
    for number, row in moves.items():
        state = states[row["state"]]
        is_settled = state == "confirmed" and row["payment_state"] in ("paid", "reversed")
        expected[number] = {
            "kind": "invoice" if row["move_type"] == "out_invoice" else "refund",
            "customer_ref": ref(row["partner_id"]),
            "number": None if row["name"] in ("/", False) else row["name"],
            "reference": clean(row["ref"]),
            "state": "done" if is_settled else state,
            "payment_state": row["payment_state"],
            "invoice_state": None,
            "delivery_state": None,
            "is_outgoing": False,
            "issued_on": row["invoice_date"] or None,
            "due_on": row["invoice_date_due"] or None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount_untaxed"]),
            "tax_amount": Amount(row["amount_tax"]),
            "total_amount": Amount(row["amount_total"]),
            "open_amount": Amount(row["amount_residual"] if row["state"] == "posted" else 0.0),
            "owner_ref": ref(row["invoice_user_id"]),
            "delivery_address_ref": ref(row["partner_shipping_id"])
            if row["partner_shipping_id"] != row["partner_id"]
            else None,
            "invoice_address_ref": None,
        }
    found = pulled["invoice"]
    rest = ("lines", "links")
    assert_equal(
        {n: {k: v for k, v in values.items() if k not in rest} for n, values in found.items()},
        expected,
    )
    if seeded is None:
        return
    assert set(seeded["order_invoice"] + seeded["free_invoice"]) <= set(found)
    refunds = [v for v in found.values() if v["kind"] == "refund"]
    assert len(refunds) >= 20
    assert {"draft", "confirmed", "done", "cancelled"} == {v["state"] for v in found.values()}
    assert {"not_paid", "partial", "paid", "reversed"} == {
        v["payment_state"] for v in found.values()
    }
    assert {"USD", "EUR", "PLN", "JPY"} <= {v["currency"] for v in found.values()}
    assert all(Decimal(v["total_amount"]) >= 0 <= Decimal(v["open_amount"]) for v in found.values())
    assert any(
        v["open_amount"] != "0" and v["due_on"] < "2026-01-01"
        for v in found.values()
        if v["due_on"]
    )


def test_invoice_lines(bot, pulled, moves):
    fields = [
        "move_id",
        "sequence",
        "display_type",
        "product_id",
        "name",
        "quantity",
        "price_unit",
        "product_uom_id",
        "discount",
        "price_subtotal",
        "price_total",
        "exclude_from_invoice_tab",
    ]
    shown = ("product", "line_section", "line_subsection", "line_note", False)
    lines = defaultdict(list)
    for row in rows(bot, "account.move.line", fields, [("move_id", "in", list(moves))]).values():
        if not row["exclude_from_invoice_tab"] and row["display_type"] in shown:
            lines[row["move_id"][0]].append(row)
    expected = {
        number: [
            line_of(row, ordered="quantity", delivered=None, unit="product_uom_id")
            for row in sorted(lines[number], key=lambda row: (row["sequence"], row["id"]))
        ]
        for number in moves
    }
    assert sum(map(len, expected.values())) > 100
    assert_lines(pulled["invoice"], expected)


def test_links(bot, pulled, moves, seeded):
    orders = rows(bot, "sale.order", ["invoice_ids"])
    ordered = defaultdict(set)
    for number, row in orders.items():
        for move in row["invoice_ids"]:
            ordered[move].add(str(number))
    kinds = defaultdict(int)
    for number, row in moves.items():
        links = pulled["invoice"][number]["links"]
        told = {(li["kind"], li["entity"], li["ref"]): li for li in links}
        assert len(told) == len(links)
        expected = {("invoices", "order", order) for order in ordered[number]}
        if row["move_type"] == "out_refund" and row["reversed_entry_id"]:
            expected.add(("refunds", "invoice", ref(row["reversed_entry_id"])))
        amounts = paid_by(row, moves)
        expected |= {("pays", entity, other) for entity, other in amounts}
        assert set(told) == expected, number
        for (kind, entity, other), link in told.items():
            kinds[kind, entity, row["move_type"]] += 1
            assert link["towards"] is (kind != "pays")
            if kind == "pays":
                assert Amount(amounts[entity, other]).is_told_as(link["amount"]), number
            else:
                assert link["amount"] is None
    if seeded is not None:
        assert kinds["pays", "payment", "out_invoice"] >= 20
        assert kinds["pays", "invoice", "out_invoice"] >= 5
        assert kinds["pays", "payment", "out_refund"] >= 3
        assert kinds["refunds", "invoice", "out_refund"] >= 10
        assert kinds["invoices", "order", "out_invoice"] >= 20
        assert kinds["invoices", "order", "out_refund"] >= 1
        in_part = [n for n in moves if moves[n]["payment_state"] == "partial"]
        assert len(in_part) >= 5


def test_payments(bot, pulled, split, seeded):
    fields = [
        "name",
        "ref",
        "memo",
        "state",
        "payment_type",
        "partner_type",
        "date",
        "currency_id",
        "amount",
        "partner_id",
    ]
    payments = of_customers(
        rows(bot, "account.payment", fields, [("partner_type", "=", "customer")]), split
    )
    states = {"posted": "confirmed", "in_process": "confirmed", "paid": "done", "draft": "draft"}
    expected = {
        number: {
            "kind": "payment",
            "customer_ref": ref(row["partner_id"]),
            "number": None if row["name"] in ("/", False) else row["name"],
            "reference": clean(row["memo"] or row["ref"]),
            "state": states.get(row["state"], "cancelled"),
            "payment_state": None,
            "invoice_state": None,
            "delivery_state": None,
            "is_outgoing": row["payment_type"] == "outbound",
            "issued_on": row["date"],
            "due_on": None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount"]),
            "tax_amount": "0",
            "total_amount": Amount(row["amount"]),
            "open_amount": "0",
            "owner_ref": None,
            "delivery_address_ref": None,
            "invoice_address_ref": None,
            "lines": [],
            "links": [],
        }
        for number, row in payments.items()
    }
    assert_equal(pulled["payment"], expected)
    if seeded is not None:
        assert set(seeded["payment"] + seeded["free_payment"]) <= set(pulled["payment"])
        done = {"done" for row in payments.values() if row["state"] == "paid"}  # newer versions
        assert {"draft", "confirmed", "cancelled"} | done == {v["state"] for v in expected.values()}
        assert sum(v["is_outgoing"] for v in expected.values()) >= 3
        assert {"USD", "EUR"} <= {v["currency"] for v in expected.values()}
