"""Neutral values as Odoo's: what the fields of customers, addresses and tags are written as.

Everything here is pure. What depends on the server (is there such a country, are notes HTML) is
settled where a mapping meets a server; see ``writing.outgoing``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_core.entities.customer import AddressUse, ContactPointKind, CustomerKind
from crm_odoo.mappings.converters import language as language_tag
from crm_odoo.mappings.model import IfMissing, Lookup, Record, Unheld, Write

_SCHEME = re.compile(r"[A-Za-z0-9+.-]+:(?!\d+$)")
_TAG_PATH = " / "


def folded(value: Any) -> str:
    """Return a name as it is compared."""
    return str(value).strip().casefold()


COUNTRY = Lookup("res.country", "code", folded)
STATE = Lookup("res.country.state", "name", folded, within="country_id")
LANGUAGE = Lookup("res.lang", "code", language_tag, gives="code", if_missing=IfMissing.LEFT_OUT)
PARENT_TAG = Lookup("res.partner.category", "display_name", folded, if_missing=IfMissing.REFUSED)
_PLACE = {"country_id.code": COUNTRY, "state_id.name": STATE}


def blankable(value: Any) -> str | None:
    """Return text without blanks around it, as the reader tells it."""
    return (str(value).strip() or None) if value else None


def note(value: Any) -> str | None:
    """Return lines of text, ended as Odoo ends them."""
    return blankable(value.replace("\r\n", "\n").replace("\r", "\n")) if value else None


def as_html(text: str) -> str:
    """Return plain text as the HTML that Odoo's own editor would make of it."""
    return "<p>" + "<br>".join(html.escape(text, quote=False).split("\n")) + "</p>"


def remote_id(value: Any) -> int | None:
    """Return a reference as Odoo's id."""
    return int(value) if value else None


def remote_ids(value: Any) -> list[int]:
    """Return references as Odoo's ids, in the order of the ids."""
    return sorted({int(reference) for reference in value or ()})


def active(archived: Any) -> bool:
    """Return ``active`` for ``archived``."""
    return not archived


def is_company(kind: Any) -> bool:
    """Return whether a kind of customer is a company."""
    return bool(CustomerKind(kind) is CustomerKind.COMPANY)


def address_type(use: Any) -> str:
    """Return Odoo's type of an address; what Odoo has no type for is an other address."""
    known = (AddressUse.INVOICE, AddressUse.DELIVERY)
    return use if use in known else AddressUse.OTHER.value


def website(value: Any) -> str | None:
    """Return a web address as Odoo stores it: with a scheme."""
    shown = blankable(value)
    if shown is None or _SCHEME.match(shown):
        return shown
    return f"http:{shown}" if shown.startswith("//") else f"http://{shown}"


def is_contact(record: Record) -> bool:
    """Return whether a customer is a person who belongs to another customer."""
    return bool(record.get("parent_ref")) and record.get("kind") == CustomerKind.PERSON.value


def own_vat(value: Any, record: Record) -> Mapping[str, Any] | Unheld:
    """Return the VAT number; a contact has its company's over there, whatever is written."""
    return Unheld.LEFT_OUT if is_contact(record) else {"vat": blankable(value)}


def own_address(value: Any, record: Record) -> Mapping[str, Any] | Unheld:
    """Return a customer's address; a contact shows its company's, so it gets none."""
    if record.get("parent_ref"):
        return Unheld.TOLD_AS_NONE
    parts = value or {}
    return {
        "street": blankable(parts.get("street")),
        "street2": blankable(parts.get("street2")),
        "zip": blankable(parts.get("postal_code")),
        "city": blankable(parts.get("city")),
        "country_id.code": blankable(parts.get("country_code")),
        "state_id.name": blankable(parts.get("region")),
    }


def contact_fields(value: Any, _: Record) -> Mapping[str, Any]:
    """Return the fields for ways to reach a customer: the first of each kind.

    The e-mail field alone takes several, in the form that people fill it with.
    """
    found: dict[str, list[str]] = {}
    for point in value or ():
        if shown := blankable(point["value"]):
            found.setdefault(point["kind"], []).append(shown)
    mails = found.pop(ContactPointKind.EMAIL.value, [])
    first = {kind: values[0] for kind, values in found.items()}
    return {
        "email": ", ".join(dict.fromkeys(mails)) or None,
        "phone": first.get("phone"),
        "mobile": first.get("mobile"),
        "fax": first.get("fax"),
        "website": website(first.get("website")),
    }


def tag_place(value: Any, _: Record) -> Mapping[str, Any]:
    """Return a tag's own name and its parent tag: Odoo tells a tag by its whole path."""
    parts = [part.strip() for part in str(value).strip().split(_TAG_PATH)]
    path = _TAG_PATH.join(parts)
    return {
        "display_name": path,
        "name": parts[-1] or None,
        "parent_id.display_name": _TAG_PATH.join(parts[:-1]) or None,
    }


def tag_depth(name: str) -> int:
    """Return how many parents a tag's path names."""
    return name.count(_TAG_PATH)


def country_and_state(value: Any, record: Record) -> Mapping[str, Any]:
    """Return an address's country; its region is looked up anew in it."""
    region = blankable(record.get("region"))
    return {"country_id.code": blankable(value), "state_id.name": region}


def state(value: Any, record: Record) -> Mapping[str, Any]:
    """Return an address's region, looked up in its country."""
    return country_and_state(record.get("country_code"), {"region": value})


def one(remote: str, convert: Callable[[Any], Any], lookup: Lookup | None = None) -> Write:
    """Return how a field is written that goes into one of Odoo's."""

    def values(value: Any, _: Record) -> Mapping[str, Any]:
        return {remote: convert(value)}

    return Write(values, (remote,), {remote: lookup} if lookup else {})


VAT = Write(own_vat, ("vat",), beside=("parent_ref", "kind"))
ADDRESS = Write(
    own_address,
    ("street", "street2", "zip", "city", "country_id.code", "state_id.name"),
    _PLACE,
    beside=("parent_ref",),
)
CONTACT_POINTS = Write(contact_fields, ("email", "phone", "mobile", "fax", "website"))
TAG_NAME = Write(
    tag_place, ("name", "parent_id.display_name"), {"parent_id.display_name": PARENT_TAG}
)
ADDRESS_COUNTRY = Write(
    country_and_state, ("country_id.code", "state_id.name"), _PLACE, beside=("region",)
)
ADDRESS_REGION = Write(state, ("state_id.name",), _PLACE, beside=("country_code",))
