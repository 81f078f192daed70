"""Money, quantities and moments come back exactly as they went in, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, delete, func, insert, select

from crm_core.errors import InputError
from crm_core.persistence.database import Database
from crm_core.persistence.types import JsonValue, Money, Quantity, UtcDateTime

PROBE = Table(
    "test_probe",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("money", Money()),
    Column("quantity", Quantity()),
    Column("at", UtcDateTime()),
    Column("json", JsonValue),
)
MANY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def amounts(places: int) -> st.SearchStrategy[list[Decimal]]:
    largest = Decimal(10) ** (18 - places) - Decimal(1).scaleb(-places)
    amount = st.decimals(-largest, largest, places=places, allow_nan=False, allow_infinity=False)
    return st.lists(amount, min_size=1, max_size=20)


@pytest.fixture
def probe(database: Database) -> Database:
    with database.write_engine.begin() as connection:
        PROBE.create(connection)
    return database


def stored(database: Database, name: str, values: list[Any]) -> list[Any]:
    """Write values into a column and read them back in the column's own order."""
    column = PROBE.c[name]
    with database.write_engine.begin() as connection:
        connection.execute(delete(PROBE))
        connection.execute(insert(PROBE), [{name: value} for value in values])
    with database.engine.begin() as connection:
        return list(connection.scalars(select(column).order_by(column)))


@MANY
@given(values=amounts(4))
def test_money_is_exact_sorts_and_adds_up(probe: Database, values: list[Decimal]) -> None:
    found = stored(probe, "money", values)
    assert found == sorted(values)
    assert all(isinstance(value, Decimal) and value.as_tuple().exponent == -4 for value in found)
    with probe.engine.begin() as connection:
        less = select(func.count()).select_from(PROBE).where(PROBE.c.money < values[0])
        assert connection.scalar(less) == sum(value < values[0] for value in values)


@MANY
@given(values=amounts(6))
def test_quantities_are_exact_and_sort(probe: Database, values: list[Decimal]) -> None:
    found = stored(probe, "quantity", values)
    assert found == sorted(values)
    assert all(value.as_tuple().exponent == -6 for value in found)


@MANY
@given(values=st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=20))
def test_a_sum_of_money_is_exact(probe: Database, values: list[Decimal]) -> None:
    stored(probe, "money", values)
    with probe.engine.begin() as connection:
        assert connection.scalar(select(func.sum(PROBE.c.money))) == sum(values)


@MANY
@given(
    values=st.lists(
        st.datetimes(
            datetime(1000, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
            datetime(9998, 1, 1),  # noqa: DTZ001
            timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_moments_are_the_same_in_utc_and_sort(probe: Database, values: list[datetime]) -> None:
    found = stored(probe, "at", values)
    assert found == sorted(values)
    assert all(value.tzinfo is UTC for value in found)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("money", Decimal("0.00001"), "more than 4 decimal places"),
        ("money", "1.23456", "more than 4 decimal places"),
        ("quantity", Decimal("1E-7"), "more than 6 decimal places"),
        ("money", Decimal(10) ** 14, "too large"),
        ("money", Decimal("-1E+5000"), "too large"),
        ("money", Decimal("NaN"), "decimal places"),
        ("money", Decimal("Infinity"), "decimal places"),
        ("money", "twelve", "not a number"),
        ("at", datetime(2024, 5, 1), "no time zone"),  # noqa: DTZ001
    ],
)
def test_what_does_not_fit_is_refused(probe: Database, name: str, value: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        stored(probe, name, [value])
    assert stored(probe, name, [None]) == [None]


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [(0.1, "0.1000"), ("-7", "-7.0000"), (3, "3.0000"), (Decimal("1E+2"), "100.0000")],
)
def test_other_ways_to_write_an_amount(probe: Database, given_value: Any, expected: str) -> None:
    assert [str(value) for value in stored(probe, "money", [given_value])] == [expected]


def test_json_keeps_its_values(probe: Database) -> None:
    value = {"κλειδί": [None, 1.5, "й", {"nested": True}], "empty": ""}
    with probe.write_engine.begin() as connection:
        connection.execute(insert(PROBE), [{"json": value}])
    with probe.engine.begin() as connection:
        assert connection.scalar(select(PROBE.c.json)) == value
