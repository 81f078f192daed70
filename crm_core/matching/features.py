"""What a record is compared by, made equal for equal things."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_core.matching.names import name_words, romanised
from crm_core.normalize import PHONE_KINDS, compact_vat, normalize_email, normalize_phone
from crm_core.search.fold import joined, name_key

STREET_WORDS = frozenset(
    "street str st strasse road rd avenue ave av rue via calle ulica ul ulitsa odos od leoforos "
    "leof no nr".split()
)
"""As they are written once folded and romanised."""


@dataclass(frozen=True, slots=True)
class Features:
    """A customer as far as it is compared; see :func:`features_of`.

    Attributes:
        key: What the caller knows it by.
        kind: ``company`` or ``person``; the two never match.
        name: As written.
        words: The name's words that tell it from others.
        external_id: What both sides call the record; equal ones are the same whatever else differs.
        vat: Compact VAT number.
        reference: Letters and digits of the reference.
        emails: Normalized addresses.
        phones: Numbers as E.164, or their digits where they could not be understood.
        postal_code: Its letters and digits.
        city: Folded and romanised.
        street: Folded words, without "street" and the house number.
        house: The street's numbers.
        country: ISO code.
        parent: The words of the name of the company whose contact it is.
    """

    key: Hashable
    kind: str
    name: str
    words: tuple[str, ...]
    external_id: str | None = None
    vat: str | None = None
    reference: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""
    street: str = ""
    house: tuple[str, ...] = ()
    country: str = ""
    parent: tuple[str, ...] = ()


def features_of(
    key: Hashable,
    values: Mapping[str, Any],
    *,
    external_id: str | None = None,
    parent: str | None = None,
    region: str | None = None,
) -> Features:
    """Return what a neutral customer record (``crm_core.sync.records``) is compared by.

    Args:
        key: What the caller knows it by.
        values: ``kind``, ``name`` and, where there are any, ``vat``, ``reference``,
            ``contact_points`` (of ``kind`` and ``value``) and ``address``.
        external_id: What both sides call the record.
        parent: The name of the company whose contact it is.
        region: ISO country in which phone numbers without a prefix are read.
    """
    kind, name = str(values.get("kind") or "company"), str(values.get("name") or "")
    address = values.get("address") or {}
    country = str(address.get("country_code") or "")
    points = values.get("contact_points") or ()
    street, house = _street(f"{address.get('street') or ''} {address.get('street2') or ''}")
    vat = values.get("vat")
    return Features(
        key=key,
        kind=kind,
        name=name,
        words=name_words(name, kind),
        external_id=external_id or None,
        vat=joined(compact_vat(str(vat), country)).upper() or None if vat else None,
        reference=joined(str(values.get("reference") or "")) or None,
        emails=_emails(points),
        phones=_phones(points, country or region),
        postal_code=joined(str(address.get("postal_code") or "")),
        city=romanised(name_key(str(address.get("city") or ""))),
        street=street,
        house=house,
        country=country,
        parent=name_words(parent, "company") if parent else (),
    )


def _emails(points: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    found = (normalize_email(each["value"]) for each in points if each["kind"] == "email")
    return tuple(sorted({email for email in found if email}))


def _phones(points: Iterable[Mapping[str, Any]], region: str | None) -> tuple[str, ...]:
    # A fax number says as much as any other.
    values = [each["value"].strip() for each in points if each["kind"] in PHONE_KINDS]
    found = (normalize_phone(each, region) or joined(each) for each in values)
    return tuple(sorted({phone for phone in found if phone}))


def _street(text: str) -> tuple[str, tuple[str, ...]]:
    words = romanised(name_key(text)).split()
    house = tuple(sorted(word for word in words if word[0].isdecimal()))
    rest = [word for word in words if not word[0].isdecimal() and word not in STREET_WORDS]
    return " ".join(rest), house
