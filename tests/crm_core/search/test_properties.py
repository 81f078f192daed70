"""What holds for any text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from crm_core.access import Actor
from crm_core.entities import Customer
from crm_core.errors import InputError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.search import index
from crm_core.search.fold import tokens
from crm_core.services.search import search_customers

LETTERS = "abcdefghijklmnoprstuvzłđøßéčž άλφαβήτωσς бвгдйёжя پتکیمن كي0123456789۴-'’.@‌🌹"
CALM = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
names = st.text(alphabet=LETTERS, min_size=3, max_size=40)


@pytest.fixture
def uow(sqlite_database: Database, system: Actor) -> Iterator[UnitOfWork]:
    """A writing unit of work that is never committed."""
    with unit_of_work(sqlite_database, actor=system, write=True) as uow:
        yield uow


def _add(uow: UnitOfWork, name: str) -> Customer:
    customer = uow.add(
        Customer(name=name, kind="person", stage="active", created_at=uow.now, updated_at=uow.now)
    )
    uow.flush()
    index.refresh(uow.connection(), [customer.id])
    return customer


@CALM
@given(name=names, data=st.data())
def test_three_letters_from_inside_a_name_find_it(
    uow: UnitOfWork, name: str, data: st.DataObject
) -> None:
    words = [word for word in tokens(name) if len(word) >= 3]
    assume(words)
    customer = _add(uow, name)
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - 3))
    piece = word[start : data.draw(st.integers(start + 3, len(word)))]
    assert customer.id in {hit.id for hit in search_customers(uow, piece, limit=1000).items}


@CALM
@given(name=names)
def test_a_name_finds_its_customer(uow: UnitOfWork, name: str) -> None:
    assume(tokens(name))
    customer = _add(uow, name)
    assert customer.id in {hit.id for hit in search_customers(uow, name, limit=1000).items}


@CALM
@given(text=st.text(max_size=250))
def test_no_text_makes_search_fail_otherwise_than_by_refusing_it(
    uow: UnitOfWork, text: str
) -> None:
    with contextlib.suppress(InputError):
        search_customers(uow, text)
