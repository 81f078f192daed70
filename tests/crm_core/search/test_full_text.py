"""Plans for SQLite's full-text table: trigrams are weighed by how common they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from sqlalchemy import event

from crm_core.access import Actor
from crm_core.entities import Customer
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.search.full_text import Plan
from crm_core.search.query import parse
from crm_core.services.search import search_customers


@pytest.fixture
def firms(
    sqlite_database: Database, system: Actor, add_customer: Callable[..., Customer]
) -> Database:
    """A thousand customers of which every other one is a Kunde."""
    with unit_of_work(sqlite_database, actor=system, write=True) as uow:
        for number, first in enumerate(product("abcdefghij", repeat=3)):
            add_customer(uow, f"{''.join(first)} {'Firma' if number % 2 else 'Kunde'} Beta")
        uow.commit()
    return sqlite_database


def test_common_trigrams_are_told_from_very_common_ones(firms: Database) -> None:
    with firms.engine.connect() as connection:
        shares = Plan(connection, parse("kunde beta"), None).shares
    assert shares["bet"] == pytest.approx(1.0, abs=0.01)
    assert shares["kun"] == pytest.approx(0.5, abs=0.01)


def test_what_one_letter_asked_is_known_for_the_next(firms: Database, system: Actor) -> None:
    asked: list[Any] = []
    event.listen(
        firms.engine,
        "before_cursor_execute",
        lambda *told: asked.append(told[3]) if "AS place" in told[2] else None,
    )
    with unit_of_work(firms, actor=system) as uow:
        for text in ("kund", "kunde", "kunde"):
            search_customers(uow, text)
    known = [word for words in asked for word in words]
    assert '"kun"' in known
    assert len(known) == len(set(known))
