"""``crm customer``, typed as a person would."""

from __future__ import annotations

import csv
import json

import pytest

GREEK = "Ελένη O'Brien-Παπαδοπούλου 🦊"
PERSIAN = "مریم رضایی"


@pytest.fixture
def eleni(crm):
    return crm.json(
        *("customer", "add", GREEK, "--kind", "person", "--reference", "K-1", "--tag", "VIP"),
        *("--email", "E@x.eu", "--phone", "+30 2101234567", "--street", "Ερμού 1"),
        *("--city", "Αθήνα", "--country", "GR", "--vat", "EL094259216"),
    )["id"]


def test_what_is_added_is_found_listed_and_shown(crm, eleni):
    crm.json("customer", "add", PERSIAN, "--kind", "person")
    assert {i["name"] for i in crm.json("customer", "list")["items"]} == {GREEK, PERSIAN}
    for text in ("ελενη", "o'brien", "e@x.eu", "2101234567", "k-1", "094259216"):
        assert [i["id"] for i in crm.json("customer", "search", text)["items"]] == [eleni], text
    assert crm.json("customer", "search", "مريم")["items"][0]["name"] == PERSIAN
    for name in (eleni, eleni[:34], "K-1"):
        assert crm.json("customer", "show", name)["customer"]["name"] == GREEK


def test_the_page_shows_everything_that_there_is(crm, eleni):
    crm.json("customer", "add", "Acme", "--reference", "A-1")
    crm.json("customer", "relate", "K-1", "contact_of", "A-1", "--since", "2025-01-31")
    crm.json("customer", "log", "K-1", "She called", "--at", "2026-01-15 10:00")
    crm.json("activity", "add", "K-1", "call", "--due", "2026-01-16", "--summary", "call back")
    crm.json("customer", "define", "pays", "--type", "choice", "--choice", "Cash")
    crm.json("customer", "set", "K-1", "pays=cash")
    crm.json(
        *("customer", "consent", "K-1", "newsletter", "email", "given", "--evidence", "web form")
    )
    shown = crm("customer", "show", "K-1")
    assert (shown.exit_code, shown.stderr) == (0, "")
    for text in (
        *(GREEK, eleni, "K-1", "EL094259216", "VIP", "E@x.eu", "Ερμού 1, Αθήνα, GR"),
        *("contact of  Acme", "since Jan 31, 2025", "She called", "call back", "overdue"),
        *("newsletter, email  given", "pays  Cash", "Answered for by"),
    ):
        assert text in shown.stdout, text
    assert "has contact  " + GREEK in crm("customer", "show", "A-1").stdout


def test_moments_are_shown_in_the_users_zone_and_language(crm, eleni):
    crm.json(
        *("user", "add", "maria", "--role", "manager", "--language", "el-GR"),
        *("--time-zone", "Europe/Athens"),
    )
    logged = crm.json("customer", "log", "K-1", "x", "--at", "2026-01-15 10:00", "--as", "maria")
    assert logged["at"].startswith("2026-01-15T08:00") or "+02:00" in logged["at"]
    assert "15 Ιαν 2026, 10:00" in crm("customer", "show", "K-1", "--as", "maria").stdout


def test_json_names_its_schema_and_keeps_types_plain(crm, eleni):
    document = json.loads(crm("customer", "show", "K-1", "--json").stdout)
    assert document["schema"] == "customer.show/1"
    data = document["data"]
    assert data["id"] == eleni
    assert data["balance"]["open_amount"] == "0"
    assert [p["kind"] for p in data["contact_points"]] == ["email", "phone"]


def test_edit_changes_adds_and_clears(crm, eleni):
    crm.json(
        *("customer", "edit", "K-1", "--email", "new@x.eu", "--phone", "", "--note", "n"),
        *("--mobile", "+306912345678", "--city", "Πάτρα", "--tag", "gold", "--untag", "VIP"),
    )
    crm.json("customer", "edit", "K-1", "--note", "")
    data = crm.json("customer", "show", "K-1")
    assert {p["kind"]: p["value"] for p in data["contact_points"]} == {
        "email": "new@x.eu",
        "mobile": "+306912345678",
    }
    assert (data["addresses"][0]["city"], data["addresses"][0]["street"]) == ("Πάτρα", "Ερμού 1")
    assert [t["name"] for t in data["tags"]] == ["gold"]
    assert data["customer"]["note"] is None


def test_a_stale_edit_is_refused(crm, eleni):
    crm.json("customer", "edit", "K-1", "--note", "a", "--expect-version", "1")
    error = crm.error("customer", "edit", "K-1", "--note", "b", "--expect-version", "1", code=1)
    assert error["code"] == "core.stale_version"


def test_archive_restore_and_assign(crm, eleni):
    crm.json("user", "add", "eva", "--role", "employee")
    crm.json("customer", "archive", "K-1")
    assert crm.json("customer", "list")["items"] == []
    assert len(crm.json("customer", "list", "--archived")["items"]) == 1
    assert "[archived]" in crm("customer", "show", "K-1").stdout
    crm.json("customer", "restore", "K-1")
    crm.json("customer", "assign", "K-1", "eva")
    assert len(crm.json("customer", "list", "--mine", "--as", "eva")["items"]) == 1
    assert len(crm.json("customer", "list", "--owner", "eva")["items"]) == 1
    crm.json("customer", "assign", "K-1", "-")
    owners = crm.json("customer", "show", "K-1")["owners"]
    assert [o["user_name"] for o in owners][:2] == [None, "eva"]


def test_relationships_end(crm, eleni):
    crm.json("customer", "add", "Acme", "--reference", "A-1")
    tie = crm.json("customer", "relate", "A-1", "has contact", "K-1")["id"]
    crm.json("customer", "unrelate", tie, "--ended-on", "2026-01-31")
    assert crm.json("customer", "show", "K-1")["relationships"][0]["ended_on"] == "2026-01-31"
    crm.json("customer", "unrelate", tie)
    assert crm.json("customer", "show", "K-1")["relationships"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("show", "nope"), "core.customer.not_found", 2),
        (("show", "01234567"), "core.customer.not_found", 2),
        (("edit", "K-1"), "core.cli.no_change", 2),
        (("edit", "K-1", "--email", "none"), "core.customer.invalid", 2),
        (("edit", "K-1", "--vat", "EL1"), "core.customer.invalid", 2),
        (("add", "X", "--phone", "12"), "core.customer.invalid", 2),
        (("add", ""), "core.customer.invalid", 2),
        (("assign", "K-1", "nobody"), "core.user.not_found", 2),
        (("relate", "K-1", "contact_of", "K-1"), "core.relationship.itself", 2),
        (("relate", "K-1", "cousin", "K-1"), "core.relationship_type.not_found", 2),
        (("relate", "K-1", "partner_of", "K-1", "--since", "x"), "core.day_invalid", 2),
        (("log", "K-1", "x", "--channel", "pigeon"), "core.channel.unknown", 2),
        (("log", "K-1", "x", "--at", "later"), "core.moment_invalid", 2),
        (("set", "K-1", "zodiac=x"), "core.profile_attribute.not_found", 2),
        (("set", "K-1", "zodiac"), "core.cli.no_value", 2),
        (("restore", "K-1"), "core.customer.not_archived", 1),
        (("list", "--sort", "age"), "core.page.sort", 2),
        (("list", "--cursor", "x"), "core.page.cursor", 2),
        (("list", "--limit", "0"), "core.page.limit", 2),
        (("consent", "K-1", "p", "c", "maybe", "--evidence", "e"), "core.usage", 2),
    ],
)
def test_wrong_commands_say_what_to_do_and_leave_no_trace(crm, eleni, arguments, code, exit_code):
    assert crm.error("customer", *arguments, code=exit_code)["code"] == code
    assert crm.json("customer", "show", "K-1")["customer"]["version"] == 1


def test_who_lacks_the_right_is_told_which(crm, eleni):
    crm.json("user", "add", "rita", "--role", "readonly")
    crm.json("user", "add", "nora")
    assert crm.json("customer", "show", "K-1", "--as", "rita")["id"] == eleni
    for arguments in (
        ("add", "X"),
        ("edit", "K-1", "--note", "x"),
        ("archive", "K-1"),
        ("assign", "K-1", "rita"),
        ("log", "K-1", "x"),
        ("consent", "K-1", "p", "c", "given", "--evidence", "e"),
        ("export", "--out", "x.csv"),
    ):
        error = crm.error("customer", *arguments, "--as", "rita", code=1)
        assert error["code"] == "core.permission_denied", arguments
        assert error["details"]["right"].startswith("core.")
    for arguments in (("list",), ("show", "K-1"), ("search", "ελενη")):
        error = crm.error("customer", *arguments, "--as", "nora", code=1)
        assert error["details"]["right"] == "core.customer.view"
    assert not (crm.folder / "x.csv").exists()


def test_export_and_import_meet(crm, eleni):
    assert crm.json("customer", "export", "--out", "x.csv")["customers"] == 1
    again = crm.json("customer", "import", "x.csv", "--dry-run")
    assert (again["unchanged"], again["created"], again["is_dry_run"]) == (1, 0, True)


def test_an_import_sets_bad_rows_aside(crm):
    with (crm.folder / "y.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["name", "email"], ["Ž", "bad"], [PERSIAN, "b@b.eu"]])
    result = crm("customer", "import", "y.csv", "--errors", "faults.csv")
    assert result.exit_code == 3
    assert "line 2, email" in result.stderr
    assert [i["name"] for i in crm.json("customer", "list")["items"]] == [PERSIAN]
    assert "bad" in (crm.folder / "faults.csv").read_text(encoding="utf-8")
    assert crm.error("customer", "import", "none.csv", code=2)["message"]


def test_the_worker_imports_and_an_import_is_undone(crm):
    crm.json("customer", "add", "Old", "--reference", "R1")
    with (crm.folder / "y.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["name", "reference"], ["New", "R1"], [PERSIAN, "R2"]])
    asked = crm.json("customer", "import", "y.csv", "--background")
    assert asked["state"] == "waiting"
    assert crm("worker", "--once").exit_code == 0
    (listed,) = crm.json("customer", "imports", "list")["items"]
    assert (listed["id"], listed["state"], listed["file_name"]) == (asked["id"], "done", "y.csv")
    result = crm.json("customer", "imports", "show", asked["id"])["result"]
    assert (result["created"], result["updated"]) == (1, 1)
    assert PERSIAN in crm("customer", "list").stdout
    assert "y.csv" in crm("customer", "imports", "show", asked["id"]).stdout
    undone = crm.json("customer", "imports", "undo", asked["id"], "--yes")
    assert (undone["removed"], undone["restored"], undone["left"]) == (1, 1, [])
    assert [i["name"] for i in crm.json("customer", "list")["items"]] == ["Old"]
    error = crm.error("customer", "imports", "stop", asked["id"], code=1)
    assert error["code"] == "core.import.ended"
    assert crm("customer", "import", "y.csv", "--background", "--errors", "x").exit_code == 2


def test_pages_follow_the_cursor_people_are_told(crm):
    for n in range(3):
        crm.json("customer", "add", f"C{n}")
    page = crm("customer", "list", "--limit", "2")
    cursor = page.stderr.rpartition("--cursor ")[2].strip()
    rest = crm.json("customer", "list", "--limit", "2", "--cursor", cursor)
    assert [i["name"] for i in rest["items"]] == ["C2"]
    assert rest["next_cursor"] is None


def test_a_name_cannot_steer_the_terminal(crm):
    crm.json("customer", "add", "Evil\x1b[2J\u202e", "--reference", "E")
    shown = crm("customer", "show", "E").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
