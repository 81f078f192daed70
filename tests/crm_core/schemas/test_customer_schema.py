"""The shape of a customer: the same tests with and without the accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_core.schemas import IS_ACCELERATED, customer
from crm_core.schemas.customer import load_customer, read_customer

WHOLE = {
    "kind": "person",
    "name": " Άννα Παπαδοπούλου ",
    "reference": "C1",
    "vat": "094259216",
    "language": "el_GR",
    "job_title": "",
    "owner": "anna",
    "tags": ["VIP"],
    "contact_points": [
        {"kind": "email", "value": "Anna@Example.com"},
        {"kind": "mobile", "value": "694 123 4567", "label": "private"},
    ],
    "addresses": [
        {"street": "Ermou 1", "country_code": "Greece"},
        {"use": "delivery", "city": "Wien", "country_code": "at", "phone": "01 5880 0000"},
    ],
    "profile": {"mood": "calm"},
}


@pytest.fixture(params=["plain", "accelerated"], autouse=True)
def accelerator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run with marshmallow's own code and, where it is installed, with the accelerator."""
    if request.param == "accelerated":
        if find_spec("marshmallow_core") is None:
            pytest.skip("marshmallow-core is not installed: pip install crm-front-office[fast]")
        monkeypatch.delenv("MARSHMALLOW_NO_ACCEL", raising=False)
        accelerated = import_module("marshmallow_core")
        accelerated.install()
        assert accelerated.is_available()
    else:
        monkeypatch.setenv("MARSHMALLOW_NO_ACCEL", "1")
    # What is compiled stays with the schema, so each way needs one of its own.
    customer._schema.cache_clear()
    yield
    customer._schema.cache_clear()


def test_the_accelerator_is_on_where_it_is_installed() -> None:
    assert find_spec("marshmallow_core") is not None or not IS_ACCELERATED


def test_a_whole_customer_becomes_canonical() -> None:
    assert load_customer(WHOLE) == {
        "kind": "person",
        "name": "Άννα Παπαδοπούλου",
        "reference": "C1",
        "vat": "EL094259216",
        "language": "el-GR",
        "job_title": None,
        "owner": "anna",
        "tags": ["VIP"],
        "contact_points": [
            {"kind": "email", "value": "Anna@Example.com", "normalized": "anna@example.com"},
            {
                "kind": "mobile",
                "value": "694 123 4567",
                "label": "private",
                "normalized": "+306941234567",
            },
        ],
        "addresses": [
            {"use": "main", "street": "Ermou 1", "country_code": "GR"},
            {"use": "delivery", "city": "Wien", "country_code": "AT", "phone": "01 5880 0000"},
        ],
        "profile": {"mood": "calm"},
    }
    assert WHOLE["name"] == " Άννα Παπαδοπούλου ", "what was given stays as it was"


def test_only_given_fields_come_back_from_a_change() -> None:
    assert load_customer({"note": "x"}, partial=True) == {"note": "x"}
    assert load_customer({}, partial=True) == {}


def test_numbers_are_read_in_the_company_s_country_when_no_address_says_another() -> None:
    values = {"name": "A", "contact_points": [{"kind": "phone", "value": "210 123 4567"}]}
    assert load_customer(values, region="GR")["contact_points"][0]["normalized"] == "+302101234567"
    with pytest.raises(InputError, match="is not a possible phone number"):
        load_customer(values)


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({}, "name", "is missing; fill it in."),
        ({"name": " "}, "name", "is empty; fill it in."),
        ({"name": "x" * 251}, "name", "needs 1 to 250 characters."),
        ({"name": ["x"]}, "name", "is not text; write it as text."),
        ({"name": "a\0"}, "name", "holds a NUL character; remove it."),
        ({"name": "a", "kind": "dog"}, "kind", "must be one of person, company."),
        ({"name": "a", "reference": "x" * 65}, "reference", "has more than 64 characters"),
        ({"name": "a", "color": "x"}, "color", "is no field of this record"),
        ({"name": "a", "tags": "x"}, "tags", "is not a list"),
        ({"name": "a", "tags": [""]}, "tags.0", "is empty"),
        ({"name": "a", "tags": ["x"] * 201}, "tags", "holds more than 200 items"),
        ({"name": "a", "vat": "EL094259217"}, "vat", "is not a valid VAT number"),
        ({"name": "a", "language": "xx"}, "language", "is not a language"),
        (
            {"name": "a", "contact_points": [{"kind": "email", "value": "a@"}]},
            "contact_points.0.value",
            "'a@' is not an e-mail address",
        ),
        (
            {"name": "a", "contact_points": [{"kind": "phone"}]},
            "contact_points.0.value",
            "is missing; fill it in.",
        ),
        ({"name": "a", "contact_points": ["x"]}, "contact_points.0", "is not a record"),
        ({"name": "a", "addresses": [{"use": "home"}]}, "addresses.0.use", "must be one of main"),
        (
            {"name": "a", "addresses": [{"country_code": "Atlantis"}]},
            "addresses.0.country_code",
            "is not a country",
        ),
        (
            {"name": "a", "addresses": [{"use": "invoice", "email": "b"}]},
            "addresses.0.email",
            "is not an e-mail address",
        ),
        ({"name": "a", "profile": "x"}, "profile", "is not a record"),
    ],
)
def test_a_fault_names_the_field_and_what_to_do(
    values: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InputError) as found:
        load_customer(values)
    assert found.value.code == "core.customer.invalid"
    (fault,) = found.value.details["faults"]
    assert fault["field"] == field
    assert message in fault["message"]
    assert f"{field}: " in found.value.message


def test_all_faults_come_at_once() -> None:
    _, faults = read_customer(
        {
            "name": "a",
            "vat": "EL1",
            "language": "xx",
            "contact_points": [{"kind": "email", "value": "a"}, {"kind": "fax", "value": "b"}],
        }
    )
    assert [path for path, _ in faults] == [
        ("contact_points", 0, "value"),
        ("contact_points", 1, "value"),
        ("language",),
        ("vat",),
    ]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WHOLE, "value", "use", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*WHOLE, "colour"]), _json, max_size=6))
def test_anything_at_all_is_either_taken_or_told_off(values: dict[str, Any]) -> None:
    record, faults = read_customer(values)
    assert bool(record) is not bool(faults)
    for path, message in faults:
        assert path
        assert message
