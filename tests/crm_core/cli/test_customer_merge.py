"""Duplicates, merging and undoing it, typed."""

from __future__ import annotations

import pytest


@pytest.fixture
def pair(crm):
    """Two customers that are one."""
    common = ("--kind", "company", "--email", "info@acme.example")
    keep = crm.json("customer", "add", "Acme", "--reference", "K-1", *common)["id"]
    drop = crm.json("customer", "add", "Acme Ltd", "--reference", "K-2", "--note", "x", *common)
    return keep, drop["id"]


def test_duplicates_are_shown_with_reasons(crm, pair):
    [item] = crm.json("customer", "duplicates")["items"]
    assert {item["customer_id"], item["other_id"]} == set(pair)
    assert item["score"] >= 90
    assert "same e-mail address (info@acme.example)" in item["reasons"]
    [alone] = crm.json("customer", "duplicates", "K-2")["items"]
    assert (alone["customer_id"], alone["other_id"]) == pair[::-1]
    shown = crm("customer", "duplicates")
    assert "Acme Ltd" in shown.stdout
    assert "same e-mail address" in shown.stdout


def test_a_pair_that_is_two_is_dismissed(crm, pair):
    crm.json("customer", "distinct", "K-1", "K-2")
    assert crm.json("customer", "duplicates")["items"] == []
    crm.json("customer", "distinct", "K-2", "K-1", "--undo")
    assert len(crm.json("customer", "duplicates", "K-1")["items"]) == 1
    error = crm.error("customer", "distinct", "K-2", "K-1", "--undo", code=2)
    assert error["code"] == "core.customer.not_distinct"
    assert error["message"].startswith("Nobody said that Acme")
    for key in pair:
        assert key not in error["message"]
    for score in ("54", "101"):
        error = crm.error("customer", "duplicates", "--min-score", score, code=2)
        assert "55 to 100" in error["message"]


def test_a_dry_run_shows_side_by_side_and_changes_nothing(crm, pair):
    data = crm.json("customer", "merge", "K-1", "K-2", "--take", "reference=drop", "--dry-run")
    fields = {each["field"]: each for each in data["fields"]}
    assert (fields["name"]["keep"], fields["name"]["drop"]) == ("Acme", "Acme Ltd")
    assert {name: fields[name]["survives"] for name in ("name", "reference", "note")} == {
        "name": "keep",
        "reference": "drop",
        "note": "drop",
    }
    assert data["id"] is None
    shown = crm("customer", "merge", "K-1", "K-2", "--dry-run")
    assert "Survives" in shown.stdout
    assert "Nothing was changed" in shown.stderr
    assert crm.json("customer", "merges")["items"] == []
    assert crm.json("customer", "show", "K-2")["id"] == pair[1]


def test_a_merge_can_be_undone(crm, pair):
    merge = crm.json("customer", "merge", "K-1", "K-2", "--reason", "same firm")
    shown = crm("customer", "show", "K-2")
    assert f"K-2 was merged into Acme ({pair[0]})" in shown.stderr
    assert crm.json("customer", "show", pair[1])["id"] == pair[0]
    [item] = crm.json("customer", "merges", "K-1")["items"]
    assert (item["id"], item["reason"]) == (merge["id"], "same firm")
    assert crm.error("customer", "merge", "K-1", "K-2", code=2)["code"] == "core.customer.merged"
    undone = crm.json("customer", "unmerge", merge["id"][:13])
    assert (undone["drop_id"], undone["left"]) == (pair[1], [])
    assert crm.json("customer", "show", "K-2")["id"] == pair[1]
    assert crm.error("customer", "unmerge", merge["id"], code=1)["code"] == (
        "core.customer_merge.undone"
    )


def test_two_that_are_one_already_are_not_said_to_be_two(crm, pair):
    crm.json("customer", "add", "Other", "--kind", "company", "--reference", "K-3")
    crm.json("customer", "merge", "K-1", "K-2")
    for typed in (("K-1", "K-2"), ("K-2", pair[0]), ("K-2", "K-2")):
        for options in ((), ("--undo",)):
            error = crm.error("customer", "distinct", *typed, *options, code=2)
            assert error["code"] == "core.customer.one_already"
            assert f"one already: Acme ({pair[0]})" in error["message"]
    assert crm.error("customer", "distinct", "K-2", "K-3", code=2)["code"] == "core.customer.merged"
    assert crm.error("customer", "distinct", "K-3", "K-3", code=2)["code"] == (
        "core.customer.merge_same"
    )


def test_merges_are_shown_with_ids_beside_the_names(crm, pair):
    merge = crm.json("customer", "merge", "K-1", "K-2")["id"]
    shown = crm("customer", "merges").stdout
    for each in (merge, *pair, "Acme Ltd"):
        assert each in shown


@pytest.mark.parametrize(
    "typed",
    [
        ("customer", "archive", "K-2"),
        ("customer", "restore", "K-2"),
        ("customer", "edit", "K-2", "--note", "meant for the other"),
        ("customer", "assign", "K-2", "-"),
        ("customer", "relate", "K-2", "partner_of", "K-3"),
        ("customer", "relate", "K-3", "partner_of", "K-2"),
        ("customer", "log", "K-2", "Called"),
        ("customer", "set", "K-2", "food=fish"),
        ("customer", "consent", "K-2", "news", "email", "given", "--evidence", "form"),
        ("activity", "add", "K-2", "call", "--due", "tomorrow"),
    ],
)
def test_what_writes_does_not_take_the_survivor_for_who_was_merged(crm, pair, typed):
    crm.json("customer", "add", "Other", "--kind", "company", "--reference", "K-3")
    crm.json("customer", "merge", "K-1", "K-2")
    before = crm.json("customer", "show", "K-1")
    error = crm.error(*typed, code=2)
    assert error["code"] == "core.customer.merged"
    assert f"K-2 was merged into Acme ({pair[0]})" in error["message"]
    assert error["details"]["merged_into"] == pair[0]
    assert crm.json("customer", "show", "K-1") == before
    assert crm.json("activity", "list", "--customer", "K-2")["items"] == []
    assert len(crm.json("customer", "merges", "K-2")["items"]) == 1


def test_what_cannot_be_put_back_is_named_and_ends_with_3(crm, pair):
    merge = crm.json("customer", "merge", "K-1", "K-2")["id"]
    crm.json("customer", "edit", "K-1", "--note", "typed since")
    result = crm("customer", "unmerge", merge)
    assert result.exit_code == 3
    assert "Not put back: customer" in result.stderr
    assert "note" in result.stderr
    assert crm.json("customer", "show", "K-1")["customer"]["note"] == "typed since"
    assert crm.json("customer", "show", "K-2")["customer"]["note"] == "x"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("merge", "K-1", "K-1"), 2),
        (("merge", "K-1", "nobody"), 2),
        (("merge", "K-1", "K-2", "--take", "note"), 2),
        (("merge", "K-1", "K-2", "--take", "nose=drop"), 2),
        (("merge", "K-1", "K-2", "--expect-version", "9"), 1),
        (("unmerge", "0198aaaa"), 2),
        (("unmerge", "nonsense"), 2),
    ],
)
def test_what_makes_no_sense_is_refused(crm, pair, arguments, code):
    crm.error("customer", *arguments, code=code)
    assert crm.json("customer", "merges")["items"] == []
