"""Records that lack a field, or hold text that is none, stand aside alone and say why."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import DeadLetter
from crm_core.persistence.database import Database
from crm_core.testing.front_office import FrontOffice
from crm_core.testing.memory_office import MemoryOffice


@pytest.fixture
def office() -> MemoryOffice:
    return MemoryOffice()


@pytest.fixture
def front(database: Database, system: Actor, office: MemoryOffice) -> FrontOffice:
    found = FrontOffice(database, system, office.connect)
    found.accept()
    return found


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": None}, "Name is missing"),
        ({"name": "B", "kind": None}, "Kind is missing"),
        ({"name": "B", "note": "half \ud83d"}, "could not be taken over"),
        ({"name": "half \ud83d"}, "could not be taken over"),
    ],
    ids=["name", "kind", "surrogate", "name of a surrogate"],
)
def test_a_record_at_fault_stands_aside_alone(
    front: FrontOffice, office: MemoryOffice, values: dict[str, Any], told: str
) -> None:
    office.make("customer", values)
    office.make("customer", {"name": "Good"})
    assert front.run().state == "partly"
    assert list(front.customers()) == ["Good"]
    [row] = front.all(select(DeadLetter.reason))
    assert told in row.reason
    assert "NULL" not in row.reason
