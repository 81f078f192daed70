"""The columns of customer tables: what import reads is what export writes.

=====================================  ===========================================================
``kind name reference vat language     fields of the customer
job_title stage preferred_channel
note``
``owner``                              login of the user who answers for the customer
``tags``                               names, separated by ``;``
``company``                            reference or exact name of the company that this person is
                                       a contact of
``email email2 …``                     also ``phone mobile fax website messenger``: the first,
                                       second … of its kind, up to 9
``street street2 postal_code city      the main address
region country_code``
``delivery_street …``                  another address; also ``invoice_ visit_ other_``, and with
                                       these prefixes ``recipient email phone mobile note`` too
``profile:CODE``                       a profile attribute
=====================================  ===========================================================

Headers may also be written as people do: ``E-mail``, ``Postal code``, ``Delivery city``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from crm_core.entities.customer import AddressUse, ContactPointKind
from crm_core.messages import t

FIELDS = (
    "kind",
    "name",
    "reference",
    "vat",
    "language",
    "job_title",
    "stage",
    "preferred_channel",
    "note",
)
OWNER, TAGS, COMPANY = "owner", "tags", "company"
CONTACT_KINDS = ("email", "phone", "mobile", "fax", "website", "messenger")
MOST_OF_A_KIND = 9
MAIN_FIELDS = ("street", "street2", "postal_code", "city", "region", "country_code")
OTHER_FIELDS = ("recipient", *MAIN_FIELDS, "email", "phone", "mobile", "note")
OTHER_USES = ("invoice", "delivery", "visit", "other")
PROFILE = "profile:"
TAG_SEPARATOR = ";"

_ALIASES = {
    "e_mail": "email",
    "mail": "email",
    "telephone": "phone",
    "tel": "phone",
    "mobile_phone": "mobile",
    "vat_number": "vat",
    "tax_id": "vat",
    "zip": "postal_code",
    "zip_code": "postal_code",
    "postcode": "postal_code",
    "state": "region",
    "country": "country_code",
    "web": "website",
    "notes": "note",
    "ref": "reference",
    "type": "kind",
    "salesperson": "owner",
}
_CONTACT = re.compile(rf"({'|'.join(CONTACT_KINDS)})_?([1-{MOST_OF_A_KIND}])?")
_OTHER = re.compile(rf"({'|'.join(OTHER_USES)})_(.+)")

assert set(CONTACT_KINDS) == {kind.value for kind in ContactPointKind}
assert {"main", *OTHER_USES} == {use.value for use in AddressUse}


class Column(NamedTuple):
    """One column: its group, and what in the group it names.

    ``group`` is field, owner, tags, company, contact, address or profile; ``key`` the field, kind,
    use or code; ``part`` the place within a kind (from 0) or the field of an address.
    """

    name: str
    group: str
    key: str
    part: Any = None


def column_named(header: str) -> Column | None:
    """Return the column that a header names, or None."""
    text = header.strip()
    if text.lower().startswith(PROFILE):
        code = text[len(PROFILE) :].strip().lower()
        return Column(PROFILE + code, "profile", code)
    name = re.sub(r"[\s\-_]+", "_", text.casefold())
    name = _ALIASES.get(name, name)
    if name in FIELDS:
        return Column(name, "field", name)
    if name in (OWNER, TAGS, COMPANY):
        return Column(name, name, name)
    if contact := _CONTACT.fullmatch(name):
        place = int(contact[2] or 1)
        return contact_column(contact[1], place - 1)
    if name in MAIN_FIELDS:
        return address_column("main", name)
    if other := _OTHER.fullmatch(name):
        field = _ALIASES.get(other[2], other[2])
        return address_column(other[1], field) if field in OTHER_FIELDS else None
    return None


def contact_column(kind: str, place: int) -> Column:
    """Return the column of the contact point at ``place`` (from 0) among its kind."""
    return Column(kind if place == 0 else f"{kind}{place + 1}", "contact", kind, place)


def address_column(use: str, field: str) -> Column:
    """Return the column of one field of the address for ``use``."""
    return Column(field if use == "main" else f"{use}_{field}", "address", use, field)


def known_columns() -> str:
    """Return all column names, as a message lists them."""
    names = (*FIELDS, OWNER, TAGS, COMPANY)
    others = ", ".join(OTHER_FIELDS)
    return t(
        "{names}; {kinds} (also {kind}2 …); {address}; {uses} followed by {others}; {profile}CODE",
        names=", ".join(names),
        kinds=", ".join(CONTACT_KINDS),
        kind=CONTACT_KINDS[0],
        address=", ".join(MAIN_FIELDS),
        uses=", ".join(f"{use}_" for use in OTHER_USES),
        others=others,
        profile=PROFILE,
    )


def record_of(columns: Sequence[Column], cells: Sequence[str]) -> dict[str, Any]:
    """Return the stripped cells of a row as ``crm_core.schemas.customer`` takes them.

    Blank ones are left out, and so is the company: it is another record.
    """
    record: dict[str, Any] = {}
    points: list[dict[str, str]] = []
    addresses: dict[str, dict[str, str]] = {}
    for column, cell in zip(columns, cells, strict=False):
        if not cell:
            continue
        _, group, key, part = column
        if group in ("field", OWNER):
            record[key] = cell
        elif group == "contact":
            points.append({"kind": key, "value": cell})
        elif group == "address":
            addresses.setdefault(key, {"use": key})[part] = cell
        elif group == TAGS:
            record[TAGS] = [tag for tag in map(str.strip, cell.split(TAG_SEPARATOR)) if tag]
        elif group == "profile":
            record.setdefault("profile", {})[key] = cell
    if points:
        record["contact_points"] = points
    if addresses:
        record["addresses"] = list(addresses.values())
    return record


def column_at(
    path: Sequence[str | int], columns: Sequence[Column], cells: Sequence[str]
) -> tuple[str, str]:
    """Return name and cell of the column that a fault's path in the record points at."""
    filled = [pair for pair in zip(columns, cells, strict=False) if pair[1]]
    first = path[0] if path else ""
    if first == "contact_points":
        found = [pair for pair in filled if pair[0].group == "contact"][int(path[1])]
    elif first == "addresses":
        uses = list(dict.fromkeys(c.key for c, _ in filled if c.group == "address"))
        use, field = uses[int(path[1])], path[2] if len(path) > 2 else ""
        found = next(
            (pair for pair in filled if pair[0].key == use and pair[0].part == field),
            (address_column(use, str(field)), ""),
        )
    else:
        key = path[1] if first == "profile" and len(path) > 1 else first
        found = next(
            (pair for pair in filled if pair[0].key == key),
            (Column(str(key), "field", str(key)), ""),
        )
    return found[0].name, found[1]


def guarded(text: str) -> str:
    """Return a cell for CSV that no spreadsheet takes for a formula; ``unguarded`` undoes it.

    Text that begins like a formula, be it after blanks or in full-width signs, gets an apostrophe
    in front. Phone numbers and negative ones do not: ``+30 210 1234567`` calculates nothing. So
    does what comes after a semicolon or in a new line: where lists are separated by semicolons, as
    in most of Europe, Excel takes these for the end of a cell, whatever quotes stand around.
    """
    return _guarded_start(_piecewise(_guarded_start, text))


def unguarded(text: str) -> str:
    """Return what ``guarded`` was given."""
    return _piecewise(_unguarded_start, _unguarded_start(text))


def _piecewise(change: Callable[[str], str], text: str) -> str:
    """Change every piece but the first, which begins where the text does."""
    if not _SEPARATOR.search(text):
        return text
    pieces = _SEPARATOR.split(text)
    pieces[2::2] = map(change, pieces[2::2])
    return "".join(pieces)


def _guarded_start(text: str) -> str:
    if _is_risky(text) and not _NUMBER(text):
        return "'" + text
    return "'" + text if _is_guarded(text) else text


def _unguarded_start(text: str) -> str:
    return text[1:] if _is_guarded(text) else text


def _is_guarded(text: str) -> bool:
    return text[:1] == "'" and (text[1:2] == "'" or _is_risky(text[1:]))


def _is_risky(text: str) -> bool:
    first = unicodedata.normalize("NFKC", text.lstrip(_BLANKS)[:1])
    return first in _FORMULA_SIGNS or text[:1] in ("\t", "\r")


_SEPARATOR = re.compile(r"([;\r\n])")
_FORMULA_SIGNS = ("=", "+", "-", "@", "−")
_BLANKS = "".join(
    map(
        chr,
        (
            *range(33),
            127,
            0xA0,
            0x1680,
            *range(0x2000, 0x2010),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x2060,
            0x3000,
            0xFEFF,
        ),
    )
)
_NUMBER = re.compile(r"\+[0-9][0-9 ()./-]*|[-−][0-9]+([.,][0-9]+)*").fullmatch
