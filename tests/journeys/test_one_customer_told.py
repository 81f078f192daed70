"""One customer from the first call to a restored backup, and what others may not do or see."""

from __future__ import annotations

import json

import pytest

GREEK, ACME = "Ελένη Παπαδοπούλου", "Άκμή & Υιοί ΑΕ"
SECRET = (
    "Παπαδοπούλου",
    "Άκμή",
    "eleni@acme.gr",
    "6912345678",
    "EL094259216",
    "complained",
    "Ερμού",
)


def _people(desk):
    """The story: an employee, a company and her contact, and all that happened with them."""
    desk.json("user", "add", "eva", "--role", "employee", "--name", "Eva Nowak")
    desk.json("user", "add", "max", "--role", "employee")
    acme = desk.json(
        *("customer", "add", ACME, "--kind", "company", "--reference", "A-1", "--as", "eva"),
        *("--vat", "EL094259216", "--phone", "210 1234567", "--website", "www.acme.gr"),
        *("--street", "Ερμού 1", "--postal-code", "10563", "--city", "Αθήνα", "--country", "GR"),
    )["id"]
    eleni = desk.json(
        *("customer", "add", GREEK, "--kind", "person", "--reference", "P-1", "--as", "eva"),
        *("--email", "Eleni@acme.gr", "--mobile", "6912345678", "--language", "el-GR"),
        *("--job-title", "CFO", "--preferred-channel", "phone", "--tag", "VIP"),
    )["id"]
    desk("customer", "relate", "P-1", "contact_of", "A-1", "--since", "2025-01-31", "--as", "eva")
    return acme, eleni


def _daily_work(desk):
    for channel, day, subject in (
        ("phone", "2026-01-15 10:00", "Asked for a quote"),
        ("email", "2026-01-16 11:00", "Quote sent"),
        ("visit", "2026-01-17 12:00", "She complained about delivery"),
    ):
        direction = "outbound" if channel == "email" else "inbound"
        words = ("customer", "log", "P-1", subject, "--channel", channel, "--at", day)
        desk(*words, "--direction", direction, "--as", "eva")
    first = desk.json(
        *("activity", "add", "P-1", "call", "--due", "2026-01-20", "--summary", "call back"),
        *("--as", "eva"),
    )["id"]
    desk(
        "activity",
        "add",
        "P-1",
        "visit",
        "--due",
        "+2d",
        "--summary",
        "show samples",
        "--as",
        "eva",
    )
    overdue = desk.json("activity", "list", "--overdue", "--as", "eva")["items"]
    assert [(i["summary"], i["is_overdue"]) for i in overdue] == [("call back", True)]
    desk("activity", "done", first, "--as", "eva")
    assert desk.json("activity", "list", "--overdue", "--mine", "--as", "eva")["items"] == []
    still = desk.json("activity", "list", "--mine", "--as", "eva")["items"]
    assert [i["summary"] for i in still] == ["show samples"]
    for status, evidence in (("given", "web form"), ("withdrawn", "said so on the phone")):
        words = ("customer", "consent", "P-1", "newsletter", "email", status)
        desk(*words, "--evidence", evidence, "--as", "eva")
    desk("customer", "define", "pays", "--type", "choice", "--choice", "Cash", "--choice", "Card")
    desk("customer", "define", "volume", "--type", "money")
    desk("customer", "set", "P-1", "pays=cash", "volume=1200.75 EUR", "--as", "eva")
    desk("customer", "assign", "P-1", "max", "--as", "eva")


def _shown_whole(desk, acme):
    card = desk.json("customer", "show", "P-1")
    assert card["customer"]["name"] == GREEK
    assert card["customer"]["language"] == "el-GR"
    assert {p["kind"]: p["normalized"] for p in card["contact_points"]} == {
        "email": "eleni@acme.gr",
        "mobile": "+306912345678",
    }
    assert [(r["label"], r["other_id"]) for r in card["relationships"]] == [("contact of", acme)]
    titles = [entry["title"] for entry in card["timeline"]]
    assert {"Asked for a quote", "Quote sent", "She complained about delivery", "call back"} <= set(
        titles
    )
    assert [a["summary"] for a in card["activities"]] == ["show samples"]
    assert [(c["purpose"], c["status"]) for c in card["consents"]] == [("newsletter", "withdrawn")]
    assert {p["code"]: p["value"] for p in card["profile"]} == {
        "pays": "Cash",
        "volume": "1200.75 EUR",
    }
    assert [t["name"] for t in card["tags"]] == ["VIP"]
    assert [o["user_name"] for o in card["owners"]] == ["max", "Eva Nowak"]
    page = desk("customer", "show", "P-1").stdout
    for text in (
        GREEK,
        ACME,
        "Quote sent",
        "show samples",
        "withdrawn",
        "Cash",
        "VIP",
        "CFO",
        "max",
    ):
        assert text in page, text


def _found(desk, acme, eleni):
    for text in (
        *("ελενη", "ΠΑΠΑΔΟΠΟΎΛΟΥ", "eleni@acme.gr", "P-1"),
        *("6912345678", "+30 691 234 5678", "0030 6912345678"),
    ):
        assert eleni in [i["id"] for i in desk.json("customer", "search", text)["items"]], text
    for text in ("ακμη", "A-1", "094259216", "EL 094259216", "2101234567", "+302101234567"):
        assert acme in [i["id"] for i in desk.json("customer", "search", text)["items"]], text
    assert desk.json("customer", "search", "nobody at all")["items"] == []


TABLE = ("kind", "name", "reference", "vat", "email", "phone", "mobile", "company", "tags", "city")


def _table(desk, name):
    import csv

    desk("customer", "export", "--out", name)
    with (desk.folder / name).open(encoding="utf-8-sig", newline="") as handle:
        rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(handle)]
    return sorted(rows, key=lambda row: row["reference"])


def _carried_over(desk, other):
    """Take the customers to an empty database by file and compare what that one exports."""
    for user in ("eva", "max"):
        other("user", "add", user, "--role", "employee")
    other("customer", "define", "pays", "--type", "choice", "--choice", "Cash", "--choice", "Card")
    other("customer", "define", "volume", "--type", "money")
    before = _table(desk, "out.csv")
    assert [row["reference"] for row in before] == ["A-1", "P-1"]
    assert set(TABLE) <= set(before[0]) | set(before[1])
    desk("customer", "export", "--out", "out.xlsx")
    desk("customer", "export", "--out", "out.vcf")
    cards = (desk.folder / "out.vcf").read_text(encoding="utf-8")
    assert cards.count("BEGIN:VCARD") == 2
    assert GREEK in cards
    report = other.json("customer", "import", desk.folder / "out.csv")
    assert (report["created"], report["related"], report["fault_count"]) == (2, 1, 0)
    assert _table(other, "out.csv") == before
    again = other.json("customer", "import", desk.folder / "out.xlsx")
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)


def _same_after_restore(desk, elsewhere):
    """Back up, restore into another empty database, and read the same."""
    assert desk.json("audit", "verify")["ok"] is True
    desk("db", "backup", "all.backup")
    elsewhere("db", "restore", desk.folder / "all.backup")
    shown = [one.json("customer", "show", "P-1") for one in (desk, elsewhere)]
    assert shown[0] == shown[1]
    assert elsewhere.rows()["core_customer"] == 2
    assert elsewhere.json("audit", "verify")["ok"] is True


def test_one_customer_from_the_first_call_to_a_restored_backup(new_desk):
    desk = new_desk()
    acme, eleni = _people(desk)
    _daily_work(desk)
    _shown_whole(desk, acme)
    _found(desk, acme, eleni)
    desk(
        *("customer", "edit", "P-1", "--email", "e.papa@acme.gr", "--phone", "210 7654321"),
        *("--as", "max"),
    )
    for text in ("e.papa@acme.gr", "2107654321"):
        assert [i["id"] for i in desk.json("customer", "search", text)["items"]] == [eleni]
    assert desk.json("customer", "search", "eleni@acme.gr")["items"] == []
    _carried_over(desk, new_desk())
    desk("customer", "archive", "P-1", "--as", "max")
    assert desk.json("customer", "search", "ελενη")["items"] == []
    assert len(desk.json("customer", "search", "ελενη", "--archived")["items"]) == 1
    _same_after_restore(desk, new_desk(ready=False))


@pytest.fixture
def guarded(new_desk):
    """The story's desk with Rita, who may look, Emil, a colleague, and Nora without any right."""
    desk = new_desk()
    _, eleni = _people(desk)
    _daily_work(desk)
    task = desk.json("activity", "list")["items"][0]["id"]
    tie = desk.json("customer", "show", "P-1")["relationships"][0]["id"]
    for user, role in (("rita", "readonly"), ("emil", "employee")):
        desk("user", "add", user, "--role", role)
    desk("user", "add", "nora")
    return desk, eleni, task, tie


def test_who_has_no_role_learns_nothing(guarded):
    desk, eleni, task, tie = guarded
    for words in (
        *((*w, eleni) for w in (("customer", "show"), ("customer", "archive"))),
        ("customer", "show", eleni[:13]),
        ("customer", "show", "P-1"),
        ("customer", "list"),
        ("customer", "list", "--archived", "--name", "λ"),
        ("customer", "search", "ελενη"),
        ("customer", "search", "6912345678"),
        ("customer", "edit", "P-1", "--note", "x"),
        ("customer", "assign", "P-1", "nora"),
        ("customer", "log", "P-1", "x"),
        ("customer", "set", "P-1", "pays=card"),
        ("customer", "consent", "P-1", "p", "email", "given", "--evidence", "e"),
        ("customer", "relate", "P-1", "partner_of", "A-1"),
        ("customer", "add", "X"),
        ("customer", "export", "--out", "x.csv"),
        ("customer", "define", "x"),
        ("activity", "add", "P-1", "call", "--due", "tomorrow"),
        ("user", "add", "x"),
        ("user", "role", "grant", "nora", "admin"),
        ("db", "backup", "b"),
        ("audit", "verify"),
    ):
        error = desk.refused(*words, "--as", "nora", code=1)
        assert error["code"] == "core.permission_denied", words
        assert "nora lacks the right core." in error["message"]
        assert not any(secret in str(error) for secret in SECRET)
    for words in (("activity", "done", task), ("customer", "unrelate", tie)):
        error = desk.refused(*words, "--as", "nora", code=2, says=("There is no",))
        assert not any(secret in str(error) for secret in SECRET)
    desk.write("p.csv", "name,reference\nChanged,P-1\n")
    desk.refused("customer", "import", "p.csv", "--as", "nora", code=1)
    assert desk.json("activity", "list", "--as", "nora")["items"] == []
    assert not (desk.folder / "x.csv").exists()


@pytest.mark.parametrize("user", ["rita", "emil"])
def test_who_may_look_may_not_take_along_or_change_what_is_anothers(guarded, user):
    desk, eleni, task, tie = guarded
    assert desk.json("customer", "show", "P-1", "--as", user)["id"] == eleni
    desk.write("p.csv", "name,reference\nChanged,P-1\n")
    for words in (
        ("customer", "export", "--out", "x.csv"),
        ("customer", "import", "p.csv"),
        ("customer", "edit", "P-1", "--note", "x"),
        ("customer", "edit", "P-1", "--email", "x@x.eu"),
        ("customer", "edit", "P-1", "--tag", "x"),
        ("customer", "archive", "P-1"),
        ("customer", "assign", "P-1", user),
        ("customer", "set", "P-1", "pays=card"),
        ("customer", "unrelate", tie),
        ("activity", "done", task),
        ("user", "add", "x"),
        ("user", "disable", "boss"),
        ("user", "role", "grant", user, "admin"),
        ("backend", "add", "files", "f", "--path", "."),
        ("db", "backup", "b"),
        ("db", "restore", "p.csv", "--force"),
        ("audit", "verify"),
    ):
        error = desk.refused(*words, "--as", user, code=1)
        assert error["code"] == "core.permission_denied", words
        assert "Ask" in error["message"]
    assert {p.name for p in desk.folder.iterdir()} <= {"crm.sqlite", "p.csv", "crm.toml"}
    card = json.dumps(desk.json("customer", "show", "P-1"), ensure_ascii=False)
    assert "Changed" not in card
