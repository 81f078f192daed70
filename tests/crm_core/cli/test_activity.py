"""``crm activity``: planned, listed, done."""

from __future__ import annotations

import pytest


@pytest.fixture
def acme(crm):
    crm.json("user", "add", "eva", "--role", "employee")
    return crm.json("customer", "add", "Acme", "--reference", "A-1", "--owner", "eva")["id"]


def test_what_is_planned_is_listed_until_it_is_done(crm, acme):
    late = crm.json("activity", "add", "A-1", "call", "--due", "2026-01-01 10:00", "--owner", "eva")
    soon = crm.json("activity", "add", "A-1", "visit", "--due", "+2d", "--summary", "see them")
    assert late["due_at"].startswith("2026-01-01T10:00")

    def ids(*flags):
        return [item["id"] for item in crm.json("activity", "list", *flags)["items"]]

    assert ids() == [late["id"], soon["id"]]
    assert ids("--overdue") == [late["id"]]
    assert ids("--mine") == [soon["id"]]
    assert ids("--mine", "--as", "eva") == ids("--owner", "eva") == [late["id"]]
    assert ids("--customer", "A-1") == ids()
    assert "see them" in crm("activity", "list").stdout
    crm.json("activity", "done", late["id"], "--as", "eva")
    assert ids() == [soon["id"]]
    assert ids("--done") == [late["id"]]
    assert crm.error("activity", "done", late["id"], code=1)["code"] == (
        "core.activity.already_done"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "A-1", "call", "--due", "someday"), "core.moment_invalid"),
        (("add", "A-1", "", "--due", "today"), "core.type.empty"),
        (("add", "none", "call", "--due", "today"), "core.customer.not_found"),
        (("add", "A-1", "call"), "core.usage"),
        (("done", "none"), "core.activity.not_found"),
        (("done", "01234567"), "core.activity.not_found"),
        (("list", "--owner", "nobody"), "core.user.not_found"),
    ],
)
def test_wrong_commands_say_what_to_do(crm, acme, arguments, code):
    assert crm.error("activity", *arguments, code=2)["code"] == code


def test_readers_may_not_plan(crm, acme):
    crm.json("user", "add", "rita", "--role", "readonly")
    error = crm.error("activity", "add", "A-1", "call", "--due", "today", "--as", "rita", code=1)
    assert error["code"] == "core.permission_denied"
