"""Saved views: whose they are, who uses them, and what they may hold."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from crm_core.entities import AuditEntry
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.services.saved_views import (
    add_view,
    change_view,
    default_query,
    list_views,
    remove_view,
)


def names(company: Any, login: str) -> list[str]:
    with company.acting(login) as uow:
        return [view["name"] for view in list_views(uow)]


def test_views_are_seen_by_those_they_are_shared_with(company: Any) -> None:
    with company.writing("eva") as uow:
        add_view(uow, "Mine", "owner=me")
        add_view(uow, "Ours", "owner=filled:", sharing="team")
    with company.writing("maria") as uow:
        add_view(uow, "Για όλους", "stage=loyal", sharing="everybody")
    assert names(company, "eva") == ["Mine", "Ours", "Για όλους"]
    assert names(company, "tom") == ["Ours", "Για όλους"]
    assert names(company, "olga") == ["Για όλους"]
    assert names(company, "anna") == ["Για όλους"]
    assert names(company, "maria") == ["Για όλους"]


def test_a_view_is_its_owners_to_change(company: Any) -> None:
    with company.writing("eva") as uow:
        view = add_view(uow, "Ours", "owner=me", sharing="team")
        mine = add_view(uow, "Mine", "owner=me")
    with company.acting("tom", write=True) as uow:
        with pytest.raises(PermissionDeniedError):
            change_view(uow, view.id, name="Tom's")
        with pytest.raises(PermissionDeniedError):
            remove_view(uow, view.id)
        with pytest.raises(NotFoundError):
            remove_view(uow, mine.id)
    with company.writing("eva") as uow:
        with pytest.raises(StaleVersionError):
            change_view(uow, view.id, name="New", expected_version=7)
        changed = change_view(uow, view.id, name="New", query="city=Wien&sort=-name")
        assert (changed.name, changed.query) == ("New", "city=Wien&sort=-name")
        remove_view(uow, mine.id)
    assert names(company, "eva") == ["New"]
    with company.acting("anna") as uow:
        told = select(AuditEntry.action).where(AuditEntry.entity_type == "saved_view")
        assert sorted(uow.scalars(told)) == ["create", "create", "delete", "update"]


def test_sharing_with_everybody_takes_a_right(company: Any) -> None:
    with company.acting("eva", write=True) as uow, pytest.raises(PermissionDeniedError):
        add_view(uow, "All", "", sharing="everybody")
    with company.acting("nora", write=True) as uow, pytest.raises(PermissionDeniedError):
        add_view(uow, "All", "")
    with company.acting(write=True) as uow, pytest.raises(RuleViolationError):
        add_view(uow, "All", "")


def test_only_what_can_be_asked_is_kept(company: Any) -> None:
    with company.acting("eva", write=True) as uow:
        for wrong in ("colour=red", "stage=red", "sort=city", "columns=colour"):
            with pytest.raises(InputError):
                add_view(uow, "Wrong", wrong)
        with pytest.raises(InputError):
            add_view(uow, " ", "")
        with pytest.raises(InputError):
            add_view(uow, "Odd", "", sharing="some")
        assert add_view(uow, "Tidy", "city=&q=&stage=is:loyal").query == "stage=loyal"
        with pytest.raises(DuplicateError):
            add_view(uow, "Tidy", "")
        add_view(uow, "Tidy", "anything a plugin knows", list_name="deals")


def test_one_view_is_what_the_list_begins_with(company: Any) -> None:
    with company.writing("eva") as uow:
        assert default_query(uow) == ""
        first = add_view(uow, "One", "stage=loyal", is_default=True)
        add_view(uow, "Two", "stage=lapsed", is_default=True, sharing="team")
        assert default_query(uow) == "stage=lapsed"
        change_view(uow, first.id, is_default=True)
        assert default_query(uow) == "stage=loyal"
        change_view(uow, first.id, is_default=False)
        assert default_query(uow) == ""
    with company.acting("tom") as uow:
        assert default_query(uow) == ""
