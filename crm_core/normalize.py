"""What makes two ways of writing the same thing equal: e-mail, phone, VAT, language, country.

Two flavours. ``normalize_*`` and ``compact_vat`` never fail: what cannot be understood gives None
(or stays as typed), which is what a sync needs. ``checked_*`` and ``parse_*`` are for what people
enter: they raise InputError, naming the field and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import getaddresses
from functools import cache, lru_cache
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumberFormat,
    ValidationResult,
)
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError as StdnumError
from stdnum.util import get_cc_module

from crm_core.errors import InputError
from crm_core.messages import t

DOMAINS = 16_384
"""Domains of e-mail addresses remembered."""
PHONE_KINDS = frozenset({"phone", "mobile", "fax"})

_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*").fullmatch
_PLAIN_PHONE = re.compile(r"\+[1-9][0-9 ()./-]+").fullmatch
_PHONE_NOISE = str.maketrans("", "", " ()./-")
PLAIN_PHONE_LIMIT = 40
_VAT_NOISE = re.compile(r"[\s./\-\u2010-\u2015]+")
_VAT_SHAPE = re.compile(r"[A-Z0-9]{4,20}").fullmatch
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")
_COUNTRY_ALIASES = {"EL": "GR", "UK": "GB", "XI": "GB"}
_NOT_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})
LOCAL_PART_LIMIT = 64


def normalize_email(value: str) -> str | None:
    """Return the address in lower case, its domain checked and in Unicode; None if it is none.

    No network is asked: a well-formed address may still not exist.
    """
    try:
        return _email(value.strip())
    except EmailNotValidError:
        return None


def checked_email(value: str, field: str = "email") -> str:
    """Return the normalized address; raises InputError saying what is wrong with it."""
    try:
        return _email(value.strip())
    except EmailNotValidError as error:
        raise _refused(
            "core.email_invalid",
            field,
            t(
                "{value!r} is not an e-mail address. {error} Write it like name@example.com.",
                value=shortened(value),
                error=error,
            ),
        ) from None


def _email(value: str) -> str:
    # Most addresses are plain ASCII before the @ and share few domains, so only the domain needs
    # the library, once: 22 µs an address become 1.
    local, _, domain = value.rpartition("@")
    if len(local) <= LOCAL_PART_LIMIT and _PLAIN_LOCAL(local):
        return f"{local}@{_domain(domain)}".lower()
    found = validate_email(value, check_deliverability=False)
    return found.normalized.lower()


@lru_cache(maxsize=DOMAINS)
def _domain(domain: str) -> str:
    return validate_email(f"a@{domain}", check_deliverability=False).domain


def split_emails(value: str) -> list[str]:
    """Return the addresses in a text that may hold several, or names around them.

    ``"Anna <a@x.eu>; b@x.eu"`` gives ``["a@x.eu", "b@x.eu"]``; a text without any comes back as
    its only item, so that nothing typed is lost.
    """
    text = value.strip()
    if not any(sign in text for sign in ",;<"):
        return [text] if text else []
    found = [address for _, address in getaddresses([text.replace(";", ",")]) if address]
    return found or [text]


def normalize_phone(value: str, region: str | None = None) -> str | None:
    """Return the number as E.164 (``+302101234567``), or None if it is no possible number.

    Args:
        value: As typed; digits of any script. An extension (``ext. 12``) is left out.
        region: ISO country in which a number without ``+`` or ``00`` is read.
    """
    if value.startswith("00"):
        value = "+" + value[2:]
    return _plain_phone(value) or _parsed_phone(value, region)


def _plain_phone(value: str) -> str | None:
    """Return an international number that has the right length as it stands, else None.

    The library takes 20 times as long to come to the same.
    """
    if len(value) > PLAIN_PHONE_LIMIT or not _PLAIN_PHONE(value):
        return None
    digits = value.translate(_PHONE_NOISE)
    for end in range(2, 5):
        code = int(digits[1:end])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            lengths, has_prefix = _number_rules(code)
            national = digits[end:]
            fits = len(national) in lengths and national[0] != "0" and not has_prefix(national)
            return digits if fits else None
    return None


@cache
def _number_rules(code: int) -> tuple[frozenset[int], Callable[[str], Any]]:
    """Return the possible lengths after a country's code, and what finds a national prefix."""
    region = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return frozenset(), bool
    prefix = metadata.national_prefix_for_parsing
    return (
        frozenset(metadata.general_desc.possible_length),
        re.compile(prefix).match if prefix else lambda _: None,
    )


def _parsed_phone(value: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except NumberParseException:
        return None
    # "Possible" asks for the right length only. "Valid" would refuse ranges that a country opened
    # after this library's release, and every fictitious number.
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        return None
    number.extension = None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def checked_phone(value: str, region: str | None = None, field: str = "phone") -> str:
    """Return the number as E.164; raises InputError for what is no possible number."""
    found = normalize_phone(value.strip(), region)
    if found is None:
        what = t(
            "{value!r} is not a possible phone number. Write it with its country code, like "
            "+30 210 1234567.",
            value=shortened(value),
        )
        if region:
            what = t(
                "{value!r} is not a possible phone number in {region}. Write it with its country "
                "code, like +30 210 1234567.",
                value=shortened(value),
                region=region,
            )
        raise _refused("core.phone_invalid", field, what)
    return found


def normalize_vat(value: str, country: str | None = None, field: str = "vat") -> str:
    """Return a VAT number in its compact form, checked by its country's rules.

    Numbers of EU states bear their prefix (``EL`` for Greece) even when typed without it and the
    country says so. A number of a country whose rules are not known is only made compact.

    Args:
        value: As typed, with spaces, dots and dashes.
        country: ISO country of the customer, used where the number bears no prefix.
        field: What the message calls it.

    Raises:
        InputError: The number does not fit its country's rules.
    """
    compact, error = _vat(value, country)
    if error:
        raise _refused(
            "core.vat_invalid",
            field,
            t(
                "{value!r} is not a valid VAT number: {error} Correct it or leave it empty.",
                value=shortened(value),
                error=error,
            ),
        )
    return compact


def compact_vat(value: str, country: str | None = None) -> str:
    """Return the compact form of a VAT number, or the text as typed where it is not valid."""
    compact, error = _vat(value, country)
    return value.strip() if error else compact


def _vat(value: str, country: str | None) -> tuple[str, str]:
    """Return the compact number and what is wrong with it ("" for nothing)."""
    compact = _VAT_NOISE.sub("", value).upper()
    if not _VAT_SHAPE(compact):
        return compact, t("it needs 4 to 20 letters and digits.")
    prefix = compact[:2]
    if prefix.lower() in eu_vat.MEMBER_STATES or prefix == "EL":
        return _checked_vat(eu_vat, compact, prefix)
    country = "GB" if prefix == "GB" else (country or "").upper()
    if country.lower() in eu_vat.MEMBER_STATES:
        return _checked_vat(eu_vat, country + compact, country)
    module = get_cc_module(country.lower(), "vat") if country else None
    if module is None:
        return compact, ""
    found, error = _checked_vat(module, compact, country)
    return ("GB" + found.removeprefix("GB") if country == "GB" else found), error


def _checked_vat(module: Any, number: str, country: str) -> tuple[str, str]:
    try:
        compact: str = module.validate(number)
    except StdnumError as error:
        return number, t(
            "{value} (by the rules of {country}).", value=str(error).rstrip("."), country=country
        )
    return re.sub("^GR", "EL", compact), ""


def normalize_contact(kind: str, value: str, region: str | None = None) -> str | None:
    """Return what equality means for a contact point of ``kind``; None if not understood.

    E-mail in lower case, numbers as E.164, web addresses without scheme and trailing slash,
    messenger names in lower case.
    """
    if kind == "email":
        return normalize_email(value)
    if kind in PHONE_KINDS:
        return normalize_phone(value.strip(), region)
    text = value.strip().casefold()
    if kind == "website":
        text = re.sub(r"^https?://", "", text).rstrip("/")
    return text or None


def checked_contact(kind: str, value: str, region: str | None = None, field: str = "") -> str:
    """Return what :func:`normalize_contact` gives; raises InputError instead of giving None."""
    if kind == "email":
        return checked_email(value, field or kind)
    if kind in PHONE_KINDS:
        return checked_phone(value, region, field or kind)
    found = normalize_contact(kind, value)
    if found is None or (kind == "website" and (" " in found or "." not in found)):
        raise _refused(
            f"core.{kind}_invalid",
            field or kind,
            t(
                "{value!r} is not a {kind} address. Write it like www.example.com.",
                value=shortened(value),
                kind=kind,
            ),
        )
    return found


@lru_cache(maxsize=1024)
def parse_language(value: str, field: str = "language") -> str:
    """Return a language tag as BCP 47 writes it (``el``, ``el-GR``, ``sr-Latn-RS``).

    Raises:
        InputError: It is no language tag, or no language that is known.
    """
    from babel.localedata import exists

    text, _, modifier = value.strip().partition("@")
    match = _LANGUAGE.fullmatch(text)
    if match is None or not exists(match[1].lower()):
        raise _refused(
            "core.language_invalid",
            field,
            t(
                "{value!r} is not a language. Write its code, such as el or el-GR.",
                value=shortened(value),
            ),
        )
    script = match[2] or {"latin": "Latn", "cyrillic": "Cyrl"}.get(modifier.lower(), "")
    parts = (match[1].lower(), script.title(), (match[3] or "").upper())
    return "-".join(part for part in parts if part)


@lru_cache(maxsize=1024)
def parse_country(value: str, field: str = "country_code") -> str:
    """Return the ISO 3166 code of a country given by its code or its English name.

    Raises:
        InputError: There is no such country.
    """
    text = value.strip()
    upper = _COUNTRY_ALIASES.get(text.upper(), text.upper())
    codes, names = _countries()
    if upper in codes:
        return upper
    found = names.get(text.casefold())
    if found is None:
        raise _refused(
            "core.country_invalid",
            field,
            t(
                "{value!r} is not a country. Write its two-letter code, such as GR, or "
                "its English name.",
                value=shortened(value),
            ),
        )
    return found


def _refused(code: str, field: str, what: str) -> InputError:
    return InputError(
        t("{field}: {what}", field=field, what=what),
        code=code,
        details={"field": field},
    )


@lru_cache(maxsize=1)
def _countries() -> tuple[frozenset[str], dict[str, str]]:
    from babel import Locale

    territories = Locale("en").territories
    names = {
        str(name).casefold(): str(code)
        for code, name in territories.items()
        if re.fullmatch(r"[A-Z]{2}", code) and code not in _NOT_COUNTRIES
    }
    return frozenset(names.values()), names


def shortened(value: object, length: int = 60) -> str:
    """Return a value's text for a message, cut where it is long."""
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "…"
