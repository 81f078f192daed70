"""What customers order, how it is invoiced, and when they pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from crm_files.demo.catalogue import TOGETHER, Product
from crm_files.demo.people import Buyer, Row

YEARS = 3
SEASONS = (3, 4, 7, 9, 10, 8, 6, 4, 5, 4, 8, 9)
"""How much is ordered, January to December: before summer, and before Christmas."""
CENT = Decimal("0.01")
NOTHING = Decimal(0)
PLN_RATE = Decimal("4.30")
HOME_TAX = Decimal("0.24")
CANCELLED, REFUNDED, PARTLY_PAID = 0.04, 0.03, 0.04
FAVOURITES = 14
LAPSE_DAYS = 400
DELAYS = {"prompt": (2, 28), "late": (32, 85), "very late": (60, 260)}
TERM_DAYS = 30


@dataclass(slots=True)
class Documents:
    """The rows of one buyer's documents, by file."""

    orders: list[Row] = field(default_factory=list)
    invoices: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    links: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    product: Product
    quantity: int
    price: Decimal
    discount: int
    net: Decimal
    gross: Decimal


class Trade:
    """Makes documents.

    Args:
        products: What is sold; the first are the most wanted.
        today: The last day on which anything happens.
        random: Where chance comes from.
    """

    def __init__(self, products: Sequence[Product], today: date, random: Random) -> None:
        self._random = random
        self._today = today
        self._by_name = {product.name: product for product in products}
        self._shuffled = random.sample(list(products), len(products))
        self._popularity = [1 / (rank + 6) for rank in range(len(products))]
        self._together = {
            first: (self._by_name[second], chance) for first, second, chance in TOGETHER
        }

    def of(self, buyer: Buyer) -> Documents:
        """Return all documents of one buyer."""
        documents = Documents()
        favourites = self._random.choices(self._shuffled, self._popularity, k=FAVOURITES)
        for number, day in enumerate(self._days(buyer), 1):
            lines = self._basket(buyer, favourites)
            self._order(documents, buyer, f"{buyer.id[1:]}-{number}", day, lines)
        return documents

    def _days(self, buyer: Buyer) -> list[date]:
        """Return when somebody ordered, in order, within the years and by season."""
        random = self._random
        first = random.randrange(365 * YEARS - 30) if not buyer.has_lapsed else 0
        last = 365 * YEARS - (LAPSE_DAYS if buyer.has_lapsed else 0)
        rate = random.gammavariate(1.4, 1.3) * (1.6 if buyer.is_company else 0.8)
        count = max(1, round(rate * (last - first) / 365))
        start = self._today - timedelta(days=365 * YEARS)
        days: list[date] = []
        while len(days) < count:
            day = start + timedelta(days=random.randint(first, last))
            if random.random() * 10 < SEASONS[day.month - 1]:
                days.append(day)
        return sorted(days)

    def _basket(self, buyer: Buyer, favourites: Sequence[Product]) -> list[_Line]:
        random = self._random
        wanted = {
            product.id: product for product in random.sample(favourites, random.randint(1, 3))
        }
        for product in list(wanted.values()):
            second, chance = self._together.get(product.name, (None, 0.0))
            if second is not None and random.random() < chance:
                wanted[second.id] = second
        discount = random.choice((0, 0, 0, 5, 10)) if buyer.size > 4 else 0
        return [self._line(buyer, product, discount) for product in wanted.values()]

    def _line(self, buyer: Buyer, product: Product, discount: int) -> _Line:
        scale = buyer.size * self._random.uniform(0.6, 1.6) * 40 / (20 + float(product.price))
        quantity = max(1, round(scale))
        rate = PLN_RATE if buyer.language.currency == "PLN" else Decimal(1)
        price = (product.price * rate).quantize(CENT, ROUND_HALF_UP)
        net = (price * quantity * (100 - discount) / 100).quantize(CENT, ROUND_HALF_UP)
        return _Line(product, quantity, price, discount, net, _with_tax(buyer, net))

    def _order(
        self, documents: Documents, buyer: Buyer, number: str, day: date, lines: list[_Line]
    ) -> None:
        age = (self._today - day).days
        invoiced_on = day + timedelta(days=self._random.randint(1, 9))
        state, invoiced, delivered = "done", "invoiced", "full"
        if self._random.random() < CANCELLED:
            state, invoiced, delivered = "cancelled", "no", "pending"
        elif invoiced_on > self._today:
            state = "sent" if age < 3 else "confirmed"
            invoiced = "no" if state == "sent" else "to invoice"
            delivered = "pending"
        row = _document(buyer, "order", f"o{number}", f"SO-{day.year}-{number}", day, lines)
        row |= {"state": state, "invoice_state": invoiced, "delivery_state": delivered}
        row["delivery_address_ref"] = buyer.delivery
        documents.orders.append(row)
        documents.lines += _lines("order", row["id"], lines, delivered == "full")
        if invoiced == "invoiced":
            self._invoice(documents, buyer, number, invoiced_on, lines)

    def _invoice(
        self, documents: Documents, buyer: Buyer, number: str, day: date, lines: list[_Line]
    ) -> None:
        random = self._random
        row = _document(buyer, "invoice", f"i{number}", f"INV-{day.year}-{number}", day, lines)
        row["due_on"] = (day + timedelta(days=TERM_DAYS)).isoformat()
        total = Decimal(row["total_amount"])
        paid_on = day + timedelta(days=random.randint(*DELAYS[buyer.patience]))
        paid = NOTHING
        if paid_on <= self._today:
            part = Decimal(random.randint(30, 80)) / 100
            is_part = random.random() < PARTLY_PAID
            paid = (total * part).quantize(CENT, ROUND_HALF_UP) if is_part else total
        _settle(row, total - paid)
        documents.invoices.append(row)
        documents.lines += _lines("invoice", row["id"], lines, None)
        documents.links.append(_link(row["id"], "invoices", "order", f"o{number}", "yes"))
        if paid:
            _pay(documents, row, buyer, f"y{number}", paid_on, paid)
        if paid == total and random.random() < REFUNDED:
            self._refund(documents, buyer, number, paid_on, lines)

    def _refund(
        self, documents: Documents, buyer: Buyer, number: str, paid_on: date, lines: list[_Line]
    ) -> None:
        """Take back a part of one line; the money goes back on the same day."""
        day = paid_on + timedelta(days=self._random.randint(1, 20))
        if day > self._today:
            return
        returned = self._random.choice(lines)
        quantity = max(1, returned.quantity // 8)
        share = Decimal(quantity) / returned.quantity
        net = (returned.net * share).quantize(CENT, ROUND_HALF_UP)
        line = _Line(
            returned.product,
            quantity,
            returned.price,
            returned.discount,
            net,
            _with_tax(buyer, net),
        )
        row = _document(buyer, "refund", f"r{number}", f"CN-{day.year}-{number}", day, [line])
        row["due_on"] = row["issued_on"]
        _settle(row, NOTHING)
        documents.invoices.append(row)
        documents.lines += _lines("invoice", row["id"], [line], None)
        documents.links.append(_link(row["id"], "refunds", "invoice", f"i{number}", "yes"))
        _pay(documents, row, buyer, f"z{number}", day, line.gross)


def _with_tax(buyer: Buyer, net: Decimal) -> Decimal:
    """Sales at home are taxed; to others goods leave without."""
    if buyer.language.country != "GR":
        return net
    return (net * (1 + HOME_TAX)).quantize(CENT, ROUND_HALF_UP)


def _document(
    buyer: Buyer, kind: str, key: str, number: str, day: date, lines: Sequence[_Line]
) -> Row:
    untaxed = sum((line.net for line in lines), NOTHING)
    total = sum((line.gross for line in lines), NOTHING)
    return {
        "id": key,
        "kind": kind,
        "customer_ref": buyer.id,
        "number": number,
        "state": "done",
        "issued_on": day.isoformat(),
        "currency": buyer.language.currency,
        "untaxed_amount": str(untaxed),
        "tax_amount": str(total - untaxed),
        "total_amount": str(total),
        "open_amount": "0.00",
        "owner_ref": buyer.owner,
    }


def _settle(row: Row, left: Decimal) -> None:
    """Say how much of an invoice or refund is still open."""
    total = Decimal(row["total_amount"])
    row["open_amount"] = str(left)
    row["payment_state"] = "paid" if not left else "not_paid" if left == total else "partial"
    row["state"] = "confirmed" if left else "done"


def _pay(
    documents: Documents, invoice: Row, buyer: Buyer, key: str, day: date, amount: Decimal
) -> None:
    """Make the payment of an invoice, or pay a refund out."""
    documents.payments.append(
        {
            "id": key,
            "kind": "payment",
            "customer_ref": buyer.id,
            "number": f"PAY-{day.year}-{key[1:]}{'R' if invoice['kind'] == 'refund' else ''}",
            "reference": invoice["number"],
            "state": "done",
            "is_outgoing": "yes" if invoice["kind"] == "refund" else "no",
            "issued_on": day.isoformat(),
            "currency": invoice["currency"],
            "untaxed_amount": str(amount),
            "tax_amount": "0.00",
            "total_amount": str(amount),
            "open_amount": "0.00",
        }
    )
    documents.links.append(_link(invoice["id"], "pays", "payment", key, "no", str(amount)))


def _lines(entity: str, key: str, lines: Sequence[_Line], is_delivered: bool | None) -> list[Row]:
    return [
        {
            "document_entity": entity,
            "document_id": key,
            "kind": "product",
            "product_ref": line.product.id,
            "description": line.product.name,
            "quantity": str(line.quantity),
            "delivered_quantity": ""
            if is_delivered is None
            else str(line.quantity if is_delivered else 0),
            "unit": line.product.unit,
            "unit_price": str(line.price),
            "discount_percent": str(line.discount),
            "untaxed_amount": str(line.net),
            "total_amount": str(line.gross),
        }
        for line in lines
    ]


def _link(key: str, kind: str, entity: str, ref: str, towards: str, amount: str = "") -> Row:
    return {
        "document_entity": "invoice",
        "document_id": key,
        "kind": kind,
        "entity": entity,
        "ref": ref,
        "amount": amount,
        "towards": towards,
    }
