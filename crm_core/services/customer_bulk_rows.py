"""The rows that a customer comes down to, and how the audit tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_core.entities.customer import Address, Customer
from crm_core.ids import new_id
from crm_core.persistence.bulk import table_of
from crm_core.persistence.session import plain_value
from crm_core.search.entry import Entry

Row = dict[str, Any]

NEW_CUSTOMER: Mapping[str, Any] = {
    **{
        column.name: None
        for column in table_of(Customer).columns
        if column.name not in ("id", "version", "created_at", "updated_at")
    },
    "kind": "company",
    "stage": "prospect",
}
"""Every column a draft may set, with what a new customer gets where the draft is silent."""
ADDRESS_KEYS = ("id", "customer_id")
ADDRESS_COLUMNS = tuple(
    column.name for column in table_of(Address).columns if column.name not in ADDRESS_KEYS
)
NEW_ADDRESS: Mapping[str, Any] = {**dict.fromkeys(ADDRESS_COLUMNS), "use": "main"}


def entry(customer_id: UUID, row: Row, points: Sequence[Mapping[str, Any]]) -> Entry:
    """Return what the search index needs to know of a new customer."""
    return Entry(
        customer_id,
        row["owner_id"],
        row["name"],
        row["reference"],
        row["vat"],
        row["archived_at"] is not None,
        [(point["kind"], point["value"], point.get("normalized")) for point in points],
    )


def point_row(customer_id: UUID, position: int, point: Mapping[str, Any]) -> Row:
    """Return the row of a contact point."""
    return {
        "id": new_id(),
        "customer_id": customer_id,
        "kind": point["kind"],
        "value": point["value"],
        "normalized": point.get("normalized"),
        "label": point.get("label"),
        "position": position,
    }


def point_key(row: Row) -> tuple[str, str]:
    """Return what makes two contact points of a customer the same."""
    return row["kind"], row["normalized"] or row["value"]


def told_point(point: Mapping[str, Any]) -> Row:
    """Return a contact point as the audit tells it."""
    told = {"kind": point["kind"], "value": point["value"]}
    if label := point.get("label"):
        told["label"] = label
    return told


def address_row(customer_id: UUID, address: Mapping[str, Any]) -> Row:
    """Return the row of an address."""
    return {**NEW_ADDRESS, **address, "id": new_id(), "customer_id": customer_id}


def content(row: Row) -> tuple[Any, ...]:
    """Return what an address says, whichever row it is."""
    return tuple(row[name] for name in ADDRESS_COLUMNS)


def told_address(row: Row) -> Row:
    """Return an address as the audit tells it."""
    return {
        name: value if type(value) is str else plain_value(value)
        for name, value in row.items()
        if value is not None and name not in ADDRESS_KEYS
    }
