"""Whatever the databases make of a query, the answer is what plain reading of all entries gives."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from crm_core.access import Actor, Reach
from crm_core.entities import Customer, User
from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows
from crm_core.persistence.database import Database
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.search import index
from crm_core.search.entry import Entry, row_of
from crm_core.search.query import anchored, parse
from crm_core.services.search import search_customers

FIRST = "Ana Marko Anamarija Eleni Łukasz Søren Иван Ελένη مریم Maria O'Mara".split()
LAST = "Kos Kosmač Novak Marković Παπαδόπουλος Иванов کریمی Anastasov Mar Os d.o.o.".split()
CUSTOMERS = 3_000
QUERIES = (
    *("a", "m", "an", "mar", "ana", "anam", "nov", "kosm", "osma", "rij", "παπ", "ив", "م"),
    *("ana kos", "ko an", "mar mar", "d.o.o.", "o mara", "ana novak 12", "77", "777", "c 77 12"),
    *("ana.kos.777@mail.example", "777@mail", "mail.example", "example", "ана", "zz", "kos zz"),
)


@pytest.fixture
def crowd(database: Database) -> list[Entry]:
    """Customers of four owners and of nobody, many alike; every tenth is archived."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    owners = [new_id() for _ in range(4)]
    entries = []
    for number in range(CUSTOMERS):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        email = f"{first}.{last}.{number}@mail.example".lower()
        entries.append(
            Entry(
                new_id(),
                chance.choice([*owners, None]),
                f"{first} {last}",
                f"C-{number}",
                None,
                number % 10 == 0,
                [("email", email, email)],
            )
        )
    with database.write_engine.begin() as connection:
        users = [{"id": id_, "login": str(id_), "name": "U", "is_enabled": True} for id_ in owners]
        insert_rows(connection, User, [user | stamps for user in users])
        insert_rows(connection, Customer, [_customer(entry, now) | stamps for entry in entries])
        index.insert_new(connection, entries)
    return entries


def _customer(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "id": entry.customer_id,
        "owner_id": entry.owner_id,
        "name": entry.name,
        "kind": "person",
        "stage": "active",
        "reference": entry.reference,
        "archived_at": now if entry.is_archived else None,
    }


def expected(entries: list[tuple[Entry, str]], text: str, owner: UUID | None) -> set[UUID]:
    groups = parse(text).groups

    def holds(words: str) -> bool:
        return all(
            any(all(anchored(word) in words for word in way) for way in group) for group in groups
        )

    return {
        entry.customer_id
        for entry, words in entries
        if (owner is None or entry.owner_id == owner) and not entry.is_archived and holds(words)
    }


def test_every_page_together_is_what_plain_reading_gives(
    database: Database, system: Actor, crowd: list[Entry]
) -> None:
    owner = crowd[0].owner_id or crowd[1].owner_id or crowd[2].owner_id
    assert owner
    read = [(entry, row_of(entry)["words"]) for entry in crowd]
    for actor, whose in ((system, None), (Actor(owner, "u", {CUSTOMER_VIEW: Reach.OWN}), owner)):
        with unit_of_work(database, actor=actor) as uow:
            for text in QUERIES:
                wanted = expected(read, text, whose)
                pages, cursor = [], None
                while True:
                    page = search_customers(uow, text, limit=700, cursor=cursor)
                    pages.extend(hit.id for hit in page.items)
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                assert len(pages) == len(set(pages)), text
                assert set(pages) == wanted, text
                first = [hit.id for hit in search_customers(uow, text, limit=7).items]
                assert len(first) == min(7, len(wanted)), text
                assert set(first) <= wanted, text
