"""Changing many customers at once, with an outcome for each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select

from crm_core.access import Reach
from crm_core.entities import AuditEntry, Customer, OutboxEvent, Ownership
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError, RuleViolationError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_bulk_edit import (
    MOST_AT_ONCE,
    BulkChanges,
    Chosen,
    edit_listed,
    edit_many,
)
from crm_core.services.customer_list import list_page
from crm_core.services.customer_list_query import parse_list_query
from crm_core.services.profile import define_attribute
from crm_core.services.users import disable_user


@pytest.fixture
def ids(company: Any) -> list[UUID]:
    """Two of eva's, one of olga's."""
    with company.writing("anna") as uow:
        define_attribute(uow, "mood", title="Mood", type="text")
    return [
        company.customer("Άννα", kind="person", owner="eva", tags=["old"]),
        company.customer("Borut", kind="person", owner="eva", stage="active"),
        company.customer("O'Hara", kind="person", owner="olga"),
    ]


def states(outcomes: list[Any]) -> list[str]:
    return [each.state for each in outcomes]


def test_everything_is_changed_at_once_and_told(company: Any, ids: list[UUID]) -> None:
    changes = BulkChanges(
        owner="tom",
        stage="active",
        add_tags=("VIP",),
        remove_tags=("old",),
        profile={"mood": "calm"},
    )
    with company.writing("maria") as uow:
        uow.execute(select(func.count()).select_from(Customer))
        assert states(edit_many(uow, ids, changes)) == ["done"] * 3
    with company.acting("anna") as uow:
        text = "columns=owner,stage,tags,profile.mood&sort=created"
        items = list_page(uow, parse_list_query(text)).items
        assert [
            (item["owner"], item["stage"], item["tags"], item["profile.mood"]) for item in items
        ] == [("tom", "active", ["VIP"], "calm")] * 3
        assert [item["version"] for item in items] == [2, 2, 2]
        open_ones = select(func.count()).where(Ownership.until_at.is_(None))
        assert uow.scalar(open_ones) == 3
        audits = uow.scalars(
            select(AuditEntry.customer_id).where(
                AuditEntry.actor_login == "maria", AuditEntry.entity_type == "customer"
            )
        ).all()
        assert sorted(audits) == sorted(ids)
        events = uow.scalars(
            select(OutboxEvent.payload).where(
                OutboxEvent.name == "core.customer.changed", OutboxEvent.actor_login == "maria"
            )
        ).all()
        assert [sorted(each["customer_ids"]) for each in events] == [sorted(map(str, ids))]
    with company.writing("maria") as uow:
        assert states(edit_many(uow, ids, changes)) == ["unchanged"] * 3


def test_each_has_an_outcome_of_its_own(company: Any, ids: list[UUID]) -> None:
    unknown = new_id()
    chosen = [Chosen(ids[0], 1), Chosen(ids[1], 9), Chosen(ids[2]), Chosen(unknown)]
    with company.writing("eva") as uow:
        outcomes = edit_many(uow, chosen, BulkChanges(stage="loyal"))
    assert [(each.state, each.code) for each in outcomes] == [
        ("done", ""),
        ("refused", "core.stale_version"),
        ("refused", "core.permission_denied"),
        ("refused", "core.customer.not_found"),
    ]
    assert outcomes[1].name == "Borut"
    with company.acting("maria") as uow:
        stages = {item["id"]: item["stage"] for item in list_page(uow, parse_list_query("")).items}
    assert [stages[key] for key in ids] == ["loyal", "active", "prospect"]


def test_a_foreign_record_looks_like_none(company: Any, ids: list[UUID]) -> None:
    actor = company.actor("olga")
    rights = {**actor.rights, "core.customer.view": Reach.OWN}
    object.__setattr__(actor, "rights", rights)
    with unit_of_work(company.database, actor=actor, write=True) as uow:
        unknown = new_id()
        foreign, missing = edit_many(uow, [ids[0], unknown], BulkChanges(stage="loyal"))
    assert foreign.name is None
    assert foreign.message.replace(str(ids[0]), "") == missing.message.replace(str(unknown), "")


def test_archived_and_brought_back(company: Any, ids: list[UUID]) -> None:
    query = parse_list_query("owner=eva")
    archived = parse_list_query("archived=yes")
    actor = company.actor("maria")
    report = edit_listed(company.database, actor, query, BulkChanges(archive=True))
    assert report.counts == {"done": 2}
    report = edit_listed(company.database, actor, archived, BulkChanges(archive=False))
    assert report.counts == {"done": 2}
    with company.acting("maria") as uow:
        assert len(list_page(uow, parse_list_query("")).items) == 3


def test_nobody_can_own_them(company: Any, ids: list[UUID]) -> None:
    with company.writing("maria") as uow:
        assert states(edit_many(uow, ids[:1], BulkChanges(owner=""))) == ["done"]
        (item,) = list_page(uow, parse_list_query("owner=empty:")).items
        assert item["id"] == ids[0]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (BulkChanges(), InputError),
        (BulkChanges(stage="red"), InputError),
        (BulkChanges(add_tags=(" ",)), InputError),
        (BulkChanges(owner="ghost"), NotFoundError),
        (BulkChanges(owner="tom"), RuleViolationError),
        (BulkChanges(profile={"shoe": "44"}), NotFoundError),
    ],
)
def test_what_cannot_be_done_to_any_is_refused(
    company: Any, ids: list[UUID], changes: BulkChanges, error: type[Exception]
) -> None:
    with company.writing("anna") as uow:
        disable_user(uow, "tom")
    with company.acting("maria", write=True) as uow, pytest.raises(error):
        edit_many(uow, ids, changes)


def test_there_are_limits_and_rights(company: Any, ids: list[UUID]) -> None:
    with company.acting("rita", write=True) as uow, pytest.raises(PermissionDeniedError):
        edit_many(uow, ids, BulkChanges(stage="loyal"))
    with company.acting("maria", write=True) as uow, pytest.raises(InputError, match="500"):
        edit_many(uow, [new_id() for _ in range(MOST_AT_ONCE + 1)], BulkChanges(stage="loyal"))


def test_it_takes_no_more_statements_for_more_customers(company: Any) -> None:
    def statements(count: int) -> int:
        ids = [company.customer(f"Nina {n}", kind="person", owner="eva") for n in range(count)]
        seen: list[str] = []

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        with company.writing("maria") as uow:
            event.listen(company.database.engine, "before_cursor_execute", note)
            edit_many(uow, ids, BulkChanges(owner="tom", add_tags=("VIP",)))
        event.remove(company.database.engine, "before_cursor_execute", note)
        return len(seen)

    statements(1)
    assert statements(12) <= statements(2)
