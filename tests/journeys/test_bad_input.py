"""Whatever is typed or handed in wrong: told where and what to do, and not half done."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest

GREEK, PERSIAN = "Ελένη Παπαδοπούλου", "مریم رضایی"
NAMES = [
    GREEK,
    PERSIAN,
    "Siân O'Brien & Söhne",
    "👩‍🚒 Zoë 🚒",
    "Łukasz Żółć",
    "می‌خواهم",
    "a=b; --x",
]
TYPED = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eman"
WRONG_FILES = [
    ("", ("is empty", "header and at least one row")),
    ("\n\n\n", ("is empty",)),
    ("name,email\n", ("has a header but no rows",)),
    ('name,email\n"Ann,a@x.eu\nBob,b@x.eu\n', ("line 2", "closing quote is missing")),
    ('name,email\n"An"n,a@x.eu\n', ("line 2", "write a quote twice")),
    ("name\nAnn,a@x.eu\n", ("line 2 has 2 values where the header has 1", "--delimiter")),
    ("name,city\nΕλένη,Αθήνα\n".encode("cp1253"), ("line 2", "--encoding", "cp1253")),
    ("name,city\nΖωή,Πάτρα\n".encode("utf-16-le"), ("utf-16",)),
    ("name,city\nΖωή,Πάτρα\n".encode("utf-16")[:-1], ("utf-16",)),
    (bytes(range(1, 256)) * 20, ("not utf-8 text",)),
    ("name,shoe size\nA,42\n", ("'shoe size'", "Rename or remove", "job_title")),
    ("name,\nA,b\n", ("no. 2",)),
    ("name,email,E-mail\nA,a@x.eu,b@x.eu\n", ("email", "Keep one of each")),
    ("name,profile:shoe\nA,42\n", ("shoe",)),
    ("name,note\nA," + "x" * 10_000_000 + "\n", ("line 2", "2,000,000")),
    ('name,note\nA,"' + "x\n" * 5_000_000 + '"\n', ("line 2", "too long")),
    ("name,note\nA\0,b\n", ("line 2", "NUL", "Remove it")),
]


@pytest.mark.parametrize(("content", "says"), WRONG_FILES, ids=range(len(WRONG_FILES)))
def test_a_wrong_file_is_refused_as_a_whole(desk, content, says):
    desk.write("people.csv", content)
    error = desk.refused("customer", "import", "people.csv", code=2, says=says)
    assert "Nothing was written" in error["message"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("none.csv",), 2, ("none.csv", "No such file")),
        ((".",), 2, ("directory",)),
        (("good.csv", "--encoding", "klingon"), 2, ("'klingon'", "utf-8")),
        (("good.csv", "--encoding", "utf-16"), 2, ("utf-16", "--encoding")),
        (("good.csv", "--delimiter", ""), 2, ("one character",)),
        (("good.csv", "--delimiter", "ab"), 2, ("'ab'", "one character")),
        (("good.csv", "--delimiter", '"'), 2, ("one character",)),
        (("good.csv", "--match", "shoe"), 2, ("shoe", "reference, vat, email")),
        (("good.csv", "--errors", "/nowhere/at/all.csv"), 1, ("/nowhere/at/all.csv",)),
        (("good.xlsx",), 2, ("good.xlsx", "no spreadsheet", ".xlsx")),
    ],
)
def test_a_wrong_way_to_import_is_refused(desk, words, code, says):
    desk.write("good.csv", "name\nAnna\n")
    desk.write("good.xlsx", "name\nAnna\n")
    desk.refused("customer", "import", *words, code=code, says=says)


@pytest.mark.parametrize("encoding", ["cp1253", "utf-16", "utf-16-le", "iso8859-7"])
def test_the_same_file_with_its_encoding_named_is_taken(desk, encoding):
    desk.write("people.csv", f"name;city\n{GREEK};Αθήνα\n".encode(encoding))
    desk("customer", "import", "people.csv", "--encoding", encoding)
    assert [c["name"] for c in desk.json("customer", "list")["items"]] == [GREEK]


BAD_ROWS = [
    ("email", "nope", "is not an e-mail address"),
    ("phone", "12", "is not a possible phone number"),
    ("vat", "EL094259217", "check digit"),
    ("language", "klingonish", "is not a language"),
    ("country_code", "XX", "is not a country"),
    ("kind", "alien", "person, company"),
    ("stage", "hot", "prospect"),
    ("preferred_channel", "pigeon", "phone"),
    ("owner", "ghost", "crm user list"),
    ("website", "java script", "website"),
    ("delivery_country_code", "Atlantis", "is not a country"),
    ("reference", "x" * 65, "64 characters"),
    ("name", "x" * 10_000, "250 characters"),
]


@pytest.mark.parametrize(("column", "value", "says"), BAD_ROWS, ids=[r[0] for r in BAD_ROWS])
def test_a_wrong_row_is_set_aside_by_line_and_column_and_the_others_go_on(
    desk, column, value, says
):
    header = ["name", *([column] if column != "name" else [])]
    lines = [["Ann", ""], ["Bad", value] if column != "name" else [value], ["Zoe", ""]]
    out = io.StringIO()
    csv.writer(out).writerows([header, *(line[: len(header)] for line in lines)])
    desk.write("people.csv", out.getvalue())
    result = desk("customer", "import", "people.csv", "--json", "--errors", "faults.csv", code=3)
    report = json.loads(result.stdout)["data"]
    assert (report["rows"], report["created"], report["faulty_rows"]) == (3, 2, 1)
    (fault,) = report["faults"]
    assert (fault["line"], fault["column"]) == (3, column)
    assert says in fault["message"]
    assert len(fault["value"]) <= 61
    assert f"line 3, {column}: " in result.stderr
    with (desk.folder / "faults.csv").open(encoding="utf-8", newline="") as handle:
        assert [row["line"] for row in csv.DictReader(handle)] == ["3"]
    assert [c["name"] for c in desk.json("customer", "list")["items"]] == ["Ann", "Zoe"]


def test_a_dry_run_keeps_nothing(desk):
    desk.write("people.csv", "name,email,tags,owner\nAnn,a@x.eu,vip,\nBad,none,,\n")
    before = desk.rows()
    report = desk.json("customer", "import", "people.csv", "--dry-run", code=3)
    assert (report["created"], report["fault_count"]) == (1, 1)
    assert desk.rows() == before


def test_a_circle_of_contacts_is_set_aside(desk):
    desk.write(
        "people.csv",
        "name,reference,kind,company\nAnn,A,person,B\nBob,B,person,A\nSue,S,person,S\n",
    )
    report = desk.json("customer", "import", "people.csv", code=3)
    assert (report["created"], report["related"]) == (3, 1)
    assert [(f["line"], f["column"]) for f in report["faults"]] == [(3, "company"), (4, "company")]
    assert all("circle" in fault["message"] for fault in report["faults"])
    desk.refused("customer", "relate", "B", "contact_of", "A", code=1, says=("Bob", "Ann", "End"))
    desk.refused("customer", "relate", "B", "has contact", "B", code=2, says=("Bob", "itself"))
    desk.refused("customer", "relate", "A", "contact_of", "B", code=1, says=("already",))


LONG = "x" * 10_000
WRONG_WORDS = [
    (("customer", "add", LONG), ("name", "250")),
    (("customer", "add", "Q", "--email", "nope"), ("'nope'", "name@example.com")),
    (("customer", "add", "Q", "--phone", "12"), ("'12'", "+30")),
    (("customer", "add", "Q", "--vat", "EL094259217"), ("vat", "check digit", "Correct it")),
    (("customer", "add", "Q", "--language", "klingonish"), ("language", "el-GR")),
    (("customer", "add", "Q", "--country", "XX"), ("country_code", "GR")),
    (("customer", "add", "Q", "--owner", "ghost"), ("'ghost'", "crm user list")),
    (("customer", "add", "Q", "--tag", "x" * 300), ("tags", "250")),
    (("customer", "add", "Q", "--note", "x" * 10_000_000), ("note", "shorten")),
    (("customer", "add", "a\0b"), ("name", "NUL", "remove")),
    (("customer", "edit", "A", "--vat", "GB000"), ("vat",)),
    (("customer", "edit", "A", "--name", ""), ("name", "empty")),
    (("customer", "edit", "A", "--email", "nope", "--note", "x"), ("'nope'",)),
    (("customer", "edit", "A"), ("Nothing to change", "--help")),
    (("customer", "relate", "C", "contact_of", "A"), ("Acme is a company", "person")),
    (("customer", "relate", "A", "cousin", "C"), ("'cousin'", "contact_of")),
    (("customer", "relate", "A", "contact_of", "C", "--since", "31/3/2026"), ("2026-03-31",)),
    (("customer", "set", "A", "money=12 QQQ"), ("money", "QQQ")),
    (("customer", "set", "A", "money=12"), ("money", "1200.00 EUR")),
    (("customer", "set", "A", "date=31/3/2026"), ("date", "2026-03-31")),
    (("customer", "set", "A", "number=1e999999999"), ("number", "12.5")),
    (("customer", "set", "A", "number=1", "boolean=maybe"), ("boolean", "yes or no")),
    (("customer", "define", "Größe"), ("'Größe'", "lower-case")),
    (("customer", "define", LONG), ("60",)),
    (("customer", "consent", "A", "p", "email", "given", "--evidence", " "), ("evidence",)),
    (("customer", "consent", "A", LONG, "email", "given", "--evidence", "e"), ("purpose", "250")),
    (("customer", "log", "A", LONG), ("subject", "10,000", "250")),
    (("customer", "log", "A", "x", "--body", "y" * 10_000_000), ("body", "100,000")),
    (("customer", "log", "A", "x", "--body", "a\0b"), ("body", "NUL")),
    (("customer", "log", "A", "x", "--channel", "pigeon"), ("'pigeon'", "phone")),
    (("customer", "log", "A", "x", "--at", ""), ("''", "2026-03-31 14:30")),
    (("customer", "log", "A", "x", "--at", "9998-01-01"), ("2026-03-31 14:30",)),
    (("customer", "log", "A", "x", "--at", "2199-01-01"), ("future",)),
    (("customer", "show", "A", "--timeline", "1" + "0" * 30), ("--timeline",)),
    (("customer", "export", "--out", "x.csv", "--kind", "alien"), ("'alien'", "person")),
    (("customer", "export", "--out", "x.doc"), ("'doc'", "csv")),
    (("customer", "list", "--kind", "alien"), ("'alien'", "person")),
    (("customer", "list", "--as", ""), ("--as", "empty")),
    (("customer", "list", "--as", "ghost"), ("'ghost'",)),
    (("customer", "search", "x" * 100_000), ("200",)),
    (("activity", "add", "A", "call", "--due", "tomorrow", "--summary", LONG), ("summary", "250")),
    (("activity", "add", "A", "", "--due", "tomorrow"), ("type", "empty")),
    (("activity", "add", "A", "call", "--due", "tomorrow", "--owner", "ghost"), ("'ghost'",)),
    (("user", "add", "a b"), ("'a b'", "login", "100")),
    (("user", "add", "u\x1b[2J"), ("login", "100")),
    (("user", "add", "u", "--role", "king"), ("'king'", "employee")),
    (("user", "add", "u", "--time-zone", "Mars/Base"), ("time_zone", "Europe/Athens")),
    (("user", "add", "u", "--language", "klingonish"), ("language", "el-GR")),
    (("user", "add", "u", "--email", "nope"), ("email", "'nope'")),
    (("user", "add", "u", "--name", LONG), ("name", "250")),
]


@pytest.mark.parametrize(
    ("words", "says"), WRONG_WORDS, ids=[" ".join(w)[:45] for w, _ in WRONG_WORDS]
)
def test_a_wrong_word_is_refused_by_name(ann, words, says):
    ann.refused(*words, code=2, says=says)
    assert list(ann.folder.glob("x.*")) == []


@pytest.mark.parametrize(
    "moment",
    [
        "31/03/2026", "2026-13-01", "2026-02-30 10:00", "2026-03-31 25:00", "noon", "+2x",
        "+99999w", "0000-00-00", "0001-01-01T00:00+10:00", "9999-12-31 23:59",
        "2026-03-31T10:00+99:00",
    ],
)  # fmt: skip
def test_a_wrong_moment_is_refused_with_an_example(ann, moment):
    for words in (("activity", "add", "A", "call", "--due"), ("customer", "log", "A", "x", "--at")):
        ann.refused(*words, moment, code=2, says=(repr(moment), "2026-03-31 14:30"))


@pytest.mark.parametrize(
    "name",
    ["", " ", "x", "1234567", "12345678", "%", "..", "erp:", "erp:1", ":1", "A'", "zzzzzzzz-zzzz",
     "\x1b[2J", "0" * 32, "0" * 33, "' OR 1=1 --"],
)  # fmt: skip
def test_an_id_of_no_form_finds_nobody(ann, name):
    for words in (("customer", "show"), ("customer", "archive"), ("activity", "done")):
        error = ann.refused(*words, name, code=2, says=("There is no",))
        assert error["code"].endswith("not_found")
        assert "\x1b" not in ann(*words, name, code=2).stderr
    ann.refused("customer", "unrelate", name, code=2)


def test_an_empty_company_or_a_region_of_nowhere_sets_nothing_up(desk):
    url = f"sqlite:///{desk.folder / 'new.sqlite'}"
    for option, value, says in (
        ("--currency", "QQQ", "base_currency"),
        ("--time-zone", "Mars/Base", "time_zone"),
        ("--language", "klingonish", "language"),
        ("--phone-region", "XX", "phone_region"),
        ("--admin", "a b", "login"),
    ):
        words = ("init", "--yes", "--database-url", url, option, value)
        desk.refused(*words, code=2, says=(repr(value), says))
    desk("customer", "list", "--database-url", url, code=1)


def test_names_in_every_script_go_round(desk):
    for name in NAMES:
        desk("customer", "add", "--", name)
    assert {c["name"] for c in desk.json("customer", "list")["items"]} == set(NAMES)
    shown = desk("customer", "list").stdout
    assert all(name in shown for name in NAMES)
    for file in ("out.csv", "out.xlsx"):
        desk("customer", "export", "--out", file)
        report = desk.json("customer", "import", file, "--dry-run", "--match", "email")
        assert report["rows"] == len(NAMES)
    for name in NAMES[:5]:
        assert name in [c["name"] for c in desk.json("customer", "search", name)["items"]]


def test_nothing_in_a_name_steers_the_terminal(desk):
    desk("customer", "add", TYPED, "--reference", "E", "--note", TYPED, "--city", TYPED)
    desk("customer", "log", "E", TYPED, "--body", TYPED)
    desk("activity", "add", "E", "call", "--due", "2026-01-01", "--summary", TYPED)
    desk("customer", "relate", "E", "partner_of", desk.json("customer", "add", TYPED)["id"])
    desk.write("people.csv", f"name,email\n{TYPED},{TYPED}\n".encode())
    for words, code in (
        (("customer", "show", "E"), 0),
        (("customer", "show", "E", "--json"), 0),
        (("customer", "list"), 0),
        (("customer", "list", "--json"), 0),
        (("activity", "list"), 0),
        (("customer", "archive", "E"), 0),
        (("customer", "archive", "E"), 1),
        (("customer", "show", TYPED), 2),
        (("customer", "import", "people.csv"), 3),
        (("customer", "import", "people.csv", "--json"), 3),
    ):
        printed = desk(*words, code=code).output
        assert not set("\x1b\x07\x9b\u202e") & set(printed), words
    assert desk.json("customer", "show", "E")["customer"]["name"] == TYPED


def test_bytes_that_are_no_text_are_refused(desk):
    before = desk.rows()
    done = desk.process("customer", "add", os.fsdecode(b"\xff\xfeAnn"), "--json")
    assert done.returncode == 2
    assert "not UTF-8" in json.loads(done.stdout)["error"]["message"]
    assert desk.rows() == before
