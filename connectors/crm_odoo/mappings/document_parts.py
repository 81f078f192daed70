"""What of a document is made of several records: lines, how far it is delivered, links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from crm_odoo.mappings.converters import money
from crm_odoo.mappings.model import Row, Surroundings

_DELIVERED = {
    "pending": "pending",
    "started": "partial",
    "partial": "partial",
    "full": "full",
    False: None,
}
_PARTIAL = "account.partial.reconcile"
_PARTIAL_FIELDS = (
    "debit_move_id",
    "credit_move_id",
    "debit_amount_currency",
    "credit_amount_currency",
)


def document_lines(rows: Sequence[Row], around: Surroundings) -> Mapping[int, list[dict[str, Any]]]:
    """Return each document's lines, in their order."""
    return {row["id"]: around.lines(row) for row in rows}


def order_days(rows: Sequence[Row], around: Surroundings) -> Mapping[int, str | None]:
    """Return the day of each order where our user is: Odoo keeps a moment, in UTC."""
    zone = around.company.zone
    return {row["id"]: _day_in(zone, row["date_order"]) for row in rows}


def _day_in(zone: ZoneInfo, moment: Any) -> str | None:
    if not moment:
        return None
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(zone).date().isoformat()


def delivery_states(rows: Sequence[Row], around: Surroundings) -> Mapping[int, str | None]:
    """Return how far each order is delivered, by its own field from Odoo 16 on.

    Before that, and without the stock app, it is counted on the lines that can be delivered.
    """
    return {
        row["id"]: _DELIVERED[row["delivery_status"]]
        if "delivery_status" in row
        else _counted(row["state"], around.related(row))
        for row in rows
    }


def _counted(state: str, lines: Iterable[Row]) -> str | None:
    if state not in ("sale", "done"):
        return None
    deliverable = [
        line
        for line in lines
        if line["product_id"]
        and line.get("product_type") != "service"
        and line["product_uom_qty"] > 0
    ]
    if not deliverable:
        return None
    if all(line["qty_delivered"] >= line["product_uom_qty"] for line in deliverable):
        return "full"
    return "partial" if any(line["qty_delivered"] for line in deliverable) else "pending"


def invoice_links(rows: Sequence[Row], around: Surroundings) -> Mapping[int, list[dict[str, Any]]]:
    """Return each invoice's and credit note's ties to orders, payments and one another.

    A reconciliation ties journal items; the payment or credit note on the other side is named with
    the amount in this document's currency. What was set against a journal entry that is neither,
    such as a bank statement line or a write-off, has no link.
    """
    links: dict[int, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for row in rows:
        reversed_id = row["reversed_entry_id"]
        if row["move_type"] == "out_refund" and reversed_id:
            links[row["id"]].append(_link("refunds", "invoice", reversed_id, towards=True))
    _add_orders(rows, around, links)
    _add_payments(rows, around, links)
    return links


def _link(
    kind: str, entity: str, ref: int, amount: str | None = None, *, towards: bool
) -> dict[str, Any]:
    return {"kind": kind, "entity": entity, "ref": str(ref), "amount": amount, "towards": towards}


def _add_orders(
    rows: Sequence[Row], around: Surroundings, links: dict[int, list[dict[str, Any]]]
) -> None:
    sold = {
        row["id"]: {
            sold for line in around.related(row) for sold in line.get("sale_line_ids") or ()
        }
        for row in rows
    }
    wanted = sorted(set().union(*sold.values()))
    orders = {
        line["id"]: line["order_id"]
        for line in around.read("sale.order.line", wanted, ["order_id"])
    }
    for row in rows:
        for order in sorted({orders[line] for line in sold[row["id"]] if line in orders}):
            links[row["id"]].append(_link("invoices", "order", order, towards=True))


def _add_payments(
    rows: Sequence[Row], around: Surroundings, links: dict[int, list[dict[str, Any]]]
) -> None:
    settled = _settled(rows, around)
    counterparts = {
        line["id"]: line
        for line in around.read(
            "account.move.line",
            sorted({other for _, other, _ in settled}),
            ["move_id", "payment_id"],
        )
    }
    refunds = _refunds(counterparts.values(), around)
    invoices = {row["id"] for row in rows if row["move_type"] == "out_invoice"}
    paid: dict[tuple[int, str, int], Decimal] = defaultdict(Decimal)
    for document, other, amount in settled:
        line = counterparts.get(other)
        if line is None:
            continue
        if line["payment_id"]:
            paid[document, "payment", line["payment_id"]] += amount
        elif document in invoices and line["move_id"] in refunds:
            paid[document, "invoice", line["move_id"]] += amount
    for (document, entity, ref), amount in sorted(paid.items()):
        links[document].append(_link("pays", entity, ref, money(amount), towards=False))


def _settled(rows: Sequence[Row], around: Surroundings) -> list[tuple[int, int, Decimal]]:
    """Return (document, journal item on the other side, amount in the document's currency)."""
    owner: dict[int, int] = {}
    partials: set[int] = set()
    for row in rows:
        for line in around.related(row):
            matched = [*line["matched_debit_ids"], *line["matched_credit_ids"]]
            if matched:
                owner[line["id"]] = row["id"]
                partials.update(matched)
    found = []
    for partial in around.read(_PARTIAL, sorted(partials), _PARTIAL_FIELDS):
        for mine, other in (("debit", "credit"), ("credit", "debit")):
            document = owner.get(partial[f"{mine}_move_id"])
            if document is not None:
                amount = Decimal(str(partial[f"{mine}_amount_currency"]))
                found.append((document, partial[f"{other}_move_id"], amount))
    return found


def _refunds(lines: Iterable[Row], around: Surroundings) -> set[int]:
    """Return those of the items' journal entries that are credit notes of customers."""
    moves = sorted({line["move_id"] for line in lines if not line["payment_id"]})
    read = around.read("account.move", moves, ["move_type"])
    return {move["id"] for move in read if move["move_type"] == "out_refund"}
