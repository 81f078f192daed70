"""What is kept as JSON comes back as it was, numbers of any length included."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_core.access import Actor
from crm_core.entities import Setting
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.floats(-1e9, 1e9, width=32),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXT, each, max_size=4),
    max_leaves=12,
)


def kept(database: Database, actor: Actor, value: Any) -> Any:
    """Return what comes back of a value."""
    with unit_of_work(database, actor=actor, write=True) as uow:
        uow.session.merge(Setting(key="any", value={"it": value}))
        uow.commit()
    with unit_of_work(database, actor=actor) as uow:
        return uow.get(Setting, "any").value["it"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(VALUES)
def test_any_value_comes_back(database: Database, system: Actor, value: Any) -> None:
    assert kept(database, system, value) == value


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**18, 10**19, 10**40 + 1])
def test_a_long_number_keeps_every_digit(database: Database, system: Actor, number: int) -> None:
    found = kept(database, system, number)
    assert isinstance(found, int)
    assert found == number
