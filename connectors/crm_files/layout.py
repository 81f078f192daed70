"""What the CSV files of a folder look like: one file an entity, and what each column holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from crm_core.messages import t
from crm_hooks.contributions import SyncableEntity

Convert = Callable[[str], Any]


def text(value: str) -> str:
    """Take the text as it is."""
    return value


def decimal(value: str) -> str:
    """Take a plain decimal such as ``12.50``."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(
            t("{value!r} is not a decimal number such as 12.50", value=value)
        ) from None
    if not number.is_finite():
        raise ValueError(t("{value!r} is not a decimal number such as 12.50", value=value))
    return value


def day(value: str) -> str:
    """Take an ISO date such as ``2026-03-31``."""
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError(t("{value!r} is not a date such as 2026-03-31", value=value)) from None


def whole(value: str) -> int:
    """Take a whole number."""
    try:
        return int(value)
    except ValueError:
        raise ValueError(t("{value!r} is not a whole number", value=value)) from None


def yes(value: str) -> bool:
    """Take ``yes`` or ``no``."""
    answer = {"yes": True, "no": False, "true": True, "false": False}.get(value.lower())
    if answer is None:
        raise ValueError(t("{value!r} is neither yes nor no", value=value))
    return answer


def several(value: str) -> list[str]:
    """Take ids separated by semicolons."""
    return sorted(part.strip() for part in value.split(";") if part.strip())


def money(value: str) -> str:
    """Take an amount with its currency, such as ``12.50 EUR``."""
    amount, _, code = value.partition(" ")
    if len(code) != 3 or not code.isalpha():
        raise ValueError(t("{value!r} is not an amount such as 12.50 EUR", value=value))
    return f"{decimal(amount)} {code}"


def lines(value: str) -> list[dict[str, Any]]:
    """Take a list of records written as JSON."""
    try:
        found = json.loads(value)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(t("{value!r} is not a JSON list of objects", value=value[:40]))
    return found


def one_of(*allowed: str) -> Convert:
    """Take one of some words."""

    def convert(value: str) -> str:
        if value not in allowed:
            raise ValueError(
                t("{value!r} is none of {allowed}", value=value, allowed=", ".join(allowed))
            )
        return value

    return convert


@dataclass(frozen=True, slots=True)
class Layout:
    """One entity's file.

    Attributes:
        file: Its name.
        columns: Neutral field to converter, for each column that is a field by itself.
        required: Columns that must be there and filled.
        label: Column that names a record in messages.
        extra: Columns that several neutral fields are made of.
        defaults: Values of fields whose cell is empty.
        key: Column that holds a row's id.
        is_written: Whether rows are written here, besides being read.
    """

    file: str
    columns: Mapping[str, Convert]
    required: tuple[str, ...]
    label: str
    extra: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    key: str = "id"
    is_written: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """All columns that are understood, in the order of a new file."""
        own = (EXTERNAL_ID,) if self.is_written else ()
        return (self.key, *self.columns, *self.extra, *own)


EXTERNAL_ID = "external_id"
ADDRESS_COLUMNS = ("street", "street2", "postal_code", "city", "region", "country_code")
CONTACT_COLUMNS = ("email", "phone", "mobile", "fax", "website")
STATES = one_of("draft", "sent", "confirmed", "done", "cancelled")

DOCUMENT: Mapping[str, Convert] = {
    "kind": one_of("order", "invoice", "refund", "payment"),
    "customer_ref": text,
    "number": text,
    "reference": text,
    "state": STATES,
    "payment_state": one_of("not_paid", "in_payment", "partial", "paid", "reversed"),
    "invoice_state": text,
    "delivery_state": one_of("pending", "partial", "full"),
    "is_outgoing": yes,
    "issued_on": day,
    "due_on": day,
    "currency": text,
    "untaxed_amount": decimal,
    "tax_amount": decimal,
    "total_amount": decimal,
    "open_amount": decimal,
    "owner_ref": text,
    "delivery_address_ref": text,
    "invoice_address_ref": text,
}
DOCUMENT_REQUIRED = ("kind", "customer_ref", "state", "currency", "total_amount")
DOCUMENT_DEFAULTS = {
    "is_outgoing": False,
    "untaxed_amount": "0",
    "tax_amount": "0",
    "open_amount": "0",
}

LINE: Mapping[str, Convert] = {
    "kind": one_of("product", "section", "note"),
    "product_ref": text,
    "description": text,
    "quantity": decimal,
    "delivered_quantity": decimal,
    "unit": text,
    "unit_price": decimal,
    "discount_percent": decimal,
    "untaxed_amount": decimal,
    "total_amount": decimal,
}
LINK: Mapping[str, Convert] = {
    "kind": one_of("pays", "refunds", "invoices"),
    "entity": one_of("order", "invoice", "payment"),
    "ref": text,
    "amount": decimal,
    "towards": yes,
}

LAYOUTS: Mapping[str, Layout] = {
    "user": Layout(
        "users.csv",
        {"login": text, "name": text, "email": text, "archived": yes},
        ("login", "name"),
        "name",
        defaults={"archived": False},
    ),
    "tag": Layout("tags.csv", {"name": text}, ("name",), "name", is_written=True),
    "currency": Layout(
        "currencies.csv",
        {"code": text, "name": text, "symbol": text, "decimal_places": whole, "base_code": text},
        ("code", "name", "decimal_places"),
        "code",
        defaults={"archived": False},
    ),
    "product": Layout(
        "products.csv",
        {
            "name": text,
            "reference": text,
            "barcode": text,
            "category": text,
            "kind": one_of("goods", "service"),
            "description": text,
            "unit": text,
            "list_price": decimal,
            "currency": text,
            "is_sold": yes,
            "archived": yes,
        },
        ("name",),
        "name",
        defaults={"kind": "goods", "is_sold": True, "archived": False},
    ),
    "customer": Layout(
        "customers.csv",
        {
            "kind": one_of("person", "company"),
            "name": text,
            "reference": text,
            "vat": text,
            "language": text,
            "job_title": text,
            "note": text,
            "archived": yes,
            "owner_ref": text,
            "parent_ref": text,
            "tag_refs": several,
        },
        ("kind", "name"),
        "name",
        extra=(*CONTACT_COLUMNS, *ADDRESS_COLUMNS),
        defaults={"archived": False},
        is_written=True,
    ),
    "address": Layout(
        "addresses.csv",
        {
            "parent_ref": text,
            "use": one_of("invoice", "delivery", "visit", "other"),
            "recipient": text,
            **dict.fromkeys(ADDRESS_COLUMNS, text),
            "email": text,
            "phone": text,
            "mobile": text,
            "note": text,
            "archived": yes,
        },
        ("parent_ref", "use"),
        "recipient",
        defaults={"archived": False},
        is_written=True,
    ),
    "order": Layout(
        "orders.csv", DOCUMENT, DOCUMENT_REQUIRED, "number", defaults=DOCUMENT_DEFAULTS
    ),
    "payment": Layout(
        "payments.csv", DOCUMENT, DOCUMENT_REQUIRED, "number", defaults=DOCUMENT_DEFAULTS
    ),
    "invoice": Layout(
        "invoices.csv", DOCUMENT, DOCUMENT_REQUIRED, "number", defaults=DOCUMENT_DEFAULTS
    ),
}
DOCUMENTS = ("order", "payment", "invoice")
LINES_FILE = "lines.csv"
LINKS_FILE = "links.csv"
RATES_FILE = "rates.csv"
OWNER_COLUMNS = ("document_entity", "document_id")

KINDS: Mapping[str, Convert] = {
    "text": text,
    "decimal": decimal,
    "whole": whole,
    "yes_no": yes,
    "date": day,
    "ref": text,
    "money": money,
    "words": several,
    "lines": lines,
}


def plugin_layout(entity: SyncableEntity) -> Layout:
    """Return the file of a plugin's entity: a column a field."""
    texts = [field.name for field in entity.fields if field.kind == "text"]
    return Layout(
        f"{entity.name}.csv",
        {field.name: KINDS[field.kind] for field in entity.fields},
        tuple(field.name for field in entity.fields if field.required),
        label=texts[0] if texts else "id",
        defaults={field.name: [] for field in entity.fields if field.kind in ("words", "lines")},
        is_written=True,
    )
