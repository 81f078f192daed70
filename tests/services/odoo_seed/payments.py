"""Payments: whole, partial, for two invoices, taken apart again, free, drafts and cancelled."""

from __future__ import annotations

from typing import Any

from odoo_seed.ways import receivable
from odoo_seed.world import World, every

WHOLE, PARTIAL, UNDONE = 32, 20, 12


def make(world: World) -> None:
    journals = {kind: _journal(world, kind) for kind in ("bank", "cash")}
    payable = _payable(world)
    whole, payable = payable[:WHOLE], payable[WHOLE:]
    partial, payable = payable[:PARTIAL], payable[PARTIAL:]
    for number, row in enumerate(whole):
        kind = "cash" if number % 4 == 0 else "bank"
        _register(world, [row["id"]], {"journal_id": journals[kind]})
    for number, row in enumerate(partial):
        share = round(row["amount_residual"] * (0.25, 0.5, 0.8)[number % 3])
        _register(world, [row["id"]], {"journal_id": journals["bank"], "amount": max(share, 1)})
    _second_part(world, partial[:4], journals["cash"])
    _with_write_off(world, partial[4:6], journals["bank"])
    _undo(world, [row["id"] for row in whole[-UNDONE:]])
    _two_at_once(world, payable, journals["bank"])
    _pay_back(world, journals["bank"])
    _free(world, journals)
    _settle_refunds(world)
    _count(world)


def _journal(world: World, kind: str) -> int:
    """The company's first journal of a kind; newer versions begin without one for cash."""
    own = {"type": kind, "company_id": world.odoo.ref("base.main_company")}
    found = world.odoo.search("account.journal", [(name, "=", own[name]) for name in own])
    values = {**own, "name": kind.title(), "code": kind.upper()}
    return found[0] if found else world.odoo.create("account.journal", [values])[0]


def _payable(world: World) -> list[dict[str, Any]]:
    """Open invoices, the ones of orders and the free ones mixed."""
    rows = world.odoo.rows(
        "account.move",
        [("id", "in", world.ids["posted"]), ("amount_residual", ">", 1)],
        ["amount_residual", "commercial_partner_id", "currency_id"],
    )
    world.chance.shuffle(rows)
    return rows


def _register(world: World, moves: list[int], values: dict[str, Any]) -> None:
    world.wizard(
        "account.payment.register",
        {"payment_date": f"2025-12-{1 + moves[0] % 28:02d}", **values},
        "action_create_payments",
        active_model="account.move",
        active_ids=moves,
    )


def _second_part(world: World, rows: list[dict[str, Any]], journal: int) -> None:
    for row in rows:
        _register(world, [row["id"]], {"journal_id": journal})


def _with_write_off(world: World, rows: list[dict[str, Any]], journal: int) -> None:
    """The customer pays less and the rest is written off: paid all the same."""
    expenses: tuple[str, str, Any] = ("account_type", "=", "expense")
    if world.odoo.has("account.account", "user_type_id"):
        kind = world.odoo.ref("account.data_account_type_expenses")
        expenses = ("user_type_id", "=", kind)
    company = world.odoo.field("account.account", "company_id", "company_ids")
    own = (company, "in", [world.odoo.ref("base.main_company")])
    account = world.odoo.search("account.account", [expenses, own])[0]
    for row in rows:
        _register(
            world,
            [row["id"]],
            {
                "journal_id": journal,
                "amount": 1,
                "payment_difference_handling": "reconcile",
                "writeoff_account_id": account,
                "writeoff_label": "Έκπτωση",
            },
        )


def _undo(world: World, invoices: list[int]) -> None:
    """Take payment and invoice apart: both stay, and both are open again."""
    lines = world.odoo.search(
        "account.move.line",
        [("move_id", "in", invoices), receivable(world.odoo)],
    )
    world.call("account.move.line", "remove_move_reconcile", lines)
    world.counts["unreconciled_invoices"] = len(invoices)


def _two_at_once(world: World, rows: list[dict[str, Any]], journal: int) -> None:
    """One payment for several invoices of one customer in one currency."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        key = (row["commercial_partner_id"][0], row["currency_id"][0])
        groups.setdefault(key, []).append(row["id"])
    several = [moves for moves in groups.values() if len(moves) > 1][:4]
    for moves in several:
        _register(world, moves, {"journal_id": journal, "group_payment": True})
    world.counts["grouped_payments"] = len(several)


def _pay_back(world: World, journal: int) -> None:
    """Money returned for credit notes."""
    for refund in world.ids["free_refund"][:5]:
        _register(world, [refund], {"journal_id": journal})


def _free(world: World, journals: dict[str, int]) -> None:
    """Payments that belong to no invoice, some of them drafts or cancelled."""
    values = [
        {
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": world.pick(world.ids["company"] + world.ids["person"]),
            "amount": round(world.chance.uniform(10, 2000), 2),
            "currency_id": world.ids["EUR"][0] if number % 3 == 0 else world.odoo.ref("base.USD"),
            "journal_id": journals["cash" if number % 4 == 0 else "bank"],
            "date": f"2025-11-{1 + number:02d}",
            world.odoo.field("account.payment", "ref", "memo"): f"Προκαταβολή {number}",
        }
        for number in range(18)
    ]
    made = world.create("free_payment", "account.payment", values)
    world.call("account.payment", "action_post", made[:-3])
    cancelled = made[-6:-3]
    world.call("account.payment", "action_draft", cancelled)
    world.call("account.payment", "action_cancel", cancelled)


def _settle_refunds(world: World) -> None:
    """A free credit note set against an open invoice of the same customer by hand."""
    settled = 0
    for refund in every(world.ids["free_refund"][5:-2], 1):
        row = world.odoo.rows("account.move", [("id", "=", refund)],
                              ["commercial_partner_id", "currency_id", "line_ids"])[0]  # fmt: skip
        target = world.odoo.search(
            "account.move",
            [("commercial_partner_id", "=", row["commercial_partner_id"][0]),
             ("currency_id", "=", row["currency_id"][0]), ("move_type", "=", "out_invoice"),
             ("state", "=", "posted"), ("amount_residual", ">", 0)], limit=1,
        )  # fmt: skip
        line = world.odoo.search(
            "account.move.line",
            [("id", "in", row["line_ids"]), receivable(world.odoo)],
        )
        if target:
            world.call("account.move", "js_assign_outstanding_line", target, line[0])
            settled += 1
    world.counts["refunds_settled_by_hand"] = settled


def _count(world: World) -> None:
    payments = world.odoo.search("account.payment", [], order="id")
    known = set(world.ids["free_payment"])
    world.adopt("payment", "account.payment", [p for p in payments if p not in known])
