"""A plan's file: what a person may change in it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import ConfigurationError, InputError
from crm_core.services.table_files import read_table
from crm_core.sync.planning.files import COLUMNS, read_plan, write_plan
from crm_core.sync.planning.plan import Decision, Plan, PlanHead, PlanRow, Side, settle

HEAD = PlanHead("main", str(uuid4()), "0123456789abcdef", "2026-01-01T00:00:00+00:00", 0)


def row(
    decision: str, *, side: Side = Side.BOTH, name: str = "Α’", remote_id: str = "7"
) -> PlanRow:
    ours = {"local_id": uuid4(), "local_name": name, "local_state": "aa"}
    theirs = {"remote_id": remote_id, "remote_name": f"{name} there", "remote_state": "bb"}
    held = {Side.HERE: ours, Side.THERE: theirs}.get(side, {**ours, **theirs})
    return PlanRow("customer", side, Decision(decision), **held)  # type: ignore[arg-type]


def plan_of(*rows: PlanRow) -> Plan:
    return Plan(
        PlanHead(HEAD.backend, HEAD.backend_id, HEAD.database, HEAD.made_at, len(rows)), [*rows]
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.xlsx"


@given(st.lists(st.tuples(st.sampled_from(Decision), st.sampled_from(Side), st.text(max_size=20))))
def test_what_is_written_is_read_again(tmp_path_factory, drawn):
    rows = [
        row(decision, side=side, name=name, remote_id=str(number))
        for number, (decision, side, name) in enumerate(drawn)
    ]
    folder = tmp_path_factory.mktemp("plans")
    for name in ("plan.xlsx", "plan.json"):
        plan = plan_of(*rows)
        write_plan(plan, folder / name)
        head, found, _ = read_plan(folder / name)
        assert head == plan.head
        assert [(r.side, r.decision, r.local_id, r.remote_id) for r in found] == [
            (r.side, r.decision, r.local_id, r.remote_id) for r in rows
        ]


def test_text_from_outside_is_inert_and_stays_readable(path):
    names = ["=1+1", "@SUM(A1)", "+30", "O’Neil & <Sons>", "\x1b[2Jعلی‌اکبر\u202e", "ΑΒΓ" * 400]
    write_plan(plan_of(*(row("link", name=name) for name in names)), path)
    lines = [cells for _, cells in read_table(path)]
    column = lines[0].index("our name")
    assert [cells[column] for cells in lines[1:5]] == names[:4]
    assert lines[5][column] == " [2Jعلی‌اکبر "
    assert len(lines[6][column]) <= 500


def edited(path, sides_line, **cells):
    """Change cells of one line of the file."""
    from rustpy_xlsxwriter import write_worksheet

    lines = [each for _, each in read_table(path)]
    rows = [dict(zip(lines[0], [*each, *[""] * len(COLUMNS)], strict=False)) for each in lines[1:]]
    rows[sides_line - 2].update(cells)
    with path.open("wb") as stream:
        write_worksheet(rows, stream)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"decision": "merge"}, "decision"),
        ({"side": "left"}, "side"),
        ({"our id": "no id"}, "our id"),
        ({"their id": "8"}, "check"),
        ({"our state": "cc"}, "check"),
        ({"plan": "of mine"}, "plan"),
        ({"plan": HEAD.mark.replace("main", "other")}, "plan"),
        ({"check": ""}, "check"),
    ],
)
def test_a_file_in_which_more_than_decisions_changed_is_refused_with_its_place(path, cells, column):
    write_plan(plan_of(row("link"), row("create", side=Side.HERE)), path)
    edited(path, 3, **cells)
    with pytest.raises(InputError) as caught:
        read_plan(path)
    assert caught.value.code == "core.sync.plan_file"
    assert caught.value.details == {"line": 3, "column": column}


def test_decisions_may_be_written_loosely(path):
    write_plan(plan_of(row("link"), row("link", remote_id="8")), path)
    edited(path, 2, decision=" Create ")
    edited(path, 3, decision="")
    _, rows, _ = read_plan(path)
    assert [each.decision for each in rows] == [Decision.CREATE, Decision.OPEN]


def test_a_row_that_was_taken_out_is_missed(path):
    plan = plan_of(row("link"), row("link", remote_id="8"))
    write_plan(Plan(plan.head, plan.rows[:1]), path)
    with pytest.raises(InputError, match="2 rows and the file 1"):
        read_plan(path)


@pytest.mark.parametrize("name", ["plan.xlsx", "plan.json"])
def test_a_row_that_stands_twice_does_not_hide_one_that_was_taken_out(tmp_path, name):
    one, other = row("create"), row("create", remote_id="8")
    plan = plan_of(one, row("create", remote_id="9"), other)
    double = replace(one, decision=Decision.IGNORE)
    write_plan(Plan(plan.head, [one, other, double]), tmp_path / name)
    line = 4 if name == "plan.xlsx" else 3
    with pytest.raises(InputError, match=rf"line {line}, .* line {line - 2} once more"):
        read_plan(tmp_path / name)


def test_two_links_of_one_record_are_refused_with_both_lines(path):
    write_plan(plan_of(row("link"), row("create", remote_id="8"), row("link")), path)
    _, rows, line_of = read_plan(path)
    with pytest.raises(InputError, match=r"line 4, column decision: .* in line 2"):
        settle(rows, line_of)


def test_a_link_needs_both(path):
    write_plan(plan_of(row("link", side=Side.THERE)), path)
    _, rows, line_of = read_plan(path)
    with pytest.raises(InputError, match="line 2, column decision"):
        settle(rows, line_of)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"no json", b'{"schema": "x", "head": {}, "rows": []}']
)
def test_what_is_no_plan_is_refused(tmp_path, content):
    for name in ("plan.json", "plan.xlsx", "plan.txt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read_plan(tmp_path / name)
    with pytest.raises(InputError):
        read_plan(tmp_path / "absent.json")


def test_json_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "plan.json"
    write_plan(plan_of(row("link")), path)
    told = json.loads(path.read_text(encoding="utf-8"))
    told["rows"][0]["remote_id"] = "9"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match="line 1, column check"):
        read_plan(path)
    del told["rows"][0]["check"]
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match="line 1, column rows"):
        read_plan(path)


@pytest.mark.parametrize("wrong", [5, 1.5, True, [], {}])
@pytest.mark.parametrize(
    "field", ["remote_id", "local_id", "local_state", "local_name", "reason", "entity", "side"]
)
def test_json_of_which_a_value_is_no_text_is_refused_with_its_line(tmp_path, field, wrong):
    path = tmp_path / "plan.json"
    write_plan(plan_of(row("link"), row("link", remote_id="8")), path)
    told = json.loads(path.read_text(encoding="utf-8"))
    told["rows"][1][field] = wrong
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match="line 2, column"):
        read_plan(path)


@pytest.mark.parametrize("head", [{"backend_id": 7}, {"rows": "1"}, {"made_at": None}, {"x": 1}])
def test_json_whose_head_is_no_plans_is_refused(tmp_path, head):
    path = tmp_path / "plan.json"
    write_plan(plan_of(row("link")), path)
    told = json.loads(path.read_text(encoding="utf-8"))
    told["head"].update(head)
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match="is no plan"):
        read_plan(path)


def test_a_plan_goes_only_where_it_can_be_written(tmp_path):
    with pytest.raises(InputError):
        write_plan(plan_of(row("link")), tmp_path / "plan.csv")
    with pytest.raises(ConfigurationError):
        write_plan(plan_of(row("link")), tmp_path / "no" / "plan.xlsx")


def test_an_open_row_keeps_its_records_undecided_but_for_a_link():
    one, other = row("link"), row("")
    other.local_id = one.local_id
    other.remote_id = "8"
    settled = settle([one, other])
    assert settled.links == [one]
    assert {key for _, key in settled.undecided} == {"8"}
    ignored, made = row("ignore"), row("create")
    made.local_id = ignored.local_id
    made.remote_id = "9"
    settled = settle([ignored, made])
    assert {key for _, key in settled.ignored} == {str(ignored.local_id), "7"}
    assert (settled.makes, settled.takes) == ([], [made])
