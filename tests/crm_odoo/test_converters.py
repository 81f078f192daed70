"""Odoo's values as neutral ones."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_odoo.mappings.converters import (
    contact_points,
    day,
    emails,
    html_text,
    language,
    money,
    number_text,
    quantity,
    references,
    text,
)
from crm_odoo.mappings.partner import main_address

floats = st.floats(min_value=-1e13, max_value=1e13, allow_nan=False)


@given(floats, st.sampled_from([(money, 4), (quantity, 6)]))
def test_numbers_are_exact_to_their_places(value, converter):
    convert, places = converter
    shown = convert(value)
    expected = Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    assert Decimal(shown) == expected
    assert "e" not in shown.lower()
    assert shown != "-0"
    assert not (("." in shown) and shown.endswith(("0", ".")))


# Beyond 10^11 a float no longer holds four places, so nothing could bring them back.
@given(st.integers(-(10**11), 10**11), st.integers(0, 9999))
def test_what_was_typed_comes_back_without_noise(whole, fraction):
    typed = Decimal(whole) + Decimal(fraction).scaleb(-4)
    assert Decimal(money(float(typed))) == typed


@pytest.mark.parametrize(("value", "shown"), [
    (59.970000000000006, "59.97"), (0.1 + 0.2, "0.3"), (1e-7, "0"), (-1e-9, "0"), (0.0, "0"),
    (-0.0, "0"), (1200.0, "1200"), (100, "100"), (1e16, "10000000000000000"),
    (0.33335, "0.3334"), (False, None), (None, None),
])  # fmt: skip
def test_money(value, shown):
    assert money(value) == shown


@pytest.mark.parametrize(("code", "tag"), [
    ("el_GR", "el-GR"), ("en_US", "en-US"), ("sr@latin", "sr-Latn"), ("sr@Cyrl", "sr-Cyrl"),
    ("sr_RS@latin", "sr-Latn-RS"), ("ca_ES@valencia", "ca-ES-valencia"), ("es_419", "es-419"),
    ("fa_IR", "fa-IR"), ("eo", "eo"), (False, None), ("", None),
])  # fmt: skip
def test_language(code, tag):
    assert language(code) == tag


@pytest.mark.parametrize(("field", "found"), [
    ("one@example.com", ["one@example.com"]),
    ("  ONE@example.com ", ["ONE@example.com"]),
    ("a@example.com;b@example.com", ["a@example.com", "b@example.com"]),
    ("a@example.com, b@example.com\nc@example.com",
     ["a@example.com", "b@example.com", "c@example.com"]),
    ("Ann <ann@example.com>", ["ann@example.com"]),
    ('"Doe, John" <john@example.com>', ["john@example.com"]),
    ("Doe, John <john@example.com>; x@example.com", ["john@example.com", "x@example.com"]),
    ("a@example.com, a@example.com", ["a@example.com"]),
    ("no at sign", ["no at sign"]),
    ("ask, then write", ["ask, then write"]),
    ("@", ["@"]),
    ("two@@example.com", ["two@@example.com"]),
    (",;", [",;"]),
    (False, []), ("   ", []),
])  # fmt: skip
def test_emails(field, found):
    assert emails(field) == found


@given(st.text())
def test_no_email_field_is_lost_or_broken(field):
    found = emails(field)
    assert bool(found) == bool(field.strip())
    assert all(item and item == item.strip() for item in found)


addresses_of_people = st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.gr", fullmatch=True)


@given(st.lists(addresses_of_people, min_size=1, unique=True),
       st.sampled_from([",", ";", " , ", "; ", "\n"]))  # fmt: skip
def test_every_address_of_a_field_is_found(addresses, separator):
    assert emails(separator.join(addresses)) == addresses


def test_contact_points_stand_in_the_order_people_use_them():
    points = contact_points("a@x.gr;b@x.gr", " 210 ", "+30 69", "fax 1", "https://x.gr")
    assert [(point["kind"], point["value"]) for point in points] == [
        ("email", "a@x.gr"), ("email", "b@x.gr"), ("phone", "210"), ("mobile", "+30 69"),
        ("fax", "fax 1"), ("website", "https://x.gr"),
    ]  # fmt: skip
    assert contact_points(False, False, "  ", False, False) == []


def test_a_contact_has_its_parents_address_and_none_of_its_own():
    place = ("Ermou 1", False, "105 57", "Αθήνα", "Αττική", "GR")
    told = {"street": "Ermou 1", "street2": None, "postal_code": "105 57", "city": "Αθήνα",
            "region": "Αττική", "country_code": "GR"}  # fmt: skip
    assert main_address("contact", 7, *place) is None
    assert main_address(False, 7, *place) is None
    assert main_address("contact", False, *place) == told
    assert main_address("delivery", False, *place) == told
    assert main_address("contact", False, *[False] * 6) is None


@pytest.mark.parametrize(("html", "plain"), [
    ("<p>one</p><p>two</p>", "one\n\ntwo"),
    ("<p>a<br>b</p>", "a\nb"),
    ("<p><br></p>", None),
    ("<div>Δελτίο &amp; &lt;b&gt;</div>", "Δελτίο & <b>"),
    ("<ul><li>x</li><li>y</li></ul>", "- x\n- y"),
    ("<p>a&nbsp; b</p>", "a b"),
    ("<script>alert(1)</script><p>ok</p>", "ok"),
    ("just text", "just text"),
    (False, None), ("", None),
])  # fmt: skip
def test_html_becomes_text(html, plain):
    assert html_text(html) == plain


@given(st.text())
def test_any_html_becomes_text_without_an_error(html):
    found = html_text(html)
    assert found is None or found.strip() == found != ""


def test_small_ones():
    assert text("  Άννα ") == "Άννα"
    assert text(False) is text("") is text("  ") is None
    assert number_text("/") is None
    assert number_text("INV/1") == "INV/1"
    assert day("2025-03-01 23:59:59") == day("2025-03-01") == "2025-03-01"
    assert day(False) is None
    assert references([10, 9]) == ["10", "9"]
