"""Writing into a folder: round trips, what stays untouched, what is refused."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_core.errors import FatalSyncError
from crm_core.sync.protocol import Draft, Edit, Probe, WritableBackend
from crm_files.backend import FilesBackend, open_backend
from crm_hooks.contributions import SyncableEntity, SyncField

HEADER = "id,kind,name,reference,vat,parent_ref,tag_refs,email,phone,street,city,country_code\n"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FILLED = TEXT.filter(lambda text: text.strip())
REF = st.none() | st.text("abc123", min_size=1, max_size=4)
POINTS = st.lists(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["email", "phone", "messenger", "website"]), "value": FILLED}
    ),
    max_size=4,
)
ADDRESS = st.none() | st.fixed_dictionaries(
    dict.fromkeys(
        ("street", "street2", "postal_code", "city", "region", "country_code"), st.none() | TEXT
    )
)
CUSTOMER = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["person", "company"]),
        "name": FILLED,
        "reference": st.none() | TEXT,
        "vat": st.none() | TEXT,
        "note": st.none() | TEXT,
        "archived": st.booleans(),
        "owner_ref": REF,
        "tag_refs": st.none() | st.lists(st.text("ab1", min_size=1), max_size=3, unique=True),
        "contact_points": POINTS,
        "address": ADDRESS,
    }
)
LOYALTY = SyncableEntity(
    "loyalty_card",
    "Loyalty card",
    (
        SyncField("number", required=True),
        SyncField("customer_ref", "ref", required=True, entity="customer"),
        SyncField("points", "whole"),
        SyncField("balance", "decimal"),
        SyncField("is_gold", "yes_no"),
        SyncField("since", "date"),
    ),
    read="loyalty:read",
    apply="loyalty:apply",
)


def test_it_is_a_writable_backend(folder):
    backend = FilesBackend(folder)
    assert isinstance(backend, WritableBackend)
    assert backend.writable("tag") == {"name"}
    assert {"name", "contact_points", "address", "tag_refs"} <= backend.writable("customer")
    for entity in ("user", "currency", "product", "order", "invoice", "payment", "unheard_of"):
        assert backend.writable(entity) == frozenset()
    with pytest.raises(FatalSyncError, match=r"products\.csv is only read"):
        backend.create("product", [])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(CUSTOMER, min_size=1, max_size=4), edits=st.lists(CUSTOMER, max_size=2))
def test_what_was_written_is_read_as_it_was_shaped(tmp_path_factory, records, values, edits):
    folder = tmp_path_factory.mktemp("office")
    backend = FilesBackend(folder)
    drafts = [Draft(f"k{n}", f"x.customer_{n}", "X", each) for n, each in enumerate(values)]
    assert [each.remote_id for each in backend.create("customer", drafts)] == [
        draft.external_id for draft in drafts
    ]
    expected = dict(
        zip((d.external_id for d in drafts), backend.shaped("customer", values), strict=True)
    )
    for remote_id, after in zip(expected, edits, strict=False):
        (written,) = backend.update("customer", [Edit(remote_id, "X", after)])
        assert written.remote_id == remote_id
        expected[remote_id] |= backend.shaped("customer", [after])[0]
    found = records(folder)
    for remote_id, told in expected.items():
        assert {name: found[remote_id].values[name] for name in told} == told


@given(value=TEXT)
def test_shaping_is_what_a_reading_tells_and_holds_still(tmp_path_factory, value):
    backend = FilesBackend(tmp_path_factory.mktemp("office"))
    (once,) = backend.shaped("tag", [{"name": value, "unknown": 1}])
    assert once == {"name": value.strip() or None}
    assert backend.shaped("tag", [once]) == [once]


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+30 210",
        "-x",
        "@home",
        "Ζωή O'Brien",
        "هتل‌های کویر",
        "🫒",
        "a\nb",
        "a\r\nb",
        'a"b,c',
    ],
)
def test_cells_are_exact(folder, draft, records, rows, name):
    FilesBackend(folder).create("customer", [draft(1, name=name)])
    (record,) = records(folder).values()
    assert record.values["name"] == name
    assert rows(folder / "customers.csv")[0]["name"] == name


def test_all_else_in_the_file_stays_as_it_is(folder, draft):
    path = folder / "customers.csv"
    lines = [
        "colour,id,name,kind,email\r\n",
        'red,7, "quoted" ,person,\r\n'.replace(' "quoted" ', '"a ""b"""'),
        "\r\n",
        "blue,8,  Spaced  ,company,x@example.com\r\n",
        "green,9,Last,person,",
    ]
    path.write_text("\ufeff" + "".join(lines), encoding="utf-8", newline="")
    path.chmod(0o640)
    backend = FilesBackend(folder)
    backend.update("customer", [Edit("8", "S", {"contact_points": [], "name": "Spaced"})])
    expected = ["\ufeff", *lines[:3], "blue,8,  Spaced  ,company,\r\n", lines[4]]
    assert path.read_bytes().decode() == "".join(expected)
    backend.create("customer", [draft(1)])
    text = path.read_bytes().decode()
    assert text.splitlines()[0] == "\ufeffcolour,id,name,kind,email,external_id"
    assert text.splitlines()[4] == "green,9,Last,person,,"
    assert text.splitlines()[5] == ",crm_x.customer_0001,Person 1,person,,crm_x.customer_0001"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_holds_what_it_has_columns_for(folder, draft, rows):
    (folder / "customers.csv").write_text("id,kind,name,email\n", encoding="utf-8")
    backend = FilesBackend(folder)
    assert backend.writable("customer") == {"kind", "name", "contact_points"}
    values = {
        "name": "A",
        "note": "n",
        "address": {"city": "X"},
        "contact_points": [
            {"kind": "email", "value": "a@example.com"},
            {"kind": "email", "value": "b@example.com"},
            {"kind": "phone", "value": "1"},
        ],
    }
    (shaped,) = backend.shaped("customer", [values])
    assert shaped == {"name": "A", "contact_points": [values["contact_points"][0]]}
    backend.create("customer", [draft(1, **values)])
    (row,) = rows(folder / "customers.csv")
    assert (row["email"], set(row)) == (
        "a@example.com",
        {"id", "kind", "name", "email", "external_id"},
    )


def test_one_rewrite_a_batch(folder, draft, monkeypatch):
    backend = FilesBackend(folder)
    written = []
    original = type(backend._files)._replaced
    monkeypatch.setattr(
        type(backend._files),
        "_replaced",
        lambda self, file, *rest: written.append(file) or original(self, file, *rest),
    )
    backend.create("customer", [draft(number) for number in range(200)])
    assert written == ["customers.csv", "manifest.json"]
    backend.update(
        "customer", [Edit(f"crm_x.customer_{n:04x}", "", {"name": "N"}) for n in range(9)]
    )
    assert written == ["customers.csv", "manifest.json", "customers.csv"]


def test_creating_again_makes_nothing_twice(folder, draft, rows):
    """A lost reply: the same call once more, by a new connection, whatever was done meanwhile."""
    path = folder / "customers.csv"
    FilesBackend(folder).create("customer", [draft(1), draft(2)])
    before = path.stat()
    again = FilesBackend(folder).create("customer", [draft(1), draft(2)])
    assert [each.remote_id for each in again] == ["crm_x.customer_0001", "crm_x.customer_0002"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    changed = rows(path)
    changed[0]["id"] = "4711"  # the other side gave it an id of its own …
    changed[1]["external_id"] = ""  # … and lost what it does not know
    _write(path, changed)
    answers = FilesBackend(folder).create("customer", [draft(1, name="New"), draft(2), draft(3)])
    assert [each.remote_id for each in answers] == [
        "4711",
        "crm_x.customer_0002",
        "crm_x.customer_0003",
    ]
    assert [row["name"] for row in rows(path)] == ["New", "Person 2", "Person 3"]


def _write(path, rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def test_one_refusal_keeps_no_other_from_being_written(folder, draft, rows):
    backend = FilesBackend(folder)
    bad = [
        draft(1, name=None),
        draft(2, name="x" * 1_000_001),
        draft(3, name="\ud800"),
        draft(4, kind="robot"),
    ]
    answers = backend.create("customer", [*bad, draft(5)])
    assert [each.code for each in answers] == [
        "files.incomplete",
        "files.too_long",
        "files.bad_value",
        "files.bad_value",
        "",
    ]
    assert all(each.remote_id is None and each.reason for each in answers[:4])
    assert [row["name"] for row in rows(folder / "customers.csv")] == ["Person 5"]


def test_a_vanished_row_is_gone_and_stays_gone(folder, draft, rows):
    backend = FilesBackend(folder)
    backend.create("customer", [draft(1)])
    gone, done = backend.update(
        "customer",
        [Edit("99", "Nobody", {"name": "X"}), Edit("crm_x.customer_0001", "P", {"name": "Y"})],
    )
    assert (gone.key, gone.remote_id, gone.code) == ("99", None, "core.sync.gone")
    assert done.remote_id == "crm_x.customer_0001"
    assert [row["name"] for row in rows(folder / "customers.csv")] == ["Y"]
    (refused,) = backend.update("customer", [Edit("crm_x.customer_0001", "P", {"name": None})])
    assert refused.code == "files.incomplete"


def test_a_circle_is_not_written_and_not_read(folder, draft, records):
    backend = FilesBackend(folder)
    one, two = (f"crm_x.customer_{n:04x}" for n in (1, 2))
    answers = backend.create("customer", [draft(1, parent_ref=two), draft(2, parent_ref=one)])
    assert [each.code for each in answers] == ["", "files.circle"]
    backend.create("customer", [draft(2)])
    (refused,) = backend.update("customer", [Edit(two, "P", {"parent_ref": one})])
    assert refused.code == "files.circle"
    text = HEADER + "1,person,A,,,2,,,,,,\n2,person,B,,,1,,,,,,\n3,person,C,,,3,,,,,,\n"
    (folder / "customers.csv").write_text(text + "4,person,D,,,1,,,,,,\n", encoding="utf-8")
    assert set(records(folder)) == {"4"}
    pages = list(FilesBackend(folder).pages("customer", since=None, after=None, size=2))
    faults = {fault.remote_id: fault for page in pages for fault in page.faults}
    assert set(faults) == {"1", "2", "3"}
    assert {fault.code for fault in faults.values()} == {"files.circle"}
    assert "leads back to 1 itself" in faults["1"].reason


def test_an_address_may_not_close_a_circle(folder):
    (folder / "customers.csv").write_text(HEADER + "1,person,A,,,a,,,,,,\n", encoding="utf-8")
    (folder / "addresses.csv").write_text("id,parent_ref,use\na,1,other\n", encoding="utf-8")
    for entity, key in (("customer", "1"), ("address", "a")):
        (page,) = FilesBackend(folder).pages(entity, since=None, after=None, size=9)
        assert [(fault.remote_id, fault.code) for fault in page.faults] == [(key, "files.circle")]


def test_an_id_that_stands_twice_names_no_row(folder):
    lines = [f"{number},person,P{number},,,,,,,,,\n" for number in (1, 2, 3, 1)]
    (folder / "customers.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    backend = FilesBackend(folder)
    pages = list(backend.pages("customer", since=None, after=None, size=2))
    assert [r.remote_id for page in pages for r in page.records] == ["2", "3"]
    faults = [fault for page in pages for fault in page.faults]
    assert {(fault.remote_id, fault.code) for fault in faults} == {("1", "files.twice")}
    assert "the id 1 stands there more than once" in faults[0].reason
    assert backend.read("customer", ["1"]).faults[0].code == "files.twice"
    (refused,) = backend.update("customer", [Edit("1", "P1", {"name": "X"})])
    assert refused.code == "files.twice"


def test_finding(folder, draft):
    rows = (
        "1,company,Acme,R-1,EL 094014201,,,info@acme.example,,,,GR\n"
        "2,person,Ann,R-2,,,,Info@Acme.example,,,,\n"
        "3,company,Twin,R-3,,,,info@acme.example,,,,\n"
        "crm_x.customer_0009,person,Ours,,,,,,,,,\n"
    )
    (folder / "customers.csv").write_text(HEADER + rows, encoding="utf-8")
    (folder / "tags.csv").write_text("id,name\nt1,Hotel\n", encoding="utf-8")
    backend = FilesBackend(folder)

    def found(entity="customer", external_id="x", **values):
        calls = backend.calls
        matches = backend.find(entity, [Probe("k", external_id, values)])
        assert backend.calls == calls + 1
        return [(match.remote_id, match.by) for match in matches.get("k", ())]

    mail = [{"kind": "email", "value": "INFO@acme.example"}]
    gr = {"country_code": "GR"}
    assert found(kind="company", vat="094014201", address=gr, reference="R-2") == [("1", "vat")]
    assert found(kind="company", reference="R-2", contact_points=mail) == [("2", "reference")]
    assert found(kind="company", contact_points=mail) == [("1", "email"), ("3", "email")]
    assert found(kind="person", contact_points=mail) == [("2", "email")]
    assert found(external_id="crm_x.customer_0009", reference="R-1") == [
        ("crm_x.customer_0009", "external_id")
    ]
    assert found(kind="person", reference="r-2") == []
    assert found("tag", name=" Hotel ") == [("t1", "name")]
    assert found("tag", name="hotel") == []


def test_nothing_is_found_where_there_is_no_file_yet(folder):
    assert FilesBackend(folder).find("customer", [Probe("k", "x", {"name": "A"})]) == {}


def test_a_plugins_entity_has_a_file_of_its_own(folder, rows):
    backend = open_backend({"path": str(folder)}, None, (LOYALTY,))
    values = {
        "number": "N-1",
        "customer_ref": "c1",
        "points": 12,
        "balance": "12.50",
        "is_gold": False,
        "since": date(2026, 3, 31).isoformat(),
    }
    assert backend.writable("loyalty_card") == set(values)
    (written,) = backend.create("loyalty_card", [Draft("k", "x.loyalty_card_1", "N-1", values)])
    assert written.remote_id == "x.loyalty_card_1"
    (page,) = backend.pages("loyalty_card", since=None, after=None, size=5)
    assert dict(page.records[0].values) == values
    assert page.records[0].label == "N-1"
    assert rows(folder / "loyalty_card.csv")[0]["is_gold"] == "no"
    assert [entity.name for entity in backend.entities()] == ["loyalty_card"]
    assert backend.read("loyalty_card", ["nobody"]).records == []


def test_the_first_write_makes_the_manifest(folder, draft):
    (folder / "tags.csv").write_text("id,name,colour\n1,A,red\n", encoding="utf-8")
    backend = open_backend({"path": str(folder)}, None)
    assert not (folder / "manifest.json").exists()
    backend.create("customer", [draft(1)])
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["format"], manifest["version"]) == ("crm-files", 1)
    assert manifest["entities"]["tag"] == {
        "file": "tags.csv",
        "key": "id",
        "columns": ["id", "name", "colour"],
    }
    assert manifest["entities"]["customer"]["columns"][-1] == "external_id"
    manifest["theirs"] = {"kept": True}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    backend.create("tag", [Draft("k", "x.tag_1", "B", {"name": "B"})])
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["theirs"] == {"kept": True}
    assert manifest["entities"]["tag"]["columns"] == ["id", "name", "colour", "external_id"]


def test_a_manifest_names_files_and_keys(folder, records):
    entities = {"customer": {"file": "kunden.csv", "key": "nummer"}}
    manifest = {"format": "crm-files", "version": 1, "entities": entities}
    (folder / "kunden.csv").write_text("nummer,kind,name\n7,person,A\n", encoding="utf-8")
    before = FilesBackend(folder).entities()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert before == []
    assert list(records(folder)) == ["7"]
    (entity,) = FilesBackend(folder).entities()
    (folder / "kunden.csv").write_text("nummer,kind,name,note\n7,person,A,\n", encoding="utf-8")
    (changed,) = FilesBackend(folder).entities()
    assert changed.mapping_digest != entity.mapping_digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"format": "crm-files", "version": 2}', "format version 2; this product knows up to 1"),
        ('{"format": "other", "version": 1}', "no manifest of this kind"),
        ('{"format": "crm-files"}', "whole number"),
        ("{", "cannot be read"),
        (
            '{"format":"crm-files","version":1,"entities":{"tag":{"file":"../x.csv"}}}',
            "without folders",
        ),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(folder, content, says):
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(FatalSyncError, match=says):
        open_backend({"path": str(folder)}, None)
