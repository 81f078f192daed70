from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.cli.output import Output, inert, json_text, width

NASTY = "Evil\x1b[2J\x1b]0;owned\x07 \x9b31mCorp\u202egnp.exe\r\n\x00"


def test_text_from_outside_cannot_steer_the_terminal():
    assert inert(NASTY) == "Evil[2J]0;owned 31mCorpgnp.exe "


@given(st.text(), st.booleans())
def test_nothing_live_is_left_in_any_text(text, lines):
    shown = inert(text, lines=lines)
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert lines or "\n" not in shown
    assert inert(shown, lines=lines) == shown


@pytest.mark.parametrize(
    "name", ["Αθήνα", "Łódź", "می‌خواهم", "👩‍👩‍👧 family", "O'Brien [bold]x[/bold]"]
)
def test_names_of_any_script_stay_as_they_are(name):
    assert inert(name) == name


@given(st.dictionaries(st.text(), st.text()))
def test_json_holds_what_it_was_given_and_nothing_live(data):
    text = json_text(data)
    assert json.loads(text) == data
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066" for c in text)


def test_json_tells_keys_times_and_amounts_as_text():
    data = {
        "id": UUID(int=7),
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "on": date(2026, 1, 2),
        "amount": Decimal("12.50"),
        "many": (1, 2),
    }
    assert json.loads(json_text(data)) == {
        "id": "00000000-0000-0000-0000-000000000007",
        "at": "2026-01-02T03:04:05+00:00",
        "on": "2026-01-02",
        "amount": "12.50",
        "many": [1, 2],
    }


def test_columns_stay_aligned_whatever_the_script(capsys):
    Output(as_json=False).table(
        ["Name", "City"], [["日本", "東京"], ["Zoë", None], ["Z\u0308", "x"]]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Name  City", "日本  東京", "Zoë", "Z\u0308     x"]
    assert width("日本") == 4


def test_a_page_is_items_and_a_cursor(capsys):
    items = [{"id": UUID(int=1), "name": "a\x1b", "hidden": 2}]
    Output(as_json=True).page("thing.list/1", items, "next", {"name": "Name"})
    assert json.loads(capsys.readouterr().out) == {
        "schema": "thing.list/1",
        "data": {
            "items": [{"id": str(UUID(int=1)), "name": "a\x1b", "hidden": 2}],
            "next_cursor": "next",
        },
    }
    Output(as_json=False).page("thing.list/1", items, "next", {"name": "Name"})
    shown = capsys.readouterr()
    assert shown.out == "Name\na\n"
    assert "--cursor next" in shown.err


def test_an_empty_list_says_so_beside_the_data(capsys):
    Output(as_json=False).page("thing.list/1", [], None, {"name": "Name"})
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Nothing found" in shown.err


def test_fields_leave_out_what_is_not_given_and_keep_lines(capsys):
    Output(as_json=False).fields(
        [("Name", "A"), ("VAT", None), ("Note", "one\ntwo"), ("Paid", False)]
    )
    assert capsys.readouterr().out == "Name  A\nNote  one\n      two\nPaid  no\n"


def test_progress_away_from_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr("crm_core.cli.output.PLAIN_PROGRESS_SECONDS", 0.0)
    with Output(as_json=False).progress("Importing") as advance:
        advance(5, 10, "customer")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "Importing customer: 5 of 10\n"


class Terminal:
    """Makes standard output look like a terminal."""

    def __init__(self, monkeypatch):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)


def test_a_table_on_a_terminal_shows_markup_as_text(capsys, monkeypatch):
    Terminal(monkeypatch)
    Output(as_json=False).table(["Name"], [["[red]x[/red] :smile:"], ["a\x1b[2Jb"]])
    shown = capsys.readouterr().out
    assert "[red]x[/red] :smile:" in shown
    assert "\x1b[2J" not in shown


def test_no_colour_is_honoured(capsys, monkeypatch):
    Terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    out = Output(as_json=False)
    out.heading("Title")
    out.line("text", "ok", "green")
    assert "\x1b" not in capsys.readouterr().out


def test_progress_on_a_terminal_is_a_bar_with_an_inert_title(capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Output(as_json=False).progress("Syncing [red]main\x1b[2J") as advance:
        advance(5, 10, "customer")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "[red]main" in shown.err
    assert "customer" in shown.err
    assert "5/10" in shown.err
    assert "\x1b[2J" not in shown.err
