"""What makes two records the same, told in figures and words."""

from __future__ import annotations

from typing import Any

import pytest

from crm_core.matching import LIKELY, SURE, UNSURE, Features, compare, features_of, verdict
from crm_core.matching.names import likeness, name_words

HOME = {"street": "Ermou 12", "postal_code": "105 63", "city": "Αθήνα", "country_code": "GR"}


def made(name: str, *, kind: str = "person", parent: str | None = None, **values: Any) -> Features:
    points = [
        {"kind": key, "value": values.pop(key)} for key in ("email", "phone") if key in values
    ]
    record = {"kind": kind, "name": name, "contact_points": points, **values}
    return features_of(name, record, parent=parent, region="GR")


def score(left: Features, right: Features) -> int:
    found = compare(left, right)
    return found.score if found else 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Novak GmbH", "NOVAK"),
        ("Sp. z o.o. Kowalski", "Kowalski sp. z o. o."),
        ("Novak d.o.o.", "Novak doo"),
        ("Παπαδόπουλος Α.Ε.", "ΠΑΠΑΔΟΠΟΥΛΟΣ ΑΕ"),
        ("Παπαδόπουλος Α.Ε.", "Papadopoulos S.A."),
        ("ООО «Ромашка»", "Romashka Ltd"),
        ("شركة نفت ايران", "نفت ایران"),
        ("Smith & Sons Ltd.", "Smith and Sons Limited"),
        ("O'Neil Inc", "O’Neil, Inc."),
        ("Müller und Co. KG", "Müller & Co KG"),
        ("Łódź Trans", "Lodz Trans sp. j."),
    ],
)
def test_a_company_is_known_by_its_name_without_its_legal_form_in_any_script(one, other):
    assert likeness(name_words(one, "company"), name_words(other, "company")) == 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ελένη Παπαδοπούλου", "PAPADOPOULOU ELENI"),
        ("Δρ. Γιώργος Ράπτης", "Ραπτης Γιωργος"),
        ("Анна Иванова", "Ivanova Anna"),
        ("علي احمدي", "علی احمدی"),
        ("Anna O’Neil", "O'Neil, Anna"),
    ],
)
def test_a_person_is_known_whatever_the_order_script_or_title(one, other):
    assert likeness(name_words(one, "person"), name_words(other, "person")) == 100


@pytest.mark.parametrize(
    ("kind", "one", "other", "least", "most"),
    [
        ("person", "John Smith", "Jon Smith", 90, 99),
        ("person", "J. Smith", "John Smith", 90, 99),
        ("person", "Maria Papadopoulou", "Marios Papadopoulos", 60, 84),
        ("company", "Pharmacy 12", "Pharmacy 13", 0, 60),
        ("company", "Blue Sky", "Bluesky", 95, 99),
        ("company", "Acme", "Zenith", 0, 40),
    ],
)
def test_likeness_of_names(kind, one, other, least, most):
    assert least <= likeness(name_words(one, kind), name_words(other, kind)) <= most


def test_a_name_of_nothing_but_a_legal_form_keeps_it():
    assert name_words("GmbH", "company") == ("gmbh",)
    assert name_words("!?", "company") == ("!?",)


def test_an_external_id_is_enough_whatever_else_differs():
    one = features_of(1, {"name": "A", "vat": "EL094259216"}, external_id="crm.customer_1")
    other = features_of(2, {"name": "B", "vat": "DE136695976"}, external_id="crm.customer_1")
    assert score(one, other) == 100


def test_different_vat_numbers_are_different_companies_whatever_else_is_the_same():
    one = made("Novak", kind="company", vat="EL094259216", email="a@x.eu", address=HOME)
    other = made("Novak", kind="company", vat="DE136695976", email="a@x.eu", address=HOME)
    assert compare(one, other) is None


def test_a_company_is_no_person():
    one = made("Novak", kind="company", email="novak@x.eu")
    assert compare(one, made("Novak", email="novak@x.eu")) is None


def test_the_same_vat_number_is_sure_with_a_like_name_and_likely_without():
    one = made("Novak GmbH", kind="company", vat="EL 094259216")
    assert score(one, made("Novakk", kind="company", vat="EL094259216")) >= SURE
    renamed = made("Zenith", kind="company", vat="094.259.216", address=HOME)
    assert LIKELY <= score(one, renamed) < SURE
    contact = made("Eleni Rapti", vat="EL094259216")
    assert compare(contact, made("Nikos Pappas", vat="EL094259216")) is None


def test_a_reference_or_an_address_shared_by_other_names_is_for_a_person_to_see():
    one = made("Novak", kind="company", reference="C-1001", email="info@x.eu")
    assert UNSURE <= score(one, made("Zenith", kind="company", reference="c1001")) < LIKELY
    assert UNSURE <= score(one, made("Zenith", kind="company", email="INFO@X.eu")) < LIKELY
    assert score(one, made("Novák", kind="company", reference="C 1001")) >= SURE
    assert score(one, made("Novak", kind="company", email="info@X.EU")) >= SURE


def test_a_phone_number_needs_a_like_name():
    one = made("Eleni Rapti", phone="210 123 4567")
    assert score(one, made("Ελένη Ράπτη", phone="+30 2101234567")) >= SURE
    assert compare(one, made("Nikos Pappas", phone="+30 2101234567")) is None


def test_a_name_needs_an_address():
    one = made("Eleni Rapti", address=HOME)
    spelt = {"street": "Odos Ermoy 12", "postal_code": "10563", "city": "ATHINA"}
    assert score(one, made("Ράπτη Ελένη", address=spelt)) >= SURE
    assert score(one, made("Eleni Rapti", address={**HOME, "street": None})) >= LIKELY
    other_street = {**HOME, "street": "Stadiou 3"}
    assert UNSURE <= score(one, made("Eleni Rapti", address=other_street)) < LIKELY
    assert UNSURE <= score(one, made("Eleni Rapti")) < LIKELY
    elsewhere = {**HOME, "postal_code": "54622", "city": "Thessaloniki"}
    assert compare(one, made("Eleni Rapti", address=elsewhere)) is None
    assert compare(one, made("Nikos Pappas", address=HOME)) is None


def test_contacts_of_one_company_need_no_address():
    one = made("Eleni Rapti", parent="Novak d.o.o.")
    assert score(one, made("Ελένη Ράπτη", parent="NOVAK")) >= SURE
    assert score(one, made("Eleni Rapti", parent="Zenith")) < LIKELY


def test_reasons_are_told_strongest_first_and_more_of_them_count_more():
    one = made("Eleni Rapti", email="eleni@x.eu", phone="+302101234567", address=HOME)
    same = made("Eleni Rapti", email="eleni@x.eu", phone="+302101234567", address=HOME)
    found = compare(one, same)
    assert found is not None
    assert found.reasons == (
        "same e-mail address (eleni@x.eu)",
        "same phone number (+302101234567)",
        "same address",
        "same name",
    )
    by_mail = made("Eleni Rapti", email="eleni@x.eu")
    assert found.score > score(by_mail, made("Eleni Rapti", email="eleni@x.eu"))


def test_verdicts_begin_where_they_say():
    assert [verdict(each) for each in (100, SURE, SURE - 1, LIKELY, LIKELY - 1, UNSURE, 54)] == [
        *("sure", "sure", "likely", "likely", "unsure", "unsure", "different")
    ]
