"""What an in-memory back office holds of a record: its fields, and what becomes of what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ADDRESS_LINES = ("street", "street2", "postal_code", "city", "region", "country_code")
HELD_POINTS = ("email", "phone", "mobile", "website")
"""One contact point of each of these kinds is held; others and further ones are dropped."""
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "user": {"login": None, "name": None, "email": None, "archived": False},
    "tag": {"name": None},
    "customer": {
        "kind": "person",
        **dict.fromkeys(("name", "reference", "vat", "language", "job_title", "note")),
        "archived": False,
        **dict.fromkeys(("owner_ref", "parent_ref")),
        "tag_refs": [],
        "contact_points": [],
        "address": None,
    },
    "address": {
        "parent_ref": None,
        "use": "delivery",
        **dict.fromkeys(("recipient", *ADDRESS_LINES, "email", "phone", "mobile", "note")),
        "archived": False,
    },
    "order": {
        "kind": "order",
        **dict.fromkeys(("customer_ref", "number", "reference")),
        "state": "confirmed",
        **dict.fromkeys(("payment_state", "invoice_state", "delivery_state")),
        "is_outgoing": True,
        **dict.fromkeys(("issued_on", "due_on")),
        "currency": "EUR",
        **dict.fromkeys(("untaxed_amount", "tax_amount", "total_amount", "open_amount"), "0"),
        **dict.fromkeys(("owner_ref", "delivery_address_ref", "invoice_address_ref")),
        "lines": [],
        "links": [],
    },
}
"""Every entity's neutral fields with what a new record has in them, referred before referring."""
WRITABLE: Mapping[str, frozenset[str]] = {
    entity: frozenset(FIELDS[entity]) for entity in ("tag", "customer", "address")
}
TARGETS: Mapping[str, tuple[str, ...]] = {
    "owner_ref": ("user",),
    "parent_ref": ("customer", "address"),
    "customer_ref": ("customer", "address"),
    "delivery_address_ref": ("customer", "address"),
    "invoice_address_ref": ("customer", "address"),
    "tag_refs": ("tag",),
}
"""What each reference may lead to."""


@dataclass(slots=True)
class Row:
    """A record: ``stamp`` is when the transaction that wrote it last began, in whole seconds."""

    values: dict[str, Any]
    stamp: datetime
    by: str
    writes: int = 1
    is_hidden: bool = False
    is_outside: bool = False


@dataclass(slots=True)
class Change:
    """Part of a transaction: a record that is made or changed, and how often it was written."""

    entity: str
    id: int
    values: Mapping[str, Any]
    seen: int = 0
    """0 for one that is made."""


@dataclass(slots=True)
class Transaction:
    """Somebody's work that nobody sees before it is committed; it bears the moment it began."""

    stamp: datetime
    by: str
    changes: list[Change] = field(default_factory=list)


def held(entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a record as this office holds them, and so tells them."""
    row: dict[str, Any] = {name: None if value == "" else value for name, value in values.items()}
    if row.get("tag_refs") is not None:
        row["tag_refs"] = sorted(set(row["tag_refs"]))
    if row.get("contact_points") is not None:
        points = row["contact_points"]
        firsts = {point["kind"]: point["value"] for point in reversed(points)}
        kept = [(kind, firsts[kind]) for kind in HELD_POINTS if firsts.get(kind)]
        row["contact_points"] = [{"kind": kind, "value": value} for kind, value in kept]
    if entity == "customer" and "address" in row:
        row["address"] = None if row.get("parent_ref") else _lines(row["address"])
    return row


def references(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (field, remote id) of all that a record refers to."""
    found = []
    for name in TARGETS.keys() & values.keys():
        told = values[name]
        refs = told if isinstance(told, list) else [told]
        found += [(name, ref) for ref in refs if ref]
    return found


def marks(entity: str, values: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what a record is recognised by, the surest first; each begins with its name."""
    if entity == "tag":
        return [("name", str(values.get("name")))]
    found = [(by, str(values[by])) for by in ("vat", "reference") if values.get(by)]
    emails = [
        ("email", str(values.get("kind")), point["value"].lower())
        for point in values.get("contact_points") or ()
        if point["kind"] == "email"
    ]
    return [*found, *emails]


def _lines(address: Mapping[str, Any] | None) -> dict[str, Any] | None:
    lines = {name: (address or {}).get(name) or None for name in ADDRESS_LINES}
    return lines if any(lines.values()) else None
