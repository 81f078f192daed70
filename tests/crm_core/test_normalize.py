"""E-mail, phone, VAT, language and country in their canonical forms."""

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_core.normalize import (
    _parsed_phone,
    checked_contact,
    checked_email,
    checked_phone,
    compact_vat,
    normalize_contact,
    normalize_email,
    normalize_phone,
    normalize_vat,
    parse_country,
    parse_language,
    shortened,
    split_emails,
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("A.B@Example.COM", "a.b@example.com"),
        (" anna@example.com ", "anna@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("ann@παράδειγμα.gr", "ann@παράδειγμα.gr"),
        ("x@xn--hxajbheg2az3al.gr", "x@παράδειγμα.gr"),
        ("a..b@example.com", None),
        ("@example.com", None),
        ("a@", None),
        ("a@localhost", None),
        ("a b@example.com", None),
        ("Anna <a@example.com>", None),
        ("", None),
    ],
)
def test_emails(typed: str, expected: str | None) -> None:
    assert normalize_email(typed) == expected


def test_a_wrong_email_is_named_with_its_field() -> None:
    with pytest.raises(
        InputError, match=r"invoice_email: 'anna' is not an e-mail address"
    ) as found:
        checked_email("anna", "invoice_email")
    assert found.value.code == "core.email_invalid"


@settings(deadline=None)
@given(
    st.text(alphabet="aB1._%+-'\"@ é", max_size=20), st.sampled_from(["example.com", "x", "ü.de"])
)
def test_the_short_cut_says_what_the_library_says(local: str, domain: str) -> None:
    typed = f"{local}@{domain}".strip()
    try:
        expected = validate_email(typed, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        expected = None
    assert normalize_email(typed) == expected


@settings(deadline=None)
@given(st.emails())
def test_normalizing_an_email_twice_changes_nothing(typed: str) -> None:
    once = normalize_email(typed)
    if once is not None:
        assert normalize_email(once) == once


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Anna <a@x.eu>; b@x.eu", ["a@x.eu", "b@x.eu"]),
        ("a@x.eu, b@x.eu", ["a@x.eu", "b@x.eu"]),
        (" a@x.eu ", ["a@x.eu"]),
        ("call her", ["call her"]),
        ("  ", []),
    ],
)
def test_several_emails_in_one_text(typed: str, expected: list[str]) -> None:
    assert split_emails(typed) == expected


@pytest.mark.parametrize(
    ("typed", "region", "expected"),
    [
        ("+30 210 1234567", None, "+302101234567"),
        ("0030 210 1234567", None, "+302101234567"),
        ("210 123 4567", "GR", "+302101234567"),
        ("(870)-931-0505", "US", "+18709310505"),
        ("۰۲۱ ۸۸۷۷ ۶۶۵۵", "IR", "+982188776655"),
        ("٠٢١ ٨٨٧٧ ٦٦٥٥", "IR", "+982188776655"),
        ("+39 06 698 1234", None, "+39066981234"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("210 1234567 ext. 12", "GR", "+302101234567"),
        ("210 123 4567", None, None),
        ("555-1234", "US", None),
        ("+30 12", None, None),
        ("12ab", "GR", None),
        ("", "GR", None),
    ],
)
def test_phone_numbers(typed: str, region: str | None, expected: str | None) -> None:
    assert normalize_phone(typed, region) == expected


def test_a_wrong_number_is_named_with_its_field() -> None:
    with pytest.raises(InputError, match=r"mobile: '12' is not a possible phone number in GR"):
        checked_phone("12", "GR", "mobile")


@settings(deadline=None)
@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
def test_every_country_s_example_number_is_kept(region: str) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert normalize_phone(national, region) == e164
    assert normalize_phone(e164) == e164


@settings(deadline=None, max_examples=1000)
@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.text("0123456789", min_size=1, max_size=13),
    st.text(" ()./-", max_size=3),
)
def test_the_short_cut_for_plain_numbers_says_what_the_library_says(
    code: int, digits: str, noise: str
) -> None:
    typed = f"+{code}{noise}{digits}{noise}"
    assert normalize_phone(typed) == _parsed_phone(typed, None)


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from([None, "GR", "US", "IR"]))
def test_no_text_breaks_the_phone_normalizer(typed: str, region: str | None) -> None:
    found = normalize_phone(typed, region)
    assert found is None or normalize_phone(found) == found


@pytest.mark.parametrize(
    ("typed", "country", "expected"),
    [
        ("BE 0477.472.701", None, "BE0477472701"),
        ("GR 094259216", None, "EL094259216"),
        ("el 094259216", "GR", "EL094259216"),
        ("094259216", "GR", "EL094259216"),
        ("DE136695976", "GR", "DE136695976"),
        ("GB 980 7806 84", None, "GB980780684"),
        ("980780684", "GB", "GB980780684"),
        ("XI980780684", None, "XI980780684"),
        ("CHE-107.787.577 IVA", "CH", "CHE107787577IVA"),
        ("12-3456789", "US", "123456789"),
        ("12-3456789", None, "123456789"),
    ],
)
def test_vat_numbers(typed: str, country: str | None, expected: str) -> None:
    assert normalize_vat(typed, country) == expected
    assert normalize_vat(expected, country) == expected


@pytest.mark.parametrize(
    ("typed", "country", "reason"),
    [
        ("094259217", "GR", "check digit"),
        ("BE0477472702", None, "check digit"),
        ("FR12", None, "rules of FR"),
        ("x", None, "4 to 20 letters and digits"),
        ("Δ12345", None, "4 to 20 letters and digits"),
    ],
)
def test_a_wrong_vat_number_says_why(typed: str, country: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as found:
        normalize_vat(typed, country)
    assert found.value.code == "core.vat_invalid"
    assert compact_vat(f" {typed} ", country) == typed


@settings(deadline=None)
@given(st.text(max_size=24), st.sampled_from([None, "GR", "CH", "GB", "US", "XX", ""]))
def test_no_text_breaks_the_vat_normalizer(typed: str, country: str | None) -> None:
    assert isinstance(compact_vat(typed, country), str)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("el", "el"), ("el_GR", "el-GR"), ("EN-us", "en-US"), ("sr_RS@latin", "sr-Latn-RS")],
)
def test_languages(typed: str, expected: str) -> None:
    assert parse_language(typed) == expected


@pytest.mark.parametrize("typed", ["xx", "Greek please", "", "e"])
def test_no_language(typed: str) -> None:
    with pytest.raises(InputError, match="language: .* is not a language"):
        parse_language(typed)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("gr", "GR"), ("Greece", "GR"), ("EL", "GR"), ("UK", "GB"), ("united states", "US")],
)
def test_countries(typed: str, expected: str) -> None:
    assert parse_country(typed) == expected


@pytest.mark.parametrize("typed", ["XX", "Atlantis", "EU", ""])
def test_no_country(typed: str) -> None:
    with pytest.raises(InputError, match="country_code: .* is not a country"):
        parse_country(typed)


@pytest.mark.parametrize(
    ("kind", "typed", "expected"),
    [
        ("email", "A@example.com", "a@example.com"),
        ("mobile", "694 123 4567", "+306941234567"),
        ("fax", "nonsense", None),
        ("website", "HTTPS://www.Example.com/", "www.example.com"),
        ("messenger", " @Anna ", "@anna"),
    ],
)
def test_contact_points(kind: str, typed: str, expected: str | None) -> None:
    assert normalize_contact(kind, typed, "GR") == expected


def test_a_wrong_website() -> None:
    with pytest.raises(InputError, match="website: 'a b' is not a website address"):
        checked_contact("website", "a b")


def test_long_values_are_cut_in_messages() -> None:
    assert shortened("x" * 100) == "x" * 59 + "…"
