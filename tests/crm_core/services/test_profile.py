"""Typed attributes and their values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.entities import ProfileAttribute
from crm_core.errors import DuplicateError, InputError, NotFoundError, PermissionDeniedError
from crm_core.services.profile import (
    canonical_value,
    clear_profile_value,
    define_attribute,
    list_attributes,
    list_profile,
    set_profile_value,
)


def attribute(kind, choices=None):
    return ProfileAttribute(code="a", title="A", type=kind, choices=choices)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("text", "  any  ", "any"),
        ("number", "012.50", "12.5"),
        ("number", "1e3", "1000"),
        ("number", "۱۲", "12"),
        ("number", "-0.10", "-0.1"),
        ("money", "1200.00 eur", "1200 EUR"),
        ("money", "0.0001 BHD", "0.0001 BHD"),
        ("date", "2026-02-28", "2026-02-28"),
        ("boolean", "Yes", "true"),
        ("boolean", "0", "false"),
        ("choice", "CASH", "Cash"),
    ],
)
def test_values_are_kept_in_one_form(kind, text, kept):
    assert canonical_value(attribute(kind, ["Cash", "Card"]), text) == kept


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", " "),
        ("number", "twelve"),
        ("number", "NaN"),
        ("number", "1e999"),
        ("money", "12"),
        ("money", "12 XXQ"),
        ("money", "EUR"),
        ("money", "0.00001 EUR"),
        ("date", "2026-02-30"),
        ("date", "28.2.2026"),
        ("boolean", "perhaps"),
        ("choice", "Cheque"),
    ],
)
def test_other_values_are_refused_with_an_example(kind, text):
    with pytest.raises(InputError) as caught:
        canonical_value(attribute(kind, ["Cash", "Card"]), text)
    assert "a" in caught.value.message


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=20
    )
)
def test_numbers_keep_their_value_and_their_form(number):
    kept = canonical_value(attribute("number"), str(number))
    assert Decimal(kept) == number
    assert canonical_value(attribute("number"), kept) == kept


@given(st.dates())
def test_dates_keep_their_value(day):
    assert date.fromisoformat(canonical_value(attribute("date"), day.isoformat())) == day


@given(st.text(), st.sampled_from(["text", "number", "money", "date", "boolean", "choice"]))
def test_any_text_is_kept_or_refused_in_words(text, kind):
    try:
        kept = canonical_value(attribute(kind, ["Cash"]), text)
    except InputError:
        return
    assert canonical_value(attribute(kind, ["Cash"]), kept) == kept


def test_values_are_set_changed_and_cleared(company):
    customer_id = company.customer("Acme", owner="eva")
    with company.writing("maria") as uow:
        define_attribute(uow, "pays", title="Way of paying", type="choice", choices=["Cash"])
        define_attribute(uow, "born", title="Birthday", type="date", is_personal=True)
    with company.writing("eva") as uow:
        set_profile_value(uow, customer_id, "pays", "cash")
        set_profile_value(uow, customer_id, "born", "1980-01-02")
        uow.flush()
        set_profile_value(uow, customer_id, "born", "1980-01-03")
        clear_profile_value(uow, customer_id, "pays")
        clear_profile_value(uow, customer_id, "pays")
    with company.acting("rita") as uow:
        (value,) = list_profile(uow, customer_id)
        assert (value["code"], value["value"], value["is_personal"]) == ("born", "1980-01-03", True)
        assert [a["code"] for a in list_attributes(uow)] == ["born", "pays"]


def test_wrong_attributes_are_refused(company):
    customer_id = company.customer("Acme")
    with company.writing("maria") as uow:
        define_attribute(uow, "a", title="A", type="text")
        uow.flush()
        with pytest.raises(DuplicateError):
            define_attribute(uow, "a", title="A", type="text")
        for values in (
            {"code": "A b", "title": "x", "type": "text"},
            {"code": "b", "title": "", "type": "text"},
            {"code": "b", "title": "x", "type": "colour"},
            {"code": "b", "title": "x", "type": "choice"},
            {"code": "b", "title": "x", "type": "text", "choices": ["y"]},
        ):
            with pytest.raises(InputError):
                define_attribute(uow, values.pop("code"), **values)
        with pytest.raises(NotFoundError) as caught:
            set_profile_value(uow, customer_id, "zodiac", "x")
        assert caught.value.details["attributes"] == ["a"]
    with company.writing("eva") as uow, pytest.raises(PermissionDeniedError):
        define_attribute(uow, "b", title="B", type="text")
